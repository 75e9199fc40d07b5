package engine

import (
	"bytes"
	"strings"
	"sync"
)

// tailSize is how much of an attempt's output is kept to be shown where it
// fails.
const tailSize = 8 << 10

// tail keeps the end of what an attempt prints. It is safe for concurrent use,
// since standard output and standard error both end here.
type tail struct {
	mu   sync.Mutex
	buf  []byte
	lost bool
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n > tailSize {
		p, t.lost = p[n-tailSize:], true
	}
	if over := len(t.buf) + len(p) - tailSize; over > 0 {
		t.buf, t.lost = t.buf[:copy(t.buf, t.buf[over:])], true
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// String returns the lines that are whole, and the last one even if it has no
// end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buf
	if t.lost {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
