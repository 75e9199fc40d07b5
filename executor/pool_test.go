package executor_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

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
	var noContext context.Context
	for name, f := range map[string]*futures.Future[int]{
		"nil function":   executor.Submit[int](t.Context(), p, nil),
		"nil executor":   executor.Submit(t.Context(), nil, fn),
		"not made":       executor.Submit(t.Context(), none, fn),
		"zero pool":      executor.Submit(t.Context(), new(executor.Pool), fn),
		"nil context":    executor.Submit(noContext, p, fn),
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
		executor.OnUnobserved(nil), executor.OnStall(0, func(executor.Stall) {}), executor.OnStall(1, nil),
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

func TestRow159GoexitInACallbackTakesNoWorker(t *testing.T) {
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

func TestRow161Init(t *testing.T) {
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

// Rows 93 and 167 as well: what is submitted later fails alike; and 164: with the cause.
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
