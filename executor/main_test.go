package executor_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flow/executor"
	"flow/futures"
)

func TestMain(m *testing.M) {
	executor.Main(functions)
	if code, is := other(os.Args); is {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what should never be waited for: a test that takes so long has
// found a hang.
const patience = time.Minute

func newPool(t testing.TB, opts ...executor.PoolOption) *executor.Pool {
	t.Helper()
	p, err := executor.NewPool(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return p
}

// patient returns a context that ends a wait only in a test that fails.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// result is f's, which must come.
func result[T any](t testing.TB, f *futures.Future[T]) (T, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v, err := f.Result(ctx)
	if ctx.Err() != nil {
		t.Fatalf("%v: never ended", f)
	}
	return v, err
}

// value is f's value, which must be one.
func value[T any](t testing.TB, f *futures.Future[T]) T {
	t.Helper()
	v, err := result(t, f)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return v
}

// blocker submits a task that signals its start and runs until it is released.
func blocker(t testing.TB, p *executor.Pool, opts ...executor.TaskOption) (f *futures.Future[int], release func()) {
	t.Helper()
	started, end := make(chan struct{}), make(chan struct{})
	f = executor.Submit(context.Background(), p, func(context.Context) (int, error) {
		close(started)
		<-end
		return 0, nil
	}, opts...)
	select {
	case <-started:
	case <-time.After(patience):
		t.Fatal("never started")
	}
	return f, func() { close(end) }
}

func constant[T any](v T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return v, nil }
}
