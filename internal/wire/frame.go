package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Protocol is the version that this package speaks.
const Protocol = 1

// The descriptors of a worker's ends of the two pipes, and the variable that tells
// a program that it is one; its value is the version.
const (
	ReadFD  = 3
	WriteFD = 4
	Marker  = "FLOW_WORKER"
)

// The types of frames.
const (
	// From a worker.
	Hello   = "hello"   // the first: it understands the protocol
	Ready   = "ready"   // the answer to Init
	Result  = "result"  // the answer to Call
	Results = "results" // the answer to Call with Items
	Failed  = "error"   // the answer to Init or Call where that failed
	// To a worker.
	Init   = "init"
	Call   = "call"
	Cancel = "cancel"
)

// Bounds of a frame, in bytes. They are there so that a worker that has gone mad, or
// is none, takes no more than its share; values have their room.
const (
	MaxHeader = 64 << 20
	MaxFrame  = 1 << 30
)

// Header is the JSON object that a frame begins with.
type Header struct {
	Type string `json:"type"`
	ID   uint64 `json:"id,omitzero"` // of a call, from 1

	// Hello.
	Protocol int    `json:"protocol,omitzero"`
	Lang     string `json:"lang,omitzero"`    // go, python, node, or another name
	Version  string `json:"version,omitzero"` // of the language
	Cancels  bool   `json:"cancels,omitzero"` // the worker heeds Cancel

	// Init.
	Path    []string `json:"path,omitempty"`    // where modules are looked for, first to last
	Preload []string `json:"preload,omitempty"` // modules to import

	// Init (the initialiser) and Call.
	Function string `json:"function,omitzero"`
	Args     string `json:"args,omitzero"`  // how blob 0 is given to the function
	Items    int    `json:"items,omitzero"` // blob 0 is a list of so many inputs, one after the other; 0: it is one input
	Plain    bool   `json:"plain,omitzero"` // the answer is JSON alone, without other blobs
	// Env are variables of the environment during the call.
	Env map[string]string `json:"env,omitempty"`

	// Failed, and of items in Results.
	Error  *Error  `json:"error,omitzero"`
	Errors []Error `json:"errors,omitempty"` // by Item, each once

	Blobs []int64 `json:"blobs,omitempty"` // the lengths of what follows
}

// Args of a Header.
const (
	OneArg     = ""           // the one positional argument
	KeywordArg = "keywords"   // the members of an object by name
	ListArgs   = "positional" // the elements of a list by position
)

// Error is what a function ended with.
type Error struct {
	Item      int    `json:"item,omitzero"`
	Type      string `json:"type"` // the bare name of its class
	Message   string `json:"message"`
	Traceback string `json:"traceback,omitzero"`
}

// Frame is one message.
type Frame struct {
	Header
	Blobs [][]byte
}

// ErrTooLarge says that a frame is above MaxHeader or MaxFrame.
var ErrTooLarge = errors.New("wire: frame is too large")

// UnsentError says that a frame can't be sent; nothing of it was.
type UnsentError struct{ Err error }

// Error implements error.
func (e *UnsentError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UnsentError) Unwrap() error { return e.Err }

// Write writes a frame in as few writes as its blobs allow; h.Blobs it sets itself.
func Write(w io.Writer, h Header, blobs [][]byte) error {
	total := int64(0)
	for _, b := range blobs {
		total += int64(len(b))
	}
	if total > MaxFrame {
		return &UnsentError{fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, total, MaxFrame)}
	}
	buf := make([]byte, 4, 4+usualHeader+len(h.Function)+int(min(total, 64<<10)))
	buf, err := appendHeader(buf, &h, blobs)
	if err != nil {
		return &UnsentError{err}
	}
	head := len(buf) - 4
	if head > MaxHeader {
		return &UnsentError{fmt.Errorf("%w: its header has %d bytes, at most %d", ErrTooLarge, head, MaxHeader)}
	}
	binary.BigEndian.PutUint32(buf, uint32(head))
	for _, b := range blobs {
		if len(buf)+len(b) <= cap(buf) {
			buf = append(buf, b...)
			continue
		}
		if len(buf) > 0 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		if len(b) <= cap(buf) {
			buf = append(buf, b...)
		} else if _, err := w.Write(b); err != nil {
			return err
		}
	}
	if len(buf) == 0 {
		return nil
	}
	_, err = w.Write(buf)
	return err
}

// usualHeader is as long as most headers are, but for the function's name.
const usualHeader = 100

// appendHeader appends the JSON of a header. That of a plain call or answer, which is
// nearly all there is, it writes by itself: to encode any takes a microsecond more.
func appendHeader(buf []byte, h *Header, blobs [][]byte) ([]byte, error) {
	if len(blobs) == 1 && (h.Type == Call || h.Type == Result) && h.Args == OneArg && h.Items == 0 && !h.Plain && len(h.Env) == 0 {
		buf = append(append(buf, `{"type":"`...), h.Type...)
		buf = strconv.AppendUint(append(buf, `","id":`...), h.ID, 10)
		if h.Function != "" {
			var err error
			if buf, err = jsontext.AppendQuote(append(buf, `,"function":`...), h.Function); err != nil {
				return nil, fmt.Errorf("wire: header: %w", err)
			}
		}
		buf = strconv.AppendInt(append(buf, `,"blobs":[`...), int64(len(blobs[0])), 10)
		return append(buf, `]}`...), nil
	}
	h.Blobs = make([]int64, len(blobs))
	for i, b := range blobs {
		h.Blobs[i] = int64(len(b))
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("wire: header: %w", err)
	}
	return append(buf, head...), nil
}

// parseResult reads a header as appendHeader writes it for a plain answer; false for
// any other.
func parseResult(head []byte, h *Header) bool {
	rest, ok := bytes.CutPrefix(head, []byte(`{"type":"result","id":`))
	if !ok {
		return false
	}
	id, rest, ok := bytes.Cut(rest, []byte(`,"blobs":[`))
	n, rest, closed := bytes.Cut(rest, []byte(`]}`))
	if !ok || !closed || len(rest) > 0 || len(n) > 18 || len(id) > 18 {
		return false
	}
	number, err := strconv.ParseUint(string(id), 10, 63)
	length, err2 := strconv.ParseUint(string(n), 10, 63)
	if err != nil || err2 != nil {
		return false
	}
	*h = Header{Type: Result, ID: number, Blobs: []int64{int64(length)}}
	return true
}

// Reader reads frames.
type Reader struct{ r *bufio.Reader }

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{bufio.NewReaderSize(r, 64<<10)} }

// Next reads the next frame. The error is io.EOF between two frames,
// io.ErrUnexpectedEOF within one. It takes memory as data arrives, whatever lengths
// the frame claims.
func (r *Reader) Next() (*Frame, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.r, length[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > MaxHeader {
		return nil, fmt.Errorf("%w: it says that its header has %d bytes, at most %d", ErrTooLarge, n, MaxHeader)
	}
	if n == 0 {
		return nil, errors.New("wire: a frame without a header")
	}
	head, err := r.take(n)
	if err != nil {
		return nil, err
	}
	f := new(Frame)
	if !parseResult(head, &f.Header) {
		if err := json.Unmarshal(head, &f.Header); err != nil {
			return nil, fmt.Errorf("wire: header: %w", err)
		}
	}
	return f, r.blobs(f)
}

func (r *Reader) blobs(f *Frame) error {
	total := int64(0)
	for _, n := range f.Header.Blobs {
		if n < 0 || n > MaxFrame || total+n > MaxFrame {
			return fmt.Errorf("%w: it says that it has blobs of %d bytes and more, at most %d", ErrTooLarge, n, MaxFrame)
		}
		total += n
	}
	if len(f.Header.Blobs) > 0 {
		f.Blobs = make([][]byte, 0, len(f.Header.Blobs))
	}
	for _, n := range f.Header.Blobs {
		b, err := r.take(n)
		if err != nil {
			return err
		}
		f.Blobs = append(f.Blobs, b)
	}
	return nil
}

// step is how much memory is taken at a time for data that has only been announced.
const step = 1 << 20

// take reads n bytes.
func (r *Reader) take(n int64) ([]byte, error) {
	b := make([]byte, 0, min(n, step))
	for int64(len(b)) < n {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(n, 2*int64(len(b)))), b...)
		}
		part := b[len(b):min(int64(cap(b)), n)]
		got, err := io.ReadFull(r.r, part)
		b = b[:len(b)+got]
		if err != nil {
			return nil, noEOF(err)
		}
	}
	return b, nil
}

// noEOF is the error of an end within a frame.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
