package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"flow/dag"
	"flow/executor"
	"flow/internal/action"
	"flow/internal/run"
	"flow/internal/store"
)

// Home is where runs are kept: see [OpenHome].
type Home = store.Store

// OpenHome opens a home folder, which it makes if it has to. durability is full, normal
// or off; "" is normal. Several processes may have one open.
func OpenHome(dir, durability string) (*Home, error) {
	return store.Open(dir, store.Durability(durability))
}

// History keeps the runs of an engine in a home, so that they can be looked at later and
// go on after a crash. The home is to be closed after the engine.
func History(h *Home) Option { return func(s *settings) { s.home = h } }

// EndedError says that a run that was to go on has ended.
type EndedError struct {
	Run, Status string
	Summary     []byte // JSON
}

// Error implements error.
func (e *EndedError) Error() string { return fmt.Sprintf("run %s has ended: %s", e.Run, e.Status) }

// record opens the journal of a new run, with its first event.
func (r *Run) record(first run.Event) error {
	home := r.engine.home
	if home == nil {
		return nil
	}
	w := r.plan.Workflow
	file, err := filepath.Abs(w.File)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	r.journal, err = home.Begin(store.Run{
		ID: r.ID, Workflow: w.Name, File: file, Started: first.Start.Run.StartedAt, Cause: first.Start.Run.Trigger, Of: r.of, Again: r.again.json(),
		Tasks: len(r.plan.Nodes), Token: r.engine.launcher.Token(), Shape: shape(w, first.Start.Params),
	}, []byte(w.Source()), first)
	return homeless(err)
}

// homeless is an error of the home as one that keeps a run from beginning.
func homeless(err error) error {
	if err == nil || errors.As(err, new(*store.OwnedError)) {
		return err
	}
	return &FolderError{err}
}

// commit makes durable what has happened since the last time, before anything that
// follows from it begins.
func (r *Run) commit() error {
	if r.journal == nil || len(r.pending) == 0 {
		return nil
	}
	err := r.journal.Append(r.pending, r.results...)
	clear(r.pending) // of values
	clear(r.results)
	r.pending, r.results = r.pending[:0], r.results[:0]
	if err != nil {
		return r.stopped(err)
	}
	return nil
}

// stopped is the error of a run that can't go on for now.
func (r *Run) stopped(err error) error {
	if err == ErrSuspended {
		return err
	}
	return fmt.Errorf("the run is stopped, since what has happened can't be recorded; `flow resume %s` goes on with it: %w", r.ID, err)
}

// conclude records how the run has ended, or leaves it to be gone on with.
func (r *Run) conclude() error {
	if r.journal == nil {
		return r.clean(true)
	}
	if r.err != nil || r.m.Result().Status == run.RunRunning {
		return errors.Join(r.journal.Close(), r.clean(false))
	}
	text, err := json.Marshal(r.summary)
	if err == nil {
		err = r.journal.End(store.Ending{
			Status: r.summary.Status, Reason: r.summary.Reason, Message: r.summary.Why(), Time: r.summary.Ended.Time,
			Summary: text, Spans: r.spans(),
		})
	}
	return errors.Join(err, r.journal.Close(), r.clean(true))
}

// Resume goes on with a run of the engine's home whose process is gone: what had
// succeeded stays, what was at work runs again. Of a run that has ended it answers with
// an *EndedError, of one that is being run with a *store.OwnedError.
func (e *Engine) Resume(id string, o Options) (*Run, error) {
	if e.home == nil {
		return nil, errors.New("engine: there is no history to resume from")
	}
	rec, err := e.home.Find(id)
	if err != nil {
		return nil, err
	}
	if !rec.Ended.IsZero() {
		text, err := e.home.Summary(&rec)
		return nil, errors.Join(err, &EndedError{rec.ID, rec.Status, text})
	}
	plan, err := Pinned(e.home, &rec)
	if err == nil {
		err = findings(check(plan.Workflow, e.functions))
	}
	if err != nil {
		return nil, err
	}
	r := e.newRun(plan, rec.ID, o)
	var start *run.Start
	fold := func(ev run.Event) error {
		if ev.Kind == run.Started {
			start = ev.Start
			start.Run.StartedAt = start.Run.StartedAt.In(plan.Workflow.Zone())
		}
		_, err := r.m.Apply(ev)
		r.now = ev.Time
		return err
	}
	r.reopened = true
	if r.journal, err = e.home.Reopen(rec, fold); err != nil {
		r.kill()
		return nil, homeless(err)
	}
	if err := e.takeUp(r, &rec, start, o); err != nil {
		r.kill()
		return nil, errors.Join(err, r.journal.Close())
	}
	return r, nil
}

// takeUp lets a run go on that was reopened. Whatever fails on the way, and wherever it is
// interrupted, the next try begins where this one did: what the dead owner has left goes
// first, and only then is it forgotten how to find that.
func (e *Engine) takeUp(r *Run, rec *store.Run, start *run.Start, o Options) error {
	if start == nil {
		return fmt.Errorf("engine: run %s has no events: start it anew", rec.ID)
	}
	if err := e.sweep(r, rec.Token); err != nil {
		return err
	}
	if err := r.journal.SetToken(e.launcher.Token()); err != nil {
		return homeless(err)
	}
	r.zone = r.plan.Workflow.Zone()
	if rec.Of != "" {
		if err := r.standOn(rec); err != nil {
			return err
		}
	}
	if err := r.reveal(o.Context, start); err != nil {
		return err
	}
	if r.zero = time.Now(); r.zero.Before(r.now) { // the clock was set back
		r.zero = r.now
	}
	r.began = time.Now()
	return e.launch(r, func() error { return r.goOn() })
}

// sweep ends what the attempts that were at work have left, if anything, and removes their
// files.
func (e *Engine) sweep(r *Run, token string) error {
	if token == "" || !r.journal.Left() { // it ended its attempts itself, and other runs of it may go on
		return nil
	}
	running := false
	r.m.Running(func(int32, int32, int32) bool {
		running = true
		return false
	})
	var err error
	if running {
		err = e.sweepAfter(token)
	}
	return errors.Join(err, removeAll(scratch(token)))
}

// sweepAfter ends what a launcher has left that is no more. It looks once for many runs.
func (e *Engine) sweepAfter(token string) error {
	e.mu.Lock()
	if e.swept == nil {
		e.swept = make(map[string]func() error)
	}
	sweep := e.swept[token]
	if sweep == nil {
		sweep = sync.OnceValue(func() error { return executor.SweepAfter(token) })
		e.swept[token] = sweep
	}
	e.mu.Unlock()
	err := sweep()
	if err != nil { // the next run tries again
		e.mu.Lock()
		delete(e.swept, token)
		e.mu.Unlock()
	}
	return err
}

// Pinned plans the workflow of a run of a home as it was when the run began.
func Pinned(h *Home, rec *store.Run) (*dag.Plan, error) {
	text, err := h.Text(rec)
	if err != nil {
		return nil, err
	}
	w, found := dag.Parse(rec.File, text)
	if w == nil {
		return nil, fmt.Errorf("the workflow of run %s, as it was, is not valid for this flow: %s", rec.ID, found[0].String())
	}
	return dag.NewPlan(w)
}

// goOn tells the machine that what was at work is lost, and takes up what it waits for.
func (r *Run) goOn() error {
	r.news(Event{Type: RunStarted, Run: r.ID, Workflow: r.plan.Workflow.Name, Total: len(r.plan.Nodes), From: r.of})
	var lost []run.Event
	r.m.Running(func(task, instance, attempt int32) bool {
		lost = append(lost, run.Event{Kind: run.AttemptEnded, Task: task, Instance: instance, Attempt: attempt, ExitCode: -1, EngineLost: true,
			Failure: &dag.Failure{Reason: dag.ReasonLost, Message: "flow ended while it was at work", ExitCode: -1}})
		return true
	})
	commands := r.m.Outstanding()
	for i := range commands {
		c := commands[i]
		r.carryOut(&c)
	}
	for _, ev := range lost {
		if err := r.apply(ev); err != nil {
			return err
		}
	}
	if asked, replace := r.engine.home.CancelRequested(r.ID); asked { // while nobody ran it
		return r.apply(cancelling(replace))
	}
	return nil
}

func cancelling(replace bool) run.Event {
	reason := dag.ReasonUser
	if replace {
		reason = dag.ReasonReplace
	}
	return run.Event{Kind: run.CancelRequested, Reason: reason}
}

// listening is how often an engine looks whether other processes want its runs to end.
const listening = 200 * time.Millisecond

// listen has the engine look for that while it has runs: once for all of them. It is called
// with the lock held.
func (e *Engine) listen() {
	if e.home == nil || e.listens {
		return
	}
	e.listens = true
	e.ending.Go(func() {
		tick := time.NewTicker(listening)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-e.quit.Done():
				return
			}
			if !e.heed() {
				return
			}
		}
	})
}

// heed cancels the runs whose end is asked for. false: there are no runs any more.
func (e *Engine) heed() bool {
	asked := e.home.CancelRequests()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.runs) == 0 {
		e.listens = false
		return false
	}
	if len(asked) == 0 {
		return true
	}
	for _, r := range e.runs {
		if !asked[r.ID] || r.heeded {
			continue
		}
		if still, replace := e.home.CancelRequested(r.ID); still {
			r.heeded = true
			r.in.put(message{event: cancelling(replace)})
		}
	}
	return true
}

// log is where an attempt's output is kept; nil: nowhere.
func (r *Run) log(a *action.Attempt) *store.Log {
	if r.journal == nil {
		return nil
	}
	l := r.engine.home.Log(store.LogOf{Run: r.ID, Task: a.Task.ID, Instance: a.Instance, Attempt: a.Number})
	l.Failed = func(err error) { r.in.put(message{fatal: err}) }
	return l
}

// unrecord ends the journal of a run that has not begun after all.
func (r *Run) unrecord() error {
	if r.journal == nil {
		return nil
	}
	return errors.Join(r.journal.Drop(), r.journal.Close())
}
