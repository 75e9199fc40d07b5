package executor_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flow/executor"
)

// The test binary is two programs more: one that is killed, and its watcher.
const (
	victimArg  = "test-victim"
	watcherArg = "test-watcher"
)

// watcherArgs are a launcher's Watcher.
var watcherArgs = []string{watcherArg}

// other reports whether this process is one of them, and does its work.
func other(args []string) (code int, is bool) {
	if len(args) < 3 {
		return 0, false
	}
	switch args[1] {
	case watcherArg:
		if err := executor.Sweep(args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1, true
		}
		return 0, true
	case poolVictimArg:
		poolVictim(args[2], args[3])
		return 1, true
	case victimArg:
		l := &executor.Launcher{Subreaper: true, Watcher: watcherArgs}
		for _, script := range args[2:] {
			c := sh(script)
			c.Stdout = os.Stdout
			if _, err := l.Run(context.Background(), c); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		return 1, true
	}
	return 0, false
}

// adopting is a launcher that is the subreaper. There must be one at a time, so
// tests that have one don't run side by side; their parts do.
func adopting(t *testing.T) *executor.Launcher {
	l := &executor.Launcher{Subreaper: true}
	t.Cleanup(func() { l.Close() })
	return l
}

// fugitives are ways out of a process group. Each prints the number of the process
// that got away, which then waits for a long time.
var fugitives = map[string]string{
	"setsid":            `setsid sh -c 'echo $$; exec sleep 1000' &`,
	"forked twice":      `(setsid sh -c '(exec sleep 1000) & echo $!' &)`,
	"deaf":              `setsid sh -c 'trap "" TERM HUP INT; echo $$; while :; do sleep 1000; done' &`,
	"another group":     `set -m; sh -c 'echo $$; exec sleep 1000' &`,
	"without a token":   `env -i PATH="$PATH" sh -c 'echo $$; exec sleep 1000' &`,
	"wiped":             `setsid env -i PATH="$PATH" setsid sh -c 'echo $$; exec sleep 1000' &`,
	"comes again":       `setsid sh -c 'trap "setsid sh -c \"exec sleep 1000\" &" TERM; echo $$; while :; do sleep 0.01; done' &`,
	"holds the output":  `setsid sh -c 'echo $$; exec sleep 1000' 2>&1 &`,
	"daemon's daughter": `setsid sh -c 'setsid sleep 1000 & echo $!; exec sleep 1000' &`,
}

func TestSubreaperLeavesNothingBehind(t *testing.T) {
	l := adopting(t)
	for name, escape := range fugitives {
		for _, end := range []struct {
			name, script string
			code         int
			cancel       bool
		}{
			{"success", `read go; exit 0`, 0, false},
			{"signal", `read go; kill -KILL $$`, 137, false},
			{"context", `while :; do sleep 1000; done`, 143, true},
		} {
			t.Run(name+"/"+end.name, func(t *testing.T) {
				t.Parallel()
				out := newFirstLine()
				read, write := io.Pipe()
				c := sh(escape + "\n" + end.script)
				c.Stdout, c.Stdin, c.Grace = out, read, 100*time.Millisecond
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan executor.Exit)
				go func() {
					exit, _ := l.Run(ctx, c)
					done <- exit
				}()
				fugitive := out.pid(t)
				if dead(fugitive) {
					t.Fatal("nobody got away: nothing is tested")
				}
				if end.cancel {
					cancel()
				} else {
					io.WriteString(write, "go\n")
				}
				write.Close()
				if exit := <-done; exit.Code != end.code {
					t.Errorf("%+v", exit)
				}
				// One that nothing tells of ends with the last of those that were there.
				if name != "wiped" && !dead(fugitive) {
					t.Error("it lives")
				}
			})
		}
	}
}

// What nothing tells of is ended with the last child that was there when it came.
func TestSubreaperEndsWhatNothingTellsOf(t *testing.T) {
	out := newFirstLine()
	c := sh(fugitives["wiped"] + ` while ! [ "$(ps -o ppid= -p $! 2>/dev/null)" ]; do :; done; sleep 0.1`)
	c.Stdout, c.Grace = out, 100*time.Millisecond
	if _, err := adopting(t).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if pid := out.pid(t); !dead(pid) {
		t.Error("it lives")
	}
}

func TestSubreaperSparesOthers(t *testing.T) {
	l := adopting(t)
	mine := exec.Command("sleep", "1000")
	if err := mine.Start(); err != nil {
		t.Fatal(err)
	}
	defer mine.Wait()
	defer mine.Process.Kill()
	out := newFirstLine()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		c := sh(`(setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000`)
		c.Stdout, c.Grace = out, 100*time.Millisecond
		_, err := l.Run(ctx, c)
		done <- err
	}()
	neighbour := out.pid(t)
	if exit, err := l.Run(t.Context(), sh("(setsid sleep 1000 &); exit 0")); err != nil || exit.Code != 0 {
		t.Error(exit, err)
	}
	if dead(neighbour) {
		t.Error("the child of another child was ended")
	}
	if dead(mine.Process.Pid) {
		t.Error("a child of the program's own was ended")
	}
	cancel()
	<-done
	if !dead(neighbour) {
		t.Error("the neighbour lives")
	}
}

// Members of a family may use what others started, until its End.
func TestFamily(t *testing.T) {
	for name, l := range map[string]*executor.Launcher{"subreaper": adopting(t), "groups only": launcher(t)} {
		t.Run(name, func(t *testing.T) {
			f, err := l.NewFamily()
			if err != nil {
				t.Fatal(err)
			}
			out := newFirstLine()
			c := sh(`(trap "" TERM; while :; do sleep 1000; done) & echo $!`)
			c.Stdout, c.Family = out, f
			if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 {
				t.Fatal(exit, err)
			}
			pid := out.pid(t)
			if dead(pid) {
				t.Fatal("it ended with its parent")
			}
			c = sh("kill -0 " + strconv.Itoa(pid))
			c.Family = f
			if exit, err := l.Run(t.Context(), c); err != nil || exit.Code != 0 {
				t.Error(exit, err)
			}
			f.End(50*time.Millisecond, nil)
			if !dead(pid) {
				t.Error("it lives")
			}
		})
	}
}

// A kill of the whole program leaves nothing: its watcher sees to it.
func TestWatcher(t *testing.T) {
	escapes := maps.Clone(fugitives)
	escapes["the program itself"] = `echo $$; exec env -i sleep 1000`
	for name, escape := range escapes {
		if name == "wiped" {
			continue // nothing tells of it any more
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newFirstLine()
			victim := exec.Command("/proc/self/exe", victimArg, escape+"\nexec sleep 1000")
			victim.Stdout, victim.Stderr = out, os.Stderr
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			pid := out.pid(t)
			if dead(pid) {
				t.Fatal("nobody got away: nothing is tested")
			}
			victim.Process.Kill()
			for deadline := time.Now().Add(patience); !dead(pid); {
				if time.Now().After(deadline) {
					t.Fatal("it lives")
				}
			}
			victim.Wait()
		})
	}
}

// The system gives the children of a thread that ends to the main one, where those are
// that were adopted. How they end is Run's all the same.
func TestThreadsThatEndLoseNoExit(t *testing.T) {
	l := &executor.Launcher{Subreaper: true, Watcher: watcherArgs}
	defer l.Close()
	for range 10 {
		c := sh("read end; exit 7")
		read, write := io.Pipe()
		c.Stdin = read
		c.OnStart = func(int) {
			go func() {
				defer write.Close()
				const threads = 20
				var locked, ended sync.WaitGroup
				locked.Add(threads)
				for range threads {
					ended.Go(func() {
						runtime.LockOSThread() // and never unlocked: the thread ends
						locked.Done()
						locked.Wait() // so that each has one of its own
					})
				}
				ended.Wait()
			}()
		}
		var exit executor.Exit
		var err error
		done := make(chan struct{})
		go func() { // on some thread that may end
			defer close(done)
			exit, err = l.Run(context.Background(), c)
		}()
		<-done
		if err != nil || exit.Code != 7 {
			t.Fatalf("%+v, %v", exit, err)
		}
	}
}

// A family may be ended more than once, and after its launcher.
func TestFamilyEndsTwice(t *testing.T) {
	l := &executor.Launcher{Subreaper: true, Watcher: watcherArgs}
	f, err := l.NewFamily()
	if err != nil {
		t.Fatal(err)
	}
	c := sh("exit 0")
	c.Family = f
	if _, err := l.Run(t.Context(), c); err != nil {
		t.Error(err)
	}
	f.End(0, nil)
	f.End(0, nil)
	late, err := l.NewFamily()
	if err != nil {
		t.Fatal(err)
	}
	c.Family = late
	if _, err := l.Run(t.Context(), c); err != nil {
		t.Error(err)
	}
	l.Close()
	late.End(0, nil)
}

func TestSweepNeedsAToken(t *testing.T) {
	if err := executor.Sweep(""); err == nil || !strings.Contains(err.Error(), "token") {
		t.Error(err)
	}
}
