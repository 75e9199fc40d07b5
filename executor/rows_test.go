package executor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

// Callbacks run on the worker that ended the task, and so hold it up.
func TestRow52CallbacksRunOnTheWorker(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	f, release := blocker(t, p)
	called, end := make(chan struct{}), make(chan struct{})
	f.OnDone(func(*futures.Future[int]) { close(called); <-end })
	behind := executor.Submit(t.Context(), p, constant(1))
	release()
	<-called
	if _, _, done := f.TryResult(); !done { // row 37
		t.Error("called before the future was done")
	}
	if s := p.Stats(); s.Running != 1 || s.Queued != 1 || behind.State() != futures.Pending {
		t.Errorf("%+v, %v", s, behind)
	}
	close(end)
	value(t, behind)
}

// What a Shutdown cancels is done for every wait, with no limit of time.
func TestRow63ShutdownWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1))
		running, release := blocker(t, p)
		queued := executor.Submit(t.Context(), p, constant(1))
		held := executor.Submit(t.Context(), p, constant(1), executor.After(running))
		waits := make(chan int, 2)
		go func() {
			done, _, _ := futures.Wait(t.Context(), futures.AllCompleted, queued, held)
			waits <- len(done)
		}()
		go func() {
			n := 0
			for range futures.AsCompleted(t.Context(), queued, held) {
				n++
			}
			waits <- n
		}()
		synctest.Wait()
		p.Shutdown(t.Context(), executor.CancelPending(), executor.NoWait())
		for range 2 {
			if n := <-waits; n != 2 {
				t.Errorf("%d of 2 are done", n)
			}
		}
		release()
		p.Close()
	})
}

// A broken pool that is shut down says what broke it.
func TestRow94BrokenIsSaidBeforeShutdown(t *testing.T) {
	failure := errors.New("failure")
	p := newPool(t, executor.Init(func(context.Context) (context.Context, error) { return nil, failure }))
	result(t, executor.Submit(t.Context(), p, constant(1)))
	p.Close()
	_, err := result(t, executor.Submit(t.Context(), p, constant(1)))
	if !errors.Is(err, executor.ErrBrokenPool) || !errors.Is(err, failure) || errors.Is(err, executor.ErrShutdown) {
		t.Error(err)
	}
}

// Close, put off to the end of a function, lets what it has accepted finish.
func TestRow100CloseByDefer(t *testing.T) {
	var f *futures.Future[int]
	func() {
		p, err := executor.NewPool(executor.MaxWorkers(1))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for i := range 50 { // row 128
			f = executor.Submit(t.Context(), p, constant(i))
		}
	}()
	if v, err, done := f.TryResult(); v != 49 || err != nil || !done {
		t.Error(v, err, done)
	}
}

// A Map whose input panics has its panic. What it has submitted by then and has not
// started is cancelled, for nobody can ask for it; Python runs it.
func TestRow106AnInputThatPanics(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	_, release := blocker(t, p)
	ran := make(chan int, 1)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		executor.Map(t.Context(), p, func(_ context.Context, n int) (int, error) { ran <- n; return n, nil }, func(yield func(int) bool) {
			if yield(1) {
				panic("input")
			}
		})
	}()
	release()
	p.Close()
	if len(ran) != 0 {
		t.Error("ran", <-ran)
	}
}

func TestRow139NothingIsLeftAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine stays
		p, _ := executor.NewPool(executor.MaxWorkers(3))
		for range 3 {
			executor.Submit(t.Context(), p, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
		}
		if n := p.Stats().Workers; n != 3 {
			t.Errorf("%d workers", n)
		}
		p.Close()
		if s := p.Stats(); s.Workers != 0 || s.Done != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// A Shutdown is bounded by its context, and says what it did not wait for.
func TestRow144ShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(2), executor.NamePrefix("p"))
		_, a := blocker(t, p, executor.Name("a"))
		_, b := blocker(t, p, executor.Name("b"))
		executor.Submit(t.Context(), p, constant(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		shutdown, ok := errors.AsType[*executor.ShutdownError](err)
		if !ok || !errors.Is(err, context.DeadlineExceeded) || len(shutdown.Running) != 2 ||
			!slices.Contains(shutdown.Running, "a") || !strings.HasPrefix(err.Error(), "executor: shutdown of p: 2 tasks still run (") {
			t.Error(err)
		}
		a()
		b()
		if err := p.Close(); err != nil { // row 132: again, and it ends now
			t.Error(err)
		}
	})
}

func TestRow146DefaultWorkers(t *testing.T) {
	p := newPool(t)
	n := runtime.GOMAXPROCS(0)
	for range n {
		_, release := blocker(t, p)
		defer release()
	}
	executor.Submit(t.Context(), p, constant(1))
	if s := p.Stats(); s.Running != n || s.Queued != 1 {
		t.Errorf("%+v for %d processors", s, n)
	}
}

func TestRow152Names(t *testing.T) {
	p, other := newPool(t), newPool(t)
	if p.String() == other.String() || !strings.HasPrefix(p.String(), "pool-") {
		t.Error(p, other)
	}
	named := newPool(t, executor.NamePrefix("p"))
	for i := range 2 {
		f := executor.Submit(t.Context(), named, constant(1))
		if want := fmt.Sprintf("p#%d", i+1); f.Name() != want || named.String() != "p" {
			t.Errorf("got %s, want %s", f.Name(), want)
		}
		value(t, f)
	}
}

// A cancelled task leaves the queue at once, and makes room in it.
func TestRow154ACancelledTaskLeavesTheQueue(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	_, release := blocker(t, p)
	var fs []*futures.Future[int]
	for range 10 {
		fs = append(fs, executor.Submit(t.Context(), p, constant(1)))
	}
	for i, f := range fs {
		if f.Cancel(); p.Stats().Queued != len(fs)-1-i {
			t.Errorf("%d cancelled: %+v", i+1, p.Stats())
		}
	}
	release()
}

// Tasks that run when the pool breaks finish.
func TestRow166RunningTasksOutliveABreak(t *testing.T) {
	first := true // Init is called for one worker after the other here
	p := newPool(t, executor.MaxWorkers(2), executor.Init(func(context.Context) (context.Context, error) {
		if first {
			first = false
			return nil, nil
		}
		return nil, errors.New("failure")
	}))
	running, release := blocker(t, p)
	if _, err := result(t, executor.Submit(t.Context(), p, constant(1))); !errors.Is(err, executor.ErrBrokenPool) {
		t.Error(err)
	}
	release()
	value(t, running)
}

// Rows 232 to 235: what the errors are, and say.
func TestRow232Errors(t *testing.T) {
	p := newPool(t, executor.NamePrefix("p"), executor.MaxWorkers(1), executor.MaxBlocked(0), executor.QueueLimit(0, executor.Reject))
	started, end := make(chan struct{}), make(chan struct{})
	saturated := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		close(started)
		<-end
		return executor.Blocking(ctx, func() (int, error) { return 0, nil })
	})
	<-started
	full := executor.Submit(t.Context(), p, constant(1))
	close(end)
	result(t, saturated)
	p.Close()
	broken := newPool(t, executor.NamePrefix("b"), executor.Init(func(context.Context) (context.Context, error) { return nil, errOwn }))
	for _, tc := range []struct {
		f    *futures.Future[int]
		is   error
		text string
	}{
		{saturated, executor.ErrSaturated, "executor: too many tasks wait: p has 0 that do"},
		{full, executor.ErrQueueFull, "executor: queue is full: p has 0 tasks queued"},
		{executor.Submit(t.Context(), p, constant(1)), executor.ErrShutdown, "executor: pool is shut down: p"},
		{executor.Submit(t.Context(), broken, constant(1)), executor.ErrBrokenPool, "executor: pool b is broken: the task's own error"},
	} {
		if _, err := result(t, tc.f); !errors.Is(err, tc.is) || err.Error() != tc.text {
			t.Errorf("got %q, want %q", err, tc.text)
		}
	}
	worker := &executor.BrokenError{Worker: "w", Cause: errOwn}
	if errors.Is(worker, executor.ErrBrokenPool) || !errors.Is(worker, errOwn) {
		t.Error("a broken worker is a broken pool")
	}
}
