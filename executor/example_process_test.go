//go:build linux

package executor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"flow/executor"
)

func pythonPool(opts ...executor.ProcessOption) *executor.ProcessPool {
	p, err := executor.NewProcessPool(append(opts, executor.Python("python3"))...)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// Functions of Python, called in processes that stay.
func ExampleCall() {
	ctx := context.Background()
	p, err := executor.NewProcessPool(executor.Python("python3"), executor.MaxWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	mean := executor.Call[[]int, float64](ctx, p, "statistics:mean", []int{1, 2, 6})
	fmt.Println(mean.Result(ctx))

	_, err = executor.Call[string, int](ctx, p, "builtins:int", "twelve").Result(ctx)
	if e, ok := errors.AsType[*executor.RemoteError](err); ok {
		fmt.Println(e.Type)
	}
	// Output:
	// 3 <nil>
	// ValueError
}

func ExampleMapCall() {
	p := pythonPool()
	defer p.Close()
	for root, err := range executor.MapCall[int, float64](context.Background(), p, "math:sqrt", slices.Values([]int{4, -1, 9}), executor.Chunk(2)) {
		fmt.Println(root, err)
	}
	// Output:
	// 2 <nil>
	// 0 ValueError: math domain error
	// 3 <nil>
}

func ExampleKeywordArgs() {
	p := pythonPool()
	defer p.Close()
	in := map[string]any{"text": "a text that is too long", "width": 12}
	fmt.Println(executor.Call[any, string](context.Background(), p, "textwrap:shorten", in, executor.KeywordArgs()).Result(context.Background()))
	// Output: a text [...] <nil>
}

func ExampleOutput() {
	p := pythonPool()
	defer p.Close()
	var said strings.Builder
	_, err := executor.Call[string, any](context.Background(), p, "builtins:print", "hello", executor.Output(&said, os.Stderr)).Result(context.Background())
	fmt.Printf("%q %v\n", said.String(), err)
	// Output: "hello\n" <nil>
}

// A worker that dies fails its own task and no other.
func ExampleBrokenError() {
	ctx := context.Background()
	p := pythonPool(executor.MaxWorkers(1), executor.NamePrefix("py"))
	defer p.Close()
	_, err := executor.Call[int, any](ctx, p, "os:_exit", 3, executor.Name("doomed")).Result(ctx)
	if e, ok := errors.AsType[*executor.BrokenError](err); ok {
		fmt.Println(e.Worker, e.ExitCode, errors.Is(err, executor.ErrBrokenPool))
	}
	fmt.Println(executor.Call[int, int](ctx, p, "operator:neg", 7).Result(ctx))
	// Output:
	// py_1 3 false
	// -7 <nil>
}

// A time limit ends the worker, whatever it does; the next task gets another one.
func ExampleProcessPool() {
	ctx := context.Background()
	p := pythonPool(executor.MaxWorkers(1), executor.KillGrace(time.Second))
	defer p.Close()
	_, err := executor.Call[int, any](ctx, p, "time:sleep", 1000, executor.Timeout(50*time.Millisecond)).Result(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	fmt.Println(executor.Call[string, int](ctx, p, "builtins:len", "four").Result(ctx))
	// Output:
	// true
	// 4 <nil>
}

// What workers import, call first and inherit.
func ExampleNewProcessPool() {
	p, err := executor.NewProcessPool(
		executor.Python("python3"),
		executor.MaxWorkers(4),
		executor.Preload("decimal"),
		executor.InitCall("os:putenv", "MODE", "fast"),
		executor.Env(map[string]string{"LANG": "C.UTF-8"}),
		executor.MaxTasksPerWorker(1000),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(executor.Call[string, string](context.Background(), p, "os:getenv", "LANG").Result(context.Background()))
	// Output: C.UTF-8 <nil>
}

// A program that is its own workers: main calls Main first, with what it offers.
func ExampleMain() {
	var functions executor.Registry
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	if err := executor.Register(&functions, "double", double); err != nil {
		log.Fatal(err)
	}
	executor.Main(&functions) // never returns in a worker

	p, err := executor.NewProcessPool(executor.Self())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(executor.Call[int, int](context.Background(), p, "double", 21).Result(context.Background()))
}

func ExampleRegister() {
	var functions executor.Registry
	upper := func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }
	fmt.Println(executor.Register(&functions, "upper", upper))
	fmt.Println(executor.Register(&functions, "upper", upper))
	fmt.Println(functions.Call(context.Background(), "upper", "here"))
	// Output:
	// <nil>
	// executor: Register("upper"): the name is taken
	// HERE <nil>
}
