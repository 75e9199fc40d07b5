package executor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"pgregory.net/rapid"

	"flow/executor"
	"flow/futures"
)

func TestRow88SubmitGivesTheResult(t *testing.T) {
	p := newPool(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "v")
	f := executor.Submit(ctx, p, func(ctx context.Context) (any, error) { return ctx.Value(key{}), nil })
	if v := value(t, f); v != "v" {
		t.Fatal(v)
	}
	failure := errors.New("failure")
	g := executor.Submit(ctx, p, func(context.Context) (int, error) { return 1, failure })
	if v, err := result(t, g); v != 0 || err != failure {
		t.Fatal(v, err)
	}
}

func TestRow90BadInputIsInTheFuture(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(2))
	fn := constant(1)
	var none *executor.Pool
	var future *futures.Future[int]
	for name, f := range map[string]*futures.Future[int]{
		"nil function":   executor.Submit[int](t.Context(), p, nil),
		"nil executor":   executor.Submit(t.Context(), nil, fn),
		"not made":       executor.Submit(t.Context(), none, fn),
		"zero pool":      executor.Submit(t.Context(), new(executor.Pool), fn),
		"nil context":    executor.Submit(nil, p, fn), //nolint:staticcheck // on purpose
		"nil option":     executor.Submit(t.Context(), p, fn, nil),
		"Weight(0)":      executor.Submit(t.Context(), p, fn, executor.Weight(0)),
		"weight 3":       executor.Submit(t.Context(), p, fn, executor.Weight(3)),
		"Timeout(0s)":    executor.Submit(t.Context(), p, fn, executor.Timeout(0)),
		"After":          executor.Submit(t.Context(), p, fn, executor.After(nil)),
		"future 1 is":    executor.Submit(t.Context(), p, fn, executor.After(futures.Resolved(1), future)),
		"nil future":     executor.Then(t.Context(), p, future, func(context.Context, int) (int, error) { return 0, nil }),
		"executor: nil ": executor.Then[int, int](t.Context(), p, futures.Resolved(1), nil),
	} {
		if _, err := result(t, f); err == nil || name != "not made" && name != "zero pool" && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRow98BadPoolOptions(t *testing.T) {
	for _, opt := range []executor.PoolOption{
		executor.MaxWorkers(0), executor.MaxWorkers(-1), executor.NamePrefix(""), executor.Init(nil), executor.MaxBlocked(-1),
		executor.QueueLimit(-1, executor.Block), executor.QueueLimit(1, 7), executor.IdleTimeout(0), executor.OnPanic(7), nil,
	} {
		if p, err := executor.NewPool(opt); err == nil || p != nil {
			t.Errorf("%v: %v, %v", opt, p, err)
		}
	}
	if err := newPool(t).Resize(0); err == nil {
		t.Error("Resize(0) is accepted")
	}
}

func TestRow91SubmitAfterShutdown(t *testing.T) {
	p := newPool(t)
	p.Close()
	if _, err := result(t, executor.Submit(t.Context(), p, constant(1))); !errors.Is(err, executor.ErrShutdown) {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil { // row 132
		t.Fatal(err)
	}
}

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

func TestRow97FunctionIsFreed(t *testing.T) {
	p := newPool(t)
	big := new([1 << 16]byte)
	ref := weak.Make(big)
	f := executor.Submit(t.Context(), p, func(context.Context) (int, error) { return int(big[0]), nil })
	cancelled := executor.Submit(t.Context(), p, func(context.Context) (int, error) { return int(big[0]), nil }, executor.After(futures.NewPromise[int](t.Context(), "").Future()))
	value(t, f)
	cancelled.Cancel()
	big = nil
	for range 100 {
		if runtime.GC(); ref.Value() == nil {
			runtime.KeepAlive(f)
			runtime.KeepAlive(cancelled)
			return
		}
	}
	t.Fatal("still referred to")
}

func TestRow99PanicAndGoexit(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	panics := executor.Submit(t.Context(), p, func(context.Context) (int, error) { panic(io.ErrUnexpectedEOF) })
	_, err := result(t, panics)
	pe, ok := errors.AsType[*futures.PanicError](err)
	if !ok || pe.Value != io.ErrUnexpectedEOF || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(pe.Stack), "TestRow99") {
		t.Fatalf("%v", err)
	}
	panicsNil := executor.Submit(t.Context(), p, func(context.Context) (int, error) { panic(nil) })
	if _, err := result(t, panicsNil); !errors.As(err, &pe) {
		t.Fatal(err)
	}
	for range 3 {
		exits := executor.Submit(t.Context(), p, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		if _, err := result(t, exits); err != futures.ErrGoexit {
			t.Fatal(err)
		}
	}
	if v := value(t, executor.Submit(t.Context(), p, constant(7))); v != 7 {
		t.Fatal(v)
	}
}

func TestGoexitInACallbackTakesNoWorker(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	f, release := blocker(t, p)
	second := make(chan struct{})
	f.OnDone(func(*futures.Future[int]) { runtime.Goexit() })
	f.OnDone(func(*futures.Future[int]) { close(second) })
	release()
	value(t, f)
	<-second
	if v := value(t, executor.Submit(t.Context(), p, constant(7))); v != 7 {
		t.Fatal(v)
	}
}

func TestSubmitContext(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	running := executor.Submit(ctx, p, func(ctx context.Context) (int, error) {
		cancel(cause)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	detached := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return 3, ctx.Err() }, executor.Detach())
	queued := executor.Submit(ctx, p, constant(1))
	if _, err := result(t, running); err != cause || running.State() != futures.Finished {
		t.Errorf("running: %v", err)
	}
	held := executor.Submit(ctx, p, constant(1), executor.After(futures.NewPromise[int](t.Context(), "").Future()))
	for name, f := range map[string]*futures.Future[int]{"queued": queued, "done before": executor.Submit(ctx, p, constant(1)), "held": held} {
		if _, err := result(t, f); f.State() != futures.Cancelled || !errors.Is(err, futures.ErrCancelled) || !errors.Is(err, cause) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if v := value(t, detached); v != 3 {
		t.Error(v)
	}
}

func TestHeldTaskIsCancelledWithItsContext(t *testing.T) {
	p := newPool(t)
	ctx, cancel := context.WithCancel(t.Context())
	held := executor.Submit(ctx, p, constant(1), executor.After(futures.NewPromise[int](t.Context(), "").Future()))
	cancel()
	if _, err := result(t, held); held.State() != futures.Cancelled || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// What a task submits with its context and does not wait for outlives it, and
// still ends with what ends the task's own context.
func TestChildOutlivesItsParent(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(2))
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan struct{})
	var kept context.Context
	parent := executor.Submit(ctx, p, func(ctx context.Context) (*futures.Future[int], error) {
		kept = ctx
		return executor.Submit(ctx, p, func(ctx context.Context) (int, error) {
			<-end
			err := ctx.Err()
			cancel()
			<-ctx.Done()
			return 1, err
		}), nil
	})
	flat := futures.Flatten(parent)
	value(t, parent)
	close(end)
	if v := value(t, flat); v != 1 {
		t.Fatal(v)
	}
	<-kept.Done()
}

func TestTaskContextEndsWithTheTask(t *testing.T) {
	p := newPool(t)
	for _, done := range []bool{false, true} {
		var kept context.Context
		value(t, executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			kept = ctx
			if done {
				ctx.Done()
			}
			return 0, nil
		}))
		<-kept.Done()
		if kept.Err() != context.Canceled {
			t.Fatal(kept.Err())
		}
	}
}

func TestAbort(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	cause := errors.New("cause")
	started := make(chan struct{})
	running := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	queued := executor.Submit(t.Context(), p, constant(1))
	<-started
	if running.Cancel() || !queued.Abort(cause) || !running.Abort(cause) {
		t.Fatal("what was stopped is wrong")
	}
	if _, err := result(t, running); err != cause {
		t.Error(err)
	}
	if _, err := result(t, queued); queued.State() != futures.Cancelled || !errors.Is(err, cause) || !errors.Is(err, futures.ErrCancelled) {
		t.Error(err)
	}
	if running.Abort(cause) || !queued.Abort(nil) {
		t.Error("abort after the end")
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

func TestIdleTimeout(t *testing.T) {
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

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1))
		defer p.Close()
		end := make(chan struct{})
		limit := executor.Timeout(time.Second)
		start := time.Now()
		ignores := executor.Submit(t.Context(), p, func(context.Context) (int, error) { <-end; return 1, nil }, limit, executor.Name("ignores"))
		heeds := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			if d, ok := ctx.Deadline(); !ok || d.Sub(time.Now()) != time.Second {
				t.Errorf("deadline %v", d)
			}
			<-ctx.Done()
			return 1, ctx.Err()
		}, limit)
		quick := executor.Submit(t.Context(), p, constant(1), limit)
		for i, f := range []*futures.Future[int]{ignores, heeds} {
			_, err := f.Result(t.Context())
			wait, _ := errors.AsType[*futures.WaitError](err)
			if !errors.Is(err, context.DeadlineExceeded) || wait != nil {
				t.Errorf("%v: %v", f, err)
			}
			// Counted from the start of the task, not from Submit.
			if took := time.Since(start); took != time.Duration(i+1)*time.Second {
				t.Errorf("%v after %v", f, took)
			}
		}
		value(t, quick)
		synctest.Wait()
		if s := p.Stats(); s.Stray != 1 || s.Running != 0 || s.Failed != 2 || s.Done != 1 {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		shutdown, ok := errors.AsType[*executor.ShutdownError](err)
		if !ok || !slices.Equal(shutdown.Running, []string{"ignores"}) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		close(end)
	})
}

func TestTimeoutAfterAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool()
		defer p.Close()
		end := make(chan struct{})
		f := executor.Submit(t.Context(), p, func(context.Context) (int, error) { <-end; return 1, nil }, executor.Timeout(time.Minute))
		synctest.Wait()
		f.Abort(nil)
		if _, err := f.Result(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(end)
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

func TestAbandonedPromise(t *testing.T) {
	p := newPool(t)
	var left, kept *futures.Promise[int]
	ready := make(chan struct{})
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		left, kept = futures.NewPromise[int](ctx, "left"), futures.NewPromise[int](ctx, "kept")
		close(ready)
		return 0, kept.Set(4)
	})
	<-ready
	if _, err := result(t, left.Future()); err != futures.ErrAbandoned {
		t.Error(err)
	}
	value(t, f)
	if err := left.Set(1); !errors.Is(err, futures.ErrInvalidState) {
		t.Error(err)
	}
	if v := value(t, kept.Future()); v != 4 {
		t.Error(v)
	}
}

func TestAfterAndThen(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	in := futures.NewPromise[int](t.Context(), "in")
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	then := executor.Then(t.Context(), p, in.Future(), double)
	after := executor.Submit(t.Context(), p, constant(1), executor.After(then, in.Future()), executor.After(futures.Resolved("")))
	if s := p.Stats(); s.Held != 2 || s.Queued != 0 || s.Workers != 0 {
		t.Errorf("%+v", s)
	}
	value(t, executor.Submit(t.Context(), p, constant(1))) // held ones take no worker
	in.Set(21)
	if v := value(t, then); v != 42 {
		t.Error(v)
	}
	value(t, after)

	failure := errors.New("failure")
	cancelled := futures.NewPromise[int](t.Context(), "cancelled")
	cancelled.Future().Cancel()
	for _, bad := range []*futures.Future[int]{futures.Failed[int](failure), cancelled.Future()} {
		never := futures.NewPromise[int](t.Context(), "never").Future()
		f := executor.Then(t.Context(), p, bad, double, executor.After(never))
		_, err := result(t, f)
		te, ok := errors.AsType[*futures.TaskError](err)
		_, cause, _ := bad.TryResult()
		if !ok || te.Task != bad.Name() || !errors.Is(err, cause) || f.State() != futures.Finished {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if s := p.Stats(); s.Held != 0 || s.Failed != 2 {
		t.Errorf("%+v", s)
	}
}

func TestInit(t *testing.T) {
	type key struct{}
	var calls atomic.Int64
	p := newPool(t, executor.MaxWorkers(2), executor.Init(func(ctx context.Context) (context.Context, error) {
		return context.WithValue(ctx, key{}, calls.Add(1)), nil
	}))
	var seen sync.Map
	var fs []futures.Any
	for range 50 {
		fs = append(fs, executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			seen.Store(ctx.Value(key{}), true)
			return 0, nil
		}))
	}
	if _, _, err := futures.Wait(patient(t), futures.AllCompleted, fs...); err != nil {
		t.Fatal(err)
	}
	if _, ok := seen.Load(nil); ok || calls.Load() > 2 {
		t.Fatalf("%d calls, or a task without the value", calls.Load())
	}
}

func TestRow163And165FailingInit(t *testing.T) {
	failure := errors.New("failure")
	for name, init := range map[string]func(){"error": func() {}, "panic": func() { panic(failure) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			begin := make(chan struct{})
			p := newPool(t, executor.MaxWorkers(1), executor.Init(func(context.Context) (context.Context, error) {
				<-begin
				init()
				return nil, failure
			}))
			first := executor.Submit(t.Context(), p, constant(1))
			dropped := executor.Submit(t.Context(), p, constant(1))
			behind := executor.Submit(t.Context(), p, constant(1))
			held := executor.Submit(t.Context(), p, constant(1), executor.After(futures.NewPromise[int](t.Context(), "").Future()))
			if !dropped.Cancel() {
				t.Fatal("a queued task can't be cancelled")
			}
			close(begin)
			result(t, first)
			later := executor.Submit(t.Context(), p, constant(1))
			for _, f := range []*futures.Future[int]{first, behind, held, later} {
				_, err := result(t, f)
				broken, ok := errors.AsType[*executor.BrokenError](err)
				if !ok || !errors.Is(err, executor.ErrBrokenPool) || broken.Task != f.Name() || name != "Goexit" && !errors.Is(err, failure) {
					t.Errorf("%v: %v", f, err)
				}
			}
			if dropped.State() != futures.Cancelled {
				t.Error(dropped)
			}
		})
	}
}

func TestQueueLimit(t *testing.T) {
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

func TestShutdown(t *testing.T) {
	for _, tc := range []struct {
		name                    string
		how                     []executor.ShutdownOption
		running, queued, helded futures.State
	}{
		{"drain", nil, futures.Finished, futures.Finished, futures.Finished},
		{"no wait", []executor.ShutdownOption{executor.NoWait()}, futures.Finished, futures.Finished, futures.Finished},
		{"cancel", []executor.ShutdownOption{executor.CancelPending()}, futures.Finished, futures.Cancelled, futures.Cancelled},
		{"abort", []executor.ShutdownOption{executor.AbortRunning()}, futures.Finished, futures.Cancelled, futures.Cancelled},
	} {
		t.Run("Row128to131"+tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := executor.NewPool(executor.MaxWorkers(1))
				running := executor.Submit(t.Context(), p, func(ctx context.Context) (error, error) {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
					return context.Cause(ctx), nil
				})
				synctest.Wait()
				in := futures.NewPromise[int](t.Context(), "in")
				queued := executor.Submit(t.Context(), p, constant(1))
				held := executor.Submit(t.Context(), p, constant(1), executor.After(in.Future()))
				time.AfterFunc(2*time.Second, func() { in.Set(1) })
				if err := p.Shutdown(t.Context(), tc.how...); err != nil {
					t.Fatal(err)
				}
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				if running.State() != tc.running || queued.State() != tc.queued || held.State() != tc.helded {
					t.Fatal(running, queued, held)
				}
				cause := value(t, running)
				if aborted := tc.name == "abort"; aborted != errors.Is(cause, executor.ErrShutdown) {
					t.Fatal(cause)
				}
				if n := p.Stats().Workers; n != 0 {
					t.Fatalf("%d workers are left", n)
				}
				time.Sleep(3 * time.Second)
			})
		})
	}
}

func TestRow133CancelThenShutdown(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	_, release := blocker(t, p)
	executor.Submit(t.Context(), p, constant(1)).Cancel()
	release()
	if err := p.Shutdown(patient(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRow137ShutdownFromInside(t *testing.T) {
	p, other := newPool(t), newPool(t)
	inside := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return 0, p.Shutdown(ctx) }, executor.Name("a"))
	if _, err := result(t, inside); !errors.Is(err, futures.ErrDeadlock) || !strings.Contains(err.Error(), "a -> a") {
		t.Error(err)
	}
	if _, err := result(t, executor.Submit(t.Context(), p, constant(1))); !errors.Is(err, executor.ErrShutdown) {
		t.Error(err)
	}
	p = newPool(t)
	through := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		return executor.Submit(ctx, other, func(ctx context.Context) (int, error) { return 0, p.Shutdown(ctx) }).Result(ctx)
	})
	if _, err := result(t, through); !errors.Is(err, futures.ErrDeadlock) {
		t.Error(err)
	}
	p = newPool(t)
	if _, err := result(t, executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return 0, p.Shutdown(ctx, executor.NoWait()) })); err != nil {
		t.Error(err)
	}
}

func TestRow138DroppedPoolDrainsAndEnds(t *testing.T) {
	p, err := executor.NewPool(executor.MaxWorkers(1))
	if err != nil {
		t.Fatal(err)
	}
	f, release := blocker(t, p)
	last := executor.Submit(t.Context(), p, constant(7))
	p = nil
	runtime.GC()
	release()
	value(t, f)
	if v := value(t, last); v != 7 {
		t.Fatal(v)
	}
	runtime.GC() // goleak looks for the worker at the end
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

// model is a random load: all numbers are drawn before it runs on fake time.
type model struct {
	max   int
	tasks []modelTask
}

type modelTask struct {
	weight, priority int
	work             time.Duration
	timeout          time.Duration
	waits            bool // for a task that it submits
	cancel           bool
}

// Places: never more run than there are; every future ends; all is gone after.
func TestRow149PoolInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := model{max: rapid.IntRange(1, 4).Draw(rt, "max")}
		for range rapid.IntRange(1, 30).Draw(rt, "n") {
			m.tasks = append(m.tasks, modelTask{
				weight:   rapid.IntRange(1, m.max).Draw(rt, "weight"),
				priority: rapid.IntRange(-1, 1).Draw(rt, "priority"),
				work:     time.Duration(rapid.IntRange(0, 3).Draw(rt, "work")) * time.Second,
				timeout:  time.Duration(rapid.IntRange(0, 2).Draw(rt, "timeout")) * time.Second,
				waits:    rapid.Bool().Draw(rt, "waits"),
				cancel:   rapid.IntRange(0, 9).Draw(rt, "cancel") == 0,
			})
		}
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = m.run(t) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func (m model) run(t *testing.T) (problem string) {
	p, _ := executor.NewPool(executor.MaxWorkers(m.max))
	var used, ended atomic.Int64
	busy := func(d time.Duration, weight int) {
		if n := used.Add(int64(weight)); n > int64(m.max) {
			problem = fmt.Sprintf("%d of %d places used", n, m.max)
		}
		time.Sleep(d)
		used.Add(-int64(weight))
	}
	var fs []futures.Any
	for _, mt := range m.tasks {
		opts := []executor.TaskOption{executor.Weight(mt.weight), executor.Priority(mt.priority)}
		if mt.timeout > 0 && !mt.waits {
			opts = append(opts, executor.Timeout(mt.timeout))
			mt.work = min(mt.work, mt.timeout-1) // a stray runs without a place
		}
		f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			busy(mt.work, mt.weight)
			if mt.waits {
				_, err := executor.Submit(ctx, p, func(context.Context) (int, error) { busy(mt.work, 1); return 0, nil }).Result(ctx)
				busy(mt.work, mt.weight)
				return 0, err
			}
			return 0, nil
		}, opts...)
		f.OnDone(func(*futures.Future[int]) { ended.Add(1) })
		if mt.cancel {
			f.Cancel()
		}
		fs = append(fs, f)
	}
	if _, _, err := futures.Wait(t.Context(), futures.AllCompleted, fs...); err != nil {
		return err.Error()
	}
	if err := p.Close(); err != nil {
		return err.Error()
	}
	for _, f := range fs {
		if task, _ := f.Err(t.Context()); task != nil {
			return fmt.Sprint(f, task)
		}
	}
	if s := p.Stats(); s.Workers+s.Running+s.Queued+s.Held+s.Blocked+s.Stray != 0 || int(ended.Load()) != len(fs) {
		return fmt.Sprintf("%+v", s)
	}
	return problem
}
