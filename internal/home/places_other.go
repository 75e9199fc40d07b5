//go:build unix && !linux

package home

import (
	"os"

	"golang.org/x/sys/unix"
)

// ask asks the holder to end its run. Nothing pins a process down here, so the
// lock is looked at last of all: what is left is that the process ends, and its
// number goes to another one, between that look and the signal.
func (h holder) ask(root *os.Root) {
	if h.pid > 0 && h.holds(root) { // 0 and below are groups
		_ = unix.Kill(h.pid, Replace) // it may just have gone
	}
}
