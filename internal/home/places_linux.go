package home

import (
	"os"

	"golang.org/x/sys/unix"
)

// ask asks the holder to end its run. The process is pinned down before it is
// made sure that it still holds the place, so that no other process with the
// same number is ever signalled.
func (h holder) ask(root *os.Root) {
	pidfd, err := unix.PidfdOpen(h.pid, 0)
	if err != nil {
		return // it has gone
	}
	defer unix.Close(pidfd)
	if h.holds(root) {
		_ = unix.PidfdSendSignal(pidfd, Replace, nil, 0) // it may just have gone
	}
}
