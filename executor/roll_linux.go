package executor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// roll lists the processes that a launcher has started and not collected, in memory
// that it shares with its watcher, which reads it when the launcher is no more: so it
// finds those, and what is in their sessions, that have wiped their environment. To
// enter one is as dear as to write to memory.
//
// It begins with the launcher's base and a NUL. Entries follow from rollStart: pid,
// and when it was about to be started, in nanoseconds of CLOCK_BOOTTIME. pid is 0 where
// there is none.
type roll struct {
	file *os.File

	mu     sync.Mutex
	memory []byte
	free   []int // entries that were used
	next   int
}

const (
	rollStart = 4096
	rollEntry = 16
	rollRoom  = 40_000 // entries; more processes at a time go without
	rollSize  = rollStart + rollRoom*rollEntry
)

func newRoll(base string) (*roll, error) {
	fd, err := unix.MemfdCreate("flow-roll", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	r := &roll{file: os.NewFile(uintptr(fd), "flow-roll")}
	if err = unix.Ftruncate(fd, rollSize); err == nil {
		r.memory, err = unix.Mmap(fd, 0, rollSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		r.file.Close()
		return nil, err
	}
	copy(r.memory[:rollStart-1], base)
	return r, nil
}

// reserve makes an entry for a process that is about to be started, and returns where
// it is and where its number is to be written to, best by the system before the
// process runs. It returns -1 where there is no room.
func (r *roll) reserve() (at int, pid *int32) {
	if r == nil {
		return -1, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at = r.next
	switch last := len(r.free) - 1; {
	case r.memory == nil:
		return -1, nil
	case last >= 0:
		at, r.free = r.free[last], r.free[:last]
	case at == rollRoom:
		return -1, nil
	default:
		r.next++
	}
	entry := r.memory[rollStart+at*rollEntry:]
	binary.NativeEndian.PutUint64(entry[8:], uint64(boottime()))
	return at, (*int32)(unsafe.Pointer(&entry[0]))
}

// strike takes an entry out.
func (r *roll) strike(at int) {
	if r == nil || at < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		return // it is closed
	}
	binary.NativeEndian.PutUint64(r.memory[rollStart+at*rollEntry:], 0)
	r.free = append(r.free, at)
}

func (r *roll) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory != nil {
		_ = unix.Munmap(r.memory) // it is ours
		r.memory = nil
		r.file.Close()
	}
}

// boottime is what the system tells starts of processes in.
func boottime() int64 {
	var t unix.Timespec
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0) // always there
	return t.Nano()
}

const (
	// tick is the unit in which /proc counts.
	tick = int64(10 * time.Millisecond)
	// startTakes is how long it may take to start a program, on a machine in need.
	startTakes = int64(10 * time.Second)
)

// sessionsOf reads the roll of a launcher that is no more, and returns the sessions
// that may still have members.
func sessionsOf(f *os.File, base string) (map[int]bool, error) {
	text := make([]byte, rollSize)
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, err
	}
	if name, _, _ := bytes.Cut(text[:rollStart], []byte{0}); string(name) != base {
		return nil, fmt.Errorf("executor: sweep: file %s is another's", f.Name())
	}
	sessions := make(map[int]bool)
	for entry := text[rollStart:]; len(entry) >= rollEntry; entry = entry[rollEntry:] {
		pid := int(binary.NativeEndian.Uint32(entry))
		if pid == 0 {
			continue
		}
		began := int64(binary.NativeEndian.Uint64(entry[8:]))
		p, ok := lookAt(pid)
		ticks, _ := strconv.ParseInt(p.start, 10, 64)
		// A number is not another's as long as somebody is in the session.
		if start := ticks * tick; !ok || start >= began-tick && start <= began+startTakes {
			sessions[pid] = true
		}
	}
	return sessions, nil
}
