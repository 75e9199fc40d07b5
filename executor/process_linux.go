package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// spawn starts a process as the leader of a new session, on any thread but the main
// one. ok is false where fork has to do it.
func (p *process) spawn(how *spawner, path string, argv []string, attr *syscall.ProcAttr, limits Rlimits) (ok bool, err error) {
	if limits != (Rlimits{}) {
		return false, nil
	}
	p.pid, p.pidfd, ok, err = spawnProcess(path, argv, attr, how.openFiles, func() (number *int32) {
		p.listed, number = how.roll.reserve()
		return number
	})
	if !ok || err != nil {
		how.strike(p.listed)
		p.listed = -1
	}
	return ok, err
}

// fork starts a process as the leader of a new session, and so of a new group: it
// has no terminal that it could wait for in vain. It ends if this thread does. It is
// called on the launcher's thread. A launcher that is killed within a few instructions
// after that has no entry of it in the roll.
func (p *process) fork(how *spawner, path string, argv []string, attr *syscall.ProcAttr, limits Rlimits) error {
	at, number := how.roll.reserve()
	if err := p.forkExec(path, argv, attr, limits, number); err != nil {
		how.strike(at)
		return err
	}
	p.listed = at
	return nil
}

func (p *process) forkExec(path string, argv []string, attr *syscall.ProcAttr, limits Rlimits, number *int32) error {
	pidfd := -1
	attr.Sys = &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd, Pdeathsig: syscall.SIGKILL}
	// A limited process stops before its first instruction (as a debugger has
	// it), so that it can't run, or start others, without its limits.
	attr.Sys.Ptrace = limits != Rlimits{}
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return err
	}
	if p.pid, p.pidfd = pid, pidfd; number != nil {
		*number = int32(pid)
	}
	if !attr.Sys.Ptrace {
		return nil
	}
	if err := limits.release(pid); err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = p.reap()
		if pidfd >= 0 {
			closeFD(pidfd)
		}
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

// spawner is what a launcher knows of how its programs are started.
type spawner struct {
	roll      *roll        // nil: there is no watcher to read it
	openFiles *unix.Rlimit // RLIMIT_NOFILE, which Go raises for itself alone; nil: not known
}

// openRoll makes the roll. It returns nil where the system has no such memory.
func (s *spawner) openRoll(base string) *os.File {
	r, err := newRoll(base)
	if err != nil {
		return nil
	}
	s.roll = r
	return r.file
}

// learn looks at a process that was started by package syscall and has not changed
// its limits.
func (s *spawner) learn(pid int) {
	var limit unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) == nil {
		s.openFiles = &limit
	}
}

// anywhere reports whether programs may be started on any thread: the watcher finds
// them all.
func (s *spawner) anywhere() bool { return s.roll != nil }

// strike tells that a process, and what it left, is no more.
func (s *spawner) strike(entries ...int) {
	for _, at := range entries {
		s.roll.strike(at)
	}
}

func (s *spawner) close() {
	s.roll.close()
	s.roll = nil
}

// release limits a process that has stopped at its start, and lets it go.
func (r Rlimits) release(pid int) error {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return err
		}
	}
	set := func(resource int, n int64) error {
		if n <= 0 {
			return nil
		}
		return unix.Prlimit(pid, resource, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)}, nil)
	}
	seconds := int64((r.CPUTime + time.Second - 1) / time.Second)
	for _, err := range []error{
		set(unix.RLIMIT_AS, r.Memory), set(unix.RLIMIT_CPU, seconds),
		set(unix.RLIMIT_NOFILE, int64(r.OpenFiles)), set(unix.RLIMIT_NPROC, int64(r.Processes)),
	} {
		if err != nil {
			return err
		}
	}
	return syscall.PtraceDetach(pid)
}

// collect waits for the process, tells what it left behind to end, and reaps it.
// In this order: until it is reaped its number can't be another group's.
func (p *process) collect(l *Launcher, s *streams, c *Child) (Exit, error) {
	err := p.await(l, s)
	p.leaderEnded(c.grace())
	if err != nil {
		return Exit{PID: p.pid}, err
	}
	return p.reap()
}

// await blocks until the process has ended, and leaves it to be collected.
func (p *process) await(l *Launcher, s *streams) error {
	if p.pidfd >= 0 {
		if poller := l.pollers.get(); poller != nil {
			err := poller.await(p.pidfd, s)
			if err == nil {
				l.pollers.put(poller)
				return nil
			}
			poller.file.Close()
		}
	}
	// No pidfd, or one that can't be polled: this costs a thread.
	s.follow()
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// maxRSS is in bytes; the system counts in kilobytes.
func maxRSS(usage *syscall.Rusage) int64 { return usage.Maxrss * 1024 }

// groupLives reports whether any process of the group is more than a zombie,
// which nobody may ever collect: not every container has an init that does.
func groupLives(pgid int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if p, ok := lookAt(pid); ok && p.group == pgid && !p.ended {
			return true
		}
	}
	return false
}

// residentMemory is how much memory a process has at the moment, in bytes.
func residentMemory(pid int) (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), " ")
	pages, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(pages, 10, 64)
	return n * int64(os.Getpagesize()), err
}

// oomKills is how often the system has ended a process because there was no memory;
// 0 where it does not tell.
func oomKills() int64 {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\noom_kill ")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseInt(line, 10, 64) // "" where the system is too old
	return n
}
