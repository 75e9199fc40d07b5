//go:build unix && !linux

package executor

import (
	"errors"
	"os"
	"syscall"
)

// fork starts a process as the leader of a new session, and so of a new group.
func (p *process) fork(_ *spawner, path string, argv []string, attr *syscall.ProcAttr, limits Rlimits) error {
	if limits != (Rlimits{}) {
		return errors.New("limits need Linux")
	}
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	pid, err := syscall.ForkExec(path, argv, attr)
	p.pid, p.pidfd = pid, -1
	return err
}

// collect waits for the process, reaps it, and tells what it left behind to end.
func (p *process) collect(_ *Launcher, s *streams, c *Child) (Exit, error) {
	s.follow()
	exit, err := p.reap()
	p.leaderEnded(c.grace())
	return exit, err
}

// spawn leaves all to fork.
func (p *process) spawn(*spawner, string, []string, *syscall.ProcAttr, Rlimits) (ok bool, err error) {
	return false, nil
}

// spawner has nothing to know.
type spawner struct{}

func (s *spawner) openRoll(string) *os.File { return nil }
func (s *spawner) learn(int)                {}
func (s *spawner) anywhere() bool           { return false }
func (s *spawner) strike(...int)            {}
func (s *spawner) close()                   {}

// maxRSS is in bytes, and so does macOS count.
func maxRSS(usage *syscall.Rusage) int64 { return usage.Maxrss }

// groupLives can't look any closer than the signal that was sent.
func groupLives(int) bool { return true }

func wait4(pid int, status *syscall.WaitStatus, usage *syscall.Rusage) error {
	for {
		if _, err := syscall.Wait4(pid, status, 0, usage); err != syscall.EINTR {
			return err
		}
	}
}

func residentMemory(int) (int64, error) { return 0, errors.New("it needs Linux") }

func oomKills() int64 { return 0 }
