package run

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flow/dag"
)

// randomTasks draws a workflow: tasks depend on earlier ones, the last few may
// be of finally.
func randomTasks(t *rapid.T) []refTask {
	n := rapid.IntRange(1, 10).Draw(t, "tasks")
	main := rapid.IntRange(1, n).Draw(t, "main")
	tasks := make([]refTask, n)
	for i := range tasks {
		r := &tasks[i]
		r.finally = i >= main
		r.fan = -1
		for d := range i {
			// A task of finally may read any task; that is an edge, but not one it
			// waits for.
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				r.deps = append(r.deps, d)
			}
		}
		r.cond = rapid.SampledFrom(conditions).Draw(t, "if")
		if len(r.deps) == 0 && len(r.cond) > 12 {
			r.cond = ""
		}
		if len(r.deps) > 0 {
			r.condDep = rapid.SampledFrom(r.deps).Draw(t, "if names")
		}
		if rapid.IntRange(0, 3).Draw(t, "fan-out") == 0 {
			r.fan = rapid.IntRange(0, 4).Draw(t, "instances")
			r.maxPar = rapid.IntRange(0, 2).Draw(t, "max_parallel")
		}
		r.attempts = rapid.IntRange(1, 3).Draw(t, "attempts")
		r.delay = rapid.Bool().Draw(t, "delay")
		r.coe = rapid.IntRange(0, 3).Draw(t, "continue_on_error") == 0
		r.deadline = rapid.IntRange(0, 4).Draw(t, "deadline") == 0
	}
	return tasks
}

// randomDriver applies events to a machine in a random order, and at random
// moments replaces the machine by one restored from its snapshot, or repeats an
// old event.
type randomDriver struct {
	t       *rapid.T
	m       *Machine
	ref     *reference
	now     time.Time
	ready   []Event
	working []Event
	timers  []Event
	log     []Event
}

func (d *randomDriver) apply(e Event) {
	e.Time = d.now
	commands, err := d.m.Apply(e)
	if err != nil {
		d.t.Fatalf("%+v: %v", e, err)
	}
	d.log = append(d.log, e)
	if err := d.ref.follow(e); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range commands {
		at := Event{Task: c.Task, Instance: c.Instance, Attempt: c.Attempt}
		switch c.Kind {
		case StartAttempt:
			at.Kind = AttemptStarted
			d.ready = append(d.ready, at)
		case StopAttempt:
			d.drop(at)
		case SetTimer:
			at.Kind, at.Timer = TimerFired, c.Timer
			d.timers = append(d.timers, at)
		}
	}
	d.compare()
}

// drop forgets an attempt that is queued.
func (d *randomDriver) drop(at Event) {
	at.Kind = AttemptStarted
	for k := range d.ready {
		if reflect.DeepEqual(d.ready[k], at) {
			d.ready = append(d.ready[:k], d.ready[k+1:]...)
			return
		}
	}
}

// compare holds every task of the machine against the reference.
func (d *randomDriver) compare() {
	for i := range d.ref.tasks {
		o := d.m.Outcome(i)
		if o.Status.Ended() != d.ref.ended[i] || o.Status.Ended() && (o.Status != d.ref.status[i] || o.Reason != d.ref.reason[i]) {
			d.t.Fatalf("t%d is %v (%v), the reference says ended %v: %v (%v)\n%s", i, o.Status, o.Reason,
				d.ref.ended[i], d.ref.status[i], d.ref.reason[i], text(d.ref.tasks, d.ref.failFast, true))
		}
		if n := d.ref.attempts(i); int(o.Attempts) != n {
			d.t.Fatalf("t%d has had %d attempts, the reference says %d", i, o.Attempts, n)
		}
	}
}

// take removes a random element.
func take(t *rapid.T, from *[]Event, label string) Event {
	k := rapid.IntRange(0, len(*from)-1).Draw(t, label)
	e := (*from)[k]
	*from = append((*from)[:k:k], (*from)[k+1:]...)
	return e
}

// step does one random thing and reports whether there was something to do.
func (d *randomDriver) step() bool {
	if d.m.Result().Status != RunRunning {
		return false
	}
	d.now = d.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(d.t, "ms")) * time.Millisecond)
	switch k := rapid.IntRange(0, 29).Draw(d.t, "step"); {
	case k == 0 && !d.ref.cancelled:
		d.apply(Event{Kind: CancelRequested, Reason: dag.ReasonUser})
	case k == 1 && rapid.IntRange(0, 9).Draw(d.t, "kill") == 0:
		d.apply(Event{Kind: CancelRequested, Reason: dag.ReasonUser, Kill: true})
	case k == 2 && len(d.log) > 0:
		d.repeat()
	case k == 3:
		d.restore()
	case k < 12 && len(d.working) > 0:
		d.endOne()
	case k < 16 && len(d.timers) > 0:
		e := take(d.t, &d.timers, "timer")
		if d.m.admit(&e) == nil { // else it is stale: nothing clears timers
			d.apply(e)
		}
	case len(d.ready) > 0:
		e := take(d.t, &d.ready, "ready")
		d.working = append(d.working, e)
		d.apply(e)
	case len(d.working) > 0:
		d.endOne()
	case d.pendingTimer():
		d.apply(take(d.t, &d.timers, "timer"))
	default:
		return false
	}
	return true
}

// pendingTimer drops stale timers and reports whether one is left. The run's and
// the tasks' limits of time count as none: a run must not need them to end.
func (d *randomDriver) pendingTimer() bool {
	var left []Event
	for _, e := range d.timers {
		if d.m.admit(&e) == nil && e.Timer == RetryTimer {
			left = append(left, e)
		}
	}
	d.timers = left
	return len(left) > 0
}

func (d *randomDriver) endOne() {
	e := take(d.t, &d.working, "working")
	e.Kind, e.ExitCode = AttemptEnded, -1
	switch rapid.IntRange(0, 5).Draw(d.t, "end") {
	case 0, 1:
		e.Failure = &dag.Failure{Reason: rapid.SampledFrom([]dag.Reason{
			dag.ReasonExit, dag.ReasonTimeout, dag.ReasonError, dag.ReasonInvalid}).Draw(d.t, "reason"), ExitCode: 1}
		e.ExitCode = 1
	case 2:
		e.Failure = &dag.Failure{Reason: dag.ReasonLost, ExitCode: -1}
		e.EngineLost = rapid.Bool().Draw(d.t, "engine lost")
	default:
		e.Value = map[string]any{"n": len(d.log)}
	}
	if d.m.admit(&e) == nil { // not after a kill
		d.apply(e)
	}
}

// repeat applies an event of the past again: it must change nothing.
func (d *randomDriver) repeat() {
	e := rapid.SampledFrom(d.log).Draw(d.t, "again")
	if e.Kind == CancelRequested && e.Kill {
		return
	}
	before := d.m.Snapshot()
	e.Time = d.now
	if _, err := d.m.Apply(e); !errors.Is(err, ErrStale) {
		d.t.Fatalf("an event applied twice: %v, want ErrStale\n%+v", err, e)
	}
	if !reflect.DeepEqual(before, d.m.Snapshot()) {
		d.t.Fatalf("a stale event changed the state: %+v", e)
	}
}

// restore goes on with a machine made from the snapshot.
func (d *randomDriver) restore() {
	before := d.m.Snapshot()
	m, err := Restore(d.m.plan, before)
	if err != nil {
		d.t.Fatal(err)
	}
	if after := m.Snapshot(); !reflect.DeepEqual(before, after) {
		d.t.Fatalf("a restored machine differs:\n%+v\n%+v", before, after)
	}
	d.m = m
	// What is outstanding is exactly what the driver has in hand.
	starts := 0
	for _, c := range m.Outstanding() {
		if c.Kind == StartAttempt {
			starts++
		}
	}
	if starts != len(d.ready) {
		d.t.Fatalf("%d attempts outstanding, %d are ready", starts, len(d.ready))
	}
}

func TestMachineAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := randomTasks(t)
		failFast := rapid.IntRange(0, 2).Draw(t, "fail_fast") == 0
		file := text(tasks, failFast, rapid.Bool().Draw(t, "timeout"))
		w, found := dag.Parse("random.yaml", []byte(file))
		if w == nil {
			t.Fatalf("%v\n%s", found, file)
		}
		plan, err := dag.NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		d := &randomDriver{t: t, m: New(plan), ref: newReference(tasks, failFast), now: time.UnixMilli(1_700_000_000_000)}
		start := &Start{Version: Version, Run: dag.RunInfo{ID: "r", StartedAt: d.now.UTC(), Attempt: 1}}
		d.apply(Event{Kind: Started, Start: start})
		for d.step() {
		}
		if s := d.m.Result(); s.Status == RunRunning {
			t.Fatalf("the run hangs\n%s", file)
		}
		status, reason := d.ref.result()
		if r := d.m.Result(); r.Status != status || r.Reason != reason {
			t.Fatalf("the run ended as %v (%v), the reference says %v (%v)\n%s", r.Status, r.Reason, status, reason, file)
		}
		replay(t, plan, d)
	})
}

// replay folds the log into a new machine: the state must be the same.
func replay(t *rapid.T, plan *dag.Plan, d *randomDriver) {
	m := New(plan)
	for _, e := range d.log {
		if _, err := m.Apply(e); err != nil {
			t.Fatalf("replay: %+v: %v", e, err)
		}
	}
	if !reflect.DeepEqual(m.Snapshot(), d.m.Snapshot()) {
		t.Fatal("a replay of the events gives another state")
	}
	for _, e := range d.log {
		if _, err := m.Apply(e); !errors.Is(err, ErrStale) {
			t.Fatalf("after the end: %+v: %v, want ErrStale", e, err)
		}
	}
}
