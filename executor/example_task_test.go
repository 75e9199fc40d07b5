package executor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"flow/executor"
	"flow/futures"
)

func ExampleName() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 0, nil }, executor.Name("answer"))
	f.Result(ctx)
	fmt.Println(f)
	// Output: future "answer" (finished)
}

func ExamplePriority() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	begin := make(chan struct{})
	executor.Submit(ctx, pool, func(context.Context) (int, error) { <-begin; return 0, nil })
	for _, n := range []int{0, 1, 2} {
		executor.Submit(ctx, pool, func(context.Context) (int, error) { fmt.Println("priority", n); return 0, nil }, executor.Priority(n))
	}
	close(begin)
	pool.Close()
	// Output:
	// priority 2
	// priority 1
	// priority 0
}

func ExampleTimeout() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, executor.Timeout(time.Millisecond), executor.Name("slow"))
	_, err := f.Result(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// Of four places a heavy task takes three.
func ExampleWeight() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(4))
	defer pool.Close()
	end := make(chan struct{})
	work := func(context.Context) (int, error) { <-end; return 0, nil }
	executor.Submit(ctx, pool, work, executor.Weight(3))
	executor.Submit(ctx, pool, work)
	executor.Submit(ctx, pool, work)
	s := pool.Stats()
	close(end)
	fmt.Println(s.Running, "running,", s.Queued, "queued")
	// Output: 2 running, 1 queued
}

// What has to be done is done, also after a request that asked for it has ended.
func ExampleDetach() {
	pool, _ := executor.NewPool()
	defer pool.Close()
	request, end := context.WithCancel(context.Background())
	begin := make(chan struct{})
	f := executor.Submit(request, pool, func(ctx context.Context) (string, error) {
		<-begin
		return "logged", ctx.Err()
	}, executor.Detach())
	end()
	close(begin)
	fmt.Println(f.Result(context.Background()))
	// Output: logged <nil>
}

func ExampleAfter() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	schema := executor.Submit(ctx, pool, func(context.Context) (string, error) { return "tables", nil })
	rows := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New("no such file") }, executor.Name("rows"))
	index := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil }, executor.After(schema, rows))
	_, err := index.Result(ctx)
	fmt.Println(err)
	// Output: task "rows": no such file
}

// A task that waits for something the pool can't know lets another one run meanwhile.
func ExampleBlocking() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	defer pool.Close()
	message := make(chan string)
	receiver := executor.Submit(ctx, pool, func(ctx context.Context) (string, error) {
		return executor.Blocking(ctx, func() (string, error) { return <-message, nil })
	})
	executor.Submit(ctx, pool, func(context.Context) (int, error) { message <- "hello"; return 0, nil })
	fmt.Println(receiver.Result(ctx))
	// Output: hello <nil>
}

// An input without end: no more than three items are taken ahead.
func ExampleBuffer() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	taken := 0
	var numbers iter.Seq[int] = func(yield func(int) bool) {
		for taken = 1; yield(taken); taken++ {
		}
	}
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	for v := range executor.Map(ctx, pool, square, numbers, executor.Buffer(3)) {
		fmt.Println(v, "after", taken, "were taken")
		break
	}
	// Output: 1 after 3 were taken
}

// Short work is cheaper in tasks of many items.
func ExampleChunk() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	sum := 0
	for v := range executor.Map(ctx, pool, double, slices.Values(make([]int, 1000)), executor.Chunk(100), executor.Buffer(500)) {
		sum += v + 1
	}
	pool.Close()
	fmt.Println(sum, "items in", pool.Stats().Done, "tasks")
	// Output: 1000 items in 10 tasks
}

// Whoever answers first wins.
func ExampleAbortOnBreak() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(2))
	defer pool.Close() // does not wait long: the other one is aborted
	ask := func(ctx context.Context, server string) (string, error) {
		if server == "quick" {
			return "answer", nil
		}
		<-ctx.Done()
		return "", ctx.Err()
	}
	for v, err := range executor.Map(ctx, pool, ask, slices.Values([]string{"quick", "slow"}), executor.AbortOnBreak()) {
		fmt.Println(v, err)
		break
	}
	// Output: answer <nil>
}

// A failure of an input comes with the input's name.
func ExampleThen_failure() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	user := executor.Submit(ctx, pool, func(context.Context) (string, error) { return "", errors.New("not found") }, executor.Name("user"))
	greeting := executor.Then(ctx, pool, user, func(_ context.Context, name string) (string, error) { return "hello " + name, nil })
	_, err := greeting.Result(ctx)
	if failed, ok := errors.AsType[*futures.TaskError](err); ok {
		fmt.Println(failed.Task, "failed:", failed.Err)
	}
	// Output: user failed: not found
}
