package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fork starts a process as the leader of a new session, and so of a new group: it
// has no terminal that it could wait for in vain. It ends if this thread does. It is called on the launcher's thread.
func (p *process) fork(path string, argv []string, attr *syscall.ProcAttr, limits Rlimits) error {
	pidfd := -1
	attr.Sys = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd}
	// A limited process stops before its first instruction (as a debugger has
	// it), so that it can't run, or start others, without its limits.
	attr.Sys.Ptrace = limits != Rlimits{}
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return err
	}
	p.pid, p.pidfd = pid, pollable(pidfd)
	if !attr.Sys.Ptrace {
		return nil
	}
	if err := limits.release(pid); err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = p.reap()
		if p.pidfd != nil {
			p.pidfd.Close()
		}
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

// pollable wraps a pidfd so that waiting for it blocks no thread. It returns nil
// if the system has none.
func pollable(pidfd int) *os.File {
	if pidfd < 0 {
		return nil
	}
	if err := unblock(pidfd); err != nil {
		unix.Close(pidfd)
		return nil
	}
	return os.NewFile(uintptr(pidfd), "pidfd")
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
func (p *process) collect(grace time.Duration) (Exit, error) {
	err := p.await()
	p.leaderEnded(grace)
	if err != nil {
		return Exit{PID: p.pid}, err
	}
	return p.reap()
}

// await blocks until the process has ended, and leaves it to be collected.
func (p *process) await() error {
	if p.pidfd != nil {
		raw, err := p.pidfd.SyscallConn()
		if err == nil {
			var failure error
			err = raw.Read(func(uintptr) bool {
				var ended bool
				ended, failure = hasEnded(p.pid, unix.WNOHANG)
				return ended || failure != nil
			})
			if err == nil {
				return failure
			}
		}
	}
	// No pidfd, or one that can't be polled: this costs a thread.
	_, err := hasEnded(p.pid, 0)
	return err
}

func hasEnded(pid, flags int) (bool, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
		if err == unix.EINTR {
			continue
		}
		return err == nil && info.Signo != 0, err
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
