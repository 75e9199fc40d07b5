package dag

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// manyTasks is a file of n tasks of the common kinds, every third a script,
// with a line of dependencies through it.
func manyTasks(n int) []byte {
	var b strings.Builder
	b.WriteString("name: many\nenv: { MODE: fast }\ntasks:\n")
	for i := range n {
		switch {
		case i%3 == 0:
			fmt.Fprintf(&b, "  t%d:\n    run: echo %d\n", i, i)
		case i%3 == 1:
			fmt.Fprintf(&b, "  t%d:\n    expr: \"tasks.t%d.result + 1\"\n    timeout: 10m\n", i, i-1)
		default:
			fmt.Fprintf(&b, "  t%d:\n    exec: [/bin/echo, a, b]\n    needs: [t%d]\n    inputs:\n      x: ${{ tasks.t%d.result }}\n", i, i-1, i-2)
		}
	}
	return []byte(b.String())
}

// BenchmarkParse stands beside the bare YAML parse of the same files, of which
// it may cost twice as much.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		file := manyTasks(n)
		b.Run(fmt.Sprintf("yaml/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				var doc yaml.Node
				if err := yaml.Unmarshal(file, &doc); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("flow/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				if w, found := Parse("many.yaml", file); w == nil {
					b.Fatal(found[0].Render())
				}
			}
		})
	}
}

func BenchmarkNewPlan(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		w := mustParse(b, string(manyTasks(n)))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				planOf(b, w)
			}
		})
	}
}

// TestParseKeepsLittle: what stays of a file of 10,000 tasks.
func TestParseKeepsLittle(t *testing.T) {
	const n, most = 10_000, 1_800 // bytes a task
	file := manyTasks(n)
	before := heapBytes()
	w, _ := Parse("many.yaml", file)
	kept := (heapBytes() - before) / n
	if w == nil || kept > most {
		t.Errorf("%d bytes a task, want at most %d", kept, most)
	}
	runtime.KeepAlive(w)
	runtime.KeepAlive(file)
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestParseIsLinear: ten times the tasks cost ten times the time, not a hundred.
func TestParseIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	cost := func(n int) time.Duration {
		file := manyTasks(n)
		best := time.Duration(1 << 62)
		for range 3 {
			start := time.Now()
			if w, _ := Parse("many.yaml", file); w == nil {
				t.Fatal("refused")
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	var small, large time.Duration
	for range 3 { // a busy machine may slow down one of the two
		if small, large = cost(3_000), cost(30_000); large <= 40*small {
			return
		}
	}
	t.Errorf("3,000 tasks: %v, 30,000: %v", small, large)
}
