package executor_test

import (
	"context"
	"fmt"
	"os"
	"slices"

	"flow/executor"
	"flow/futures"
)

func ExampleSubmit() {
	ctx := context.Background()
	pool, err := executor.NewPool(executor.MaxWorkers(4))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(context.Context) (int, error) { return 6 * 7, nil })
	fmt.Println(f.Result(ctx))
	// Output: 42 <nil>
}

// A pool of one worker whose task waits for a task of its own: the place is
// handed over.
func ExampleSubmit_nested() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(1))
	defer pool.Close()
	f := executor.Submit(ctx, pool, func(ctx context.Context) (string, error) {
		inner := executor.Submit(ctx, pool, func(context.Context) (string, error) { return "inner", nil })
		return inner.Result(ctx)
	})
	fmt.Println(f.Result(ctx))
	// Output: inner <nil>
}

// Tasks that wait for each other get an error that names the circle.
func ExampleSubmit_deadlock() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(2))
	defer pool.Close()
	var self *futures.Future[int]
	ready := make(chan struct{})
	self = executor.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ready
		return executor.Then(ctx, pool, self, func(_ context.Context, v int) (int, error) { return v, nil },
			executor.Name("dependent")).Result(ctx)
	}, executor.Name("self"))
	close(ready)
	_, err := self.Result(ctx)
	fmt.Println(err)
	// Output: deadlock: self -> dependent -> self
}

func ExampleThen() {
	ctx := context.Background()
	pool, _ := executor.NewPool()
	defer pool.Close()
	user := executor.Submit(ctx, pool, func(context.Context) (string, error) { return "ada", nil })
	greeting := executor.Then(ctx, pool, user, func(_ context.Context, name string) (string, error) {
		return "hello " + name, nil
	})
	fmt.Println(greeting.Result(ctx))
	// Output: hello ada <nil>
}

func ExampleMap() {
	ctx := context.Background()
	pool, _ := executor.NewPool(executor.MaxWorkers(4))
	defer pool.Close()
	square := func(_ context.Context, n int) (int, error) {
		if n == 3 {
			return 0, fmt.Errorf("%d is out of order", n)
		}
		return n * n, nil
	}
	for v, err := range executor.Map(ctx, pool, square, slices.Values([]int{1, 2, 3, 4})) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 0 3 is out of order
	// 16 <nil>
}

func ExampleLauncher() {
	var launcher executor.Launcher
	defer launcher.Close()
	exit, err := launcher.Run(context.Background(), &executor.Child{
		Path: "sh", Args: []string{"-c", "echo hello; exit 3"}, Stdout: os.Stdout,
	})
	fmt.Println(exit.Code, err)
	// Output:
	// hello
	// 3 <nil>
}
