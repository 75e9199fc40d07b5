//go:build unix

package executor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// process is a running child, the leader of a group.
type process struct {
	pid   int
	pidfd *os.File // readable once the process has ended; nil: not to be had

	mu      sync.Mutex
	ended   bool // the leader has ended
	stopped bool // it was told to before
	gone    bool // the group is gone: its number may be another's now
	timer   *time.Timer
}

// stop ends the group because the context has.
func (p *process) stop(grace time.Duration) {
	p.mu.Lock()
	p.stopped = p.stopped || !p.ended
	p.mu.Unlock()
	p.end(grace)
}

// end asks the group to end, and makes it after grace. Only the first call counts.
func (p *process) end(grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.timer != nil {
		return
	}
	p.signal(syscall.SIGTERM)
	p.timer = time.AfterFunc(grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.gone {
			p.signal(syscall.SIGKILL)
		}
	})
}

// kill ends the group at once.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = p.stopped || !p.ended
	if !p.gone {
		p.signal(syscall.SIGKILL)
	}
}

// signal sends sig to the group. It fails only if nobody is there, or all that is
// may not be signalled by us.
func (p *process) signal(sig syscall.Signal) { _ = syscall.Kill(-p.pid, sig) }

// finish waits until the process, its group and its streams have ended.
func (p *process) finish(ctx context.Context, c *Child, s *streams) (Exit, error) {
	grace := c.grace()
	spare := context.AfterFunc(ctx, func() { p.stop(grace) })
	if c.Kill != nil {
		defer context.AfterFunc(c.Kill, p.kill)()
	}
	exit, err := p.collect(grace)
	p.clear()
	spare()
	if p.pidfd != nil {
		p.pidfd.Close()
	}
	streamErr := s.finish(grace)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		return exit, fmt.Errorf("executor: wait for %s (pid %d): %w", c.Path, p.pid, err)
	case p.stopped && ctx.Err() == nil:
		return exit, newStopError(c.Kill, c.Path)
	case p.stopped:
		return exit, newStopError(ctx, c.Path)
	}
	return exit, streamErr
}

// leaderEnded notes that what stops the group from now on does not stop the leader.
func (p *process) leaderEnded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// reap collects the process, which has ended.
func (p *process) reap() (Exit, error) {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		_, err := syscall.Wait4(p.pid, &status, 0, &usage)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return Exit{PID: p.pid}, err
		}
		break
	}
	exit := Exit{
		PID: p.pid, Code: status.ExitStatus(), MaxRSS: maxRSS(&usage),
		User: time.Duration(usage.Utime.Nano()), System: time.Duration(usage.Stime.Nano()),
	}
	if status.Signaled() {
		exit.Signal = status.Signal()
		exit.Code = 128 + int(exit.Signal)
	}
	return exit, nil
}

// clear waits until the group is gone, whose leader has been collected and which
// was told to end. Almost always there is nobody left. Nothing tells of the end of
// a process that is not a child of ours, so it looks, ever less often.
func (p *process) clear() {
	const often, seldom = time.Millisecond, 32 * time.Millisecond
	for pause := often; syscall.Kill(-p.pid, 0) == nil; pause = min(2*pause, seldom) {
		if pause == seldom && !groupLives(p.pid) {
			break
		}
		time.Sleep(pause)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	if p.timer != nil {
		p.timer.Stop()
	}
}
