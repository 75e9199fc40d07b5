package run_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// moment is a run between two events.
type moment struct {
	plan *dag.Plan
	host dag.Host
	at   time.Time
	snap *run.Snapshot
}

// busy are runs in which everything that a snapshot can hold comes about.
var busy = []sentence{
	{
		file: `
executors: { two: { kind: process, workers: 2 } }
defaults: { executor: two }
tasks:
  a: { exec: [x], retry: { attempts: 3, delay: 1s, if: error.exit_code == 1 }, deadline: 1m }
  b: { exec: [x], for_each: "${{ tasks.a.result }}", max_parallel: 2, retry: { attempts: 2, delay: 1s }, continue_on_error: true }
  c: { exec: [x], if: "tasks.a.result[0] == 1", inputs: { text: "${{ read_file('go') }}" } }
  d: { exec: [x], matrix: { os: [linux, mac], v: [1, 2] }, needs: c, deadline: 2s }
  e: { exec: [x], for_each: { k: 1, l: 2 }, needs: a, inputs: { text: "${{ read_file('go') }}" }, retry: { attempts: 2, if: "tasks.a.result[0] == 1" } }
  f: { exec: [x], needs: [b, d], if: failure() }
finally:
  g: { exec: [x], if: run.status == "failed" }
  h: { exec: [x], needs: g }
outputs: { a: "${{ tasks.a.result }}", g: "${{ tasks.g.result }}" }
`,
		does: `
a = exit 1 in 1s; ok [1,2,3] in 1s
b[1] = exit 2 in 1s; engine-lost in 1s; ok "x" in 1s
b[2] = exit 2
d[0] = hang linger 1s
d[3] = exit 137
e[1] = exit 1 in 1s
g = ok {"g":1} in 3s`,
		files: map[string]string{"go": "yes"},
	},
	{
		file: `
fail_fast: true
timeout: 1h
tasks:
  a: { exec: [x], for_each: [1, 2, 3], max_parallel: 1 }
  b: { exec: [x] }
  c: { exec: [x], needs: b }
finally:
  d: { exec: [x] }
`,
		does: `
b = exit 1 in 2s
a[0] = hang linger 2s
d = ok in 1s`,
		events: "cancel at 3s",
	},
	{
		file: `
tasks:
  a: { exec: [x], for_each: [1, 2, 3], max_parallel: 2 }
  b: { exec: [x], needs: a }
finally:
  c: { exec: [x] }
`,
		does:   `a = hang`,
		events: "kill at 3s",
	},
}

// moments are all those of the runs, with values in the state and by reference.
func moments(t testing.TB) []moment {
	t.Helper()
	var all []moment
	for k := range busy {
		for _, m := range []mode{plain, byRef} {
			from := len(all)
			w := busy[k].run(t, m, func(m *run.Machine) { all = append(all, moment{plan: m.Plan(), snap: m.Snapshot()}) })
			for j := from; j < len(all); j++ {
				all[j].host, all[j].at = w.host, w.now.Add(time.Hour)
			}
		}
	}
	return append(all, moment{plan: all[0].plan, host: all[0].host, at: epoch, snap: run.New(all[0].plan).Snapshot()})
}

// with is the moment with another state.
func (m moment) with(state []byte) moment {
	s := *m.snap
	s.State = state
	m.snap = &s
	return m
}

// hold restores a moment. Where that is no error, the machine can be looked at and
// written down again to the same, and goes on: whatever it asks for is done, and
// none of it panics or is illegal.
func (m moment) hold(t testing.TB) (restored bool) {
	t.Helper()
	machine, err := run.Restore(m.plan, m.snap)
	if err != nil {
		if machine != nil {
			t.Fatalf("both a machine and an error: %v", err)
		}
		return false
	}
	again := machine.Snapshot()
	same, err := run.Restore(m.plan, again)
	if err != nil {
		t.Fatalf("what was restored can't be restored once more: %v", err)
	}
	if !reflect.DeepEqual(again, same.Snapshot()) {
		t.Fatal("a machine and its snapshot differ")
	}
	machine.Summary()
	if again.Start == nil {
		return true
	}
	m.goOn(t, machine)
	machine.Summary()
	machine.Snapshot()
	return true
}

// goOn does what a machine asks for: attempts succeed by turns, and what runs is
// told to have ended.
func (m moment) goOn(t testing.TB, machine *run.Machine) {
	t.Helper()
	var todo []run.Event
	machine.Running(func(task, instance, attempt int32) bool {
		todo = append(todo, ended(task, instance, attempt))
		return true
	})
	follow := func(commands []run.Command) {
		for _, c := range commands {
			at := run.Event{Task: c.Task, Instance: c.Instance, Attempt: c.Attempt}
			switch c.Kind {
			case run.StartAttempt:
				at.Kind = run.AttemptStarted
				todo = append(todo, at, ended(c.Task, c.Instance, c.Attempt))
			case run.SetTimer:
				at.Kind, at.Timer = run.TimerFired, c.Timer
				todo = append(todo, at)
			case run.Evaluate:
				todo = append(todo, c.Evaluation.Do(m.host))
			}
		}
	}
	follow(slices.Clone(machine.Outstanding()))
	for k := 0; k < len(todo) && k < 200; k++ {
		todo[k].Time = m.at
		commands, _ := machine.Apply(todo[k]) // stale or illegal, it changes nothing
		follow(commands)
	}
	for _, kill := range []bool{false, true} {
		commands, _ := machine.Apply(run.Event{Kind: run.CancelRequested, Reason: dag.ReasonUser, Kill: kill, Time: m.at})
		follow(commands)
	}
}

func ended(task, instance, attempt int32) run.Event {
	e := run.Event{Kind: run.AttemptEnded, Task: task, Instance: instance, Attempt: attempt, Value: []any{1}}
	if attempt%2 == 1 {
		e.Value, e.ExitCode = nil, 1
		e.Failure = &dag.Failure{Reason: dag.ReasonExit, Message: "exit status 1", ExitCode: 1}
	}
	return e
}

// TestRestoreTorn changes each byte of snapshots, and cuts them at each.
func TestRestoreTorn(t *testing.T) {
	restored, refused := 0, 0
	count := func(ok bool) {
		if ok {
			restored++
		} else {
			refused++
		}
	}
	all := moments(t)
	for _, m := range all {
		if !m.hold(t) {
			t.Fatal("a snapshot as it was taken is refused")
		}
	}
	for k := 0; k < len(all); k += 3 {
		state := all[k].snap.State
		for at := range state {
			if all[k].with(state[:at]).hold(t) {
				t.Errorf("a snapshot that ends at byte %d of %d is restored", at, len(state))
			}
			for _, b := range []byte{0, 1, state[at] - 1, state[at] + 1, state[at] ^ 0x80, 0x7f, 0xff} {
				torn := slices.Clone(state)
				torn[at] = b
				count(all[k].with(torn).hold(t))
			}
		}
		if all[k].with(append(slices.Clone(state), 0)).hold(t) {
			t.Error("a snapshot with a byte too much is restored")
		}
	}
	if restored == 0 || refused < restored {
		t.Errorf("%d changed snapshots were refused, %d were not", refused, restored)
	}
}

// TestRestoreOfAnotherPlan restores snapshots for plans that they are not of.
func TestRestoreOfAnotherPlan(t *testing.T) {
	all := moments(t)
	for _, m := range all {
		for _, other := range all {
			if m.plan != other.plan && m.snap.Start != nil {
				m.plan = other.plan
				m.hold(t)
			}
		}
	}
}

// FuzzRestore: whatever bytes a state has, it is an error or the state of a
// machine that works.
func FuzzRestore(f *testing.F) {
	all := moments(f)
	for k, m := range all {
		f.Add(k, m.snap.State)
	}
	f.Fuzz(func(t *testing.T, k int, state []byte) {
		all[uint(k)%uint(len(all))].with(state).hold(t)
	})
}
