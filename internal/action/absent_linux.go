package action

import (
	"syscall"
	"unsafe"
)

// absent reports whether a file in a run's own folder does not exist, as it mostly
// does not. The look takes a microsecond, so Go's scheduler is not told of it: that
// would wake its monitor thread, for ten times as long.
func absent(path string) bool {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return false
	}
	const exists = 0 // F_OK
	here := -100     // AT_FDCWD: the path is absolute
	_, _, errno := syscall.RawSyscall(syscall.SYS_FACCESSAT, uintptr(here), uintptr(unsafe.Pointer(name)), exists)
	return errno == syscall.ENOENT
}
