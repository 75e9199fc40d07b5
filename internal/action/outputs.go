package action

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"flow/internal/mask"
)

// outputs are what an attempt prints on its way to its result, its log, and whoever
// watches. Secrets are masked behind the capture, which the result is made of, and before
// the last line, which is cut.
type outputs struct {
	stdout *capture
	stderr io.Writer
	last   *lastLine      // of stderr
	masks  []*mask.Writer // on the way
}

// outputs returns them; keep: standard output is the result.
func (a *Attempt) outputs(keep bool) *outputs {
	o := &outputs{last: &lastLine{to: a.Stderr}}
	o.stdout = &capture{to: o.masked(a, a.Stdout), keep: keep}
	o.stderr = o.masked(a, o.last)
	return o
}

func (o *outputs) masked(a *Attempt, to io.Writer) io.Writer {
	if a.Run.Mask == nil {
		return to
	}
	w := a.Run.Mask.Writer(to)
	o.masks = append(o.masks, w)
	return w
}

// flush passes on what was held back, since a secret might have begun with it.
func (o *outputs) flush() {
	for _, w := range o.masks {
		_ = w.Flush() // the writers of attempts tell at their end what went wrong
	}
}

// close ends both: what a script's jobs in the background still print goes nowhere.
func (o *outputs) close() {
	o.stdout.close()
	o.flush()
	o.last.close()
}

// lastLine passes output on and keeps its last line that isn't empty.
// It is safe for concurrent use.
type lastLine struct {
	mu   sync.Mutex
	to   io.Writer
	line []byte // so far
	last []byte
}

// maxLine is how much of a line is kept.
const maxLine = 400

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	for {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - len(l.line); room > 0 {
			l.line = append(l.line, line[:min(room, len(line))]...)
		}
		if !ended {
			break
		}
		l.end()
		rest = after
	}
	return l.to.Write(p)
}

// close ends it: what still comes goes nowhere.
func (l *lastLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = io.Discard
}

func (l *lastLine) end() {
	if len(bytes.TrimSpace(l.line)) > 0 {
		l.last = append(l.last[:0], l.line...)
	}
	l.line = l.line[:0]
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
	return strings.ToValidUTF8(strings.TrimSpace(string(l.last)), "\uFFFD")
}
