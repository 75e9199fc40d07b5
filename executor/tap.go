//go:build unix

package executor

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tap reads one output of a worker process and gives it to whoever's task runs there. A
// worker answers on another pipe than it prints on; what it has printed before is in
// this one by then, and drain takes it before the task ends.
type tap struct {
	file *os.File
	rest io.Writer // who gets what belongs to no task
	done chan struct{}

	mu     sync.Mutex
	fd     int // -1: closed
	to     io.Writer
	buf    []byte
	recent []byte // the last of it
}

// tailSize is how much of what a worker printed is kept for its BrokenError, at most
// twice over.
const tailSize = 4 << 10

// newTap reads f for to, nil: for rest, until lead says otherwise.
func newTap(f *os.File, to, rest io.Writer) *tap {
	if to == nil {
		to = rest
	}
	t := &tap{file: f, rest: rest, to: to, done: make(chan struct{}), fd: -1}
	raw, err := f.SyscallConn()
	if err != nil { // never: f is a pipe that was opened a moment ago
		close(t.done)
		return t
	}
	_ = raw.Control(func(fd uintptr) { t.fd = int(fd) })
	go func() {
		defer close(t.done)
		for more := true; more; {
			err := raw.Read(func(uintptr) (done bool) {
				t.mu.Lock()
				defer t.mu.Unlock()
				done, more = t.read(16)
				return done
			})
			more = more && err == nil
		}
	}()
	return t
}

// read passes on what is there, in at most so many parts. empty: it has to be waited
// for; more: there may be more. It is called with the lock held.
func (t *tap) read(parts int) (some, more bool) {
	if t.fd < 0 {
		return true, false
	}
	if t.buf == nil {
		t.buf = make([]byte, 16<<10)
	}
	for range parts {
		n, err := syscall.Read(t.fd, t.buf)
		switch {
		case n > 0:
			t.pass(t.buf[:n])
			some = true
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return some, true
		default:
			return true, false
		}
	}
	return true, true
}

func (t *tap) pass(p []byte) {
	defer func() {
		if v := recover(); v != nil { // the writer's: nobody else is to have it
			t.to = nil
			slog.Error("executor: Output panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	t.recent = append(t.recent, p...)
	if over := len(t.recent) - 2*tailSize; over > 0 {
		t.recent = append(t.recent[:0], t.recent[len(t.recent)-tailSize:]...)
	}
	if t.to == nil {
		return
	}
	if _, err := t.to.Write(p); err != nil {
		t.to = nil // the rest is dropped: the worker must not block
	}
}

// lead has the output go to w from now on; nil: where it goes between tasks.
func (t *tap) lead(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to, t.recent = w, t.recent[:0] // what one task has printed is no other's
	if w == nil {
		t.to = t.rest
	}
}

// drain passes on what has been written to both by now.
func drain(out, err *tap) {
	out.mu.Lock()
	defer out.mu.Unlock()
	err.mu.Lock()
	defer err.mu.Unlock()
	var fds [2]unix.PollFd
	for i, t := range [...]*tap{out, err} {
		fds[i] = unix.PollFd{Fd: int32(t.fd), Events: unix.POLLIN} // -1 is passed over
	}
	if n, errno := unix.Poll(fds[:], 0); n == 0 && errno == nil {
		return // as mostly: one system call for both
	}
	for _, t := range [...]*tap{out, err} {
		if t.fd >= 0 {
			t.read(8) // no more than a pipe holds: somebody may write on and on
		}
	}
}

// tail is the last of the output, beginning with a line where that is to be had.
func (t *tap) tail() string {
	if !t.mu.TryLock() {
		return "" // its reader blocks in Output
	}
	defer t.mu.Unlock()
	b := t.recent
	if len(b) > tailSize {
		b = b[len(b)-tailSize:]
	}
	return string(b)
}

// close takes what is left and ends the reading.
func (t *tap) close() {
	t.mu.Lock()
	if t.fd >= 0 {
		t.read(64)
		t.fd = -1
	}
	t.mu.Unlock()
	t.file.Close()
	<-t.done
}
