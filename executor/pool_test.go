package executor_test

import (
	"context"
	"errors"
	"testing"

	"flow/executor"
	"flow/futures"
)

func newPool(t testing.TB, opts ...executor.PoolOption) *executor.Pool {
	t.Helper()
	p, err := executor.NewPool(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRow157OneWorkerWaitsForItsOwnTask(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	defer p.Close()
	var nest func(ctx context.Context, depth int) (int, error)
	nest = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 0, nil
		}
		n, err := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return nest(ctx, depth-1) }).Result(ctx)
		return n + 1, err
	}
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return nest(ctx, 1000) })
	if n, err := f.Result(t.Context()); n != 1000 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
}

func TestRow156TwoTasksWaitForEachOther(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(2))
	defer p.Close()
	var a, b *futures.Future[int]
	ready := make(chan struct{})
	a = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { <-ready; return b.Result(ctx) }, executor.Name("a"))
	b = executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) { <-ready; return a.Result(ctx) }, executor.Name("b"))
	close(ready)
	_, errA := a.Result(t.Context())
	_, errB := b.Result(t.Context())
	if !errors.Is(errA, futures.ErrDeadlock) || !errors.Is(errB, futures.ErrDeadlock) {
		t.Fatalf("a: %v, b: %v", errA, errB)
	}
}

func BenchmarkSubmitThenResults(b *testing.B) {
	p := newPool(b, executor.MaxWorkers(2))
	defer p.Close()
	const n = 1000
	fs := make([]*futures.Future[int], n)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		for i := range fs {
			fs[i] = executor.Submit(ctx, p, func(context.Context) (int, error) { return i, nil })
		}
		for i, f := range fs {
			if v, err := f.Result(ctx); v != i || err != nil {
				b.Fatal(v, err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/task")
}
