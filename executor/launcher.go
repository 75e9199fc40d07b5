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
// Children that the Watcher does not know before they run (all without one, those with
// limits, those of other systems) are started on one thread, which lives until Close,
// because the system ends a child with the thread that started it, where it can.
//
// What leaves its group, by setsid or a daemon's way, is ended only with Subreaper.
type Launcher struct {
	// Subreaper makes this process the one that adopts whatever its children leave
	// behind (PR_SET_CHILD_SUBREAPER; Linux), so that all of it is found and ended,
	// in whatever group or session. It concerns the whole program, so one launcher
	// should start all of its processes: others that it starts in sessions of their
	// own may be taken for left behind once they are adopted. To be set before
	// the first use.
	Subreaper bool
	// Watcher is how this program, started again with these arguments and one more,
	// comes to call [Sweep] with that one. Then a process stands by that outlives
	// this one, for what its end by SIGKILL leaves. Empty: nobody stands by (Linux).
	// To be set before the first use.
	Watcher []string

	mu       sync.Mutex
	closed   bool
	starts   chan func() // to the thread; nil: there is none yet
	null     *os.File    // what streams that are nobody's go to
	nullFD   int
	children sync.WaitGroup
	thread   sync.WaitGroup
	buffers  sync.Pool // of *[]byte, for output
	token    token
	pollers  pollers
	spawner  spawner
	kin      *kin // nil: there is no subreaper
	watcher  *watcher
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
	p, err := l.start(c, starts, s.child)
	s.closeChild()
	if err != nil {
		s.abandon()
		return Exit{}, err
	}
	if c.OnStart != nil {
		c.OnStart(p.pid)
	}
	s.begin()
	return p.finish(ctx, c, l, s)
}

// enter counts one child in and returns what is needed to start it.
func (l *Launcher) enter() (starts chan<- func(), null int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, -1, errLauncherClosed
	}
	if l.starts == nil {
		if err := l.open(); err != nil {
			return nil, -1, err
		}
	}
	l.children.Add(1)
	return l.starts, l.nullFD, nil
}

// open makes what the launcher needs from its first child on. It is called with the
// lock held.
func (l *Launcher) open() error {
	if l.null == nil {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("executor: %w", err)
		}
		l.null, l.nullFD = null, int(null.Fd())
		l.buffers.New = func() any { return new(make([]byte, 32<<10)) }
	}
	l.token.makeBase()
	if hasSubreapers && l.Subreaper && l.kin == nil {
		var err error
		if l.kin, err = adopt(l.token.base); err != nil {
			return err
		}
	}
	starts := make(chan func())
	l.thread.Go(func() {
		onThread(func() {
			for start := range starts {
				start()
			}
		})
	})
	if hasSubreapers && len(l.Watcher) > 0 {
		var err error
		if l.watcher, err = watch(starts, l.Watcher, l.token.base, l.null, &l.spawner); err != nil {
			close(starts)
			return err
		}
	}
	l.starts = starts
	return nil
}

// Token is what [SweepAfter] finds the launcher's processes by, should this program end before
// them.
func (l *Launcher) Token() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token.makeBase()
	return l.token.base
}

// Close waits for the children that run and ends the launcher's thread. Run fails
// from then on.
func (l *Launcher) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	l.children.Wait()
	if first {
		l.watcher.close()
		if l.starts != nil {
			close(l.starts)
		}
		l.pollers.close()
		l.spawner.close()
		l.kin.close()
		if l.null != nil {
			l.null.Close()
		}
	}
	l.thread.Wait()
	return nil
}

// onThread calls work on a thread that does nothing else and is not the main one,
// whose children are those that were adopted.
func onThread(work func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if isMainThread() {
		var other sync.WaitGroup
		other.Go(func() { onThread(work) })
		other.Wait()
		return
	}
	work()
}

// unlessMain calls work on this thread, which the goroutine keeps meanwhile, unless
// that is the main one. done is work's.
func unlessMain(work func() (bool, error)) (done bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if isMainThread() {
		return false, nil
	}
	return work()
}

// start starts the process: on the launcher's thread unless any will do.
func (l *Launcher) start(c *Child, starts chan<- func(), files [3]int) (*process, error) {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	path, err := c.program(env)
	if err != nil {
		return nil, &StartError{Path: c.Path, Dir: c.Dir, Err: err}
	}
	p := &process{family: c.Family, shared: c.Family != nil, listed: -1}
	if !p.shared {
		p.family = l.newFamily()
		p.ender.family = p.family
	}
	argv := append([]string{c.Path}, c.Args...)
	fds := make([]uintptr, 0, 3)
	for _, list := range [][]int{files[:], c.extra} {
		for _, fd := range list {
			fds = append(fds, uintptr(fd))
		}
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: withToken(env, p.family.token), Files: fds}
	here := false
	if l.spawner.anywhere() {
		here, err = unlessMain(func() (bool, error) { return p.spawn(&l.spawner, path, argv, attr, c.Limits) })
	}
	if !here {
		done := make(chan struct{})
		starts <- func() {
			defer close(done)
			if l.spawner.anywhere() { // this thread is not the main one
				here, err = p.spawn(&l.spawner, path, argv, attr, c.Limits)
			}
			if !here {
				err = p.fork(&l.spawner, path, argv, attr, c.Limits)
			}
		}
		<-done
	}
	if err != nil {
		if !p.shared {
			l.kin.remove(p.family)
		}
		return nil, &StartError{Path: c.Path, Dir: c.Dir, Err: c.explain(path, err)}
	}
	p.groups = []int{p.pid}
	p.family.joined(p.pid)
	return p, nil
}
