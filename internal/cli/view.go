package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"flow/dag"
	"flow/engine"
)

// newView chooses how a run is shown: JSON lines, a live picture on a terminal,
// or a line for each task that ends.
func newView(std streams, plan *dag.Plan, f *runFlags) view {
	if f.json {
		return &jsonView{enc: encoder(std.out), talk: std.err, gone: make(chan struct{})}
	}
	ends := &endings{std: std, plan: plan, began: time.Now(), tails: make(map[string]string), told: make(map[telling]int)}
	if file, tty := terminal(std.err); tty && os.Getenv("TERM") != "dumb" {
		return newLive(file, ends, engine.Places(f.workers))
	}
	return &plainView{ends: ends, style: newStyle(std.err), lines: newLines(std.err)}
}

func encoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// jsonView prints one event a line, and the summary last.
type jsonView struct {
	enc  *json.Encoder
	talk io.Writer
	err  error
	gone chan struct{} // closed when nobody reads any more
}

func (v *jsonView) event(e engine.Event) {
	if v.err != nil {
		return
	}
	if v.err = v.enc.Encode(&e); v.err != nil {
		close(v.gone)
	}
}

func (v *jsonView) say(line string) { fmt.Fprintln(v.talk, line) }

func (v *jsonView) broken() <-chan struct{} { return v.gone }

func (v *jsonView) close(s *engine.Summary) error {
	if v.err == nil {
		v.err = v.enc.Encode(s)
	}
	return v.err
}

// plainView prints a line for each task that ends, and for each instance of a
// fan-out that fails.
type plainView struct {
	ends  *endings
	style style
	lines *lines
}

func (v *plainView) event(e engine.Event) {
	v.ends.note(&e)
	if line := v.ends.line(&e, v.style, false); line != "" {
		v.lines.put(line)
	}
}

func (v *plainView) say(line string) { v.lines.put(line) }

func (v *plainView) broken() <-chan struct{} { return nil }

func (v *plainView) close(s *engine.Summary) error {
	v.lines.close()
	return v.ends.summary(s)
}

// keptTails is of how many failed attempts the last lines are kept: there may be
// 100,000, and a few are shown.
const keptTails = 200

// endings knows what is worth telling when things end.
type endings struct {
	std   streams
	plan  *dag.Plan
	began time.Time
	tails map[string]string // the last lines of attempts that failed, by label
	told  map[telling]int   // lines about instances
	width func() int        // of the terminal; nil: there is none
}

// telling is what may be told of many instances of one task.
type telling struct {
	task int // its place in the file
	what string
}

// enough counts the lines about instances of a fan-out: a thousand say no more
// than the first few, and the summary counts.
func (v *endings) enough(e *engine.Event) bool {
	if e.Instance == nil {
		return false
	}
	k := telling{e.Index, e.Type}
	v.told[k]++
	return v.told[k] > shownFailures
}

// label names a task or an instance: load, load[2].
func label(task string, instance *int) string {
	if instance == nil {
		return task
	}
	return fmt.Sprintf("%s[%d]", task, *instance)
}

// note keeps what the summary will want.
func (v *endings) note(e *engine.Event) {
	if e.Type != engine.AttemptEnded {
		return
	}
	name := label(e.Task, e.Instance)
	if _, kept := v.tails[name]; e.Status == "failed" && (kept || len(v.tails) < keptTails) {
		v.tails[name] = e.Tail
	} else {
		delete(v.tails, name)
	}
}

// line is what is told of an event, "" for nothing.
func (v *endings) line(e *engine.Event, s style, signs bool) string {
	switch {
	case e.Type == engine.RetryScheduled && v.enough(e):
		return ""
	case e.Type == engine.RetryScheduled:
		wait := e.At.Sub(e.Time.Time)
		text := fmt.Sprintf("attempt %d failed, the next ", e.Attempt)
		if wait <= 0 {
			text += "follows"
		} else {
			text += "in " + duration(wait)
		}
		return v.row("retrying", label(e.Task, e.Instance), "", text, s, signs)
	case e.Type != engine.TaskEnded, e.Instance != nil && e.Status != "failed":
		return ""
	case v.enough(e):
		return ""
	}
	span, text := "", ""
	if e.Duration > 0 || e.Status == "succeeded" {
		span = duration(e.Duration)
	}
	switch {
	case e.Status == "failed":
		text = why(e.Reason, e.Message)
	case e.Reason != "":
		text = e.Reason
	case e.From != "":
		span, text = "", "cached, from run "+shortID(e.From)
	case e.Instances > 0:
		text = count(e.Instances, "instance")
	}
	return v.row(e.Status, label(e.Task, e.Instance), span, text, s, signs)
}

// why is why something failed, for people. What a command's exit or a time limit
// says of itself names the reason already.
func why(reason, message string) string {
	if reason == "exit" || reason == "timeout" {
		return message
	}
	return reason + ": " + message
}

func (v *endings) row(status, name, span, text string, s style, signs bool) string {
	head, used := s.status(status, pad(status, 10)), 10
	if signs {
		head, used = "  "+s.status(status, mark(status)), 3
	}
	columns := " " + pad(name, 24) + " " + blanks(7-len(span)) + span
	if text == "" {
		return head + strings.TrimRight(columns, " ")
	}
	room := 160
	if v.width != nil { // a line that wraps is hard to read; the summary has all of it
		room = max(20, v.width()-used-runewidth.StringWidth(columns)-3)
	}
	return head + columns + "  " + s.faint(fit(text, room))
}
