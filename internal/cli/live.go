package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"flow/engine"
)

// frame is how often the live picture is drawn again at most.
const frame = 100 * time.Millisecond

// live shows a run on a terminal: what has ended scrolls away above, below it a
// line for each attempt at work and one of counts, drawn again ten times a
// second at most and never more lines than the window has.
type live struct {
	ends  *endings
	out   io.Writer
	size  func() (width, height int)
	style style

	mu      sync.Mutex
	running []row    // in the order in which they began
	pending []string // lines to scroll away with the next frame
	drawn   int      // lines of the last frame
	total   int
	count   map[string]int

	stop    chan struct{}
	stopped chan struct{}
}

// row is an attempt at work.
type row struct {
	name    string
	attempt int
	since   time.Time
}

func newLive(f *os.File, ends *endings) *live {
	v := &live{
		ends: ends, out: f, style: newStyle(f), count: make(map[string]int),
		size: func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 10 || h < 3 {
				return 80, 24
			}
			return w, h
		},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go v.animate()
	return v
}

// animate draws a frame now and then until close.
func (v *live) animate() {
	defer close(v.stopped)
	tick := time.NewTicker(frame)
	defer tick.Stop()
	for {
		select {
		case <-v.stop:
			return
		case now := <-tick.C:
			v.mu.Lock()
			v.draw(now)
			v.mu.Unlock()
		}
	}
}

func (v *live) event(e engine.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ends.note(&e)
	if line := v.ends.line(&e, v.style, true); line != "" {
		v.pending = append(v.pending, line)
	}
	switch e.Type {
	case engine.RunStarted:
		v.total = e.Total
	case engine.AttemptStarted:
		v.running = append(v.running, row{label(e.Task, e.Instance), e.Attempt, e.Time.Time})
	case engine.AttemptEnded:
		name := label(e.Task, e.Instance)
		v.running = slices.DeleteFunc(v.running, func(r row) bool { return r.name == name })
	case engine.TaskEnded:
		if e.Instance == nil {
			v.count[e.Status]++
		}
	}
}

// draw replaces the last frame. It is one write, so nothing flickers.
func (v *live) draw(now time.Time) {
	width, height := v.size()
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, line := range v.pending {
		b.WriteString(line + "\n")
	}
	v.pending = v.pending[:0]
	lines := v.rows(now, width, height-2)
	lines = append(lines, v.status(now, width))
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String()) // a terminal that is gone is no reason to stop the run
}

// rows are the attempts at work, as many as there is room for.
func (v *live) rows(now time.Time, width, room int) []string {
	room = max(room, 1)
	show := v.running
	if len(show) > room {
		show = show[:room-1]
	}
	var lines []string
	for _, r := range show {
		text := fmt.Sprintf("%s %7s", pad(r.name, 24), duration(now.Sub(r.since)))
		if r.attempt > 1 {
			text += fmt.Sprintf("  attempt %d", r.attempt)
		}
		lines = append(lines, "  "+v.style.status("running", spinner(now))+" "+fit(text, width-5))
	}
	if more := len(v.running) - len(show); more > 0 {
		lines = append(lines, fit(fmt.Sprintf("    … and %d more at work", more), width-1))
	}
	return lines
}

// spinner turns once a second.
func spinner(now time.Time) string {
	turns := [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	return turns[now.UnixMilli()/100%int64(len(turns))]
}

// status is the line of counts.
func (v *live) status(now time.Time, width int) string {
	done := 0
	for _, n := range v.count {
		done += n
	}
	elapsed := now.Sub(v.ends.began)
	parts := []string{fmt.Sprintf("%d/%d tasks", done, v.total), fmt.Sprintf("%d running", len(v.running))}
	if n := v.count["failed"]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	parts = append(parts, duration(elapsed))
	// Without a history every task counts the same, which is good enough for a
	// guess once a third is done.
	if left := v.total - done; done*3 >= v.total && left > 0 && elapsed > 2*time.Second {
		parts = append(parts, "about "+duration(elapsed/time.Duration(done)*time.Duration(left))+" left")
	}
	return v.style.bold(fit(v.ends.plan.Workflow.Name+"  "+strings.Join(parts, " · "), width-1))
}

// say lets a line scroll away with the next frame.
func (v *live) say(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pending = append(v.pending, line)
}

func (v *live) broken() <-chan struct{} { return nil }

// close draws what has ended for the last time, takes the moving part away and
// prints the summary.
func (v *live) close(s *engine.Summary) error {
	close(v.stop)
	<-v.stopped
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, line := range v.pending {
		b.WriteString(line + "\n")
	}
	if _, err := io.WriteString(v.out, b.String()); err != nil {
		return err
	}
	return v.ends.summary(s)
}
