package executor

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls here neither block (pipes are non-blocking, epoll waits for no
// time, children have ended) nor take long. They are made without telling Go's
// scheduler, which otherwise wakes its monitor thread for each: that costs a short
// task more than all the rest.

// poller waits for one child at a time and for what it writes, without blocking a
// thread: an epoll instance that Go's netpoller waits for in turn. A launcher keeps
// some, since most of the cost is to set one up.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int
	turn   int32 // counts the children: an event may come late, for one before
	events [4]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("executor: epoll: %w", err)
	}
	// It counts as a file that doesn't block, which is what makes Go poll it.
	if err := unblock(fd); err != nil {
		closeFD(fd)
		return nil, fmt.Errorf("executor: epoll: %w", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails if it can't be polled
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("executor: epoll: %w", err)
	}
	return p, nil
}

// add asks for one event of fd, as number which.
func (p *poller) add(fd, which int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: p.turn, Pad: int32(which)}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &event)
}

// leader is the number of the process's own event; outputs are numbered from 0.
const leader = -1

// await waits until the process of pidfd has ended, and starts the copying of those
// of its outputs that something is written to, or that somebody else holds open.
func (p *poller) await(pidfd int, s *streams) error {
	p.turn++
	for which, o := range s.outs {
		if err := p.add(o.fd, which); err != nil {
			return err
		}
	}
	if err := p.add(pidfd, leader); err != nil {
		return err
	}
	var failure error
	err := p.raw.Read(func(uintptr) bool {
		var ended bool
		ended, failure = p.look(s)
		return ended || failure != nil
	})
	if err == nil {
		err = failure
	}
	if err == nil {
		s.follow()
	}
	return err
}

// look takes the events there are, and reports whether the process has ended. What
// it wrote before it ended is known before that is.
func (p *poller) look(s *streams) (ended bool, err error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return ended, errno
		}
		for _, e := range p.events[:n] {
			switch {
			case e.Fd != p.turn:
			case e.Pad == leader:
				ended = true
			default:
				s.outs[e.Pad].event(e.Events)
			}
		}
		if ended || int(n) < len(p.events) {
			return ended, nil
		}
	}
}

// event takes the first that happens to an output: nobody is left to write, or
// something has been written.
func (o *output) event(events uint32) {
	if events&unix.EPOLLIN == 0 {
		o.close()
		return
	}
	buf := o.buffers.Get().(*[]byte)
	n, all := 0, false
	for n < len(*buf) {
		more := read(o.fd, (*buf)[n:])
		if all = more == 0; more <= 0 {
			break
		}
		n += more
	}
	*buf = (*buf)[:n]
	if all {
		o.last(buf)
	} else {
		o.follow(buf)
	}
}

// read reads what is there, from a descriptor that does not block. It returns 0 at the
// end, and less if nothing is there.
func read(fd int, buf []byte) int {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
	if errno != 0 {
		return -1
	}
	return int(n)
}

// readStart reads the start of a file that the system makes up. It returns -1 if it
// can't.
func readStart(fd int, buf []byte) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}

func closeFD(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// wait4 is syscall.Wait4 for a child that has ended.
func wait4(pid int, status *syscall.WaitStatus, usage *syscall.Rusage) error {
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(status)), 0, uintptr(unsafe.Pointer(usage)), 0, 0)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// pollers are those that nobody uses.
type pollers struct {
	mu   sync.Mutex
	idle []*poller
}

// get returns a poller, or nil where the system has none.
func (ps *pollers) get() *poller {
	ps.mu.Lock()
	if last := len(ps.idle) - 1; last >= 0 {
		defer ps.mu.Unlock()
		p := ps.idle[last]
		ps.idle = ps.idle[:last]
		return p
	}
	ps.mu.Unlock()
	p, err := newPoller()
	if err != nil {
		return nil
	}
	return p
}

func (ps *pollers) put(p *poller) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.idle = append(ps.idle, p)
}

// close closes those that are idle. Nobody uses one any more.
func (ps *pollers) close() {
	for _, p := range ps.idle {
		p.file.Close()
	}
	ps.idle = nil
}
