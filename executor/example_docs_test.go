package executor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"flow/executor"
	"flow/futures"
)

// The bodies of these are in docs/futures.md, which a test there holds to them.

func Example() {
	ctx := context.Background()
	pool, err := executor.NewPool(executor.MaxWorkers(4))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close() // waits for what was submitted

	words := executor.Submit(ctx, pool, func(ctx context.Context) ([]string, error) {
		return strings.Fields("to be or not to be"), nil // or something that takes a while
	}, executor.Name("words"), executor.Timeout(time.Minute))
	count := executor.Then(ctx, pool, words, func(ctx context.Context, words []string) (int, error) {
		return len(words), nil
	})
	lost := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		return 0, errors.New("no such file")
	}, executor.Name("lost"), executor.After(words))

	for f, err := range futures.AsCompleted(ctx, count, lost) {
		if err != nil { // ctx has ended
			fmt.Println(err)
			break
		}
		if n, err := f.Result(ctx); err != nil {
			fmt.Println(f.Name(), "failed:", err)
		} else {
			fmt.Println(n, "words")
		}
	}
	// Unordered output:
	// 6 words
	// lost failed: no such file
}

func Example_twoTasks() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	defer pool.Close()
	var a, b *futures.Future[int]
	ready := make(chan struct{})
	a = executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ready
		return b.Result(ctx)
	}, executor.Name("a"))
	b = executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		return a.Result(ctx)
	}, executor.Name("b"))
	close(ready)
	_, err := a.Result(ctx)
	fmt.Println(errors.Is(err, futures.ErrDeadlock), err)
	// Output: true deadlock: b -> a -> b
}

func Example_oneWorker() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	defer pool.Close()
	outer := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		inner := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 5 * 5, nil })
		return inner.Result(ctx) // the place goes to inner, and comes back
	})
	fmt.Println(outer.Result(ctx))
	// Output: 25 <nil>
}

func Example_nested() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	defer pool.Close()
	var sum func(ctx context.Context, n int) (int, error)
	sum = func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		rest := executor.Submit(ctx, pool, func(ctx context.Context) (int, error) { return sum(ctx, n-1) })
		v, err := rest.Result(ctx)
		return n + v, err
	}
	fmt.Println(sum(ctx, 1000)) // up to a thousand tasks wait at once, and one runs
	// Output: 500500 <nil>
}

func Example_processes() {
	ctx := context.Background()
	p, err := executor.NewProcessPool(executor.Python("python3"), executor.MaxWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	mean := executor.Call[[]int, float64](ctx, p, "statistics:mean", []int{1, 2, 6})
	fmt.Println(mean.Result(ctx))

	_, err = executor.Call[string, int](ctx, p, "builtins:int", "twelve").Result(ctx)
	var e *executor.RemoteError
	if errors.As(err, &e) {
		fmt.Println(e.Type)
	}
	// Output:
	// 3 <nil>
	// ValueError
}
