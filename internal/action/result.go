package action

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"flow/dag"
)

// MaxResult is how large a result may be.
const MaxResult = 64 << 20

// capture keeps what a command prints, for its result, and passes it on to the
// log. Above MaxResult it keeps nothing, only counts: the attempt fails at its
// end, and the command is not disturbed before.
//
// It is safe for concurrent use: the commands of a script may run side by side.
type capture struct {
	mu   sync.Mutex
	to   io.Writer
	keep bool
	buf  bytes.Buffer
	size int64

	closed bool
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return len(p), nil
	}
	c.size += int64(len(p))
	switch {
	case !c.keep:
	case c.size > MaxResult:
		c.keep = false
		c.buf = bytes.Buffer{}
	default:
		c.buf.Write(p)
	}
	return c.to.Write(p)
}

// close ends the capture: what still comes from a script's jobs in the background
// goes nowhere.
func (c *capture) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// TooLargeError tells of a result above MaxResult.
type TooLargeError struct{ Size int64 }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a result of %d bytes is too large (at most 64 MiB): write it to a file in $FLOW_DIR or elsewhere, and let the result be its name; or set `result: none`", e.Size)
}

// result makes a command's result of what it printed and of the files that it
// wrote.
func (a *Attempt) result(s *surroundings, out *capture) (any, error) {
	v, ok, err := readResultFile(s.resultFile)
	if ok || err != nil {
		return v, err
	}
	s.noResult = true
	r := &a.Task.Result
	switch {
	case r.Format == dag.ResultNone:
		return nil, nil
	case r.File != nil:
		text, err := a.resultFrom(s.dir)
		if err != nil {
			return nil, err
		}
		return decode(text, r.Format)
	case out.size > MaxResult:
		return nil, &TooLargeError{out.size}
	}
	return decode(out.buf.Bytes(), r.Format)
}

// resultFrom reads the file that `result` names.
func (a *Attempt) resultFrom(dir string) ([]byte, error) {
	v, err := a.Task.Result.File.Eval(a.Scope)
	if err != nil {
		return nil, err
	}
	path := dag.Text(v)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := ReadBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("result: the command did not write %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return text, nil
}

// readResultFile reads $FLOW_RESULT, if the command wrote it: JSON if all of it
// is, else text.
func readResultFile(path string) (v any, ok bool, err error) {
	if absent(path) {
		return nil, false, nil
	}
	text, err := ReadBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if v, err = dag.DecodeJSON(text); err == nil {
		return v, true, nil
	}
	v, err = decode(text, dag.ResultText)
	return v, true, err
}

// ReadBounded reads a file of at most MaxResult bytes. What is no regular file is
// refused: a pipe may block for ever, a device may have no end.
func ReadBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe may block as well
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > MaxResult:
		return nil, &TooLargeError{info.Size()}
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxResult+1))
	if err == nil && len(text) > MaxResult {
		err = &TooLargeError{int64(len(text))}
	}
	return text, err
}

// decode reads a result's text in one of the formats.
func decode(text []byte, f dag.ResultFormat) (any, error) {
	switch f {
	case dag.ResultNone:
		return nil, nil
	case dag.ResultJSON:
		v, err := dag.DecodeJSON(text)
		if err != nil {
			if cause := errors.Unwrap(err); cause != nil {
				err = cause // without the package's name
			}
			return nil, fmt.Errorf("result: the output is not one JSON value: %w", err)
		}
		return v, nil
	case dag.ResultLines:
		return lines(utf8Text(text)), nil
	}
	return strings.TrimRight(utf8Text(text), "\n"), nil
}

// utf8Text is a command's output as text. A result is kept as JSON, which holds
// only UTF-8: other bytes become U+FFFD, since a stray one in a log line must
// not fail a task. The log has them as they were.
func utf8Text(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }

// lines splits text at its line ends; the last may lack one.
func lines(text string) []any {
	list := []any{}
	for line := range strings.Lines(text) {
		list = append(list, strings.TrimSuffix(line, "\n"))
	}
	return list
}
