package web_test

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/cli"
	"flow/internal/run"
	"flow/internal/store"
	"flow/internal/web"
)

// world is a site with a home and an engine behind it: runs are real ones.
type world struct {
	t    testing.TB
	home *engine.Home
	eng  *engine.Engine
	url  string
	site http.Handler

	mu      sync.Mutex
	flows   []web.Workflow
	fates   []web.Fate
	runs    map[string]*engine.Run
	keys    map[string]string
	unready error
	hooks   []string
	queue   bool // runs that are started wait for their turn
}

// newWorld makes a site. What options are nil or zero is the world's own.
func newWorld(t testing.TB, o web.Options) *world {
	t.Helper()
	home, err := engine.OpenHome(t.TempDir(), "off")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, home: home, eng: engine.New(engine.History(home)), runs: make(map[string]*engine.Run), keys: make(map[string]string)}
	if o.Runs == nil {
		o.Runs = cli.NewSiteRuns(home)
	}
	o.Catalog, o.Control, o.Ledger, o.Health = w, w, w, w
	o.Version = "test"
	if o.Poll == 0 {
		o.Poll = 20 * time.Millisecond
	}
	w.site, err = web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = web.Server(w.site)
	srv.Start()
	w.url = srv.URL
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		w.mu.Lock()
		for _, r := range w.runs {
			r.Kill()
		}
		w.mu.Unlock()
		if err := errors.Join(w.eng.Close(), home.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// add puts a workflow into the catalog. A text that is not valid makes one that is broken.
func (w *world) add(name, text string) *dag.Plan {
	w.t.Helper()
	dir := w.t.TempDir()
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	flow, found := dag.Parse(file, []byte(text))
	one := web.Workflow{Name: name, File: file, Source: []byte(text)}
	if flow == nil {
		one.Broken = found
	} else {
		plan, err := dag.NewPlan(flow)
		if err != nil {
			w.t.Fatal(err)
		}
		one.Plan = plan
		for k, s := range flow.Schedules {
			one.Schedules = append(one.Schedules, web.Schedule{Workflow: name, Index: k, Cron: s.Cron, Timezone: s.Timezone, Overlap: s.Overlap, Catchup: s.Catchup, Enabled: s.Enabled, Next: time.Now().Add(time.Duration(k+1) * 77 * time.Minute).Truncate(time.Minute)})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flows = append(w.flows, one)
	slices.SortFunc(w.flows, func(a, b web.Workflow) int { return strings.Compare(a.Name, b.Name) })
	return one.Plan
}

func (w *world) Workflows() []web.Workflow {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.flows)
}

func (w *world) Start(ctx context.Context, name string, o web.StartOptions) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.keys[o.Key]; o.Key != "" && id != "" {
		return id, nil
	}
	k := slices.IndexFunc(w.flows, func(f web.Workflow) bool { return f.Name == name })
	if k < 0 {
		return "", fmt.Errorf("there is no workflow %s: %w", name, web.ErrNotFound)
	}
	if w.queue {
		return engine.NewID(), nil
	}
	if w.flows[k].Plan == nil {
		return "", &web.InputError{Message: "its file is not valid", Diagnostics: w.flows[k].Broken}
	}
	r, err := w.eng.Start(w.flows[k].Plan, engine.Options{Params: o.Params, Only: o.Only, From: o.From, Context: ctx})
	if err != nil {
		return "", &web.InputError{Message: "the run can't begin", Err: err}
	}
	w.runs[r.ID] = r
	if o.Key != "" {
		w.keys[o.Key] = r.ID
	}
	return r.ID, nil
}

func (w *world) Cancel(_ context.Context, id string) error {
	asked, err := w.home.RequestCancel(id)
	if err == nil && !asked {
		err = fmt.Errorf("nobody runs it: %w", web.ErrConflict)
	}
	return err
}

func (w *world) Retry(ctx context.Context, id string, o web.RetryOptions) (string, error) {
	r, err := w.eng.Retry(id, engine.Again{Tasks: o.Tasks, Downstream: o.Downstream}, engine.Options{Context: ctx})
	if err != nil {
		return "", &web.InputError{Message: err.Error()}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[r.ID] = r
	return r.ID, nil
}

func (w *world) Resume(_ context.Context, id string) error {
	r, err := w.eng.Resume(id, engine.Options{})
	if err != nil {
		return fmt.Errorf("%w: %w", web.ErrConflict, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[r.ID] = r
	return nil
}

func (w *world) Hook(_ context.Context, path string, h http.Header, body []byte) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hooks = append(w.hooks, path+" "+string(body))
	if h.Get("X-Signature") != "good" {
		return "", fmt.Errorf("the signature is wrong: %w", web.ErrForbidden)
	}
	return "", nil
}

func (w *world) Ledger(q web.LedgerQuery) ([]web.Fate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []web.Fate
	for _, f := range w.fates {
		if (q.Workflow == "" || q.Workflow == f.Workflow) && (q.Run == "" || q.Run == f.Run) && (q.Trigger == "" || q.Trigger == f.Trigger) && (q.Before.IsZero() || f.At.Before(q.Before)) {
			all = append(all, f)
		}
	}
	if q.Limit > 0 {
		all = all[:min(len(all), q.Limit)]
	}
	return all, nil
}

func (w *world) Ready() error { return w.unready }
func (w *world) Leader() bool { return true }

// wait waits for the end of a run that this world has started.
func (w *world) wait(id string) *engine.Summary {
	w.t.Helper()
	w.mu.Lock()
	r := w.runs[id]
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := r.Wait(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// begin starts a run.
func (w *world) begin(name string, params map[string]any) string {
	w.t.Helper()
	id, err := w.Start(context.Background(), name, web.StartOptions{Params: params})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// get asks for a path, and returns the answer and its body.
func (w *world) get(path string, header ...string) (*http.Response, string) {
	return w.ask("GET", path, "", header...)
}

func (w *world) ask(method, path, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k := 0; k < len(header); k += 2 {
		if header[k] == "Host" {
			r.Host = header[k+1]
		}
		r.Header.Set(header[k], header[k+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Minute}
	res, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

// past is a run that was: it is made on virtual time, by the machine itself.
type past struct {
	at      time.Time
	places  int
	trigger string
	of      string
	params  map[string]any
	// does says what an attempt does: how long it takes, and why it fails; nil: it does
	// not. result is its value.
	does func(task string, instance, attempt int) (time.Duration, *dag.Failure, any)
	// prints is what an attempt prints.
	prints func(task string, instance, attempt int) []string
	until  time.Duration // the run is interrupted then; 0: never
}

type due struct {
	at  time.Time
	seq int
	e   run.Event
}

type dues []due

func (d dues) Len() int { return len(d) }
func (d dues) Less(i, j int) bool {
	return d[i].at.Before(d[j].at) || d[i].at.Equal(d[j].at) && d[i].seq < d[j].seq
}
func (d dues) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *dues) Push(x any)   { *d = append(*d, x.(due)) }
func (d *dues) Pop() any     { old := *d; x := old[len(old)-1]; *d = old[:len(old)-1]; return x }

// record puts a run that was into the home, and returns its id.
func (w *world) record(plan *dag.Plan, p past) string {
	w.t.Helper()
	id, m, at := engine.NewID(), run.New(plan), p.at.UTC().Truncate(time.Millisecond)
	if p.places == 0 {
		p.places = 4
	}
	if p.trigger == "" {
		p.trigger = "manual"
	}
	flow := plan.Workflow
	start := &run.Start{Version: run.Version, Run: dag.RunInfo{ID: id, Workflow: flow.Name, Trigger: p.trigger, StartedAt: at, IntervalStart: at.Add(-24 * time.Hour), IntervalEnd: at, Attempt: 1}}
	params, err := flow.ReadParams(p.params, &dag.Scope{Run: &start.Run})
	if err != nil {
		w.t.Fatal(err)
	}
	start.Params = params
	var events []run.Event
	var ready []run.Command
	var later dues
	seq, free := 0, p.places
	put := func(at time.Time, e run.Event) { seq++; heap.Push(&later, due{at, seq, e}) }
	apply := func(e run.Event) {
		e.Time = at
		commands, err := m.Apply(e)
		if errors.Is(err, run.ErrStale) {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		events = append(events, e)
		for _, c := range commands {
			switch c.Kind {
			case run.StartAttempt:
				ready = append(ready, c)
			case run.SetTimer:
				put(c.At, run.Event{Kind: run.TimerFired, Timer: c.Timer, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt})
			}
		}
	}
	apply(run.Event{Kind: run.Started, Start: start})
	for m.Result().Status == run.RunRunning {
		for free > 0 && len(ready) > 0 {
			c := ready[0]
			ready = ready[1:]
			apply(run.Event{Kind: run.AttemptStarted, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt})
			free--
			end := run.Event{Kind: run.AttemptEnded, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt}
			took := 2 * time.Second
			name := plan.Nodes[c.Task].Task.ID
			if p.does != nil {
				took, end.Failure, end.Value = p.does(name, int(c.Instance), int(c.Attempt))
			}
			if end.Failure != nil {
				end.ExitCode = int32(end.Failure.ExitCode)
			}
			if p.prints != nil {
				k := -1
				if plan.Nodes[c.Task].Task.Fan != nil {
					k = int(c.Instance)
				}
				w.print(store.LogOf{Run: id, Task: name, Instance: k, Attempt: int(c.Attempt)}, at, took, p.prints(name, int(c.Instance), int(c.Attempt)))
			}
			put(at.Add(took), end)
		}
		if len(later) == 0 {
			w.t.Fatalf("run of %s stands still", flow.Name)
		}
		d := heap.Pop(&later).(due)
		if p.until > 0 && d.at.Sub(p.at) > p.until {
			break
		}
		if d.at.After(at) {
			at = d.at
		}
		if d.e.Kind == run.AttemptEnded {
			free++
		}
		apply(d.e)
	}
	j, err := w.home.Begin(store.Run{ID: id, Workflow: flow.Name, File: flow.File, Started: p.at, Cause: p.trigger, Of: p.of, Tasks: len(flow.Tasks)}, []byte(flow.Source()), events...)
	if err != nil {
		w.t.Fatal(err)
	}
	if r := m.Result(); r.Status != run.RunRunning {
		text, err := m.Summary().Tasks.MarshalJSON()
		if err == nil {
			s := m.Summary()
			text, err = marshal(s)
		}
		if err == nil {
			err = j.End(store.Ending{Status: r.Status.String(), Reason: r.Reason.String(), Message: r.Message, Time: at, Summary: text})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// print writes a log as if it had been printed then; lines that begin with ! are errors.
func (w *world) print(of store.LogOf, at time.Time, took time.Duration, lines []string) {
	w.t.Helper()
	if len(lines) == 0 {
		return
	}
	instance := "-"
	if of.Instance >= 0 {
		instance = fmt.Sprint(of.Instance)
	}
	dir := filepath.Join(w.home.Dir(), "logs", of.Run)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("flow-log 1\n")
	for k, line := range lines {
		stream := "o"
		if rest, ok := strings.CutPrefix(line, "!"); ok {
			stream, line = "e", rest
		}
		fmt.Fprintf(&b, "%d %s. %s\n", at.Add(took*time.Duration(k)/time.Duration(len(lines))).UnixMilli(), stream, line)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%s.%d", of.Task, instance, of.Attempt)), []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func touch(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// hash is a token as a site is given it.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
