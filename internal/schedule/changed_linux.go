package schedule

import (
	"io/fs"
	"syscall"
	"time"
)

// changedAt is when a file came to be as it is, where it is: a file that was moved keeps
// the time of its contents.
func changedAt(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if t := time.Unix(st.Ctim.Unix()); t.After(info.ModTime()) {
			return t
		}
	}
	return info.ModTime()
}

// inodeOf tells files apart that have the same place.
func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
