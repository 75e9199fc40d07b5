package mask

import (
	"io"
	"sync"
)

// Writer masks what is written to it and passes it on. What may be the beginning of a
// secret is held back until it is known, or Flush is called. It is safe for concurrent use.
type Writer struct {
	mu     sync.Mutex
	to     io.Writer
	filter filter
	out    []byte
}

// Writer returns a Writer; m is not nil.
func (m *Mask) Writer(to io.Writer) *Writer {
	return &Writer{to: to, filter: filter{mask: m}}
}

// Write never says that it took less than all. Its error is that of what it passes on to.
func (w *Writer) Write(p []byte) (int, error) {
	return len(p), w.pass(p, false)
}

// Flush passes on what is held back: nothing more comes, or nothing for long.
func (w *Writer) Flush() error { return w.pass(nil, true) }

func (w *Writer) pass(p []byte, all bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = w.filter.pass(w.out[:0], p, all)
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.to.Write(w.out)
	if cap(w.out) > mostKept {
		w.out = nil
	}
	return err
}

// mostKept is how large a buffer is kept for the next time.
const mostKept = 64 << 10
