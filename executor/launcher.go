//go:build unix

package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// Launcher runs child processes and leaves nothing of them behind. A program
// needs only one. The zero value is ready. It is safe for concurrent use and must
// not be copied.
//
// All children are started on one thread, which lives until Close, because the
// system ends a child with the thread that started it, where it can.
type Launcher struct {
	mu       sync.Mutex
	closed   bool
	starts   chan func() // to the thread; nil: there is none yet
	null     *os.File    // what streams that are nobody's go to
	children sync.WaitGroup
	thread   sync.WaitGroup
	buffers  sync.Pool // of *[]byte, for output
}

var errLauncherClosed = errors.New("executor: launcher is closed")

// Run runs a process to its end and returns how that was; a code that is not 0 is
// no error.
//
// The process gets a group of its own. When ctx ends, the group gets SIGTERM, and
// SIGKILL after c.Grace; the error is then a *StopError. When the process ends,
// by itself as well, what it left running in its group is ended in the same way.
// Run returns when the group is gone and its output has been written; it does not
// wait for others that hold the output open.
//
// The error is a *StartError if the process could not be started, and a
// *StreamError if a stream of c failed. If ctx is done already nothing is started.
func (l *Launcher) Run(ctx context.Context, c *Child) (Exit, error) {
	if ctx == nil {
		return Exit{}, errNilContext
	}
	if c == nil {
		return Exit{}, errors.New("executor: nil child")
	}
	if ctx.Err() != nil {
		return Exit{}, newStopError(ctx, c.Path)
	}
	starts, null, err := l.enter()
	if err != nil {
		return Exit{}, err
	}
	defer l.children.Done()
	s, err := openStreams(c, null, &l.buffers)
	if err != nil {
		return Exit{}, err
	}
	p, err := c.start(starts, s.child)
	s.closeChild()
	if err != nil {
		s.abandon()
		return Exit{}, err
	}
	if c.OnStart != nil {
		c.OnStart(p.pid)
	}
	s.begin()
	return p.finish(ctx, c, s)
}

// enter counts one child in and returns what is needed to start it.
func (l *Launcher) enter() (chan<- func(), *os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, errLauncherClosed
	}
	if l.null == nil {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("executor: %w", err)
		}
		l.null = null
		l.buffers.New = func() any { return new(make([]byte, 32<<10)) }
	}
	if l.starts == nil {
		l.starts = make(chan func())
		starts := l.starts
		l.thread.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for start := range starts {
				start()
			}
		})
	}
	l.children.Add(1)
	return l.starts, l.null, nil
}

// Close waits for the children that run and ends the launcher's thread. Run fails
// from then on.
func (l *Launcher) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	l.children.Wait()
	if first && l.starts != nil {
		close(l.starts)
		l.null.Close()
	}
	l.thread.Wait()
	return nil
}

// start starts the process on the launcher's thread.
func (c *Child) start(starts chan<- func(), files [3]*os.File) (*process, error) {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	path, err := c.program(env)
	if err != nil {
		return nil, &StartError{Path: c.Path, Dir: c.Dir, Err: err}
	}
	argv := append([]string{c.Path}, c.Args...)
	var fds [3]uintptr
	for i, f := range files {
		fds[i] = f.Fd()
	}
	var p *process
	done := make(chan struct{})
	starts <- func() {
		defer close(done)
		p, err = fork(path, argv, &syscall.ProcAttr{Dir: c.Dir, Env: env, Files: fds[:]}, c.Limits)
	}
	<-done
	runtime.KeepAlive(files)
	if err != nil {
		return nil, &StartError{Path: c.Path, Dir: c.Dir, Err: c.explain(path, err)}
	}
	return p, nil
}
