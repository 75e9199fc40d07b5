//go:build linux

package executor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flow/executor"
	"flow/internal/proctest"
)

// firstLine collects output and tells of the first line.
type firstLine struct {
	mu   sync.Mutex
	text []byte
	line chan string
}

func newFirstLine() *firstLine { return &firstLine{line: make(chan string, 1)} }

func (w *firstLine) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := bytes.ContainsRune(w.text, '\n')
	w.text = append(w.text, p...)
	if line, _, ok := bytes.Cut(w.text, []byte("\n")); ok && !had {
		w.line <- string(line)
	}
	return len(p), nil
}

func (w *firstLine) pid(t *testing.T) int {
	t.Helper()
	select {
	case line := <-w.line:
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	case <-time.After(patience):
		t.Fatal("the process said nothing")
		return 0
	}
}

// dead reports whether a process is no more, or a zombie that its new parent has
// not collected yet.
func dead(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	rest := string(text[bytes.LastIndexByte(text, ')')+1:])
	return strings.HasPrefix(rest, " Z") || strings.HasPrefix(rest, " X")
}

// A grandchild that ignores SIGTERM goes with the group: after a success, a
// failure, and when the context ends. It holds the output open all the time.
func TestChildLeavesNothingBehind(t *testing.T) {
	const stubborn = `(trap "" TERM; sh -c 'echo $$; while :; do sleep 1000; done') & `
	for _, tc := range []struct {
		name, end string
		code      int
		cancel    bool
	}{
		{"success", `read go; exit 0`, 0, false},
		{"failure", `read go; exit 5`, 5, false},
		{"signal", `read go; kill -KILL $$`, 137, false},
		{"context", `wait`, 143, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := launcher(t)
			out := newFirstLine()
			read, write := io.Pipe()
			c := sh(stubborn + tc.end)
			c.Stdout, c.Stderr, c.Stdin, c.Grace = out, out, read, 100*time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			type outcome struct {
				exit executor.Exit
				err  error
			}
			done := make(chan outcome)
			go func() {
				exit, err := l.Run(ctx, c)
				done <- outcome{exit, err}
			}()
			grandchild := out.pid(t)
			if dead(grandchild) {
				t.Fatal("the grandchild never lived: nothing is tested")
			}
			if tc.cancel {
				cancel()
			} else {
				io.WriteString(write, "go\n")
			}
			write.Close()
			got := <-done
			if got.exit.Code != tc.code || (got.err != nil) != tc.cancel {
				t.Errorf("%+v", got)
			}
			if !dead(grandchild) {
				t.Error("the grandchild lives")
			}
			if _, err := syscall.Wait4(got.exit.PID, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
				t.Errorf("the child is still there: %v", err)
			}
		})
	}
}

// One that left the group and holds the output open keeps nobody waiting, and
// what was written before comes through.
func TestChildOutputHeldOpenElsewhere(t *testing.T) {
	eachLauncher(t, testChildOutputHeldOpenElsewhere)
}

func testChildOutputHeldOpenElsewhere(t *testing.T, l *executor.Launcher) {
	out := newFirstLine()
	c := sh(`setsid sh -c 'echo $$; exec sleep 1000' & while ! ps -o sid= -p $! >/dev/null; do :; done; read go; head -c 50000 /dev/zero`)
	c.Stdout = out
	read, write := io.Pipe()
	c.Stdin = read
	var escaped int
	go func() {
		escaped = out.pid(t)
		write.Close()
	}()
	start := time.Now()
	if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 {
		t.Fatal(exit, err)
	}
	defer syscall.Kill(escaped, syscall.SIGKILL)
	if took := time.Since(start); took > patience/2 {
		t.Errorf("took %s", took)
	}
	if n := bytes.Count(out.text, []byte{0}); n != 50000 {
		t.Errorf("%d bytes of 50000 came", n)
	}
	if dead(escaped) {
		t.Error("what left the group is dead: nothing is tested")
	}
}

func TestChildGraceThenKill(t *testing.T) { eachLauncher(t, testChildGraceThenKill) }

func testChildGraceThenKill(t *testing.T, l *executor.Launcher) {
	out := newFirstLine()
	c := sh(`trap "" TERM; echo $$; while :; do sleep 1000; done`)
	c.Stdout, c.Grace = out, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-out.line; cancel() }()
	exit, err := l.Run(ctx, c)
	if exit.Signal != syscall.SIGKILL || exit.Code != 137 || !errors.Is(err, context.Canceled) {
		t.Fatal(exit, err)
	}
}

func TestChildMayEndByItselfWithinItsGrace(t *testing.T) {
	eachLauncher(t, testChildMayEndByItselfWithinItsGrace)
}

func testChildMayEndByItselfWithinItsGrace(t *testing.T, l *executor.Launcher) {
	out := newFirstLine()
	c := sh(`trap "echo bye; exit 9" TERM; echo $$; while :; do sleep 0.01; done`)
	c.Stdout = out
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-out.line; cancel() }()
	exit, err := l.Run(ctx, c)
	var stop *executor.StopError
	if exit.Code != 9 || !errors.As(err, &stop) || !strings.HasSuffix(string(out.text), "bye\n") {
		t.Fatalf("%+v, %v, %q", exit, err, out.text)
	}
}

// counter counts bytes.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

func TestChildBigOutputInLittleMemory(t *testing.T) {
	eachLauncher(t, testChildBigOutputInLittleMemory)
}

func testChildBigOutputInLittleMemory(t *testing.T, l *executor.Launcher) {
	const size = 200 << 20
	c := sh("head -c " + strconv.Itoa(size) + " /dev/zero")
	var out counter
	c.Stdout = &out
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 || out != size {
		t.Fatal(exit, err, out)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestChildBigInput(t *testing.T) { eachLauncher(t, testChildBigInput) }

func testChildBigInput(t *testing.T, l *executor.Launcher) {
	in := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, tc := range map[string]struct {
		script string
		want   string
	}{
		"read":       {"cat", string(in)},
		"not read":   {"exec <&-; echo done", "done\n"},
		"partly":     {"head -c 16", "0123456789abcdef"},
		"ends early": {"exit 0", ""},
	} {
		var out bytes.Buffer
		c := sh(tc.script)
		c.Stdin, c.Stdout = bytes.NewReader(in), &out
		if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 || out.String() != tc.want {
			t.Errorf("%s: %+v, %v, %d bytes", name, exit, err, out.Len())
		}
	}
}

func TestChildFailingStreamsWedgeNothing(t *testing.T) {
	eachLauncher(t, testChildFailingStreamsWedgeNothing)
}

func testChildFailingStreamsWedgeNothing(t *testing.T, l *executor.Launcher) {
	failure := errors.New("failure")
	c := sh("cat; head -c 1000000 /dev/zero; exit 3")
	c.Stdout = writerFunc(func([]byte) (int, error) { return 0, failure })
	c.Stderr = writerFunc(func(p []byte) (int, error) { return 0, nil })
	c.Stdin = io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) { return 0, failure }))
	exit, err := l.Run(t.Context(), c)
	var stream *executor.StreamError
	if exit.Code != 3 || !errors.As(err, &stream) || !errors.Is(err, failure) || !strings.Contains(err.Error(), "stdin") || !strings.Contains(err.Error(), "stdout") {
		t.Fatal(exit, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestChildSameWriterForBoth(t *testing.T) { eachLauncher(t, testChildSameWriterForBoth) }

func testChildSameWriterForBoth(t *testing.T, l *executor.Launcher) {
	var both bytes.Buffer // not safe for concurrent use
	c := sh("for i in 1 2 3; do echo out $i; echo err $i >&2; done")
	c.Stdout, c.Stderr = &both, &both
	if _, err := l.Run(t.Context(), c); err != nil || both.String() != "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n" {
		t.Fatalf("%v: %q", err, both.String())
	}
}

func TestChildFilesAreHandedOver(t *testing.T) { eachLauncher(t, testChildFilesAreHandedOver) }

func testChildFilesAreHandedOver(t *testing.T, l *executor.Launcher) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := sh("f=$(readlink /proc/$$/fd/1); echo $f >&2")
	var errs bytes.Buffer
	c.Stdout, c.Stderr = f, &errs
	if _, err := l.Run(t.Context(), c); err != nil || errs.String() != path+"\n" {
		t.Fatalf("%v: %q", err, errs.String())
	}
	c = sh("cat")
	var out bytes.Buffer
	if c.Stdin, err = os.Open("/dev/null"); err != nil {
		t.Fatal(err)
	}
	c.Stdout = &out
	if _, err := l.Run(t.Context(), c); err != nil || out.Len() != 0 {
		t.Fatal(err, out.String())
	}
	if err := c.Stdin.(*os.File).Close(); err != nil {
		t.Error("Run closed the file")
	}
	if _, err := l.Run(t.Context(), c); err == nil {
		t.Error("a closed file is taken")
	}
}

func TestChildEnvironmentAndFolder(t *testing.T) { eachLauncher(t, testChildEnvironmentAndFolder) }

func testChildEnvironmentAndFolder(t *testing.T, l *executor.Launcher) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\necho $0 $A ${B-none} $(pwd)\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("B", "inherited")
	for _, tc := range []struct {
		child executor.Child
		want  string
	}{
		{executor.Child{Path: "tool", Env: []string{"A=1", "PATH=.:" + dir + ":/bin"}, Dir: dir}, dir + "/tool 1 none " + dir},
		{executor.Child{Path: "./tool", Dir: dir}, "./tool inherited " + dir},
	} {
		var out bytes.Buffer
		tc.child.Stdout = &out
		if _, err := l.Run(t.Context(), &tc.child); err != nil || out.String() != tc.want+"\n" {
			t.Errorf("%v: %q, want %q", err, out.String(), tc.want)
		}
	}
}

func TestChildLimits(t *testing.T) { eachLauncher(t, testChildLimits) }

func testChildLimits(t *testing.T, l *executor.Launcher) {
	c := sh("ulimit -v; ulimit -t; ulimit -n; ulimit -u")
	if _, err := os.Stat("/bin/bash"); err == nil {
		c.Path = "/bin/bash" // other shells have no ulimit -u
	}
	c.Limits = executor.Rlimits{Memory: 1 << 30, CPUTime: 1500 * time.Millisecond, OpenFiles: 50, Processes: 1000}
	var out bytes.Buffer
	c.Stdout = &out
	exit, err := l.Run(t.Context(), c)
	if err != nil || exit.Code != 0 || !strings.HasPrefix(out.String(), "1048576\n2\n50\n1000\n") {
		t.Fatalf("%+v, %v: %q", exit, err, out.String())
	}
	c = sh("while :; do :; done")
	c.Limits.CPUTime = time.Second
	if exit, err := l.Run(t.Context(), c); err != nil || exit.Signal != syscall.SIGXCPU && exit.Signal != syscall.SIGKILL || exit.User == 0 {
		t.Fatalf("%+v, %v", exit, err)
	}
}

// together runs n children until all of them are at work.
func together(t *testing.T, l *executor.Launcher, n int) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var wg sync.WaitGroup
	for range n {
		out := newFirstLine()
		c := sh("echo $$; read end")
		c.Stdin, c.Stdout, c.Stderr = struct{ io.Reader }{read}, out, io.Discard
		wg.Go(func() { _, _ = l.Run(t.Context(), c) })
		out.pid(t) // what it says arrives: it is waited for
	}
	write.Close()
	wg.Wait()
}

func TestChildLeaksNoFiles(t *testing.T) { eachLauncher(t, testChildLeaksNoFiles) }

func testChildLeaksNoFiles(t *testing.T, l *executor.Launcher) {
	const list = "ls /proc/self/fd | wc -l"
	// What this process was started with may be open in its children as well.
	want, err := exec.Command("/bin/sh", "-c", list).Output()
	if err != nil {
		t.Fatal(err)
	}
	run := func() {
		c := sh(list)
		var out bytes.Buffer
		c.Stdin, c.Stdout, c.Stderr = strings.NewReader(""), &out, io.Discard
		if _, err := l.Run(t.Context(), c); err != nil || out.String() != string(want) {
			t.Errorf("%v: a child has %q files, not %q", err, out.String(), want)
		}
		c = &executor.Child{Path: "/no/such", Stdin: strings.NewReader(""), Stdout: &out}
		l.Run(t.Context(), c)
	}
	several := func() {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(run)
		}
		wg.Wait()
	}
	run()
	together(t, l, 4) // a launcher keeps what it needs for as many as ran at a time
	before := proctest.OpenFiles(t)
	for range 5 {
		several()
	}
	if after := proctest.OpenFiles(t); len(after) > len(before) {
		t.Errorf("files before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

func TestLauncherClose(t *testing.T) {
	l := new(executor.Launcher)
	out := newFirstLine()
	c := sh("echo 1; sleep 0.05")
	c.Stdout = out
	done := make(chan executor.Exit, 1)
	go func() {
		exit, _ := l.Run(t.Context(), c)
		done <- exit
	}()
	<-out.line
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if exit := <-done; exit.Code != 0 || exit.Signal != 0 {
		t.Errorf("Close ended a child: %+v", exit)
	}
	if _, err := l.Run(t.Context(), c); err == nil {
		t.Error("a closed launcher runs")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
