package main

import (
	"context"

	"github.com/alitto/pond/v2"

	"flow/executor"
	"flow/futures"
)

// depth is how many tasks a chain has: each submits the next one and waits for it,
// so every wait but the last begins before there is an answer.
const depth = 100

// A way to do something that others do in other ways.
type way struct {
	name  string
	batch func() func() error // prepares, and returns what does it once
}

// waits run one chain. All have as many goroutines and places as the chain has tasks,
// unless the name says otherwise. Those of flow with as many places as tasks differ in the wait alone: same pool,
// same tasks, same goroutines. selectOn is what a task does by itself to wait until
// it is told to stop; the detector and the pool know nothing of it. Background and
// a bare channel can't even be told.
var waits = []way{
	{"flow: Result(task's ctx)", flowChain(depth+1, func(ctx context.Context, f *futures.Future[int]) (int, error) { return f.Result(ctx) })},
	{"flow: select on Done, ctx", flowChain(depth+1, selectOn)},
	{"flow: Result(Background)", flowChain(depth+1, func(_ context.Context, f *futures.Future[int]) (int, error) { return f.Result(context.Background()) })},
	{"flow: Result(other ctx)", flowChain(depth+1, func(_ context.Context, f *futures.Future[int]) (int, error) { return f.Result(endable) })},
	{"flow's pool, bare channel", flowChannelChain},
	{"flow: 2 workers", flowChain(2, func(ctx context.Context, f *futures.Future[int]) (int, error) { return f.Result(ctx) })},
	{"pond results", pondChain},
	{"go + bare channel", goChain},
}

// endable is a context that may end, and is no task's.
var endable, _ = context.WithCancel(context.Background())

func selectOn(ctx context.Context, f *futures.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result(ctx)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func flowChain(workers int, wait func(context.Context, *futures.Future[int]) (int, error)) func() func() error {
	return func() func() error {
		p, err := executor.NewPool(executor.MaxWorkers(workers))
		var down func(ctx context.Context, k int) (int, error)
		down = func(ctx context.Context, k int) (int, error) {
			if k == 1 {
				return 1, nil
			}
			v, err := wait(ctx, executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return down(ctx, k-1) }))
			return v + 1, err
		}
		return func() error {
			if err != nil {
				return err
			}
			ctx := context.Background()
			v, err := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return down(ctx, depth) }).Result(ctx)
			return check(depth, v, err)
		}
	}
}

func flowChannelChain() func() error {
	p, err := executor.NewPool(executor.MaxWorkers(depth + 1))
	var down func(ctx context.Context, k int) (int, error)
	down = func(ctx context.Context, k int) (int, error) {
		if k == 1 {
			return 1, nil
		}
		answer := make(chan int, 1)
		executor.Submit(ctx, p, func(ctx context.Context) (int, error) {
			v, err := down(ctx, k-1)
			answer <- v
			return v, err
		})
		return <-answer + 1, nil
	}
	return func() error {
		if err != nil {
			return err
		}
		ctx := context.Background()
		v, err := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return down(ctx, depth) }).Result(ctx)
		return check(depth, v, err)
	}
}

func pondChain() func() error {
	p := pond.NewResultPool[int](depth + 1)
	var down func(k int) (int, error)
	down = func(k int) (int, error) {
		if k == 1 {
			return 1, nil
		}
		v, err := p.SubmitErr(func() (int, error) { return down(k - 1) }).Wait()
		return v + 1, err
	}
	return func() error {
		v, err := p.SubmitErr(func() (int, error) { return down(depth) }).Wait()
		return check(depth, v, err)
	}
}

func goChain() func() error {
	var down func(k int) int
	down = func(k int) int {
		if k == 1 {
			return 1
		}
		answer := make(chan int, 1)
		go func() { answer <- down(k - 1) }()
		return <-answer + 1
	}
	return func() error {
		answer := make(chan int, 1)
		go func() { answer <- down(depth) }()
		return check(depth, <-answer, nil)
	}
}
