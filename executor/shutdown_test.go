package executor_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

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
