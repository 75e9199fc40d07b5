//go:build unix

package executor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"flow/executor"
)

// functions are what the tests have workers of this program do; the same are in
// testdata/functions.py and functions.js.
var functions = func() *executor.Registry {
	r := new(executor.Registry)
	for _, err := range []error{
		executor.Register(r, "echo", func(_ context.Context, x any) (any, error) { return x, nil }),
		executor.Register(r, "neg", func(_ context.Context, x int) (int, error) { return -x, nil }),
		executor.Register(r, "pid", func(context.Context, any) (int, error) { return os.Getpid(), nil }),
		executor.Register(r, "fail", func(_ context.Context, message string) (any, error) { return nil, &valueError{message} }),
		executor.Register(r, "fail_odd", failOdd),
		executor.Register(r, "block", blockOn),
		executor.Register(r, "ended", func(_ context.Context, code int) (any, error) {
			fmt.Fprintln(os.Stderr, "about to end")
			os.Exit(code)
			return nil, nil
		}),
		executor.Register(r, "killed", func(_ context.Context, sig int) (any, error) {
			syscall.Kill(os.Getpid(), syscall.Signal(sig))
			select {}
		}),
		executor.Register(r, "unencodable", func(context.Context, any) (any, error) {
			return map[string]any{"rows": []any{1, func() {}}}, nil
		}),
		executor.Register(r, "printing", printing),
		executor.Register(r, "surroundings", func(context.Context, any) (string, error) {
			out, err := exec.Command("sh", "-c", `ls /proc/self/fd; echo "marker=$FLOW_WORKER"`).Output()
			return string(out), err
		}),
		executor.Register(r, "grandchild", func(context.Context, any) (int, error) {
			c := exec.Command("sleep", "1000")
			err := c.Start()
			return c.Process.Pid, err
		}),
		executor.Register(r, "deaf", func(_ context.Context, fifo string) (any, error) {
			ignoreSIGTERM()
			os.ReadFile(fifo)
			select {}
		}),
		executor.Register(r, "setup", func(_ context.Context, x string) (any, error) {
			setups = append(setups, []any{x})
			return nil, nil
		}),
		executor.Register(r, "setup_fails", func(context.Context, any) (any, error) { return nil, errors.New("no database") }),
		executor.Register(r, "setup_args", func(context.Context, any) ([][]any, error) { return setups, nil }),
		executor.Register(r, "big", func(_ context.Context, n int) ([]byte, error) {
			b := make([]byte, n)
			for i := range b {
				b[i] = 0xff
			}
			return b, nil
		}),
		executor.Register(r, "panics", func(_ context.Context, text string) (any, error) { panic(text) }),
		executor.Register(r, "goexit", func(context.Context, any) (any, error) { runtime.Goexit(); return nil, nil }),
		executor.Register(r, "heeds", func(ctx context.Context, fifo string) (any, error) {
			os.ReadFile(fifo)
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		executor.Register(r, "whisper", func(_ context.Context, text string) (any, error) {
			fmt.Fprint(os.Stderr, text)
			return nil, nil
		}),
		executor.Register(r, "vanish", func(context.Context, any) (any, error) { os.Exit(3); return nil, nil }),
		executor.Register(r, "waits", func(ctx context.Context, _ any) (any, error) { <-ctx.Done(); return nil, ctx.Err() }),
	} {
		if err != nil {
			panic(err)
		}
	}
	return r
}()

var setups [][]any

type valueError struct{ message string }

func (e *valueError) Error() string { return e.message }

func failOdd(_ context.Context, x int) (int, error) {
	if x%2 != 0 {
		return 0, &valueError{fmt.Sprint("odd: ", x)}
	}
	return x, nil
}

// blockOn blocks until somebody has opened and closed the pipe's other end.
func blockOn(_ context.Context, fifo string) (string, error) {
	_, err := os.ReadFile(fifo)
	return "released", err
}

func printing(_ context.Context, x int) (int, error) {
	fmt.Println("out", x)
	c := exec.Command("sh", "-c", "echo child; echo child-err >&2")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	err := c.Run()
	fmt.Fprintln(os.Stderr, "err", x)
	fmt.Print("no newline")
	return x, err
}
