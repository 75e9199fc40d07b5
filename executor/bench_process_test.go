//go:build unix

package executor_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"testing"

	"flow/executor"
)

// A warm call beside a line of JSON to a living Python and back.
func BenchmarkCallPython(b *testing.B) {
	if python() == "" {
		b.Skip("no python3")
	}
	b.Run("pipe echo", func(b *testing.B) {
		c := exec.Command(python(), "-uc", "import sys, json\nfor line in sys.stdin: sys.stdout.write(json.dumps(json.loads(line)) + '\\n')")
		in, _ := c.StdinPipe()
		out, _ := c.StdoutPipe()
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		defer c.Wait()
		defer in.Close()
		r := bufio.NewReader(out)
		for b.Loop() {
			fmt.Fprintln(in, 7)
			if _, err := r.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
		}
	})
	p, err := executor.NewProcessPool(executor.Python(python()), executor.MaxWorkers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.Run("call", func(b *testing.B) {
		for b.Loop() {
			if v, err := executor.Call[int, int](b.Context(), p, "operator:neg", 7).Result(b.Context()); v != -7 {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("map of 100", func(b *testing.B) {
		items := func(yield func(int) bool) {
			for i := range b.N {
				if !yield(i) {
					return
				}
			}
		}
		for v, err := range executor.MapCall[int, int](b.Context(), p, "operator:neg", items, executor.Buffer(400), executor.Chunk(100)) {
			if err != nil {
				b.Fatal(v, err)
			}
		}
	})
}
