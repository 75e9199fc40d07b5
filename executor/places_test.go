package executor_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

func TestRow96FIFOAndPriority(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	_, release := blocker(t, p)
	var order []int
	var last *futures.Future[int]
	for i, priority := range []int{0, 0, 5, -1, 5, 0, 1 << 40} {
		last = executor.Submit(t.Context(), p, func(context.Context) (int, error) {
			order = append(order, i) // one worker: no race
			return 0, nil
		}, executor.Priority(priority))
	}
	release()
	value(t, last)
	p.Close()
	if want := []int{6, 2, 4, 0, 1, 5, 3}; !slices.Equal(order, want) {
		t.Fatalf("got %v, want %v", order, want)
	}
}

func TestRow147And148WorkersStartLazilyAndAreReused(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(4))
	if n := p.Stats().Workers; n != 0 {
		t.Errorf("%d workers before any task", n)
	}
	for i := range 20 {
		value(t, executor.Submit(t.Context(), p, constant(i)))
		for p.Stats().Running > 0 { // the future is done a moment before its worker is idle
			runtime.Gosched()
		}
	}
	if n := p.Stats().Workers; n != 1 {
		t.Errorf("%d workers after tasks one by one", n)
	}
	for range 3 {
		_, release := blocker(t, p)
		defer release()
	}
	if n := p.Stats().Workers; n != 3 {
		t.Errorf("%d workers for three tasks at once", n)
	}
}

func TestRow153IdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.IdleTimeout(time.Second))
		defer p.Close()
		for range 2 {
			value(t, executor.Submit(t.Context(), p, constant(1)))
			synctest.Wait()
			if n := p.Stats().Workers; n != 1 {
				t.Fatalf("%d workers", n)
			}
			time.Sleep(2 * time.Second)
			if n := p.Stats().Workers; n != 0 {
				t.Fatalf("%d workers after the timeout", n)
			}
		}
	})
}

// A waiter whose context ends goes on at once, though its place has gone to the
// task that it waited for.
func TestWaiterLeavesWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1))
		defer p.Close()
		end := make(chan struct{})
		f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			slow := executor.Submit(ctx, p, func(context.Context) (int, error) { <-end; return 1, nil })
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := slow.Result(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("short wait: %v", err)
			}
			close(end)
			return slow.Result(ctx)
		})
		value(t, f)
	})
}

func TestBlockingGivesThePlaceBack(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	open := make(chan struct{})
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		return executor.Blocking(ctx, func() (int, error) { <-open; return 5, nil })
	})
	executor.Submit(t.Context(), p, func(context.Context) (int, error) { close(open); return 0, nil })
	if v := value(t, f); v != 5 {
		t.Fatal(v)
	}
	if v, err := executor.Blocking(t.Context(), func() (int, error) { return 6, io.EOF }); v != 6 || err != io.EOF {
		t.Fatal("outside of a task", v, err)
	}
}

func TestMaxBlocked(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1), executor.MaxBlocked(2))
	var nest func(ctx context.Context, depth int) (int, error)
	nest = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 0, nil
		}
		return executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return nest(ctx, depth-1) }).Result(ctx)
	}
	for depth, want := range []error{nil, nil, nil, executor.ErrSaturated} {
		f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return nest(ctx, depth) })
		if _, err := result(t, f); !errors.Is(err, want) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

func TestRow95QueueLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1), executor.QueueLimit(2, executor.Reject))
		defer p.Close()
		_, release := blocker(t, p)
		a, b := executor.Submit(t.Context(), p, constant(1)), executor.Submit(t.Context(), p, constant(1))
		if _, err := result(t, executor.Submit(t.Context(), p, constant(1))); !errors.Is(err, executor.ErrQueueFull) {
			t.Error(err)
		}
		a.Cancel()
		c := executor.Submit(t.Context(), p, constant(1))
		release()
		value(t, b)
		value(t, c)
	})
}

func TestQueueLimitBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1), executor.QueueLimit(1, executor.Block))
		defer p.Close()
		_, release := blocker(t, p)
		executor.Submit(t.Context(), p, constant(1))
		var last atomic.Pointer[futures.Future[int]]
		go func() { last.Store(executor.Submit(t.Context(), p, constant(9))) }()
		synctest.Wait()
		if last.Load() != nil || p.Stats().Queued != 1 {
			t.Fatalf("Submit did not block: %+v", p.Stats())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := result(t, executor.Submit(ctx, p, constant(1))); !errors.Is(err, futures.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		release()
		synctest.Wait()
		if v := value(t, last.Load()); v != 9 {
			t.Error(v)
		}
	})
}

func TestQueueLimitBlocksInATaskOfTheSamePool(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1), executor.QueueLimit(1, executor.Block))
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		sum := 0
		var fs []*futures.Future[int]
		for i := range 10 {
			fs = append(fs, executor.Submit(ctx, p, constant(i)))
		}
		for _, f := range fs {
			v, err := f.Result(ctx)
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	if v := value(t, f); v != 45 {
		t.Fatal(v)
	}
}

func TestResize(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(4))
	heavy := executor.Weight(4)
	_, release := blocker(t, p, heavy)
	queued := executor.Submit(t.Context(), p, constant(1), heavy)
	if err := p.Resize(1); err != nil {
		t.Fatal(err)
	}
	light := executor.Submit(t.Context(), p, constant(2))
	release()
	value(t, queued) // heavier than the pool by now: runs alone
	value(t, light)
	if err := p.Resize(2); err != nil {
		t.Fatal(err)
	}
	_, one := blocker(t, p)
	_, two := blocker(t, p)
	if s := p.Stats(); s.Running != 2 {
		t.Errorf("%+v", s)
	}
	one()
	two()
}

func TestWeightIsNotOvertaken(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(2))
	_, release := blocker(t, p)
	var order []string
	heavy := executor.Submit(t.Context(), p, func(context.Context) (int, error) { order = append(order, "heavy"); return 0, nil }, executor.Weight(2))
	light := executor.Submit(t.Context(), p, func(context.Context) (int, error) { order = append(order, "light"); return 0, nil })
	if s := p.Stats(); s.Queued != 2 {
		t.Errorf("%+v", s)
	}
	release()
	value(t, heavy)
	value(t, light)
	if !slices.Equal(order, []string{"heavy", "light"}) {
		t.Fatal(order)
	}
}

// The first of a task's waits to end does not take its place back while another
// one of its goroutines still waits.
func TestSeveralGoroutinesOfATaskWait(t *testing.T) {
	type key struct{}
	p := newPool(t, executor.MaxWorkers(1))
	ps := []*futures.Promise[int]{futures.NewPromise[int](t.Context(), "a"), futures.NewPromise[int](t.Context(), "b")}
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		var wg sync.WaitGroup
		for _, promise := range ps {
			wg.Go(func() {
				if v, err := promise.Future().Result(ctx); v != 1 || err != nil || ctx.Value(key{}) != nil {
					t.Error(v, err)
				}
			})
		}
		wg.Wait()
		return 2, nil
	})
	for _, promise := range ps {
		// The place is free: this runs, whichever wait is over.
		for p.Stats().Blocked == 0 {
			runtime.Gosched()
		}
		value(t, executor.Submit(t.Context(), p, constant(1)))
		promise.Set(1)
	}
	if v := value(t, f); v != 2 {
		t.Fatal(v)
	}
	if s := p.Stats(); s.Blocked != 0 {
		t.Errorf("%+v", s)
	}
}
