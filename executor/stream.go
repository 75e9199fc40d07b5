//go:build unix

package executor

import (
	"errors"
	"io"
	"os"
	"reflect"
	"sync"
	"syscall"
	"time"
)

// streams connects a child with its readers and writers.
type streams struct {
	child  [3]int // the descriptors that the child gets
	shared int    // of those, what is not ours to close
	in     *input
	outs   []*output
}

// openStreams opens what the child needs.
func openStreams(c *Child, null int, buffers *sync.Pool) (*streams, error) {
	s := &streams{child: [3]int{null, null, null}, shared: null}
	if err := s.open(c, buffers); err != nil {
		s.closeChild()
		s.abandon()
		return nil, err
	}
	return s, nil
}

func (s *streams) open(c *Child, buffers *sync.Pool) (err error) {
	if err := s.openIn(c.Stdin); err != nil {
		return &StreamError{Stream: "stdin", Err: err}
	}
	if c.output[0] > 0 {
		for i, fd := range c.output {
			if s.child[1+i], err = dup(fd); err != nil {
				s.child[1+i] = s.shared
				return &StreamError{Stream: "stdout", Err: err}
			}
		}
		return nil
	}
	if s.child[1], err = s.openOut("stdout", c.Stdout, buffers); err != nil {
		return &StreamError{Stream: "stdout", Err: err}
	}
	if c.Stdout != nil && same(c.Stdout, c.Stderr) {
		s.child[2] = s.child[1]
		return nil
	}
	if s.child[2], err = s.openOut("stderr", c.Stderr, buffers); err != nil {
		return &StreamError{Stream: "stderr", Err: err}
	}
	return nil
}

// same reports whether two writers are one. Some types can't be compared.
func same(a, b io.Writer) bool {
	return b != nil && reflect.TypeOf(a).Comparable() && a == b
}

func (s *streams) openIn(r io.Reader) error {
	switch r := r.(type) {
	case nil:
		return nil
	case *os.File:
		fd, err := duplicate(r)
		if err == nil {
			s.child[0] = fd
		}
		return err
	}
	read, write, err := pipe()
	if err != nil {
		return err
	}
	s.child[0] = read
	w, err := ours(write, "stdin")
	if err != nil {
		return err
	}
	s.in = &input{from: r, to: w, done: make(chan struct{})}
	return nil
}

func (s *streams) openOut(name string, w io.Writer, buffers *sync.Pool) (int, error) {
	switch w := w.(type) {
	case nil:
		return s.shared, nil
	case *os.File:
		fd, err := duplicate(w)
		if err != nil {
			return s.shared, err
		}
		return fd, nil
	}
	read, write, err := pipe()
	if err != nil {
		return s.shared, err
	}
	// The child may read from its own output as well, and take from us what is there.
	if err := unblock(read); err != nil {
		closeFD(read)
		closeFD(write)
		return s.shared, err
	}
	s.outs = append(s.outs, &output{name: name, fd: read, to: w, buffers: buffers})
	return write, nil
}

// duplicate returns f under another descriptor, so that f may be closed meanwhile
// and its mode stays as it is.
func duplicate(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if controlErr := raw.Control(func(old uintptr) { fd, err = dup(int(old)) }); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// ours makes our end of a pipe one that blocks no thread. The other end is a
// description of its own and stays as programs expect it.
func ours(fd int, name string) (*os.File, error) {
	if err := unblock(fd); err != nil {
		closeFD(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// closeChild closes the child's ends, which the child has by now.
func (s *streams) closeChild() {
	for i, fd := range s.child {
		if fd != s.shared && (i == 0 || fd != s.child[i-1]) {
			closeFD(fd)
		}
	}
}

// abandon closes our ends where no child has been started.
func (s *streams) abandon() {
	if s.in != nil {
		s.in.to.Close()
	}
	for _, o := range s.outs {
		o.close()
	}
}

// begin starts the copying of what the child reads.
func (s *streams) begin() {
	if s.in != nil {
		go s.in.copy()
	}
}

// follow starts the copying of all output that is not copied yet and may still come.
func (s *streams) follow() {
	for _, o := range s.outs {
		if o.done == nil && !o.closed {
			o.follow(nil)
		}
	}
}

// finish ends the copying after the end of the child, and returns what failed.
func (s *streams) finish(grace time.Duration) error {
	var errs []error
	for _, o := range s.outs {
		errs = append(errs, o.finish())
	}
	if s.in != nil {
		errs = append(errs, s.in.finish(grace))
	}
	return errors.Join(errs...)
}

// input copies a reader to the child.
type input struct {
	from io.Reader
	to   *os.File
	done chan struct{}
	err  error
}

func (in *input) copy() {
	defer close(in.done)
	_, err := io.Copy(in.to, in.from)
	in.to.Close()
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
		in.err = &StreamError{Stream: "stdin", Err: err}
	}
}

// finish ends a write that nobody reads, and gives a read some time.
func (in *input) finish(grace time.Duration) error {
	in.to.Close()
	select {
	case <-in.done:
		return in.err
	default:
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-in.done:
		return in.err
	case <-timer.C:
		return &StreamError{Stream: "stdin", Err: errors.New("its Read blocks on after the process has ended")}
	}
}

// output copies what the child writes to a writer. Most of what a child may write
// to stays silent, and then costs no goroutine.
type output struct {
	name    string
	fd      int
	from    *os.File // the same as fd; nil as long as nothing is copied from it
	to      io.Writer
	buffers *sync.Pool
	closed  bool
	done    chan struct{} // nil: nobody has started to copy
	err     error
}

// follow starts to copy: first what has been read already, in a buffer of the pool
// (nil: nothing), then what comes.
func (o *output) follow(first *[]byte) {
	o.done = make(chan struct{})
	o.from = os.NewFile(uintptr(o.fd), o.name)
	go o.copy(first)
}

// last starts to pass on the last of the output, which is in a buffer of the pool.
func (o *output) last(data *[]byte) {
	o.done = make(chan struct{})
	o.close()
	go o.copy(data)
}

func (o *output) copy(first *[]byte) {
	defer close(o.done)
	if first != nil {
		o.write(*first)
		o.buffers.Put(full(first))
	}
	if o.closed {
		return
	}
	buf := o.buffers.Get().(*[]byte)
	defer o.buffers.Put(buf)
	for {
		n, err := o.from.Read(*buf)
		o.write((*buf)[:n])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				o.drain(*buf)
			}
			return
		}
	}
}

// full makes a buffer as long as it was before it was filled.
func full(buf *[]byte) *[]byte {
	*buf = (*buf)[:cap(*buf)]
	return buf
}

// write passes data on. After an error it only takes it from the child, which
// would block otherwise.
func (o *output) write(data []byte) {
	if len(data) == 0 || o.err != nil {
		return
	}
	n, err := o.to.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err != nil {
		o.err = &StreamError{Stream: o.name, Err: err}
	}
}

// drain copies what is in the pipe: no more than a pipe holds, since somebody
// outside of the group may still write.
func (o *output) drain(buf []byte) {
	raw, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	for left := pipeSize(o.from); left > 0; {
		n := 0
		_ = raw.Control(func(fd uintptr) { n, _ = syscall.Read(int(fd), buf) })
		if n <= 0 {
			return
		}
		o.write(buf[:n])
		left -= n
	}
}

// finish takes what is left and closes the pipe.
func (o *output) finish() error {
	if o.done != nil {
		select {
		case <-o.done:
		default:
			if !o.closed {
				_ = o.from.SetReadDeadline(time.Unix(1, 0)) // ends a Read, not a Write
			}
			<-o.done
		}
	}
	o.close()
	return o.err
}

// close closes our end of the pipe.
func (o *output) close() {
	switch {
	case o.closed:
	case o.from != nil:
		o.from.Close()
	default:
		closeFD(o.fd)
	}
	o.closed = true
}
