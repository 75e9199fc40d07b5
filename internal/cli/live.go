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

	"flow/dag"
	"flow/engine"
)

// frame is how often the live picture is drawn again at most.
const frame = 100 * time.Millisecond

// live shows a run on a terminal: what has ended scrolls away above, below it a
// line for each task at work and one of counts, drawn again ten times a second
// at most and never on more than half of the window.
type live struct {
	ends  *endings
	out   io.Writer
	size  func() (width, height int)
	style style

	mu      sync.Mutex
	rows    []*row   // in the order in which they began
	working int      // attempts
	pending []string // lines to scroll away with the next frame
	drawn   int      // lines of the last frame
	total   int
	count   map[string]int // tasks that have ended, by status
	allowed int            // of those that failed
	eta     *eta           // nil: nothing is expected
	places  func(*dag.Executor) int

	stop    chan struct{}
	stopped chan struct{}
}

// row is a task at work.
type row struct {
	task    string
	since   time.Time
	attempt int // of a task that is no fan-out

	fan                    bool
	working, ended, failed int // its instances
}

func newLive(f *os.File, ends *endings, places func(*dag.Executor) int) *live {
	v := &live{
		ends: ends, out: f, places: places, style: newStyle(f), count: make(map[string]int),
		size: func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 10 || h < 3 {
				return 80, 24
			}
			return w, h
		},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	ends.width = func() int {
		width, _ := v.size()
		return width
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
	if v.eta != nil && e.Task != "" {
		v.eta.event(&e)
	}
	if line := v.ends.line(&e, v.style, true); line != "" {
		v.pending = append(v.pending, line)
	}
	switch e.Type {
	case engine.RunStarted:
		v.total = e.Total
		v.eta = newETA(v.ends.plan, e.Expected, v.places)
	case engine.AttemptStarted:
		v.begin(&e)
	case engine.AttemptEnded:
		v.working--
		if r := v.row(e.Task); r != nil && r.fan {
			r.working--
		} else {
			v.drop(e.Task)
		}
	case engine.TaskEnded:
		if e.Instance == nil {
			v.count[e.Status]++
			if e.Status == "failed" && v.ends.allowed(e.Index) {
				v.allowed++
			}
			v.drop(e.Task)
		} else if r := v.row(e.Task); r != nil {
			r.ended++
			if e.Status == "failed" {
				r.failed++
			}
		}
	}
}

// row is the line of a task, nil if it has none.
func (v *live) row(task string) *row {
	// A list is enough: there are no more rows than places in pools.
	if k := slices.IndexFunc(v.rows, func(r *row) bool { return r.task == task }); k >= 0 {
		return v.rows[k]
	}
	return nil
}

func (v *live) begin(e *engine.Event) {
	v.working++
	r := v.row(e.Task)
	if r == nil {
		r = &row{task: e.Task, since: e.Time.Time}
		v.rows = append(v.rows, r)
	}
	r.attempt, r.fan = e.Attempt, e.Instance != nil
	r.working++
}

func (v *live) drop(task string) {
	v.rows = slices.DeleteFunc(v.rows, func(r *row) bool { return r.task == task })
}

// draw replaces the last frame. It is one write, and it writes over what is
// there in place of erasing it first: nothing flickers, and no terminal takes
// the erased lines for something to be kept in its history.
func (v *live) draw(now time.Time) {
	width, height := v.size()
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", v.drawn)
	}
	v.scroll(&b)
	lines := v.lines(now, width, max(1, min(max(3, height/2), height-2)))
	lines = append(lines, v.status(now, width))
	for _, line := range lines {
		b.WriteString(line + endOfLine)
	}
	b.WriteString("\x1b[J")
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String()) // a terminal that is gone is no reason to stop the run
}

// endOfLine erases what an older frame had behind a line, and ends it.
const endOfLine = "\x1b[K\n"

// scroll writes the lines that are to stay.
func (v *live) scroll(b *strings.Builder) {
	for _, line := range v.pending {
		b.WriteString(line + endOfLine)
	}
	v.pending = v.pending[:0]
}

// lines are the tasks at work, as many as there is room for.
func (v *live) lines(now time.Time, width, room int) []string {
	show := v.rows
	if len(show) > room {
		show = show[:room-1]
	}
	var lines []string
	for _, r := range show {
		lines = append(lines, "  "+v.style.status("running", spinner(now))+" "+fit(r.text(now), width-5))
	}
	if more := len(v.rows) - len(show); more > 0 {
		lines = append(lines, "    "+fit(fmt.Sprintf("… and %s at work", count(more, "more task")), width-5))
	}
	return lines
}

func (r *row) text(now time.Time) string {
	text := fmt.Sprintf("%s %7s", pad(r.task, 24), duration(now.Sub(r.since)))
	if !r.fan {
		if r.attempt > 1 {
			text += fmt.Sprintf("  attempt %d", r.attempt)
		}
		return text
	}
	text += fmt.Sprintf("  %d at work, %d ended", r.working, r.ended)
	if r.failed > 0 {
		text += fmt.Sprintf(", %d failed", r.failed)
	}
	return text
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
	parts := []string{fmt.Sprintf("%d/%d tasks", done, v.total), fmt.Sprintf("%d running", v.working)}
	if n := v.count["failed"] - v.allowed; n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	parts = append(parts, duration(elapsed))
	// Without a history every task counts the same, which is good enough for a
	// guess once a third is done.
	left := v.total - done
	switch {
	case left == 0:
	case v.eta != nil:
		if span := v.eta.left(now); span >= time.Second {
			parts = append(parts, "about "+span.Round(time.Second).String()+" left")
		}
	case done*3 >= v.total && elapsed > 2*time.Second:
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
		fmt.Fprintf(&b, "\x1b[%dA\r", v.drawn)
	}
	v.scroll(&b)
	b.WriteString("\x1b[J")
	if _, err := io.WriteString(v.out, b.String()); err != nil {
		return err
	}
	return v.ends.summary(s)
}
