package cli

import (
	"io"
	"sync"
)

// lines writes lines at once, but never lets the run wait for whoever reads them:
// those that come while a write goes on are the next write.
type lines struct {
	mu   sync.Mutex
	text []byte // not written yet
	some sync.Cond
	over bool
	done chan struct{}
}

func newLines(w io.Writer) *lines {
	l := &lines{done: make(chan struct{})}
	l.some.L = &l.mu
	go l.write(w)
	return l
}

func (l *lines) put(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(append(l.text, line...), '\n')
	l.some.Signal()
}

func (l *lines) write(w io.Writer) {
	defer close(l.done)
	var spare []byte
	for {
		l.mu.Lock()
		for len(l.text) == 0 && !l.over {
			l.some.Wait()
		}
		text := l.text
		l.text = spare[:0]
		l.mu.Unlock()
		if len(text) == 0 {
			return
		}
		_, _ = w.Write(text) // nobody reads: the run goes on
		spare = text
	}
}

// close returns when everything has been written.
func (l *lines) close() {
	l.mu.Lock()
	l.over = true
	l.some.Signal()
	l.mu.Unlock()
	<-l.done
}
