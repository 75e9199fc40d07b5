//go:build unix

package executor

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// process is a running child, the leader of a session and so of a group.
type process struct {
	pid    int
	pidfd  int // readable once the process has ended; -1: not to be had
	listed int // where the roll has it
	family *Family
	shared bool // the family has others: what the process leaves is theirs as well

	ender // of its group, and of its family if that is not shared

	ending  sync.Mutex
	ended   bool // the leader has ended
	stopped bool // it was told to before
}

// stop ends what there is because the context has.
func (p *process) stop(grace time.Duration) {
	p.stopping()
	p.end(grace)
}

// stopNow ends it at once.
func (p *process) stopNow() {
	p.stopping()
	p.kill()
}

// stopping notes that the process is about to be told to end.
func (p *process) stopping() {
	p.ending.Lock()
	defer p.ending.Unlock()
	p.stopped = p.stopped || !p.ended
}

// finish waits until the process, what it left and its streams have ended.
func (p *process) finish(ctx context.Context, c *Child, l *Launcher, s *streams) (Exit, error) {
	spare := context.AfterFunc(ctx, func() { p.stop(c.grace()) })
	if c.Kill != nil {
		defer context.AfterFunc(c.Kill, p.stopNow)()
	}
	exit, err := p.collect(l, s, c)
	p.family.kin.collected(p.pid)
	p.settle(&l.spawner)
	spare()
	if p.pidfd >= 0 {
		closeFD(p.pidfd)
	}
	streamErr := s.finish(c.grace())
	p.ending.Lock()
	defer p.ending.Unlock()
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

// leaderEnded notes that what stops the group from now on does not stop the leader,
// and tells what it left to end, unless that is the family's.
func (p *process) leaderEnded(grace time.Duration) {
	p.ending.Lock()
	p.ended = true
	stopped := p.stopped
	p.ending.Unlock()
	p.family.left(p.pid)
	switch {
	case !p.shared && !stopped && p.family.kin.without(p.family):
		p.leave()
	case !p.shared || stopped:
		p.end(grace)
	}
}

// settle waits, after the process has been collected, until what it left has ended,
// or leaves it to the family.
func (p *process) settle(how *spawner) {
	switch {
	case !p.shared:
		if p.told() {
			p.clear()
		}
		p.family.kin.remove(p.family)
	case p.told():
		p.clear()
	default:
		p.leave()
		p.family.keep(p.pid, p.listed)
		return
	}
	how.strike(p.listed)
}

// reap collects the process, which has ended.
func (p *process) reap() (Exit, error) {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	if err := wait4(p.pid, &status, &usage); err != nil {
		return Exit{PID: p.pid}, err
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
