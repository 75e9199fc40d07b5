package executor_test

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"flow/executor"
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
	if len(said) != 2 || said[0] != said[1] {
		t.Errorf("plain:\n%s\nwatched:\n%s", said[0], said[1])
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
