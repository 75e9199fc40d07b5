package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"flow/dag"
	"flow/executor"
	"flow/futures"
	"flow/internal/action"
	"flow/internal/run"
	"flow/internal/store"
)

// loop owns the run's state. It takes everything that has come as one batch,
// applies it, and then hands out places once: a thousand short tasks cost a few
// rounds, and a lone one waits for nobody.
func (r *Run) loop(first func() error) {
	defer close(r.done)
	r.err = r.drive(first)
	r.engine.leave(r)
	r.evaluating.close()
	r.summary = r.m.Summary()
	r.err = errors.Join(r.err, r.conclude())
	r.engine.forget(r) // last, since Close waits for those that it finds
}

func (r *Run) drive(first func() error) error {
	defer r.kill()
	if err := first(); err != nil {
		return err
	}
	var batch []message
	for {
		if err := r.settle(); err != nil {
			return r.giveUp(err)
		}
		if r.over() {
			return nil
		}
		select {
		case <-r.in.signal:
			batch = r.in.take(batch)
		case <-r.timers.clock.C:
			batch = batch[:0]
		}
		for _, e := range r.timers.due(r.clock()) {
			batch = append(batch, message{event: e})
		}
		if err := r.hear(batch); err != nil {
			return r.giveUp(err)
		}
	}
}

// over reports whether nothing more can happen.
func (r *Run) over() bool { return r.m.Result().Status != run.RunRunning && len(r.working) == 0 }

// hear takes a batch of messages. One that suspends the run keeps none of the others from
// being heard: what has ended has ended.
func (r *Run) hear(batch []message) error {
	var suspended error
	for i := range batch {
		switch err := r.handle(&batch[i]); {
		case err == ErrSuspended:
			suspended = err
		case err != nil:
			return err
		}
	}
	return suspended
}

// giveUp ends the run for now, and returns why: what is known to have happened is recorded,
// if anything can be, and what is at work is killed. A run that is over need not be
// suspended.
func (r *Run) giveUp(err error) error {
	failed := r.commit()
	switch {
	case err != ErrSuspended: // it says already what can't be recorded
	case failed != nil:
		err = failed
	case r.over():
		return nil
	}
	r.abandon()
	return err
}

// settle hands places out, records all that has happened, in one transaction, and begins
// what has got a place: so a success is recorded before anything starts that builds on it.
func (r *Run) settle() error {
	if err := r.sow(); err != nil {
		return err
	}
	if err := r.handOut(); err != nil {
		return err
	}
	before := time.Now()
	if err := r.commit(); err != nil {
		return err
	}
	recorded := time.Now()
	for _, t := range r.begun {
		r.begin(t, before, recorded)
	}
	if r.journal != nil && len(r.begun) > 1 {
		runtime.Gosched() // short ones end meanwhile, and are recorded together
	}
	r.begun = r.begun[:0]
	return nil
}

// abandon kills what is at work after an error of the engine itself, and waits
// for it.
func (r *Run) abandon() {
	r.kill()
	for _, w := range r.working {
		w.future.Abort(errKilled)
		_, _ = w.future.Result(context.Background()) // it was killed: how it ended does not matter
	}
}

// handle takes one message.
func (r *Run) handle(m *message) error {
	if m.fatal != nil {
		return r.stopped(m.fatal)
	}
	if m.granted {
		return r.start(*m.ticket)
	}
	e := m.event
	r.noteResult(&e)
	if m.ticket != nil {
		at := place{e.Task, e.Instance}
		w := r.working[at]
		r.attemptNews(&e, w)
		r.account(w)
		delete(r.working, at)
		r.released = append(r.released, *m.ticket)
	}
	err := r.apply(e)
	if errors.Is(err, run.ErrStale) {
		return nil // a timer whose cause is gone, an attempt that was stopped
	}
	return err
}

// account adds what an attempt waited for to what its task did.
func (r *Run) account(w *working) {
	if r.journal == nil {
		return
	}
	if r.costs == nil {
		r.costs = make([]cost, len(r.plan.Nodes))
	}
	c := &r.costs[w.ticket.Task]
	c.commit += w.cost.commit
	c.start += w.cost.start
	c.n++
}

// apply gives an event to the machine, notes it for the journal, and carries its
// commands out.
func (r *Run) apply(e run.Event) error {
	e.Time = r.clock()
	return r.applied(e, true)
}

// applied is apply of an event with its time, which may be in the journal already.
func (r *Run) applied(e run.Event, note bool) error {
	commands, err := r.m.Apply(e)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if note && r.journal != nil {
		r.pending = append(r.pending, e)
	}
	switch e.Kind {
	case run.Started:
		r.news(Event{Type: RunStarted, Run: r.ID, Workflow: r.plan.Workflow.Name, Total: len(r.plan.Nodes), Expected: e.Start.Durations, From: r.of, Differ: r.differ})
	case run.AttemptStarted:
		n := r.about(AttemptStarted, e.Task, e.Instance)
		n.Attempt = int(e.Attempt)
		r.news(n)
	}
	for i := range commands {
		r.carryOut(&commands[i])
	}
	return nil
}

// clock is the run's time: that of the wall when it began, and as much later as
// has passed since. It never goes back or leaps, whatever is done to the wall clock.
func (r *Run) clock() time.Time {
	r.now = r.zero.Round(0).Add(time.Since(r.began)) // Round(0): the wall's part alone
	return r.now
}

func (r *Run) carryOut(c *run.Command) {
	switch c.Kind {
	case run.StartAttempt:
		if _, had := r.had[place{c.Task, c.Instance}]; had && c.Attempt == 1 {
			r.seeds = append(r.seeds, *c)
		} else {
			r.ready = append(r.ready, *c)
		}
		if c.Attempt == 1 {
			r.news(r.about(TaskReady, c.Task, c.Instance))
		}
	case run.StopAttempt:
		if w := r.working[place{c.Task, c.Instance}]; w != nil {
			w.future.Abort(errStopped)
		}
	case run.SetTimer:
		r.timers.set(*c, r.now)
	case run.Evaluate:
		r.evaluating.add(c.Evaluation)
	case run.TaskEnded:
		r.taskNews(c)
	case run.RetryScheduled:
		n := r.about(RetryScheduled, c.Task, c.Instance)
		n.Attempt, n.At = int(c.Attempt), run.Time{Time: c.At.In(r.zone)}
		r.news(n)
	case run.Finish:
		res := r.m.Result()
		r.news(Event{Type: RunEnded, Run: r.ID, Workflow: r.plan.Workflow.Name,
			Status: res.Status.String(), Reason: res.Reason.String(), Message: res.Message})
		if len(r.working) > 0 { // it was killed
			r.kill()
		}
	}
}

func (r *Run) taskNews(c *run.Command) {
	n := r.about(TaskEnded, c.Task, c.Instance)
	if c.Instance < 0 {
		n.outcome(r.m.Outcome(int(c.Task)))
		if n.Instances = len(r.m.Instances(int(c.Task))); n.Instances > 0 {
			n.Attempt = 0 // there is no one attempt
		}
	} else {
		n.outcome(&r.m.Instances(int(c.Task))[c.Instance])
	}
	if n.Status == dag.Succeeded.String() && r.stands(c.Task, c.Instance) {
		n.From = r.of
	}
	r.news(n)
}

// stands reports whether a task (instance -1), or an instance of it, has the result of the
// run that this one stands on.
func (r *Run) stands(task, instance int32) bool {
	if outs := r.m.Instances(int(task)); outs != nil && instance < 0 {
		for k := range outs {
			if !r.stands(task, int32(k)) {
				return false
			}
		}
		return len(outs) > 0
	}
	_, had := r.had[place{task, max(0, instance)}]
	return had
}

// handOut gives the batch's places back and begins what gets one.
func (r *Run) handOut() error {
	for len(r.ready) > 0 || len(r.released) > 0 {
		mine, err := r.engine.dispatch(r, r.released, r.ready)
		r.released, r.ready = r.released[:0], r.ready[:0]
		if err != nil {
			return err
		}
		for _, t := range mine {
			if err := r.start(t); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	errStopped = errors.New("stopped")
	errKilled  = errors.New("killed")
)

// start begins an attempt that has got its place. One that was stopped while it
// was queued gives the place back.
func (r *Run) start(t run.Ticket) error {
	err := r.apply(run.Event{Kind: run.AttemptStarted, Task: t.Task, Instance: t.Instance, Attempt: t.Attempt})
	if errors.Is(err, run.ErrStale) {
		r.released = append(r.released, t)
		return nil
	}
	if err == nil {
		r.begun = append(r.begun, t)
	}
	return err
}

// working is an attempt at work, in one piece: there may be a million.
type working struct {
	run      *Run
	do       action.Action
	attempt  action.Attempt
	tail     tail
	log      *store.Log // nil: it is not kept
	ticket   run.Ticket
	began    time.Time
	cost     cost
	recorded time.Time // what was before it
	future   *futures.Future[action.Outcome]
}

// begin submits an attempt to its executor.
// It waited from before for what has happened to be recorded.
func (r *Run) begin(t run.Ticket, before, recorded time.Time) {
	task := r.plan.Nodes[t.Task].Task
	scope := r.m.Scope(t.Task, t.Instance)
	scope.Host = r.host
	w := &working{run: r, do: r.actions[t.Task], ticket: t, began: r.now, recorded: recorded}
	w.cost.commit = recorded.Sub(before)
	w.attempt = action.Attempt{Task: task, Scope: scope, Run: r.shared, Instance: -1, Number: int(t.Attempt)}
	if r.m.Instances(int(t.Task)) != nil {
		w.attempt.Instance = int(t.Instance)
	}
	piece := Output{Task: task.ID, Instance: w.attempt.Instance, Attempt: w.attempt.Number}
	var stdout, stderr io.Writer
	if w.log = r.log(&w.attempt); w.log != nil {
		stdout, stderr = w.log.Stdout(), w.log.Stderr()
	}
	w.attempt.Stdout = r.stream(&w.tail, stdout, piece)
	piece.Stderr = true
	w.attempt.Stderr = r.stream(&w.tail, stderr, piece)
	w.future = executor.Submit(r.ctx, r.pools[t.Task], w.work, executor.Name(task.ID))
	r.working[place{t.Task, t.Instance}] = w
	w.future.OnDone(w.done)
}

// done tells the run's loop how it ended.
func (w *working) done(f *futures.Future[action.Outcome]) {
	out, err, _ := f.TryResult()
	if err != nil {
		out = broken(err)
	}
	t := &w.ticket
	w.run.in.put(message{ticket: t, event: run.Event{
		Kind: run.AttemptEnded, Task: t.Task, Instance: t.Instance, Attempt: t.Attempt,
		Value: out.Value, Failure: out.Failure, ExitCode: int32(out.ExitCode),
	}})
}

// broken is the outcome of an attempt that did not come to its own end.
func broken(err error) action.Outcome {
	return action.Outcome{ExitCode: -1, Failure: &dag.Failure{Reason: dag.ReasonError, Message: err.Error(), ExitCode: -1}}
}

// work does the attempt, on the executor's goroutine.
func (w *working) work(ctx context.Context) (action.Outcome, error) {
	if _, itself := w.do.(action.Timed); w.attempt.Task.Timeout > 0 && !itself {
		d := w.attempt.Task.Timeout
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, action.ErrTimeout)
		defer cancel()
	}
	out := w.run.kept(w.attempt.Task, w.run.masked(w.do.Do(ctx, &w.attempt)))
	if started := w.attempt.Started; !started.IsZero() {
		w.cost.start = started.Sub(w.recorded)
	}
	if w.log != nil {
		if err := w.log.Close(); err != nil { // it is no fault of the task
			w.run.in.put(message{fatal: err})
		}
	}
	return out, nil
}

// kept is an attempt's outcome with its value as it is to be kept.
func (r *Run) kept(t *dag.Task, out action.Outcome) action.Outcome {
	if out.Failure != nil {
		return out
	}
	v, err := r.host.keep(out.Value, mostKept(t))
	if large, ok := errors.AsType[*action.TooLargeError](err); ok {
		out.Failure = &dag.Failure{Reason: dag.ReasonInvalid, Message: large.Error(), ExitCode: out.ExitCode}
		return out
	}
	if err != nil {
		if r.journal != nil { // as with what can't be recorded: it is no fault of the task
			r.in.put(message{fatal: err})
		}
		out.Failure = &dag.Failure{Reason: dag.ReasonError, Message: "the result can't be kept: " + err.Error(), ExitCode: out.ExitCode}
		return out
	}
	out.Value = v
	return out
}

// mostKept is how large a task's result may be as JSON. What a command prints was
// held against the limit as it came; its JSON may be larger.
func mostKept(t *dag.Task) int64 {
	if _, ok := t.Action.(dag.Compute); ok {
		return action.MaxResult
	}
	return math.MaxInt64
}

// attemptNews tells how an attempt ended.
func (r *Run) attemptNews(e *run.Event, w *working) {
	if r.watch == nil || r.m.Result().Status != run.RunRunning { // it was killed: run_ended has been told
		return
	}
	n := r.about(AttemptEnded, e.Task, e.Instance)
	n.Attempt = int(e.Attempt)
	n.Duration = r.clock().Sub(w.began).Round(time.Millisecond)
	n.Status = dag.Succeeded.String()
	if f := e.Failure; f != nil {
		n.Status, n.Reason, n.Message = dag.Failed.String(), f.Reason.String(), f.Message
		n.Tail = withTraceback(w.tail.String(), f.Traceback)
	}
	if e.ExitCode >= 0 {
		c := int(e.ExitCode)
		n.ExitCode = &c
	}
	r.news(n)
}

// withTraceback puts where an exception came from below the last lines of the output.
func withTraceback(tail, traceback string) string {
	if traceback == "" {
		return tail
	}
	if tail != "" && !strings.HasSuffix(tail, "\n") {
		tail += "\n"
	}
	return tail + traceback
}
