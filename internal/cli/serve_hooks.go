package cli

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/schedule"
	"flow/internal/web"
)

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
				run, err := s.hooked(ctx, f.Plan, t, h, body)
				if err != nil {
					s.hookLog(path, err)
				}
				return run, err
			}
		}
	}
	err := fmt.Errorf("webhook %.100s: %w", path, web.ErrNotFound)
	s.hookLog(path[:min(len(path), 100)], err)
	return "", err
}

// hookLog tells what became of a request that started nothing: who sent it asks later. It
// writes a line a second at most.
func (s *service) hookLog(path string, err error) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	if now := time.Now(); now.Sub(s.hooks.told) >= time.Second {
		s.hooks.told = now
		s.log.Warn("a request to a webhook started nothing", "webhook", path, "error", err)
	}
}

// hooked starts the run that a request asks for.
func (s *service) hooked(ctx context.Context, plan *dag.Plan, t *dag.Trigger, h http.Header, body []byte) (string, error) {
	w := plan.Workflow
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
	if _, err := engine.NewStart(plan, engine.Options{Params: params}, time.Now()); err != nil {
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
		return nil, errors.New("the body is no JSON")
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
