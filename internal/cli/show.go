package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
)

func newShow(std streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show RUN",
		Short: "Shows a run: its tasks, their states, times, attempts and errors, and its outputs",
		Long: `Shows a run as it stands: its tasks, their states, times, attempts and errors, and its
outputs. RUN is an id, the end of one, or last.`,
		Example: `  flow show last
  flow show 7K2M4Q --json`,
		Args: oneRun(0),
		RunE: func(_ *cobra.Command, args []string) error {
			return withHome(dir, func(h *engine.Home) error { return show(std, h, args[0], asJSON) })
		},
	}
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	c.Flags().BoolVar(&asJSON, "json", false, "print the summary, as run --json does at the end")
	return c
}

func show(std streams, h *engine.Home, id string, asJSON bool) error {
	r, err := find(h, id)
	if err != nil {
		return err
	}
	text, err := h.Summary(&r)
	if err != nil {
		return err
	}
	s := new(run.Summary)
	if text == nil {
		if s, err = standing(std.err, h, &r); err != nil {
			return err
		}
		if text, err = json.Marshal(s); err != nil {
			return err
		}
	} else if !asJSON {
		if err := json.Unmarshal(text, s); err != nil {
			return fmt.Errorf("the summary of run %s can't be read: %w", r.ID, err)
		}
	}
	if asJSON {
		_, err = fmt.Fprintf(std.out, "%s\n", text)
		return err
	}
	_, err = io.WriteString(std.out, shownRun(&r, statusOf(h, &r), s, newStyle(std.out)))
	return err
}

// standing is how a run stands: the fold of its events. What is to be said of them goes to
// talk.
func standing(talk io.Writer, h *engine.Home, r *store.Run) (*run.Summary, error) {
	m, err := folded(talk, h, r)
	if err != nil {
		return nil, err
	}
	return m.Summary(), nil
}

// folded is the machine of a run, made of its events, as far as they can be read: where
// that ends is said on talk.
func folded(talk io.Writer, h *engine.Home, r *store.Run) (*run.Machine, error) {
	plan, err := engine.Pinned(h, r)
	if err != nil {
		return nil, err
	}
	m := run.New(plan)
	for e, err := range h.Events(r) {
		if torn, ok := errors.AsType[*store.TornError](err); ok {
			_, err := fmt.Fprintf(talk, "flow: warning: run %s is shown as far as it can be read: event %d and what follows can't be: %v\n", r.ID, torn.Seq, torn.Err)
			return m, err
		}
		if err == nil {
			if e.Start != nil {
				e.Start.Run.StartedAt = e.Start.Run.StartedAt.In(plan.Workflow.Zone())
			}
			_, err = m.Apply(e)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// shownRun is a run as text.
func shownRun(r *store.Run, status string, s *run.Summary, st style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", runLine(r, status, st))
	if s.Message != "" {
		fmt.Fprintf(&b, "  %s\n", oneLine(s.Message))
	}
	if status == "interrupted" {
		fmt.Fprintf(&b, "  %s\n", st.faint("flow resume "+r.ID+" goes on with it"))
	}
	width := 0
	for i := range s.Tasks {
		width = max(width, len(s.Tasks[i].ID))
	}
	b.WriteByte('\n')
	for i := range s.Tasks {
		b.WriteString(shownTask(&s.Tasks[i], min(width, 40), st))
	}
	if len(s.Outputs) > 0 {
		b.WriteByte('\n')
		for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
			fmt.Fprintf(&b, "  %s  %s\n", st.faint(name), shown(s.Outputs[name]))
		}
	}
	return b.String()
}

func shownTask(t *run.TaskSummary, width int, st style) string {
	span := ""
	if !t.Started.IsZero() && !t.Ended.IsZero() {
		span = duration(t.Ended.Sub(t.Started.Time))
	} else if !t.Started.IsZero() {
		span = "since " + t.Started.Local().Format(time.TimeOnly)
	}
	var notes []string
	if n := t.Instances; n != nil {
		notes = append(notes, fmt.Sprintf("%d of %d", n.Succeeded, n.Total))
		if n.Cached > 0 {
			notes = append(notes, fmt.Sprintf("%d cached", n.Cached))
		}
	}
	if t.Cached {
		notes = append(notes, "cached, from run "+shortID(t.From))
	}
	if t.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", t.Attempts))
	}
	switch {
	case t.Error != nil:
		notes = append(notes, oneLine(why(t.Error.Reason, t.Error.Message)))
	case t.Reason != "":
		notes = append(notes, t.Reason)
	}
	return strings.TrimRight(fmt.Sprintf("%s %s  %s  %s  %s", st.status(t.Status, mark(t.Status)), pad(t.ID, width),
		st.status(t.Status, pad(t.Status, 9)), pad(span, 8), strings.Join(notes, ", ")), " ") + "\n"
}
