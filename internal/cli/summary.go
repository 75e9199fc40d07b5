package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"flow/dag"
	"flow/engine"
	"flow/internal/run"
)

// How much of what failed is shown.
const (
	shownFailures = 10 // tasks, and instances of each
	shownLines    = 12
)

// summary prints how a run ended, to standard output.
func (v *endings) summary(s *engine.Summary) error {
	var b strings.Builder
	st := newStyle(v.std.out)
	v.failures(&b, s, st)
	status := s.Status
	if status == run.RunRunning.String() { // it could not go on
		status = "interrupted"
	}
	fmt.Fprintf(&b, "%s %s %s in %s: %s\n", st.status(status, mark(status)), st.bold(s.Workflow),
		st.status(status, status), duration(time.Since(v.began)), v.tally(s))
	if s.Message != "" {
		fmt.Fprintf(&b, "  %s\n", oneLine(s.Message))
	}
	v.outputs(&b, s, st)
	_, err := io.WriteString(v.std.out, b.String())
	if errors.Is(err, syscall.EPIPE) {
		return quiet(exitUnread)
	}
	return err
}

// tally counts tasks by status; a failure that the file allows by itself.
func (v *endings) tally(s *engine.Summary) string {
	n := make(map[string]int)
	for i := range s.Tasks {
		status := s.Tasks[i].Status
		if status == "failed" && v.allowed(i) {
			status += allowedMark
		}
		n[status]++
		if s.Tasks[i].Cached {
			n["cached"]++
		}
	}
	var parts []string
	for _, status := range []string{"succeeded", "failed", "failed" + allowedMark, "skipped", "cancelled"} {
		if n[status] > 0 {
			part := fmt.Sprintf("%d %s", n[status], status)
			if status == "succeeded" && n["cached"] > 0 {
				part += fmt.Sprintf(" (%d cached)", n["cached"])
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// allowedMark tells of a failure that the run goes on with.
const allowedMark = " (allowed)"

// allowed reports whether a task may fail (continue_on_error).
func (v *endings) allowed(task int) bool { return v.plan.Nodes[task].Task.ContinueOnError }

// failures prints the last lines of what failed.
func (v *endings) failures(b *strings.Builder, s *engine.Summary, st style) {
	shown := 0
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if t.Status != "failed" || t.Error == nil {
			continue
		}
		if shown++; shown > shownFailures {
			continue
		}
		notes := tries(t)
		if v.allowed(i) {
			notes += allowedMark
		}
		fmt.Fprintf(b, "%s %s  %s%s\n", st.status("failed", mark("failed")), st.bold(t.ID),
			oneLine(why(t.Error.Reason, t.Error.Message)), st.faint(notes))
		for _, name := range v.failedNames(t.ID) {
			lines := lastLines(v.tails[name], shownLines)
			if name != t.ID && len(lines) > 0 {
				fmt.Fprintf(b, "  %s\n", name)
			}
			for _, line := range lines {
				fmt.Fprintf(b, "  %s %s%s\n", st.faint("│"), indent(line), fit(line, 400))
			}
		}
	}
	if more := shown - shownFailures; more > 0 {
		fmt.Fprintf(b, "… and %s failed\n", count(more, "more task"))
	}
}

// failedNames are a task's own name, or its first failed instances'.
func (v *endings) failedNames(id string) []string {
	if _, ok := v.tails[id]; ok {
		return []string{id}
	}
	var names []string
	for name := range v.tails {
		if strings.HasPrefix(name, id+"[") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // load[2] before load[10]
		}
		return strings.Compare(a, b)
	})
	return names[:min(len(names), 3)]
}

// tries says how often a task was tried, or how many of its instances failed.
func tries(t *run.TaskSummary) string {
	switch {
	case t.Instances != nil:
		return fmt.Sprintf(" (%d of %s)", t.Instances.Failed, count(t.Instances.Total, "instance"))
	case t.Attempts > 1:
		return fmt.Sprintf(" (%d attempts)", t.Attempts)
	}
	return ""
}

// lastLines are the last lines of a text that aren't empty.
func lastLines(text string, most int) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	return lines[max(0, len(lines)-most):]
}

// indent is the space that a line begins with: a traceback is hard to read without.
func indent(line string) string {
	n := 0
	for _, c := range line {
		switch c {
		case ' ':
			n++
		case '\t':
			n += 4
		default:
			return blanks(min(n, 40))
		}
	}
	return ""
}

// outputs prints the run's outputs in the order of the file.
func (v *endings) outputs(b *strings.Builder, s *engine.Summary, st style) {
	width := 0
	for _, o := range v.plan.Workflow.Outputs {
		width = max(width, len(o.Name))
	}
	for _, o := range v.plan.Workflow.Outputs {
		fmt.Fprintf(b, "  %s  %s\n", st.faint(pad(o.Name, width)), v.output(s.Outputs[o.Name]))
	}
}

// output is an output as it is shown: on a terminal cut to what people read, for
// anybody else whole, on one line.
func (v *endings) output(x any) string {
	if _, tty := terminal(v.std.out); tty {
		return shown(x)
	}
	if text, ok := x.(string); ok && !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	text, err := dag.EncodeJSON(x)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// shown is a value as people are shown it: text as it is, all else as JSON.
func shown(v any) string {
	if text, ok := v.(string); ok {
		return fit(text, 200)
	}
	text, err := dag.EncodeJSON(v)
	if err != nil {
		return err.Error()
	}
	return fit(string(text), 200)
}
