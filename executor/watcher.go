//go:build unix

package executor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// watcher is the process that ends what this one leaves when it is killed. It
// sleeps in a read of a pipe that ends with this process.
type watcher struct {
	pipe *os.File
	wait func() error
}

// watch starts a watcher on the launcher's thread. It waits in a shell, which is a
// tenth of a program in Go in time and memory, and becomes the command only if it
// has something to do. The shell has a session of its own and ignores what a
// terminal or a supervisor sends to all. The program is handed over as a file, since
// its name may be another's by then.
func watch(starts chan<- func(), args []string, base string, null *os.File, how *spawner) (*watcher, error) {
	const wait = `trap "" HUP INT QUIT TERM; read -r _ || exec /proc/self/fd/3 "$@"`
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("executor: watcher: %w", err)
	}
	defer program.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("executor: watcher: %w", err)
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", wait, "flow-watcher"}, append(args[:len(args):len(args)], base)...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, null, null
	cmd.ExtraFiles, cmd.Dir = []*os.File{program}, "/"
	if roll := how.openRoll(base); roll != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, roll)
	}
	cmd.Env = withToken(os.Environ(), "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	done := make(chan error, 1)
	starts <- func() { done <- cmd.Start() }
	if err := <-done; err != nil {
		write.Close()
		how.close()
		return nil, fmt.Errorf("executor: watcher: %w", err)
	}
	how.learn(cmd.Process.Pid)
	return &watcher{pipe: write, wait: cmd.Wait}, nil
}

// close sends the watcher home: there is nothing left to end.
func (w *watcher) close() {
	if w == nil {
		return
	}
	_, _ = w.pipe.WriteString("\n") // one that is gone needs no word
	w.pipe.Close()
	_ = w.wait() // how it ended does not matter
}

// Sweep is what a launcher's Watcher has to do: it ends with SIGKILL, until there
// are none, all processes that children of the launcher left. It is for the process that
// the launcher has started as its watcher, and closes a file that it was given. base is the last argument that the program was given.
func Sweep(base string) error {
	if strings.Trim(base, "/.") == "" {
		return errors.New("executor: sweep: no token")
	}
	return sweep(base)
}

// SweepAfter ends with SIGKILL, until there are none, all processes that carry a token: of
// a launcher, in another process, that is no more. It is for who takes over what that one
// did; what wiped its environment is for its watcher (Linux).
func SweepAfter(token string) error {
	if strings.Trim(token, "/.") == "" {
		return errors.New("executor: sweep: no token")
	}
	return sweepAll(token, nil)
}
