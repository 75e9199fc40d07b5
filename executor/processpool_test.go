//go:build linux

package executor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
)

func remote(t *testing.T, err error) *executor.RemoteError {
	t.Helper()
	e, ok := errors.AsType[*executor.RemoteError](err)
	if !ok {
		t.Fatalf("%#v is no *RemoteError: %v", err, err)
	}
	return e
}

func broken(t *testing.T, err error) *executor.BrokenError {
	t.Helper()
	e, ok := errors.AsType[*executor.BrokenError](err)
	if !ok {
		t.Fatalf("%#v is no *BrokenError: %v", err, err)
	}
	return e
}

func one(n int) []executor.ProcessOption { return []executor.ProcessOption{executor.MaxWorkers(n)} }

func TestRow175IdleWorkersAreReused(t *testing.T) {
	eachRuntime(t, one(3), func(t *testing.T, rt string, p *executor.ProcessPool) {
		if n := p.Stats().Workers; n != 0 { // row 173
			t.Errorf("%d workers before there was a task", n)
		}
		pids := make(map[int]bool)
		for range 3 {
			pids[value(t, executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil))] = true
		}
		if len(pids) != 1 || pids[os.Getpid()] || p.Stats().Workers != 1 {
			t.Errorf("%v, %+v", pids, p.Stats())
		}
	})
}

func TestRows180And188ErrorsTellAll(t *testing.T) {
	types := map[string]string{"self": "valueError", "python": "ValueError", "node": "RangeError"}
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		_, err := result(t, executor.Call[string, any](t.Context(), p, named(rt, "fail"), "no luck"))
		e := remote(t, err)
		lang := map[string]string{"self": "go"}[rt]
		if lang == "" {
			lang = rt
		}
		if e.Type != types[rt] || e.Msg != "no luck" || e.Lang != lang || err.Error() != e.Type+": no luck" {
			t.Errorf("%+v", e)
		}
		if rt != "self" && (!strings.Contains(e.Traceback, "testdata/functions.") || strings.Contains(e.Traceback, "flow-worker")) {
			t.Errorf("traceback %q", e.Traceback)
		}

		_, err = result(t, executor.Call[int, any](t.Context(), p, named(rt, "ended"), 3, executor.Name("doomed"), executor.Output(nil, nil)))
		b := broken(t, err)
		if b.ExitCode != 3 || b.Signal != nil || b.Task != "doomed" || b.PID == 0 || b.MaxRSS == 0 || !strings.Contains(b.StderrTail, "about to end\n") || errors.Is(err, executor.ErrBrokenPool) {
			t.Errorf("%+v", b)
		}
		if text := err.Error(); !strings.Contains(text, "ended with exit code 3 in the middle of doomed: about to end") {
			t.Errorf("%q", text)
		}
		_, err = result(t, executor.Call[int, any](t.Context(), p, named(rt, "killed"), int(syscall.SIGKILL)))
		if b := broken(t, err); b.ExitCode != -1 || b.Signal != syscall.SIGKILL || b.OOM {
			t.Errorf("%+v", b)
		}
		if v := value(t, executor.Call[int, int](t.Context(), p, named(rt, "neg"), 1)); v != -1 {
			t.Error(v)
		}

		for fn, says := range map[string]string{"none": "none", "not_a_function": "function"} {
			_, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, fn), nil))
			if e := remote(t, err); !strings.Contains(e.Msg, says) {
				t.Errorf("%s: %+v", fn, e)
			}
		}
		if _, err := result(t, executor.Call[any, any](t.Context(), p, "", nil)); err == nil {
			t.Error("a call of no function")
		}
	})
}

// Values that can't travel fail their own task, both ways.
func TestRows179And193ValuesThatCantTravel(t *testing.T) {
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		f := executor.Call[any, any](t.Context(), p, named(rt, "echo"), map[string]any{"rows": []any{1, func() {}}}, executor.Name("x"))
		_, err := result(t, f)
		if e, ok := errors.AsType[*executor.EncodeError](err); !ok || e.Path != "/rows/1" || f.Name() != "x" {
			t.Errorf("%#v, %v", err, f)
		}
		_, err = result(t, executor.Call[any, any](t.Context(), p, named(rt, "unencodable"), nil))
		if e := remote(t, err); !strings.Contains(e.Msg, "result") || !strings.Contains(e.Msg, "rows") {
			t.Errorf("%+v", e)
		}
		if rt != "self" {
			_, err = result(t, executor.Call[any, any](t.Context(), p, named(rt, "nan"), nil))
			if e := remote(t, err); !strings.Contains(e.Msg, "result[1]") {
				t.Errorf("%+v", e)
			}
		}
		_, err = result(t, executor.Call[any, int](t.Context(), p, named(rt, "echo"), "text")) // row 194
		if err == nil || !strings.Contains(err.Error(), "decoded") {
			t.Errorf("%v", err)
		}
		items := func(yield func(any) bool) {
			for _, v := range []any{1, func() {}, 3} {
				if !yield(v) {
					return
				}
			}
		}
		var got []string
		for v, err := range executor.MapCall[any, any](patient(t), p, named(rt, "echo"), items, executor.Chunk(3), executor.Buffer(3)) {
			_, unsent := errors.AsType[*executor.EncodeError](err)
			got = append(got, fmt.Sprint(v, unsent))
		}
		if want := []string{"1 false", "<nil> true", "3 false"}; !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		if pid := p.Stats(); pid.Workers != 1 {
			t.Errorf("%+v", pid)
		}
	})
}

// Eight MiB both ways, bytes and text.
func TestBigValues(t *testing.T) {
	const size = 8 << 20
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		for v := range 2 {
			data := bytes.Repeat([]byte{0xff, 0, '\n', byte(v)}, size/4)
			if got := value(t, executor.Call[[]byte, []byte](t.Context(), p, named(rt, "echo"), data)); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back changed", len(got))
			}
		}
		text := strings.Repeat("é\"\\\n", size/5)
		in := map[string]any{"text": text, "list": []any{text[:5000], []byte("x")}}
		got := value(t, executor.Call[any, map[string]any](t.Context(), p, named(rt, "echo"), in))
		if got["text"] != text || !bytes.Equal(got["list"].([]any)[1].([]byte), []byte("x")) {
			t.Error("text came back changed")
		}
		if got := value(t, executor.Call[int, []byte](t.Context(), p, named(rt, "big"), size)); len(got) != size {
			t.Error(len(got))
		}
		// A worker that dies while it is written to holds up nobody (row 195).
		_, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, "killed"), in))
		if err == nil {
			t.Error("no error")
		}
		raw := value(t, executor.Call[any, json.RawMessage](t.Context(), p, named(rt, "echo"), strings.Repeat("x", 5000)))
		if len(raw) != 5002 {
			t.Errorf("%.40s", raw)
		}
	})
}

// What a worker prints is its task's, all of it, from whatever it has started.
func TestOutput(t *testing.T) {
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		for i := range 20 {
			var out, errs bytes.Buffer
			value(t, executor.Call[int, any](t.Context(), p, named(rt, "printing"), i, executor.Output(&out, &errs)))
			if want := fmt.Sprintf("out %d\nchild\nno newline", i); out.String() != want {
				t.Errorf("%q", &out)
			}
			if want := fmt.Sprintf("child-err\nerr %d\n", i); errs.String() != want {
				t.Errorf("%q", &errs)
			}
		}
	})
	p := newPool(t)
	for _, opt := range []executor.TaskOption{executor.KeywordArgs(), executor.Output(nil, nil)} {
		if _, err := result(t, executor.Submit(t.Context(), p, constant(1), opt)); err == nil {
			t.Error("an option of Call in Submit")
		}
	}
}

// What tasks start inherits neither the pipes nor that it would be a worker.
func TestWorkersKeepToThemselves(t *testing.T) {
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		out := value(t, executor.Call[any, string](t.Context(), p, named(rt, "surroundings"), nil))
		lines := strings.Fields(out)
		if !slices.Contains(lines, "marker=") || slices.Contains(lines, "4") {
			t.Errorf("%q", out)
		}
	})
}

func TestInitCallAndPreload(t *testing.T) {
	for rt, runtime := range runtimes() {
		t.Run(rt, func(t *testing.T) {
			p := newProcesses(t, runtime, executor.MaxWorkers(1), executor.InitCall(named(rt, "setup"), "dsn")) // row 161
			for range 2 {
				got := value(t, executor.Call[any, [][]any](t.Context(), p, named(rt, "setup_args"), nil))
				if len(got) != 1 || len(got[0]) != 1 || got[0][0] != "dsn" {
					t.Errorf("%v", got)
				}
			}

			p = newProcesses(t, runtime, executor.MaxWorkers(1), executor.InitCall(named(rt, "setup_fails")))
			fs := []*futures.Future[any]{}
			for range 3 { // rows 163, 167
				fs = append(fs, executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1))
			}
			for _, f := range fs {
				_, err := result(t, f)
				if e := remote(t, err); !errors.Is(err, executor.ErrBrokenPool) || e.Msg != "no database" { // row 164
					t.Errorf("%v", err)
				}
			}
			if _, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1)); !errors.Is(err, executor.ErrBrokenPool) { // row 93
				t.Error(err)
			}

			if rt == "self" {
				return
			}
			p = newProcesses(t, runtime, executor.MaxWorkers(1), executor.Preload("functions"))
			value(t, executor.Call[int, int](t.Context(), p, named(rt, "neg"), 1))
			p = newProcesses(t, runtime, executor.MaxWorkers(1), executor.Preload("functions", "no_such_module"))
			_, err := result(t, executor.Call[int, int](t.Context(), p, named(rt, "neg"), 1))
			if e := remote(t, err); !errors.Is(err, executor.ErrBrokenPool) || !strings.Contains(e.Msg, "no_such_module") {
				t.Error(err)
			}
		})
	}
}

func TestRows200To206Recycling(t *testing.T) {
	for rt, runtime := range runtimes() {
		t.Run(rt, func(t *testing.T) {
			p := newProcesses(t, runtime, executor.MaxWorkers(1), executor.MaxTasksPerWorker(2))
			var pids []int
			for range 5 {
				pids = append(pids, value(t, executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil)))
			}
			if pids[0] != pids[1] || pids[1] == pids[2] || pids[2] != pids[3] || pids[3] == pids[4] {
				t.Errorf("%v", pids)
			}

			p = newProcesses(t, runtime, executor.MaxWorkers(2), executor.MaxTasksPerWorker(1))
			var fs []futures.Any
			for i := range 8 { // rows 143, 204
				fn, in := "echo", any(i)
				if i == 3 {
					fn, in = "fail", "x"
				}
				fs = append(fs, executor.Call[any, any](t.Context(), p, named(rt, fn), in))
			}
			if err := p.Shutdown(t.Context(), executor.NoWait()); err != nil { // rows 205, 206
				t.Error(err)
			}
			if _, _, err := futures.Wait(patient(t), futures.AllCompleted, fs...); err != nil {
				t.Fatal(err)
			}
			if err := p.Shutdown(patient(t)); err != nil {
				t.Error(err)
			}
			if st := p.Stats(); st.Done != 7 || st.Failed != 1 || st.Workers != 0 {
				t.Errorf("%+v", st)
			}

			p = newProcesses(t, runtime, executor.MaxWorkers(1), executor.MaxWorkerRSS(1)) // row 210
			pid := executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil)
			if again := executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil); value(t, pid) == value(t, again) {
				t.Error("a worker that is too big stays")
			}
		})
	}
}

// Abort ends the one worker that runs the task, however deaf it is; others go on.
func TestRow220AbortEndsOneWorker(t *testing.T) {
	errStop := errors.New("not wanted any more")
	eachRuntime(t, append(one(2), executor.KillGrace(300*time.Millisecond)), func(t *testing.T, rt string, p *executor.ProcessPool) {
		for _, fn := range []string{"block", "deaf"} {
			g, other := newGate(t), newGate(t)
			f := executor.Call[string, any](t.Context(), p, named(rt, fn), g.path)
			bystander := executor.Call[string, any](t.Context(), p, named(rt, "block"), other.path)
			g.entered()
			other.entered()
			if fn == "deaf" {
				g.release() // it listens to nothing by now
			}
			if !f.Abort(errStop) {
				t.Error("Abort")
			}
			_, err := result(t, f)
			if !errors.Is(err, errStop) {
				t.Errorf("%s: %v", fn, err)
			}
			if stop, ok := errors.AsType[*executor.StopError](err); !ok || stop.Path != named(rt, fn) {
				t.Errorf("%s: %#v", fn, err)
			}
			other.release()
			if v := value(t, bystander); v != "released" {
				t.Error(v)
			}
		}
		if v := value(t, executor.Call[int, int](t.Context(), p, named(rt, "neg"), 1)); v != -1 {
			t.Error(v)
		}
	})
}

// A function of Self learns that it is to end, and its worker stays.
func TestSelfHeedsTheWishToStop(t *testing.T) {
	p := newProcesses(t, executor.Self(), executor.MaxWorkers(1))
	pid := value(t, executor.Call[any, int](t.Context(), p, "pid", nil))
	g := newGate(t)
	f := executor.Call[string, any](t.Context(), p, "heeds", g.path)
	g.entered()
	g.release()
	errStop := errors.New("stop")
	f.Abort(errStop)
	if _, err := result(t, f); !errors.Is(err, errStop) {
		t.Error(err)
	}
	if again := value(t, executor.Call[any, int](t.Context(), p, "pid", nil)); again != pid {
		t.Errorf("another worker, %d, not %d", again, pid)
	}
	_, err := result(t, executor.Call[string, any](t.Context(), p, "panics", "boom"))
	if e := remote(t, err); e.Type != "PanicError" || e.Msg != "panic: boom" || !strings.Contains(e.Traceback, "functions_test.go") {
		t.Errorf("%+v", e)
	}
	if _, err := result(t, executor.Call[any, any](t.Context(), p, "goexit", nil)); !strings.Contains(err.Error(), "Goexit") {
		t.Error(err)
	}
	if again := value(t, executor.Call[any, int](t.Context(), p, "pid", nil)); again != pid {
		t.Error("a panic took the worker with it")
	}
}

func TestRow186BreakPool(t *testing.T) {
	eachRuntime(t, append(one(2), executor.OnWorkerDeath(executor.BreakPool)), func(t *testing.T, rt string, p *executor.ProcessPool) {
		g := newGate(t)
		bystander := executor.Call[string, any](t.Context(), p, named(rt, "block"), g.path)
		g.entered()
		doomed := executor.Call[int, any](t.Context(), p, named(rt, "ended"), 7, executor.Output(nil, nil))
		pending := executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1, executor.After(bystander))
		seen := make(map[error]bool)
		for _, f := range []*futures.Future[any]{doomed, bystander, executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1)} {
			_, err := result(t, f)
			e := broken(t, err)
			if !errors.Is(err, executor.ErrBrokenPool) || seen[e] { // row 187
				t.Errorf("%v", err)
			}
			seen[e] = true
		}
		if _, err := result(t, pending); !errors.Is(err, executor.ErrBrokenPool) {
			t.Error(err)
		}
		if _, err := result(t, bystander); broken(t, err).Cause.(*executor.BrokenError).ExitCode != 7 {
			t.Errorf("%v", err)
		}
	})
}

func TestRows211To219TerminateAndKill(t *testing.T) {
	for _, how := range []string{"terminate", "kill"} {
		eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
			grandchild := value(t, executor.Call[any, int](t.Context(), p, named(rt, "grandchild"), nil))
			g := newGate(t)
			running := executor.Call[string, any](t.Context(), p, named(rt, "block"), g.path)
			pending := executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1)
			g.entered()
			var err error
			if how == "kill" {
				err = p.Kill()
			} else {
				err = p.Terminate(patient(t))
			}
			if err != nil {
				t.Error(err)
			}
			if pending.State() != futures.Cancelled {
				t.Errorf("%v", pending)
			}
			if _, err := result(t, running); !errors.Is(err, executor.ErrShutdown) {
				t.Error(err)
			}
			if !dead(grandchild) { // row 215
				t.Error("a grandchild lives")
			}
			if _, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, "echo"), 1)); !errors.Is(err, executor.ErrShutdown) { // row 218
				t.Error(err)
			}
			if p.Stats().Workers != 0 || p.Kill() != nil || p.Terminate(t.Context()) != nil { // row 216
				t.Errorf("%+v", p.Stats())
			}
		})
	}
	p := newProcesses(t, executor.Self()) // row 217
	if err := p.Terminate(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is no worker is told soon, with what may be wrong.
func TestProgramsThatAreNoWorkers(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "interpreter")
	for name, c := range map[string]struct {
		rt   executor.Runtime
		says string
	}{
		"missing":        {executor.Python("/no/such/python"), "no such file"},
		"not in PATH":    {executor.Node("no-such-node"), "not in PATH"},
		"ends at once":   {executor.Command("false"), "exit code 1"},
		"says too much":  {executor.Command("sh", "-c", "head -c 100 /dev/zero | tr '\\0' x >&4; cat >&2"), "frame is too large"},
		"another":        {executor.Command("sh", "-c", `printf '\0\0\0\020{"type":"ready"}' >&4; cat <&3 >/dev/null`), "another protocol"},
		"no interpreter": {executor.Python("/bin/true"), "is it the interpreter?"},
		"no JSON":        {executor.Command("sh", "-c", `printf '\0\0\0\001x' >&4; cat <&3 >/dev/null`), "header"},
		"hangs up":       {executor.Command("sh", "-c", `exec 4>&-; cat <&3 >/dev/null`), "closed its pipe"},
		"complains":      {executor.Command("sh", "-c", "echo 'no license found' >&2; exit 9"), "no license found"},
		"gone":           {executor.Python(gone), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcesses(t, c.rt, executor.MaxWorkers(2))
			_, err := result(t, executor.Call[any, any](t.Context(), p, "m:f", 1))
			if !errors.Is(err, executor.ErrBrokenPool) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A replacement that can't be started breaks the pool with the cause (row 208).
func TestRow208NoReplacement(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	link := filepath.Join(t.TempDir(), "python3")
	if err := os.Symlink(python(), link); err != nil {
		t.Fatal(err)
	}
	p := newProcesses(t, executor.Python(link), executor.MaxWorkers(1))
	value(t, executor.Call[int, int](t.Context(), p, "functions:neg", 1))
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if _, err := result(t, executor.Call[int, any](t.Context(), p, "functions:ended", 1, executor.Output(nil, nil))); errors.Is(err, executor.ErrBrokenPool) {
		t.Error(err)
	}
	if _, err := result(t, executor.Call[int, int](t.Context(), p, "functions:neg", 1)); !errors.Is(err, executor.ErrBrokenPool) || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A pool whose workers only crash breaks, and one whose workers crash now and then not.
func TestBreaker(t *testing.T) {
	p := newProcesses(t, executor.Command("sh", "-c", crashing), executor.MaxWorkers(4))
	ended, last := 0, error(nil)
	for ; ended < 1000; ended++ {
		_, last = result(t, executor.Call[int, any](t.Context(), p, "f", 1))
		if errors.Is(last, executor.ErrBrokenPool) {
			break
		}
	}
	if ended < 10 || ended > 200 {
		t.Errorf("%d tasks before: %v", ended, last)
	}
	if !strings.Contains(last.Error(), "in a row") {
		t.Error(last)
	}
}

// crashing says that it is a worker, is ready, and ends at the first call.
const crashing = `printf '\0\0\0\035{"type":"hello","protocol":1}' >&4
n=$(head -c 4 <&3 | od -An -tu1 | awk '{ print $3 * 256 + $4 }'); head -c $n <&3 >/dev/null
printf '\0\0\0\020{"type":"ready"}' >&4
head -c 4 <&3 >/dev/null; exit 5`

func TestProcessOptions(t *testing.T) {
	self := executor.Self()
	for name, opts := range map[string][]executor.ProcessOption{
		"no runtime":  nil,
		"nil":         {self, nil},
		"two":         {self, executor.Python("python3")},
		"zero":        {executor.Runtime{}},
		"no argv":     {executor.Command()},
		"no python":   {executor.Python("")},
		"workers":     {self, executor.MaxWorkers(0)},
		"name":        {self, executor.NamePrefix("")},
		"tasks":       {self, executor.MaxTasksPerWorker(0)}, // row 203
		"memory":      {self, executor.MaxWorkerRSS(-1)},
		"init":        {self, executor.InitCall("")},
		"init's args": {self, executor.InitCall("f", func() {})},
		"preload":     {self, executor.Preload("a", "")},
		"path":        {self, executor.Path("")},
		"limits":      {self, executor.Limits(executor.Rlimits{Memory: -1})},
		"death":       {self, executor.OnWorkerDeath(7)},
		"grace":       {self, executor.KillGrace(0)},
		"launcher":    {self, executor.Through(nil)},
	} {
		if p, err := executor.NewProcessPool(opts...); err == nil || !strings.HasPrefix(err.Error(), "executor: NewProcessPool: ") {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	var zero executor.ProcessPool
	for name, p := range map[string]*executor.ProcessPool{"nil": nil, "zero": &zero} {
		_, err := result(t, executor.Call[int, int](t.Context(), p, "f", 1))
		for _, err := range []error{err, p.Close(), p.Terminate(t.Context()), p.Kill()} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		_, _ = p.Stats(), p.String()
		for _, err := range executor.MapCall[int, int](t.Context(), p, "f", upTo(1)) {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

func TestRegister(t *testing.T) {
	var r executor.Registry
	fn := func(context.Context, int) (int, error) { return 0, nil }
	if err := executor.Register(&r, "a", fn); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"twice": executor.Register(&r, "a", fn), "no name": executor.Register(&r, "", fn), "nil registry": executor.Register(nil, "b", fn),
		"nil function": executor.Register[int, int](&r, "b", nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	t.Setenv("FLOW_WORKER", "1") // as in a worker whose main does not call Main
	if _, err := executor.NewProcessPool(executor.Self()); err == nil || !strings.Contains(err.Error(), "executor.Main") {
		t.Error(err)
	}
}
