package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"

	"flow/executor"
)

// echoes are Python programs that answer each line: as it is, or read as JSON and
// written again.
var echoes = map[string]string{
	"bare": `
import sys
read, write, flush = sys.stdin.buffer.readline, sys.stdout.buffer.write, sys.stdout.buffer.flush
while line := read():
    write(line)
    flush()
`,
	"json": `
import json, sys
read, write, flush = sys.stdin.buffer.readline, sys.stdout.buffer.write, sys.stdout.buffer.flush
while line := read():
    write(json.dumps(json.loads(line)).encode() + b"\n")
    flush()
`,
}

// calls are ways to have a living Python do something, one thing at a time.
var calls = []way{
	{"flow: executor.Call", flowCall},
	{"pipe echo", func() func() error { return echo("bare") }},
	{"pipe echo of JSON", func() func() error { return echo("json") }},
}

// echo starts a Python, which ends with this process, and returns what sends it a
// line and reads the answer: what a call by pipes costs at the very least.
func echo(kind string) func() error {
	cmd := exec.Command("python3", "-c", echoes[kind])
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		return func() error { return err }
	}
	line := []byte(`{"call": "operator:neg", "args": [7]}` + "\n")
	lines := bufio.NewReader(out)
	return func() error {
		if _, err := in.Write(line); err != nil {
			return err
		}
		got, err := lines.ReadSlice('\n')
		if err == nil && !bytes.Equal(got, line) {
			err = fmt.Errorf("echo: %q", got)
		}
		return err
	}
}

// flowCall returns what calls a Python function by flow's process pool, which has
// one worker.
func flowCall() func() error {
	ctx := context.Background()
	p, err := executor.NewProcessPool(executor.Python("python3"), executor.MaxWorkers(1))
	return func() error {
		if err != nil {
			return err
		}
		v, err := executor.Call[int, int](ctx, p, "operator:neg", 7).Result(ctx)
		return check(-7, v, err)
	}
}
