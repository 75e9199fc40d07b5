package executor

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipe opens a pipe that no child inherits by itself.
func pipe() (read, write int, err error) {
	var fds [2]int
	err = unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return fds[0], fds[1], err
}

// unblock makes a new pipe's end, or an epoll instance, one that doesn't block: such have no
// other flag that could be lost.
func unblock(fd int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK); errno != 0 {
		return errno
	}
	return nil
}

func dup(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// pipeSize returns how many bytes a pipe holds.
func pipeSize(f *os.File) int {
	size := 64 << 10
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if n, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil {
				size = n
			}
		})
	}
	return size
}
