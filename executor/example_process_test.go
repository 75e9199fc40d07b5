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
	neg := func(_ context.Context, n int) (int, error) { return -n, nil }
	if err := executor.Register(&functions, "neg", neg); err != nil {
		log.Fatal(err)
	}
	executor.Main(&functions) // never returns in a worker

	p, err := executor.NewProcessPool(executor.Self())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(executor.Call[int, int](context.Background(), p, "neg", 21).Result(context.Background()))
	// Output: -21 <nil>
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

// call is one call in a new pool with one worker.
func call[Out any](fn string, in any, task []executor.TaskOption, opts ...executor.ProcessOption) {
	p, err := executor.NewProcessPool(append(opts, executor.MaxWorkers(1))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(executor.Call[any, Out](context.Background(), p, fn, in, task...).Result(context.Background()))
}

func ExampleSelf() {
	call[int]("neg", 7, nil, executor.Self()) // TestMain calls executor.Main
	// Output: -7 <nil>
}

func ExamplePython() {
	call[string]("os.path:basename", "/a/b", nil, executor.Python("python3"))
	// Output: b <nil>
}

func ExampleNode() {
	call[string]("path:extname", "a.csv", nil, executor.Node("node"))
	// Output: .csv <nil>
}

func ExampleCommand() {
	p, err := executor.NewProcessPool(executor.Command("true"), executor.MaxWorkers(1)) // it speaks no protocol
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = executor.Call[int, int](context.Background(), p, "f", 1).Result(context.Background())
	fmt.Println(errors.Is(err, executor.ErrBrokenPool))
	// Output: true
}

func ExampleMaxTasksPerWorker() {
	p := pythonPool(executor.MaxWorkers(1), executor.MaxTasksPerWorker(1))
	defer p.Close()
	pids := make(map[int]bool)
	for pid := range executor.MapCall[string, int](context.Background(), p, "builtins:eval", slices.Values([]string{"__import__('os').getpid()", "__import__('os').getpid()"})) {
		pids[pid] = true
	}
	fmt.Println(len(pids), "workers")
	// Output: 2 workers
}

func ExampleMaxWorkerRSS() {
	call[int]("builtins:len", "four", nil, executor.Python("python3"), executor.MaxWorkerRSS(256<<20))
	// Output: 4 <nil>
}

func ExampleInitCall() {
	call[string]("decimal:Decimal", "1.10", nil, executor.Python("python3"), executor.InitCall("random:seed", 7))
	// Output: 1.10 <nil>
}

func ExamplePreload() {
	call[int]("builtins:len", "four", nil, executor.Python("python3"), executor.Preload("no_such_module"), executor.NamePrefix("py"))
	// Output: 0 executor: pool py is broken: ModuleNotFoundError: No module named 'no_such_module'
}

func ExamplePath() {
	call[[]any]("functions:Thing.inner", 1, nil, executor.Python("python3"), executor.Path("testdata"),
		executor.Env(map[string]string{"PYTHONDONTWRITEBYTECODE": "1"}))
	// Output: [inner 1] <nil>
}

func ExampleEnv() {
	call[string]("os:getenv", "MODE", nil, executor.Python("python3"), executor.Env(map[string]string{"MODE": "fast"}))
	// Output: fast <nil>
}

func ExampleEnviron() {
	call[any]("os:getenv", "HOME", nil, executor.Python("python3"), executor.Environ([]string{"PATH=" + os.Getenv("PATH")}))
	// Output: <nil> <nil>
}

func ExampleDir() {
	none := []executor.TaskOption{executor.KeywordArgs()}
	call[string]("os:getcwd", struct{}{}, none, executor.Python("python3"), executor.Dir("/"))
	call[string]("os:getcwd", struct{}{}, none, executor.Python("python3"), executor.Dir("/no/such"))
	// Output:
	// / <nil>
	// executor: NewProcessPool: Dir: stat /no/such: no such file or directory
}

func ExampleLimits() {
	call[int]("functions:memory", 1<<33, nil, executor.Python("python3"), executor.Path("testdata"),
		executor.Env(map[string]string{"PYTHONDONTWRITEBYTECODE": "1"}), executor.Limits(executor.Rlimits{Memory: 1 << 30}))
	// Output: 0 MemoryError
}

func ExampleOnWorkerDeath() {
	p := pythonPool(executor.MaxWorkers(1), executor.OnWorkerDeath(executor.BreakPool))
	defer p.Close()
	_, err := executor.Call[int, any](context.Background(), p, "os:_exit", 3).Result(context.Background())
	fmt.Println(errors.Is(err, executor.ErrBrokenPool))
	// Output: true
}

func ExampleKillGrace() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := pythonPool(executor.KillGrace(time.Second))
	defer p.Close()
	_, err := executor.Call[int, any](ctx, p, "time:sleep", 1000).Result(context.Background())
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

func ExampleThrough() {
	l := &executor.Launcher{Subreaper: true} // one for all processes of a program
	defer l.Close()
	call[int]("builtins:len", "four", nil, executor.Python("python3"), executor.Through(l))
	// Output: 4 <nil>
}

func ExampleCallEnv() {
	call[string]("os:getenv", "RUN", []executor.TaskOption{executor.CallEnv(map[string]string{"RUN": "7"})}, executor.Python("python3"))
	// Output: 7 <nil>
}

func ExampleStopWithin() {
	stop := executor.StopWithin(time.Second, nil)
	call[any]("builtins:abs", -1, []executor.TaskOption{stop, executor.Timeout(time.Minute)}, executor.Python("python3"))
	// Output: 1 <nil>
}

func ExampleOtherOutput() {
	var said strings.Builder
	call[any]("builtins:print", "hello", nil, executor.Python("python3"), executor.OtherOutput(&said, os.Stderr))
	fmt.Printf("%q\n", said.String())
	// Output:
	// <nil> <nil>
	// "hello\n"
}

func ExampleCallTimeout() {
	errSlow := errors.New("too slow")
	p := pythonPool(executor.MaxWorkers(1))
	defer p.Close()
	_, err := executor.Call[int, any](context.Background(), p, "time:sleep", 1000, executor.CallTimeout(50*time.Millisecond, errSlow)).Result(context.Background())
	fmt.Println(errors.Is(err, errSlow))
	// Output: true
}
