package executor_test

import (
	"context"
	"testing"

	"flow/executor"
	"flow/futures"
)

func BenchmarkSubmitThenResults(b *testing.B) {
	p := newPool(b, executor.MaxWorkers(2))
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

func BenchmarkSubmitAndWait(b *testing.B) {
	p := newPool(b, executor.MaxWorkers(2))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := executor.Submit(ctx, p, constant(1)).Result(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// What a name costs, for the labels of profiles.
func BenchmarkSubmitNamedAndWait(b *testing.B) {
	p := newPool(b, executor.MaxWorkers(2))
	ctx := context.Background()
	name := executor.Name("task")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := executor.Submit(ctx, p, constant(1), name).Result(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// A task that waits for a task of its own pool: a place handed over and back.
func BenchmarkNestedWait(b *testing.B) {
	p := newPool(b, executor.MaxWorkers(1))
	b.ReportAllocs()
	f := executor.Submit(context.Background(), p, func(ctx context.Context) (int, error) {
		for b.Loop() {
			if _, err := executor.Submit(ctx, p, constant(1)).Result(ctx); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	value(b, f)
}

func BenchmarkLauncher(b *testing.B) {
	l := launcher(b)
	c := &executor.Child{Path: "/bin/true"}
	for b.Loop() {
		if _, err := l.Run(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
