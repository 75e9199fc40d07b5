package executor_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

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
func TestRow160ChildOutlivesItsParent(t *testing.T) {
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

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1))
		defer p.Close()
		end := make(chan struct{})
		limit := executor.Timeout(time.Second)
		start := time.Now()
		ignores := executor.Submit(t.Context(), p, func(context.Context) (int, error) { <-end; return 1, nil }, limit, executor.Name("ignores"))
		heeds := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != time.Second {
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
