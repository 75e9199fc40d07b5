//go:build unix && !linux

package executor

import (
	"errors"
	"syscall"
	"time"
)

// fork starts a process as the leader of a new session, and so of a new group.
func (p *process) fork(path string, argv []string, attr *syscall.ProcAttr, limits Rlimits) error {
	if limits != (Rlimits{}) {
		return errors.New("limits need Linux")
	}
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	pid, err := syscall.ForkExec(path, argv, attr)
	p.pid = pid
	return err
}

// collect waits for the process, reaps it, and tells what it left behind to end.
func (p *process) collect(grace time.Duration) (Exit, error) {
	exit, err := p.reap()
	p.leaderEnded(grace)
	return exit, err
}

// maxRSS is in bytes, and so does macOS count.
func maxRSS(usage *syscall.Rusage) int64 { return usage.Maxrss }

// groupLives can't look any closer than the signal that was sent.
func groupLives(int) bool { return true }
