package executor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"flow/executor"
	"flow/futures"
)

func TestRow156TwoTasksWaitForEachOther(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(2))
	var a, b *futures.Future[int]
	ready := make(chan struct{})
	a = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { <-ready; return b.Result(ctx) }, executor.Name("a"))
	b = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { <-ready; return a.Result(ctx) }, executor.Name("b"))
	close(ready)
	for _, f := range []*futures.Future[int]{a, b} {
		_, err := result(t, f)
		deadlock, ok := errors.AsType[*futures.DeadlockError](err)
		if !ok || !errors.Is(err, futures.ErrDeadlock) {
			t.Fatalf("%v: %v", f, err)
		}
		if text := err.Error(); text != "deadlock: a -> b -> a" && text != "deadlock: b -> a -> b" {
			t.Errorf("text %q", text)
		}
		if c := deadlock.Cycle; len(c) != 3 || c[0] != c[2] {
			t.Errorf("cycle %q", c)
		}
	}
}

func TestRow157OneWorkerWaitsForItsOwnTask(t *testing.T) {
	for _, depth := range []int{1, 2, 1000} {
		p := newPool(t, executor.MaxWorkers(1))
		var nest func(ctx context.Context, depth int) (int, error)
		nest = func(ctx context.Context, depth int) (int, error) {
			if depth == 0 {
				return 0, nil
			}
			n, err := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return nest(ctx, depth-1) }).Result(ctx)
			return n + 1, err
		}
		f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return nest(ctx, depth) })
		if n := value(t, f); n != depth {
			t.Errorf("depth %d: got %d", depth, n)
		}
	}
}

func TestRow158SelfWait(t *testing.T) {
	p := newPool(t)
	var self *futures.Future[int]
	ready := make(chan struct{})
	self = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { <-ready; return self.Result(ctx) }, executor.Name("a"))
	close(ready)
	if _, err := result(t, self); !errors.Is(err, futures.ErrDeadlock) || err.Error() != "deadlock: a -> a" {
		t.Fatal(err)
	}
}

func TestDeadlockBehindADerivedContext(t *testing.T) {
	p := newPool(t)
	var self *futures.Future[int]
	ready := make(chan struct{})
	self = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		<-ready
		ctx, cancel := context.WithCancel(context.WithValue(ctx, new(int), 1))
		defer cancel()
		_, wait := self.Err(ctx)
		return 0, wait
	})
	close(ready)
	if _, err := result(t, self); !errors.Is(err, futures.ErrDeadlock) {
		t.Fatal(err)
	}
}

// A task that waits for a held task which waits for it.
func TestDeadlockThroughHeldTask(t *testing.T) {
	for _, how := range []string{"Then", "After", "Flatten", "Gather", "AsCompleted", "Set", "Wait"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, executor.MaxWorkers(1))
			var a *futures.Future[int]
			ready := make(chan struct{})
			a = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				<-ready
				identity := func(_ context.Context, v int) (int, error) { return v, nil }
				b := executor.Then(ctx, p, a, identity, executor.Name("b"))
				switch how {
				case "Then":
					return b.Result(ctx)
				case "After":
					return executor.Submit(ctx, p, constant(1), executor.After(b, futures.Resolved(1))).Result(ctx)
				case "Flatten":
					return futures.Flatten(executor.Submit(ctx, p, constant(b))).Result(ctx)
				case "Gather":
					_, err := futures.Gather(ctx, futures.Resolved(1), b)
					return 0, err
				case "AsCompleted":
					for _, err := range futures.AsCompleted(ctx, a, b) {
						return 0, err
					}
				case "Set":
					var s futures.Set[int]
					s.Add(a, b)
					_, err := s.Next(ctx)
					return 0, err
				case "Wait":
					_, _, err := futures.Wait(ctx, futures.FirstException, futures.Resolved(1), b)
					return 0, err
				}
				return 0, nil
			}, executor.Name("a"))
			close(ready)
			_, err := result(t, a)
			deadlock, ok := errors.AsType[*futures.DeadlockError](err)
			if !ok || !slices.Contains(deadlock.Cycle, "a") {
				t.Fatal(err)
			}
			if c := deadlock.Cycle; c[0] != c[len(c)-1] {
				t.Fatalf("not a circle: %q", c)
			}
		})
	}
}

// A first-wait is stuck only if all its targets are.
func TestFirstWaitWithOneLiveTargetIsNoDeadlock(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	var a *futures.Future[int]
	ready := make(chan struct{})
	promise := futures.NewPromise[int](context.Background(), "outside")
	a = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		<-ready
		b := executor.Submit(ctx, p, func(ctx context.Context) (int, error) {
			go promise.Set(7) // only now that b is about to wait for a
			return a.Result(ctx)
		})
		for f, err := range futures.AsCompleted(ctx, b, promise.Future()) {
			if err != nil {
				return 0, err
			}
			return f.Result(ctx)
		}
		return 0, nil
	})
	close(ready)
	if v := value(t, a); v != 7 {
		t.Fatal(v)
	}
}

// program is a random set of tasks that wait for each other.
type program struct {
	workers int
	tasks   []ptask
}

type ptask struct {
	after []int // inputs, earlier ones
	waits []pwait
}

type pwait struct {
	how     int
	targets []int
}

const (
	waitOne = iota
	waitGather
	waitAll
	waitFirst // all that follow are first-waits
	waitStream
	waitSet
)

func randomProgram(r *rand.Rand, firsts bool) program {
	p := program{workers: 1 + r.IntN(3), tasks: make([]ptask, 1+r.IntN(8))}
	kinds := waitFirst
	if firsts {
		kinds = waitSet + 1
	}
	for i := range p.tasks {
		pt := &p.tasks[i]
		if i > 0 && r.IntN(5) == 0 {
			pt.after = append(pt.after, r.IntN(i))
		}
		for range r.IntN(3) {
			w := pwait{how: r.IntN(kinds), targets: []int{r.IntN(len(p.tasks))}}
			for w.how != waitOne && len(w.targets) < 3 && r.IntN(2) == 0 {
				w.targets = append(w.targets, r.IntN(len(p.tasks)))
			}
			pt.waits = append(pt.waits, w)
		}
	}
	return p
}

// canEnd is the reference: the least set of tasks whose waits all end.
func (p program) canEnd() []bool {
	end := make([]bool, len(p.tasks))
	all := func(targets []int) bool {
		return !slices.ContainsFunc(targets, func(i int) bool { return !end[i] })
	}
	for changed := true; changed; {
		changed = false
		for i, pt := range p.tasks {
			ok := !end[i] && all(pt.after)
			for _, w := range pt.waits {
				if w.how < waitFirst {
					ok = ok && all(w.targets)
				} else {
					ok = ok && slices.ContainsFunc(w.targets, func(i int) bool { return end[i] })
				}
			}
			if ok {
				end[i], changed = true, true
			}
		}
	}
	return end
}

func all(bs []bool) bool { return !slices.Contains(bs, false) }

func (p program) gathers() bool {
	return slices.ContainsFunc(p.tasks, func(pt ptask) bool {
		return slices.ContainsFunc(pt.waits, func(w pwait) bool { return w.how == waitGather })
	})
}

func (w pwait) run(ctx context.Context, fs []*futures.Future[int]) error {
	targets := make([]*futures.Future[int], len(w.targets))
	anys := make([]futures.Any, len(w.targets))
	for i, t := range w.targets {
		targets[i], anys[i] = fs[t], fs[t]
	}
	switch w.how {
	case waitGather:
		_, err := futures.Gather(ctx, targets...)
		return err
	case waitAll:
		if _, _, err := futures.Wait(ctx, futures.AllCompleted, anys...); err != nil {
			return err
		}
		for _, f := range targets {
			if _, err, _ := f.TryResult(); err != nil {
				return err
			}
		}
		return nil
	case waitFirst:
		_, _, err := futures.Wait(ctx, futures.FirstCompleted, anys...)
		return err
	case waitStream:
		for _, err := range futures.AsCompleted(ctx, targets...) {
			return err
		}
		return nil
	case waitSet:
		var s futures.Set[int]
		s.Add(targets...)
		_, err := s.Next(ctx)
		return err
	default:
		_, err := targets[0].Result(ctx)
		return err
	}
}

func (p program) run(t *testing.T) []error {
	pool := newPool(t, executor.MaxWorkers(p.workers))
	defer pool.Close()
	fs := make([]*futures.Future[int], len(p.tasks))
	submitted := make(chan struct{})
	for i, pt := range p.tasks {
		after := make([]futures.Any, len(pt.after))
		for j, k := range pt.after {
			after[j] = fs[k]
		}
		fs[i] = executor.Submit(t.Context(), pool, func(ctx context.Context) (int, error) {
			<-submitted
			for _, w := range pt.waits {
				if err := w.run(ctx, fs); err != nil {
					return 0, err
				}
			}
			return 0, nil
		}, executor.Name(fmt.Sprint("t", i)), executor.After(after...))
	}
	close(submitted)
	errs := make([]error, len(fs))
	for i, f := range fs {
		_, errs[i] = result(t, f)
	}
	return errs
}

// Programs of tasks that wait for each other do what a reference says: who can
// end does, without an error, and who can't fails with the deadlock.
func TestRandomPrograms(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	stuckOnes := 0
	for range 1500 {
		firsts := r.IntN(2) == 0
		p := randomProgram(r, firsts)
		errs, canEnd := p.run(t), p.canEnd()
		reported := false
		for i, err := range errs {
			deadlock := errors.Is(err, futures.ErrDeadlock)
			reported = reported || deadlock
			if !canEnd[i] {
				stuckOnes++
			}
			// Where a stuck task fails, a Gather cancels others, and a first-wait
			// for it ends after all.
			if !all(canEnd) && p.gathers() && errors.Is(err, futures.ErrCancelled) {
				continue
			}
			if canEnd[i] && err != nil || !canEnd[i] && !firsts && !deadlock {
				t.Fatalf("seed %d: task %d: can end %v, got %v\n%+v", seed, i, canEnd[i], err, p)
			}
		}
		if stuck := !all(canEnd); stuck != reported {
			t.Fatalf("seed %d: stuck %v, reported %v: %v\n%+v", seed, stuck, reported, errs, p)
		}
	}
	if stuckOnes == 0 {
		t.Fatal("the programs prove nothing: none was stuck")
	}
}
