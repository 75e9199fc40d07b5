package executor_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flow/executor"
	"flow/internal/proctest"
)

// However a program is started, it finds the same: limits (Go raises its own for open
// files), signals (Go handles most, and some are ignored here), files, folder, mask.
func TestProgramsAreStartedAlike(t *testing.T) {
	const tell = `exec 2>&1
		grep -E "^(Sig[BIC]|Cap|NoNewPrivs|Seccomp)" /proc/self/status
		ulimit -a; ulimit -H -n; umask; pwd; ls -l /proc/self/fd | grep -c .; cat; echo $A
		ps -o pid=,pgid=,sid=,tty= -p $$ | sed "s/$$/me/g"`
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	var said []string
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		c := sh(tell)
		var out bytes.Buffer
		c.Stdout, c.Dir, c.Env = &out, "/usr", []string{"PATH=" + os.Getenv("PATH"), "A=1"}
		if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 {
			t.Fatalf("%+v, %v\n%s", exit, err, &out)
		}
		said = append(said, out.String())
	})
	for _, other := range said[1:] {
		if other != said[0] {
			t.Errorf("one way:\n%s\nanother:\n%s", said[0], other)
		}
	}
}

// Many programs at once, each with output or without, while others can't be started.
func TestManyProgramsAtOnce(t *testing.T) {
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		done := make(chan error)
		const workers, rounds = 16, 20
		for range workers {
			go func() {
				for k := range rounds {
					var out bytes.Buffer
					c := &executor.Child{Path: "/bin/echo", Args: []string{"hello"}, Stdout: &out, Stderr: &out}
					want := "hello\n"
					switch k % 4 {
					case 1:
						c.Path, want = "/bin/true", ""
					case 2:
						c.Path, want = "/no/such", ""
					case 3:
						c = sh("echo 1; exec >&- 2>&-; sleep 0.002")
						c.Stdout, c.Stderr, want = &out, &out, "1\n"
					}
					_, err := l.Run(t.Context(), c)
					if failed := err != nil; failed != (k%4 == 2) || out.String() != want {
						t.Errorf("%s: %q, %v", c.Path, out.String(), err)
					}
				}
				done <- nil
			}()
		}
		for range workers {
			<-done
		}
	})
}

// Output arrives as it is written, from a program that was silent before, and from
// what holds it open after the program has ended.
func TestOutputComesAsItIsWritten(t *testing.T) {
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		out := newFirstLine()
		c := sh(`trap "" TERM; sleep 0.02; echo $$; read never`)
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		c.Stdin, c.Stdout, c.Stderr = read, out, &bytes.Buffer{}
		done := make(chan error)
		go func() {
			_, err := l.Run(t.Context(), c)
			done <- err
		}()
		out.pid(t) // although it has not ended
		write.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		var out bytes.Buffer
		c := sh(`(trap "echo late; exit" TERM; while :; do sleep 0.01; done) & sleep 0.05`)
		c.Stdout, c.Grace = &out, 10*time.Second
		if _, err := l.Run(context.Background(), c); err != nil || out.String() != "late\n" {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
}

// A program that can't be started leaves no process that has ended and is not
// collected, and none that had begun.
func TestFailedStartsLeaveNothing(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script") // no such interpreter: found out by the new process
	if err := os.WriteFile(script, []byte("#!/no/such\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := proctest.Uncollected(t) // by other tests
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		for range 20 {
			for _, c := range []*executor.Child{{Path: "/no/such"}, {Path: script}, {Path: "/bin/true", Dir: "/no/such"}, {Path: t.TempDir()}} {
				var start *executor.StartError
				if _, err := l.Run(t.Context(), c); !errors.As(err, &start) {
					t.Errorf("%s: %v", c.Path, err)
				}
			}
		}
		if left := proctest.Uncollected(t); len(left) > len(before) {
			t.Errorf("not collected: %v; before: %v", left, before)
		}
	})
}

// A program finds the soft limit of open files that this one was started with, though
// Go has raised its own.
func TestSoftLimitOfOpenFiles(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The first program is not started as the later ones are.
	const each = `exec "$0" ` + victimArg + ` 'ulimit -Sn; ulimit -Hn' ` + `'ulimit -Sn; ulimit -Hn'`
	out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn 200; ulimit -Hn 300; "+each, self).Output()
	if want := "200\n300\n200\n300\n"; string(out) != want {
		t.Errorf("%q, not %q (%v)", out, want, err)
	}
}

// A program that reads its own output takes what flow was told is there: flow does not
// wait for it on a thread of the scheduler, which would hold up the next collection.
func TestProgramReadsItsOwnOutput(t *testing.T) {
	eachLauncher(t, func(t *testing.T, l *executor.Launcher) {
		var n atomic.Int64
		enough := make(chan struct{})
		out := writerFunc(func(p []byte) (int, error) {
			if was := n.Add(int64(len(p))); was >= 10_000 && was-int64(len(p)) < 10_000 {
				close(enough)
			}
			return len(p), nil
		})
		c := sh("cat </proc/self/fd/1 >/dev/null & while :; do echo x; done")
		c.Stdout, c.Stderr = out, out
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := l.Run(ctx, c)
			done <- err
		}()
		<-enough
		for range 20 {
			runtime.GC()
		}
		var other bytes.Buffer
		c = sh("echo hello")
		c.Stdout = &other
		if _, err := l.Run(t.Context(), c); err != nil || other.String() != "hello\n" {
			t.Errorf("%q, %v", other.String(), err)
		}
		cancel()
		var stop *executor.StopError
		if err := <-done; !errors.As(err, &stop) {
			t.Error(err)
		}
	})
}
