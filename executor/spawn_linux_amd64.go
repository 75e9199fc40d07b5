package executor

import (
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Programs are started here as [syscall.ForkExec] does it, for what every child of a
// launcher needs: a session of its own and a pidfd. It saves what makes the general
// way dear for short tasks: the pipe through which the child tells its error (here it
// writes to the memory that both share), sixty system calls by which handlers of
// signals are taken away (one flag of clone3), and system calls of which Go's
// scheduler is told, for which its monitor thread then looks every 20 µs at a thread
// that starts the next program: a fifth of the engine's own time for a short command.

// cloneArgs is struct clone_args of clone3(2), as of Linux 5.5.
type cloneArgs struct {
	flags, pidfd, _, parentTID, exitSignal, _, _, _, _, _ uint64
}

// cloneClearSigHand is CLONE_CLEAR_SIGHAND.
const cloneClearSigHand = 1 << 32

// spawning is what spawn is given, and what it tells.
type spawning struct {
	clone      cloneArgs
	masks      [2]uint64 // of signals: all; those that were blocked before
	path       *byte
	argv, envv **byte
	dir        *byte // nil: that of this process
	files      [3]int64
	openFiles  unix.Rlimit
	errno      int64 // why the child failed; 0: it did not
	pidfd      int32
}

// spawn starts a process, and returns its number or the negative errno of clone3.
func spawn(a *spawning) int

// noSpawn is set once the system has refused clone3.
var noSpawn atomic.Bool

// spawnProcess starts a program like syscall.ForkExec. ok is false where that has to
// do it. openFiles is the RLIMIT_NOFILE of programs; number, called just before, says
// where the process's number is to be written to before it runs.
func spawnProcess(path string, argv []string, attr *syscall.ProcAttr, openFiles *unix.Rlimit, number func() *int32) (pid, pidfd int, ok bool, err error) {
	if noSpawn.Load() || openFiles == nil || len(attr.Files) != len(spawning{}.files) {
		return 0, -1, false, nil
	}
	a := &spawning{masks: [2]uint64{^uint64(0)}, openFiles: *openFiles, pidfd: -1}
	for i, fd := range attr.Files {
		if fd < uintptr(len(a.files)) {
			return 0, -1, false, nil // one might be overwritten before it is used
		}
		a.files[i] = int64(fd)
	}
	if a.path, err = syscall.BytePtrFromString(path); err != nil {
		return 0, -1, true, err
	}
	if attr.Dir != "" {
		if a.dir, err = syscall.BytePtrFromString(attr.Dir); err != nil {
			return 0, -1, true, err
		}
	}
	var args, env []*byte
	if args, err = cStrings(argv); err != nil {
		return 0, -1, true, err
	}
	if env, err = cStrings(attr.Env); err != nil {
		return 0, -1, true, err
	}
	a.argv, a.envv = &args[0], &env[0]
	a.clone = cloneArgs{
		flags:      unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD | cloneClearSigHand,
		pidfd:      uint64(uintptr(unsafe.Pointer(&a.pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	syscall.ForkLock.Lock()
	if at := number(); at != nil {
		a.clone.flags |= unix.CLONE_PARENT_SETTID
		a.clone.parentTID = uint64(uintptr(unsafe.Pointer(at)))
	}
	pid = spawn(a)
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(args)
	runtime.KeepAlive(env)
	switch {
	case pid == -int(unix.ENOSYS), pid == -int(unix.EINVAL), pid == -int(unix.EPERM), pid == -int(unix.E2BIG):
		noSpawn.Store(true) // an old system, or one that does not allow it
		return 0, -1, false, nil
	case pid < 0:
		return 0, -1, true, syscall.Errno(-pid)
	case a.errno == 0:
		return pid, int(a.pidfd), true, nil
	}
	closeFD(int(a.pidfd))
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR { // it may not have ended yet
			return 0, -1, true, syscall.Errno(a.errno)
		}
	}
}

// cStrings returns pointers to strings that end with a NUL, and a nil.
func cStrings(list []string) ([]*byte, error) {
	size := 0
	for _, s := range list {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, syscall.EINVAL
		}
		size += len(s) + 1
	}
	text, pointers := make([]byte, 0, size), make([]*byte, 0, len(list)+1)
	for _, s := range list {
		begin := len(text)
		text = append(append(text, s...), 0)
		pointers = append(pointers, &text[begin])
	}
	return append(pointers, nil), nil
}
