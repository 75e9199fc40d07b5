package executor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"flow/executor"
	"flow/futures"
)

func ExampleNewPool() {
	pool, err := executor.NewPool(executor.MaxWorkers(2), executor.NamePrefix("ingest"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close() // waits for what was submitted
	_, err = executor.NewPool(executor.MaxWorkers(0))
	fmt.Println(pool, err)
	// Output: ingest executor: NewPool: MaxWorkers(0): must be at least 1
}

func ExampleMaxWorkers() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	var order []string
	var last *futures.Future[int]
	for _, name := range []string{"a", "b", "c"} {
		last = executor.Submit(ctx, pool, func(context.Context) (int, error) {
			order = append(order, name) // one at a time: no race
			return 0, nil
		})
	}
	last.Result(ctx)
	pool.Close()
	fmt.Println(order)
	// Output: [a b c]
}

func ExampleNamePrefix() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.NamePrefix("resize"))
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 0, nil })
	fmt.Println(f.Name())
	// Output: resize#1
}

// A connection for each worker.
func ExampleInit() {
	type connection struct{}
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.Init(func(ctx context.Context) (context.Context, error) {
		return context.WithValue(ctx, connection{}, "connected"), nil
	}))
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(ctx context.Context) (string, error) {
		return ctx.Value(connection{}).(string), nil
	})
	fmt.Println(f.Result(ctx))
	// Output: connected <nil>
}

func ExampleQueueLimit() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.NamePrefix("p"), executor.MaxWorkers(1), executor.QueueLimit(1, executor.Reject))
	defer pool.Close()
	end := make(chan struct{})
	work := func(context.Context) (int, error) { <-end; return 0, nil }
	executor.Submit(ctx, pool, work) // runs
	executor.Submit(ctx, pool, work) // is queued
	_, err := executor.Submit(ctx, pool, work).Result(ctx)
	close(end)
	fmt.Println(errors.Is(err, executor.ErrQueueFull), err)
	// Output: true executor: queue is full: p has 1 tasks queued
}

func ExampleIdleTimeout() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.IdleTimeout(time.Millisecond))
	defer pool.Close()
	executor.Submit(ctx, pool, func(context.Context) (int, error) { return 0, nil }).Result(ctx)
	for pool.Stats().Workers > 0 {
		runtime.Gosched()
	}
	fmt.Println("no worker is left")
	// Output: no worker is left
}

func ExampleMaxBlocked() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.NamePrefix("p"), executor.MaxWorkers(1), executor.MaxBlocked(0))
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		return executor.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil }).Result(ctx)
	})
	_, err := f.Result(ctx)
	fmt.Println(errors.Is(err, executor.ErrSaturated), err)
	// Output: true executor: too many tasks wait: p has 0 that do
}

func ExampleOnPanic() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.OnPanic(executor.Capture)) // the default
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(context.Context) (int, error) { panic("boom") })
	_, err := f.Result(ctx)
	_, panicked := errors.AsType[*futures.PanicError](err)
	fmt.Println(err, panicked)
	// Output: panic: boom true
}

func ExampleOnUnobserved() {
	ctx := context.Background()
	told := make(chan string)
	pool, _ := executor.NewPool(executor.OnUnobserved(func(name string, err error) {
		told <- fmt.Sprintf("%s failed, and nobody looked: %v", name, err)
	}))
	defer pool.Close()
	executor.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New("disk full") }, executor.Name("save"))
	for {
		runtime.GC() // happens by itself, some time
		select {
		case text := <-told:
			fmt.Println(text)
			return
		default:
		}
	}
	// Output: save failed, and nobody looked: disk full
}

// Two tasks that wait for each other over channels, which the pool can't see.
func ExampleOnStall() {
	ctx := context.Background()
	stalls := make(chan executor.Stall)
	pool, _ := executor.NewPool(executor.MaxWorkers(2), executor.OnStall(10*time.Millisecond, func(s executor.Stall) { stalls <- s }))
	defer pool.Close()
	a, b := make(chan int), make(chan int)
	executor.Submit(ctx, pool, func(context.Context) (int, error) { n := <-a; b <- n; return n, nil }, executor.Name("first"))
	executor.Submit(ctx, pool, func(context.Context) (int, error) { n := <-b; a <- n; return n, nil }, executor.Name("second"))
	for _, t := range (<-stalls).Tasks { // and t.Site says where
		fmt.Println(t.Name, t.State, t.Goroutine)
	}
	a <- 1
	<-a
	// Output:
	// first running chan receive
	// second running chan receive
}

func ExampleNoWait() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	begin := make(chan struct{})
	f := executor.Submit(ctx, pool, func(context.Context) (int, error) { <-begin; return 42, nil })
	fmt.Println(pool.Shutdown(ctx, executor.NoWait()))
	close(begin)
	fmt.Println(f.Result(ctx))
	// Output:
	// <nil>
	// 42 <nil>
}

func ExampleCancelPending() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	begin := make(chan struct{})
	running := executor.Submit(ctx, pool, func(context.Context) (int, error) { <-begin; return 42, nil })
	queued := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 43, nil })
	pool.Shutdown(ctx, executor.CancelPending(), executor.NoWait())
	close(begin)
	fmt.Println(running.Result(ctx))
	fmt.Println(queued.Result(ctx))
	// Output:
	// 42 <nil>
	// 0 futures: cancelled: executor: pool is shut down
}

func ExampleAbortRunning() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	started := make(chan struct{})
	f := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done() // as all that takes long should
		return 0, context.Cause(ctx)
	})
	<-started
	fmt.Println(pool.Shutdown(ctx, executor.AbortRunning()))
	fmt.Println(f.Result(ctx))
	// Output:
	// <nil>
	// 0 executor: pool is shut down
}
