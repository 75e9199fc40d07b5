package executor_test

import (
	"context"
	"errors"
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
