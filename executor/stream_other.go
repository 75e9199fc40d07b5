//go:build unix && !linux

package executor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipe opens a pipe that no child inherits by itself.
func pipe() (read, write int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		return 0, 0, err
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

func dup(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// pipeSize returns how many bytes a pipe holds at most.
func pipeSize(*os.File) int { return 64 << 10 }

func unblock(fd int) error { return syscall.SetNonblock(fd, true) }

func closeFD(fd int) { _ = syscall.Close(fd) }
