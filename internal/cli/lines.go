package cli

import (
	"io"
	"sync"
	"time"
)

// lines writes lines at once, but never lets the run wait for whoever reads them:
// those that come while a write goes on, or soon after one, are the next write.
type lines struct {
	mu    sync.Mutex
	text  []byte        // not written yet
	some  chan struct{} // full: there is text
	over  chan struct{}
	ended sync.WaitGroup
}

// together is for how long after a write lines are gathered: nobody sees the
// difference, and short tasks come by the thousand.
const together = 20 * time.Millisecond

func newLines(w io.Writer) *lines {
	l := &lines{some: make(chan struct{}, 1), over: make(chan struct{})}
	l.ended.Go(func() { l.write(w) })
	return l
}

func (l *lines) put(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(append(l.text, line...), '\n')
	select {
	case l.some <- struct{}{}:
	default:
	}
}

func (l *lines) write(w io.Writer) {
	pause := time.NewTimer(together)
	defer pause.Stop()
	var spare []byte
	for over := false; !over; {
		select {
		case <-l.some:
		case <-l.over:
			over = true
		}
		l.mu.Lock()
		text := l.text
		l.text = spare[:0]
		l.mu.Unlock()
		if len(text) > 0 {
			_, _ = w.Write(text) // nobody reads: the run goes on
		}
		spare = text
		pause.Reset(together)
		select {
		case <-pause.C:
		case <-l.over:
		}
	}
}

// close returns when everything has been written. Nothing is put after.
func (l *lines) close() {
	close(l.over)
	l.ended.Wait()
}
