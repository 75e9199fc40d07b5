//go:build unix

package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"flow/internal/wire"
)

// remoteWorker is one worker process. The goroutine that took it from the pool is the
// only one to talk to it; its output is read by two others, and its end is awaited by
// one more.
type remoteWorker struct {
	pool    *processPool
	name    string
	pid     int // 0: it never started
	to      *os.File
	from    *os.File
	frames  *wire.Reader
	out     *tap
	err     *tap
	hello   wire.Header
	calls   uint64 // that it was sent
	tasks   int    // that it has done
	writing sync.Mutex

	patience atomic.Int64 // how long it has between SIGTERM and SIGKILL

	stop   context.CancelCauseFunc // tells its group to end
	kill   context.CancelFunc      // ends its group at once
	ended  chan struct{}           // closed when its group is gone
	exit   Exit                    // after ended
	failed error                   // after ended: why it could not be started or waited for
	oomsAt int64                   // how often the system had run out of memory when it started

	// Guarded by the pool's lock.
	unfit    bool // it was told to end
	greeting bool // it is not ready yet
}

var errWorkerClosed = errors.New("it is not needed any more")

// launch starts a process. It returns before that is known to be a worker: see greet.
// What it prints until it is ready goes to c's writers.
func (p *processPool) launch(name string, c *remoteCall) (*remoteWorker, error) {
	w := &remoteWorker{pool: p, name: name, ended: make(chan struct{}), oomsAt: oomKills()}
	argv, err := p.options.runtime.argv()
	if err != nil {
		return nil, err
	}
	child, release, err := w.connect(c)
	if err != nil {
		return nil, err
	}
	child.Path, child.Args = argv[0], argv[1:]
	w.patience.Store(int64(p.options.grace))
	child.Env, child.Dir, child.Limits, child.patience = p.environment(), p.options.dir, p.options.limits, &w.patience
	started := make(chan struct{})
	child.OnStart = func(pid int) {
		w.pid = pid
		release()
		close(started)
	}
	var ctx, kill context.Context
	ctx, w.stop = context.WithCancelCause(context.Background())
	kill, w.kill = context.WithCancel(context.Background())
	child.Kill = kill
	go func() {
		w.exit, w.failed = p.launcher.Run(ctx, child)
		if _, stopped := errors.AsType[*StopError](w.failed); stopped {
			w.failed = nil // as it was told to
		}
		w.stop(nil)
		w.kill()
		if w.pid == 0 {
			release()
		}
		w.disconnect()
		close(w.ended)
		p.gone(w)
	}()
	select {
	case <-started:
		return w, nil
	case <-w.ended:
		if w.pid != 0 {
			return w, nil // it has ended by now: greet will tell
		}
		return nil, w.failed
	}
}

// connect makes the worker's pipes, and the child that has the other ends of them:
// those are closed here by release.
func (w *remoteWorker) connect(first *remoteCall) (c *Child, release func(), err error) {
	var theirs []int
	release = func() {
		for _, fd := range theirs {
			closeFD(fd)
		}
	}
	open := func(name string, weRead bool) (*os.File, int, error) {
		read, write, err := pipe()
		if err != nil {
			return nil, -1, fmt.Errorf("executor: pipe: %w", err)
		}
		mine, its := read, write
		if !weRead {
			mine, its = write, read
		}
		theirs = append(theirs, its)
		f, err := ours(mine, name+" of "+w.name)
		return f, its, err
	}
	defer func() {
		if err != nil {
			release()
			w.disconnect()
		}
	}()
	c = new(Child)
	var in, out int
	if w.to, in, err = open("input", false); err != nil {
		return nil, nil, err
	}
	if w.from, out, err = open("answers", true); err != nil {
		return nil, nil, err
	}
	stdout, fd1, err := open("stdout", true)
	if err != nil {
		return nil, nil, err
	}
	w.out = newTap(stdout, first.stdout, w.pool.options.rest[0])
	stderr, fd2, err := open("stderr", true)
	if err != nil {
		return nil, nil, err
	}
	w.err = newTap(stderr, first.stderr, w.pool.options.rest[1])
	c.output, c.extra = [2]int{fd1, fd2}, []int{in, out}
	w.frames = wire.NewReader(w.from)
	return c, release, nil
}

// disconnect closes our ends.
func (w *remoteWorker) disconnect() {
	for _, f := range []*os.File{w.to, w.from} {
		if f != nil {
			f.Close()
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, t := range []*tap{w.out, w.err} {
			if t != nil {
				t.close()
			}
		}
	}()
	select {
	case <-closed:
	case <-time.After(time.Second): // an Output that blocks must not keep the pool from ending
	}
}

// helloTime is how long a program has to say that it is a worker. Modules and
// initialisers, which may take long, come after that.
const helloTime = time.Minute

// startupError says that a process did not become a worker.
type startupError struct{ err error }

func (e *startupError) Error() string { return e.err.Error() }
func (e *startupError) Unwrap() error { return e.err }

// greet waits until the process has said that it is a worker, and prepares it. A
// *RemoteError is the initialiser's.
func (w *remoteWorker) greet() error {
	ctx := context.Background()
	late := time.AfterFunc(helloTime, func() { w.stop(errLate) })
	defer late.Stop()
	if pre := w.pool.options.runtime.preamble(); pre != nil {
		if _, err := w.to.Write(pre); err != nil {
			return w.diedFresh(ctx, err)
		}
	}
	f, err := w.frames.Next()
	if err != nil {
		return &startupError{w.diedFresh(ctx, err)}
	}
	late.Stop()
	if f.Type != wire.Hello || f.Protocol != wire.Protocol {
		w.kill()
		<-w.ended
		return &startupError{fmt.Errorf("worker %s speaks another protocol: %q %d, not %q %d", w.name, f.Type, f.Protocol, wire.Hello, wire.Protocol)}
	}
	w.hello = f.Header
	o := w.pool.options
	init := wire.Header{Type: wire.Init, Path: o.path, Preload: o.preload}
	if o.init != "" {
		init.Function, init.Args = o.init, wire.ListArgs
	}
	f, err = w.ask(init, o.initArgs)
	switch {
	case err != nil:
		return &startupError{w.diedFresh(ctx, err)}
	case f.Type == wire.Failed && f.Error != nil:
		return w.remote(f.Error)
	case f.Type != wire.Ready:
		return &startupError{w.confused(f)}
	}
	return nil
}

var errLate = fmt.Errorf("it did not say within %v that it is a worker", helloTime)

// ask sends a frame and reads the next.
func (w *remoteWorker) ask(h wire.Header, blobs [][]byte) (*wire.Frame, error) {
	if err := w.tell(h, blobs); err != nil {
		return nil, err
	}
	return w.frames.Next()
}

// tell sends a frame.
func (w *remoteWorker) tell(h wire.Header, blobs [][]byte) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	return wire.Write(w.to, h, blobs)
}

// confused ends a worker that sent what it should not have.
func (w *remoteWorker) confused(f *wire.Frame) error {
	w.kill()
	<-w.ended
	return fmt.Errorf("executor: worker %s broke the protocol: it answered with a frame of type %.40q, id %d", w.name, f.Type, f.ID)
}

func (w *remoteWorker) remote(e *wire.Error) *RemoteError {
	return &RemoteError{Type: e.Type, Msg: e.Message, Traceback: e.Traceback, Lang: w.hello.Lang}
}

// diedFresh is died of a worker that was not ready yet.
func (w *remoteWorker) diedFresh(ctx context.Context, err error) error {
	e := w.died(ctx, "", err)
	e.fresh = true
	return e
}

// died ends what is left of a worker whose pipe has ended, and tells what became of it.
func (w *remoteWorker) died(ctx context.Context, doing string, err error) *BrokenError {
	// It may have closed its pipe alone, or be about to end: that it ended by itself is
	// worth a moment.
	said := err
	if err == io.EOF || err == io.ErrUnexpectedEOF || isEPIPE(err) {
		said = nil // the end of a pipe is what an end looks like
	}
	byUs := false
	select {
	case <-w.ended:
	case <-time.After(time.Second):
		byUs = true
		w.kill()
		<-w.ended
	}
	e := &BrokenError{
		Pool: w.pool.pool.name, Worker: w.name, Task: doing, PID: w.exit.PID, ExitCode: w.exit.Code,
		MaxRSS: w.exit.MaxRSS, StderrTail: w.err.tail(), Cause: w.failed,
	}
	if w.exit.Signal != 0 {
		e.ExitCode, e.Signal = -1, w.exit.Signal
		e.OOM = !byUs && w.exit.Signal == sigKill && oomKills() > w.oomsAt
	}
	switch {
	case ctx.Err() != nil:
		e.Cause = context.Cause(ctx)
	case e.Cause == nil && said != nil:
		e.Cause = said // it sent what is no frame
	case e.Cause == nil && byUs:
		e.Cause = errHungUp
	}
	return e
}

var errHungUp = errors.New("it had closed its pipe, and was ended")

// interrupt ends the call that the worker is at: by a frame where it heeds that, else
// with the worker. done undoes what is not done yet.
//
// given is closed once the worker has been given the call.
func (w *remoteWorker) interrupt(id uint64, given <-chan struct{}, grace time.Duration, cause error) (done func() bool) {
	if grace <= 0 {
		grace = w.pool.options.grace
	}
	w.pool.retire(w) // it keeps nobody waiting; put takes it back
	end := func() {
		w.patience.Store(int64(grace))
		w.stop(cause)
	}
	if !w.hello.Cancels {
		end()
		return func() bool { return false }
	}
	late := time.AfterFunc(grace/2, end)
	select {
	case <-given:
	case <-w.ended:
		return late.Stop
	case <-time.After(grace / 2):
		return late.Stop
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	_ = wire.Write(w.to, wire.Header{Type: wire.Cancel, ID: id}, nil) // a worker that can't be written to is ended
	return late.Stop
}

// release ends a worker that has nothing to do: it sees the end of its pipe.
func (w *remoteWorker) release() {
	w.writing.Lock()
	w.to.Close()
	w.writing.Unlock()
	late := time.AfterFunc(w.pool.options.grace, func() { w.stop(errWorkerClosed) })
	go func() {
		<-w.ended
		late.Stop()
	}()
}
