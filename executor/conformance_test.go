//go:build unix

package executor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
)

func ignoreSIGTERM() { signal.Ignore(syscall.SIGTERM) }

// subject is a pool of any kind, as the conformance suite sees it: it calls functions by
// their names.
type subject struct {
	name     string
	call     func(ctx context.Context, fn string, in any, opts ...executor.TaskOption) *futures.Future[any]
	each     func(ctx context.Context, fn string, in iter.Seq[int], opts ...executor.MapOption) iter.Seq2[int, error]
	shutdown func(ctx context.Context, how ...executor.ShutdownOption) error
	stats    func() executor.Stats
}

// python and node are interpreters, past wrappers; "" where there is none. They are not
// looked for in workers, which run this as well.
var (
	python = interpreter("python3", "-c", "import sys; print(sys.executable, end='')")
	node   = interpreter("node", "-e", "process.stdout.write(process.execPath)")
)

// interpreter finds one, or takes that of FLOW_TEST_PYTHON or FLOW_TEST_NODE.
func interpreter(name, flag, tell string) func() string {
	return sync.OnceValue(func() string {
		if given := os.Getenv("FLOW_TEST_" + strings.ToUpper(strings.TrimSuffix(name, "3"))); given != "" {
			return given
		}
		out, err := exec.Command(name, flag, tell).Output()
		if err != nil {
			return ""
		}
		return string(out)
	})
}

// runtimes are the kinds of workers that this machine has.
func runtimes() map[string]executor.Runtime {
	all := map[string]executor.Runtime{"self": executor.Self()}
	if p := python(); p != "" {
		all["python"] = executor.Python(p)
	}
	if n := node(); n != "" {
		all["node"] = executor.Node(n)
	}
	return all
}

func newProcesses(t testing.TB, rt executor.Runtime, opts ...executor.ProcessOption) *executor.ProcessPool {
	t.Helper()
	p, err := executor.NewProcessPool(append([]executor.ProcessOption{rt, executor.Path("testdata"),
		executor.Env(map[string]string{"PYTHONDONTWRITEBYTECODE": "1"}), executor.KillGrace(5 * time.Second), executor.OtherOutput(nil, nil)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return p
}

// named is a function's name for a runtime.
func named(runtime, fn string) string {
	if runtime == "self" {
		return fn
	}
	return "functions:" + fn
}

// eachRuntime runs a test with a process pool of each kind.
func eachRuntime(t *testing.T, opts []executor.ProcessOption, test func(t *testing.T, rt string, p *executor.ProcessPool)) {
	for name, rt := range runtimes() {
		t.Run(name, func(t *testing.T) { test(t, name, newProcesses(t, rt, opts...)) })
	}
}

// eachSubject runs a test with a pool of n workers of each kind.
func eachSubject(t *testing.T, n int, test func(*testing.T, subject)) {
	t.Run("goroutines", func(t *testing.T) {
		p := newPool(t, executor.MaxWorkers(n), executor.NamePrefix("pool"))
		test(t, subject{
			name: "goroutines",
			call: func(ctx context.Context, fn string, in any, opts ...executor.TaskOption) *futures.Future[any] {
				return executor.Submit(ctx, p, func(ctx context.Context) (any, error) { return inProcess(ctx, fn, in) }, opts...)
			},
			each: func(ctx context.Context, fn string, in iter.Seq[int], opts ...executor.MapOption) iter.Seq2[int, error] {
				return executor.Map(ctx, p, func(ctx context.Context, i int) (int, error) {
					v, err := inProcess(ctx, fn, i)
					n, _ := v.(int)
					return n, err
				}, in, opts...)
			},
			shutdown: p.Shutdown, stats: p.Stats,
		})
	})
	eachRuntime(t, []executor.ProcessOption{executor.MaxWorkers(n), executor.NamePrefix("pool")}, func(t *testing.T, rt string, p *executor.ProcessPool) {
		test(t, subject{
			name: rt,
			call: func(ctx context.Context, fn string, in any, opts ...executor.TaskOption) *futures.Future[any] {
				return executor.Call[any, any](ctx, p, named(rt, fn), in, opts...)
			},
			each: func(ctx context.Context, fn string, in iter.Seq[int], opts ...executor.MapOption) iter.Seq2[int, error] {
				return executor.MapCall[int, int](ctx, p, named(rt, fn), in, opts...)
			},
			shutdown: p.Shutdown, stats: p.Stats,
		})
	})
}

// inProcess are the functions that the suite needs, without a worker process.
func inProcess(ctx context.Context, fn string, in any) (any, error) {
	switch fn {
	case "echo":
		return in, nil
	case "neg":
		return -in.(int), nil
	case "fail":
		return nil, &valueError{in.(string)}
	case "fail_odd":
		return failOdd(ctx, in.(int))
	case "block":
		return blockOn(ctx, in.(string))
	}
	return nil, fmt.Errorf("no function %q", fn)
}

// gate is a call of block: it has started once entered returns, and ends after release.
type gate struct {
	t    *testing.T
	path string
	file *os.File
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, path: filepath.Join(t.TempDir(), "fifo")}
	if err := syscall.Mkfifo(g.path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // not before: the collector would close it
		if g.file != nil {
			g.file.Close()
		}
	})
	return g
}

// entered waits until somebody reads.
func (g *gate) entered() {
	g.t.Helper()
	opened, failed := make(chan *os.File, 1), make(chan error, 1)
	go func() {
		if f, err := os.OpenFile(g.path, os.O_WRONLY, 0); err != nil {
			failed <- err
		} else {
			opened <- f
		}
	}()
	select {
	case g.file = <-opened:
	case err := <-failed:
		g.t.Fatal(err)
	case <-time.After(patience):
		if f, err := os.OpenFile(g.path, os.O_RDWR, 0); err == nil { // lets the other open end
			f.Close()
		}
		g.t.Fatal("the function was never entered")
	}
}

func (g *gate) release() { g.file.Close() }

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// A future's life is the same in every pool.
func TestConformanceStates(t *testing.T) {
	eachSubject(t, 1, func(t *testing.T, s subject) {
		g := newGate(t)
		first := s.call(t.Context(), "block", g.path, executor.Name("first"))
		g.entered()
		second := s.call(t.Context(), "echo", "x")
		third := s.call(t.Context(), "echo", "x")
		if first.State() != futures.Running || second.State() != futures.Pending { // rows 3, 177
			t.Errorf("%v, %v", first, second)
		}
		if first.Cancel() { // row 6
			t.Error("cancelled what runs")
		}
		called := 0
		second.OnDone(func(*futures.Future[any]) { called++ })
		for range 2 {
			if !second.Cancel() || called != 1 { // rows 5, 7, 9, 42
				t.Errorf("%v, %d callbacks", second, called)
			}
		}
		if st := s.stats(); st.Running != 1 || st.Queued != 1 || st.Workers != 1 {
			t.Errorf("%+v", st)
		}
		g.release()
		if v := value(t, first); v != "released" { // row 26
			t.Error(v)
		}
		if v := value(t, third); v != "x" || third.Cancel() { // row 8
			t.Error(v)
		}
		if _, err := result(t, second); !errors.Is(err, futures.ErrCancelled) { // row 28
			t.Error(err)
		}
	})
}

// An error of the function is the future's, and harms nobody else.
func TestConformanceErrors(t *testing.T) {
	eachSubject(t, 1, func(t *testing.T, s subject) {
		_, err := result(t, s.call(t.Context(), "fail", "no luck")) // row 27
		if err == nil || !strings.Contains(err.Error(), "no luck") {
			t.Errorf("%v", err)
		}
		if v := value(t, s.call(t.Context(), "echo", "next")); v != "next" { // rows 99, 192
			t.Error(v)
		}
		failed := s.call(t.Context(), "fail", "again", executor.Name("cause"))
		_, err = result(t, s.call(t.Context(), "echo", 1, executor.After(failed)))
		if e, ok := errors.AsType[*futures.TaskError](err); !ok || e.Task != "cause" {
			t.Errorf("a dependent of a failed task: %v", err)
		}
		done, canceled := context.WithCancel(t.Context())
		canceled()
		if f := s.call(done, "echo", 1); f.State() != futures.Cancelled {
			t.Errorf("submitted with a context that is done: %v", f)
		}
	})
}

// Tasks start in the order of coming, higher priorities first.
func TestConformanceOrder(t *testing.T) {
	eachSubject(t, 1, func(t *testing.T, s subject) {
		g := newGate(t)
		first := s.call(t.Context(), "block", g.path)
		g.entered()
		var mu sync.Mutex
		var order []int
		var told sync.WaitGroup // callbacks run after those who wait are woken
		for i := range 6 {      // row 96
			told.Add(1)
			s.call(t.Context(), "echo", i, executor.Priority(i%2)).OnDone(func(*futures.Future[any]) {
				defer told.Done()
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
		}
		g.release()
		value(t, first)
		told.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []int{1, 3, 5, 0, 2, 4}; !slices.Equal(order, want) {
			t.Errorf("%v, not %v", order, want)
		}
	})
}

// Never more at once than there are workers, and no more workers than that.
func TestConformanceSaturation(t *testing.T) {
	eachSubject(t, 3, func(t *testing.T, s subject) { // rows 149, 174
		var gates []*gate
		var fs []*futures.Future[any]
		for range 5 {
			g := newGate(t)
			gates = append(gates, g)
			fs = append(fs, s.call(t.Context(), "block", g.path))
		}
		for i, g := range gates {
			g.entered()
			if st := s.stats(); st.Running > 3 || st.Workers > 3 || i < 3 && st.Running != 3 {
				t.Errorf("%d: %+v", i, st)
			}
			if i >= 2 {
				gates[i-2].release()
			}
		}
		gates[3].release()
		gates[4].release()
		for _, f := range fs {
			value(t, f)
		}
	})
}

// Results come in order, each error at its place, and go on after it.
func TestConformanceMap(t *testing.T) {
	for name, opts := range map[string][]executor.MapOption{
		"plain": nil, "chunks": {executor.Chunk(3)}, "buffer": {executor.Buffer(1)}, "both": {executor.Buffer(50), executor.Chunk(40)},
	} {
		t.Run(name, func(t *testing.T) {
			eachSubject(t, 2, func(t *testing.T, s subject) {
				i := 0
				for v, err := range s.each(patient(t), "fail_odd", upTo(20), opts...) { // rows 102, 107, 109, 116, 118, 121
					switch {
					case i%2 == 0 && (v != i || err != nil):
						t.Errorf("%d: %v, %v", i, v, err)
					case i%2 == 1 && (err == nil || !strings.Contains(err.Error(), fmt.Sprint("odd: ", i))):
						t.Errorf("%d: %v, %v", i, v, err)
					}
					i++
				}
				if i != 20 {
					t.Errorf("%d results", i)
				}
				for range s.each(patient(t), "echo", upTo(0), opts...) { // rows 124, 126
					t.Error("a result of nothing")
				}
				seen := 0
				for range s.each(patient(t), "echo", func(yield func(int) bool) { // row 123: it has no end
					for i := 0; yield(i); i++ {
					}
				}, opts...) {
					if seen++; seen == 10 {
						break // row 113
					}
				}
			})
		})
	}
	eachSubject(t, 1, func(t *testing.T, s subject) {
		for _, opt := range []executor.MapOption{executor.Buffer(0), executor.Chunk(-1), nil} { // rows 117, 120
			n := 0
			for _, err := range s.each(t.Context(), "echo", upTo(3), opt) {
				if n++; err == nil {
					t.Error("no error")
				}
			}
			if n != 1 {
				t.Errorf("%d pairs", n)
			}
		}
	})
}

// Shutdown lets run what was accepted, or cancels what has not started.
func TestConformanceShutdown(t *testing.T) {
	eachSubject(t, 1, func(t *testing.T, s subject) { // rows 129, 132
		g := newGate(t)
		first := s.call(t.Context(), "block", g.path)
		second := s.call(t.Context(), "echo", 2.0)
		g.entered()
		if err := s.shutdown(t.Context(), executor.NoWait()); err != nil {
			t.Error(err)
		}
		if _, err := result(t, s.call(t.Context(), "echo", 3)); !errors.Is(err, executor.ErrShutdown) { // rows 91, 126
			t.Error(err)
		}
		for _, err := range s.each(t.Context(), "echo", upTo(3)) {
			if !errors.Is(err, executor.ErrShutdown) {
				t.Error(err)
			}
		}
		short, stop := context.WithCancel(t.Context())
		stop()
		err := s.shutdown(short) // row 144
		if e, ok := errors.AsType[*executor.ShutdownError](err); !ok || len(e.Running) != 1 {
			t.Errorf("%v", err)
		}
		g.release()
		if v := value(t, first); v != "released" {
			t.Error(v)
		}
		if v := value(t, second); v != 2.0 && v != 2 { // row 128
			t.Error(v)
		}
		if err := s.shutdown(patient(t)); err != nil {
			t.Error(err)
		}
		if st := s.stats(); st.Workers != 0 || st.Done != 2 { // rows 139, 140
			t.Errorf("%+v", st)
		}
	})
	eachSubject(t, 1, func(t *testing.T, s subject) { // rows 130, 133
		g := newGate(t)
		first := s.call(t.Context(), "block", g.path)
		rest := []*futures.Future[any]{s.call(t.Context(), "echo", 1), s.call(t.Context(), "echo", 2)}
		rest[0].Cancel()
		g.entered()
		if err := s.shutdown(t.Context(), executor.NoWait(), executor.CancelPending()); err != nil {
			t.Error(err)
		}
		for _, f := range rest {
			if f.State() != futures.Cancelled {
				t.Errorf("%v", f)
			}
		}
		g.release()
		value(t, first)
		if err := s.shutdown(patient(t)); err != nil {
			t.Error(err)
		}
	})
}

// A time limit ends the future on time, whatever the function does, and gives its place
// to the next.
func TestConformanceTimeout(t *testing.T) {
	eachSubject(t, 1, func(t *testing.T, s subject) {
		g := newGate(t)
		slow := s.call(t.Context(), "block", g.path, executor.Timeout(50*time.Millisecond))
		next := s.call(t.Context(), "echo", "next")
		_, err := result(t, slow)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, ok := errors.AsType[*futures.WaitError](err); ok {
			t.Error("it is no end of a wait")
		}
		if v := value(t, next); v != "next" {
			t.Error(v)
		}
		if s.name == "goroutines" {
			g.entered()
			g.release()
		}
	})
}
