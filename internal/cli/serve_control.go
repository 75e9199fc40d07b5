package cli

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/cron"
	"flow/internal/schedule"
	"flow/internal/store"
	"flow/internal/web"
)

// Workflows implements web.Catalog.
func (s *service) Workflows() []web.Workflow {
	files := s.files.Load()
	if files == nil {
		return nil
	}
	now := time.Now()
	all := make([]web.Workflow, 0, len(*files))
	for _, f := range *files {
		w := web.Workflow{Name: f.Name(), File: f.Path, Plan: f.Plan, Broken: f.Broken, Source: f.Source}
		if f.Plan != nil {
			w.Schedules = schedulesOf(f.Plan.Workflow, now)
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b web.Workflow) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// schedulesOf are the schedules of a workflow, with their next times.
func schedulesOf(w *dag.Workflow, now time.Time) []web.Schedule {
	var all []web.Schedule
	for i := range w.Schedules {
		d := &w.Schedules[i]
		one := web.Schedule{
			Workflow: w.Name, Cron: d.Cron, Timezone: cmp.Or(d.Timezone, "UTC"), Overlap: d.Overlap, Catchup: d.Catchup,
			Index: i, Enabled: d.Enabled,
		}
		if s, err := cron.Parse(d.Cron, d.Timezone, d.Start); err == nil && d.Enabled {
			if t, ok := firing(s, d, now); ok {
				one.Next, one.Shifted = t.At, t.Shifted
			}
		}
		all = append(all, one)
	}
	return all
}

// workflow returns the file of the workflow of that name that is in force; nil: there is none.
func (s *service) workflow(name string) *schedule.File {
	files := s.files.Load()
	if files == nil {
		return nil
	}
	for _, f := range *files {
		if f.Plan != nil && f.Plan.Workflow.Name == name {
			return f
		}
	}
	return nil
}

// Ready implements web.Health.
func (s *service) Ready() error { return s.sched.Ready() }

// Leader implements web.Health.
func (s *service) Leader() bool { return s.leads.Load() }

// Start implements web.Control.
func (s *service) Start(ctx context.Context, name string, o web.StartOptions) (string, error) {
	f := s.workflow(name)
	if f == nil {
		return "", fmt.Errorf("workflow %s: %w", name, web.ErrNotFound)
	}
	start, err := engine.NewStart(f.Plan, engine.Options{Params: o.Params, Only: o.Only}, time.Now())
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	if len(o.From) > 0 {
		if _, err := engine.NewEarlier(s.home, f.Plan, o.From, start.Params); err != nil {
			return "", &web.InputError{Err: err}
		}
	}
	order, err := orderOf(o)
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	return s.fire(ctx, schedule.KeyOfPeople(name), o.Key, order)
}

// fire starts a run that somebody asks for. With a key, what was asked for with the same
// one is what is meant.
func (s *service) fire(ctx context.Context, cause, key string, order schedule.Order) (string, error) {
	id := engine.NewID()
	sight := schedule.Sight{Key: cause, At: time.Now(), What: id, Run: id, Order: order}
	if key != "" {
		sight.What = "key " + key
	}
	begun := s.runner.expect(id)
	defer s.runner.expected(id)
	runs, err := s.sched.Saw(ctx, []schedule.Sight{sight}, nil)
	if errors.Is(err, schedule.ErrStopped) {
		return "", fmt.Errorf("%w: %w", web.ErrConflict, err)
	}
	if errors.As(err, new(*schedule.GoneError)) {
		return "", fmt.Errorf("%w: %w", web.ErrNotFound, err)
	}
	if err != nil {
		return "", err
	}
	if runs[0] != id {
		return runs[0], s.same(runs[0], &order)
	}
	return id, s.begins(ctx, begun)
}

// begins waits for a moment until a run has begun, or was refused. One that waits for its
// turn begins later.
func (s *service) begins(ctx context.Context, begun <-chan error) error {
	select {
	case err := <-begun:
		if err != nil {
			return fmt.Errorf("%w: %w", web.ErrConflict, err)
		}
	case <-time.After(patienceToBegin):
	case <-ctx.Done():
	}
	return nil
}

// same tells what has become of a run that was asked for before with the same key, where
// that is not what is asked for now.
func (s *service) same(id string, order *schedule.Order) error {
	rows, err := s.home.Ledger(store.LedgerFilter{Run: id, Limit: 1})
	if err != nil || len(rows) == 0 {
		return err
	}
	r := &rows[0]
	if r.Fate == schedule.Failed || r.Fate == schedule.Skipped {
		return fmt.Errorf("%w: asked for before with this key, and %s: %s", web.ErrConflict, r.Fate, r.Note)
	}
	if text, err := json.Marshal(order); err != nil || string(text) != r.Params {
		return fmt.Errorf("%w: this key was used before, for another request: run %s", web.ErrConflict, id)
	}
	return nil
}

// patienceToBegin is how long who asks for a run waits for its beginning.
const patienceToBegin = 2 * time.Second

// Cancel implements web.Control.
func (s *service) Cancel(_ context.Context, id string) error {
	if run := s.runner.find(id); run != nil {
		run.Cancel()
		return nil
	}
	if s.runner.withdraw(id) {
		return nil
	}
	rec, err := s.home.Get(id)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if !rec.Ended.IsZero() {
		return fmt.Errorf("%w: run %s has ended: %s", web.ErrConflict, id, rec.Status)
	}
	return s.home.WishCancel(id, false) // of one that is interrupted: it is gone on with, and ends in order
}

// Retry implements web.Control.
func (s *service) Retry(ctx context.Context, id string, o web.RetryOptions) (string, error) {
	rec, err := s.home.Get(id)
	if err != nil {
		return "", fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if rec.Ended.IsZero() {
		return "", fmt.Errorf("%w: run %s has not ended", web.ErrConflict, id)
	}
	if s.workflow(rec.Workflow) == nil {
		return "", fmt.Errorf("%w: workflow %s is no longer in the folder; flow retry %s runs it without the service", web.ErrConflict, rec.Workflow, id)
	}
	if err := engine.CheckRetry(s.home, &rec, engine.Again{Tasks: o.Tasks, Downstream: o.Downstream}); err != nil {
		return "", &web.InputError{Err: err}
	}
	return s.fire(ctx, schedule.KeyOfPeople(rec.Workflow), "", schedule.Order{Retry: id, Tasks: o.Tasks, Downstream: o.Downstream})
}

// Resume implements web.Control.
func (s *service) Resume(ctx context.Context, id string) error {
	rec, err := s.home.Get(id)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if !rec.Ended.IsZero() {
		return fmt.Errorf("%w: run %s has ended: %s", web.ErrConflict, id, rec.Status)
	}
	if _, owned := s.home.Owner(id); owned {
		return fmt.Errorf("%w: run %s is running", web.ErrConflict, id)
	}
	begun := s.runner.expect(id)
	defer s.runner.expected(id)
	s.runner.resume(&rec)
	return s.begins(ctx, begun)
}

// Hook implements web.Control.
func (s *service) Hook(ctx context.Context, path string, h http.Header, body []byte) (string, error) {
	path = strings.Trim(path, "/")
	files := s.files.Load()
	if files == nil {
		return "", web.ErrNotFound
	}
	for _, f := range *files {
		if f.Plan == nil {
			continue
		}
		w := f.Plan.Workflow
		for i := range w.Triggers {
			if t := &w.Triggers[i]; t.Webhook != "" && t.Webhook == path {
				return s.hooked(ctx, w, t, h, body)
			}
		}
	}
	return "", fmt.Errorf("webhook %s: %w", path, web.ErrNotFound)
}

// hooked starts the run that a request asks for.
func (s *service) hooked(ctx context.Context, w *dag.Workflow, t *dag.Trigger, h http.Header, body []byte) (string, error) {
	if t.Secret != "" {
		secret, err := s.secrets.get(ctx, s.runner.engine, w, t.Secret)
		if err != nil {
			return "", err
		}
		if err := signed(secret, h, body, time.Now()); err != nil {
			return "", fmt.Errorf("%w: %w", web.ErrForbidden, err)
		}
	}
	params, err := hookParams(w, body)
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	f := s.workflow(w.Name)
	if f == nil {
		return "", web.ErrNotFound
	}
	if _, err := engine.NewStart(f.Plan, engine.Options{Params: params}, time.Now()); err != nil {
		return "", &web.InputError{Err: err}
	}
	order, err := orderOf(web.StartOptions{Params: params})
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	run, err := s.fire(ctx, schedule.KeyOfTrigger(w, t), delivery(h), order)
	if errors.Is(err, web.ErrConflict) { // why is for people who may look, not for who calls
		return "", fmt.Errorf("%w: no run was started", web.ErrConflict)
	}
	return run, err
}

// delivery is what a sender calls a request; it sends the same once more where it doubts
// that it has arrived. "": it has no name.
func delivery(h http.Header) string {
	for _, name := range []string{"Webhook-Id", "X-Github-Delivery", "X-Gitea-Delivery", "Idempotency-Key"} {
		if id := h.Get(name); len(id) > 200 {
			sum := sha256.Sum256([]byte(id))
			return hex.EncodeToString(sum[:])
		} else if id != "" {
			return id
		}
	}
	return ""
}

// hookParams are the fields of a request's body, a JSON object, that are params of the
// workflow.
func hookParams(w *dag.Workflow, body []byte) (map[string]any, error) {
	if len(body) == 0 || len(w.Params) == 0 {
		return nil, nil
	}
	v, err := dag.DecodeJSON(body)
	if err != nil {
		return nil, fmt.Errorf("the body is no JSON: %w", err)
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the body is no JSON object")
	}
	params := make(map[string]any)
	for i := range w.Params {
		if v, ok := fields[w.Params[i].Name]; ok {
			params[w.Params[i].Name] = v
		}
	}
	return params, nil
}

// tolerance is how old a signed time may be, or how far ahead.
const tolerance = 5 * time.Minute

// signed checks the signature of a request: that of GitHub and Gitea (X-Hub-Signature-256),
// or that of Standard Webhooks (webhook-signature), which has a time in it, so that it
// can't be sent again later.
func signed(secret string, h http.Header, body []byte, now time.Time) error {
	if given := h.Get("Webhook-Signature"); given != "" {
		return signedWithTime(secret, given, h, body, now)
	}
	given, ok := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	if !ok {
		return errors.New("the request is not signed: X-Hub-Signature-256: sha256=… is the HMAC of its body")
	}
	sum, err := hex.DecodeString(given)
	if err != nil || !hmac.Equal(sum, mac([]byte(secret), body)) {
		return errors.New("the signature is wrong")
	}
	return nil
}

func signedWithTime(secret, given string, h http.Header, body []byte, now time.Time) error {
	id, at := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return errors.New("webhook-id and webhook-timestamp go with webhook-signature")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return errors.New("the signature is too old, or from the future")
	}
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = raw
		}
	}
	want := mac(key, []byte(id+"."+at+"."), body)
	for one := range strings.FieldsSeq(given) {
		text, ok := strings.CutPrefix(one, "v1,")
		sum, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && hmac.Equal(sum, want) {
			return nil
		}
	}
	return errors.New("the signature is wrong")
}

// mac is an HMAC with SHA-256.
func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		_, _ = m.Write(p) // never fails
	}
	return m.Sum(nil)
}

// hookSecrets are the secrets of webhooks. They are read at most once a minute, since
// whoever reaches the address can make them be asked for.
type hookSecrets struct {
	mu    sync.Mutex
	known map[string]*hookSecret
}

type hookSecret struct {
	mu    sync.Mutex // held while it is read
	value string
	err   error
	until time.Time // it is good
}

func (s *hookSecrets) get(ctx context.Context, e *engine.Engine, w *dag.Workflow, name string) (string, error) {
	s.mu.Lock()
	if s.known == nil {
		s.known = make(map[string]*hookSecret)
	}
	key := w.Name + "/" + name
	one := s.known[key]
	if one == nil {
		one = new(hookSecret)
		s.known[key] = one
	}
	s.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if time.Now().Before(one.until) {
		return one.value, one.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // whoever asks may hang up
	defer cancel()
	one.value, one.err = e.Secret(ctx, w, name)
	if one.until = time.Now().Add(time.Minute); one.err != nil {
		one.until = time.Now().Add(time.Second)
	}
	return one.value, one.err
}
