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
	child  [3]*os.File // what the child gets
	shared *os.File    // of those, what is not ours to close
	in     *input
	outs   []*output
}

// openStreams opens what the child needs.
func openStreams(c *Child, null *os.File, buffers *sync.Pool) (*streams, error) {
	s := &streams{shared: null}
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
		s.child[0] = s.shared
		return nil
	case *os.File:
		var err error
		s.child[0], err = duplicate(r)
		return err
	}
	read, write, err := pipe()
	if err != nil {
		return err
	}
	s.child[0] = os.NewFile(uintptr(read), "stdin")
	w, err := ours(write, "stdin")
	if err != nil {
		return err
	}
	s.in = &input{from: r, to: w, done: make(chan struct{})}
	return nil
}

func (s *streams) openOut(name string, w io.Writer, buffers *sync.Pool) (*os.File, error) {
	switch w := w.(type) {
	case nil:
		return s.shared, nil
	case *os.File:
		return duplicate(w)
	}
	read, write, err := pipe()
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(write), name)
	r, err := ours(read, name)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	s.outs = append(s.outs, &output{name: name, from: r, to: w, buffers: buffers, done: make(chan struct{})})
	return theirs, nil
}

// duplicate returns f under another descriptor, so that f may be closed meanwhile
// and its mode stays as it is.
func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if controlErr := raw.Control(func(old uintptr) { fd, err = dup(int(old)) }); controlErr != nil {
		return nil, controlErr
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// ours makes our end of a pipe one that blocks no thread. The other end is a
// description of its own and stays as programs expect it.
func ours(fd int, name string) (*os.File, error) {
	if err := unblock(fd); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// closeChild closes the child's ends, which the child has by now.
func (s *streams) closeChild() {
	for i, f := range s.child {
		if f != nil && f != s.shared && (i == 0 || f != s.child[i-1]) {
			f.Close()
		}
	}
}

// abandon closes our ends where no child has been started.
func (s *streams) abandon() {
	if s.in != nil {
		s.in.to.Close()
	}
	for _, o := range s.outs {
		o.from.Close()
	}
}

// begin starts the copying.
func (s *streams) begin() {
	if s.in != nil {
		go s.in.copy()
	}
	for _, o := range s.outs {
		go o.copy()
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

// output copies what the child writes to a writer.
type output struct {
	name    string
	from    *os.File
	to      io.Writer
	buffers *sync.Pool
	done    chan struct{}
	err     error
}

func (o *output) copy() {
	defer close(o.done)
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
	select {
	case <-o.done:
	default:
		_ = o.from.SetReadDeadline(time.Unix(1, 0)) // ends a Read, not a Write
		<-o.done
	}
	o.from.Close()
	return o.err
}
