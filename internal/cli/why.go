package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
)

func newWhy(std streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "why RUN [TASK]",
		Short: "Tells why a run, or a task, failed, was skipped or was slow",
		Long: `Tells why a run failed: its tasks that did, and what that made of others. And where its
time went: the critical path, the chain of tasks of which each began when the one before
had ended, with what each of them waited for and did.

Of one task: what became of it and why, up to the tasks that are the cause.`,
		Example: `  flow why last
  flow why 7K2M4Q report`,
		Args: oneRun(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return withHome(dir, func(h *engine.Home) error {
				r, err := find(h, args[0])
				if err != nil {
					return err
				}
				m, err := folded(std.err, h, &r)
				if err != nil {
					return err
				}
				w := newTimeline(m)
				if w.spans, err = h.RunSpans(&r); err != nil {
					return err
				}
				tasks := w.Path()
				if len(args) > 1 {
					found, err := m.Plan().Find(args[1:])
					if err != nil {
						return usage("flow show lists the tasks", "run %s: %w", r.ID, err)
					}
					if len(w.s.Tasks) == 0 {
						return fmt.Errorf("nothing is known of the tasks of run %s", r.ID)
					}
					tasks = []int{int(found[0])}
				}
				if asJSON {
					return w.json(std.out, tasks)
				}
				text := w.ofRun(newStyle(std.out))
				if len(args) > 1 {
					text = w.ofTask(tasks[0], newStyle(std.out))
				}
				_, err = io.WriteString(std.out, text)
				return err
			})
		},
	}
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	c.Flags().BoolVar(&asJSON, "json", false, "print the critical path, or the task, an object a line")
	return c
}

// timeline is a run and where its time went.
type timeline struct {
	*run.Timeline
	plan  *dag.Plan
	s     *run.Summary
	spans map[string]store.Span // by task; nil: it has not ended
}

func newTimeline(m *run.Machine) *timeline {
	t := run.NewTimeline(m)
	return &timeline{Timeline: t, plan: m.Plan(), s: t.Summary}
}

// spent is where a task's time went.
type spent struct {
	Task   string  `json:"task"`
	Status string  `json:"status"`
	Reason string  `json:"reason,omitzero"`
	Inputs float64 `json:"waited_for_inputs_s"`
	Worker float64 `json:"waited_for_worker_s"`
	Commit float64 `json:"commit_s"` // until what came before was recorded
	Start  float64 `json:"start_s"`  // then, until its process was there
	Work   float64 `json:"work_s"`   // attempts, and the delays between them

	worker, commit, start, work time.Duration
}

func (w *timeline) spent(i int) spent {
	t := &w.s.Tasks[i]
	s := spent{Task: t.ID, Status: t.Status, Reason: t.Reason, Inputs: w.Ready[i].Sub(w.s.Started.Time).Seconds()}
	if !t.Started.IsZero() {
		s.worker = max(0, t.Started.Sub(w.Ready[i]))
		if !t.Ended.IsZero() {
			own := w.spans[t.ID]
			took := t.Ended.Sub(t.Started.Time)
			s.commit = min(took, time.Duration(own.Commit)*time.Microsecond)
			s.start = min(took-s.commit, time.Duration(own.Start)*time.Microsecond)
			s.work = took - s.commit - s.start
		}
	}
	s.Worker, s.Commit, s.Start, s.Work = s.worker.Seconds(), s.commit.Seconds(), s.start.Seconds(), s.work.Seconds()
	return s
}

func (w *timeline) json(out io.Writer, tasks []int) error {
	enc := encoder(out)
	for _, i := range tasks {
		if err := enc.Encode(w.spent(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *timeline) ofRun(st style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", st.status(w.s.Status, mark(w.s.Status)), st.bold(w.s.Workflow), st.status(w.s.Status, w.s.Status))
	if w.s.Message != "" {
		fmt.Fprintf(&b, "  %s\n", oneLine(w.s.Message))
	}
	var failed []int
	for i := range w.s.Tasks {
		if w.s.Tasks[i].Status == "failed" {
			failed = append(failed, i)
		}
	}
	first := failed[:min(len(failed), shownFailed)]
	skipped := w.Skipped(first)
	for k, i := range first {
		b.WriteString(w.failure(i, skipped[k], st))
	}
	if more := len(failed) - len(first); more > 0 {
		fmt.Fprintf(&b, "  %s\n", st.faint(count(more, "failed task")+" more: flow show has them all"))
	}
	path := w.Path()
	if len(path) == 0 {
		return b.String()
	}
	var sum spent
	width := 0
	for _, i := range path {
		width = max(width, len(w.s.Tasks[i].ID))
	}
	width = min(width, 40)
	fmt.Fprintf(&b, "\n%s\n  %s  %s\n", st.bold("critical path"), pad("", width), st.faint("worker    commit    start     work"))
	for _, i := range path {
		s := w.spent(i)
		sum.worker, sum.commit, sum.start, sum.work = sum.worker+s.worker, sum.commit+s.commit, sum.start+s.start, sum.work+s.work
		fmt.Fprintf(&b, "  %s  %s  %s  %s  %s\n", pad(fit(s.Task, width), width), pad(brief(s.worker), 8), pad(brief(s.commit), 8), pad(brief(s.start), 8), duration(s.work))
	}
	if total := w.s.Ended.Sub(w.s.Started.Time); !w.s.Ended.IsZero() {
		fmt.Fprintf(&b, "  %s\n", st.faint(fmt.Sprintf("%s in all: %s of work, %s of waiting for workers, %s of recording and starting, %s besides",
			duration(total), duration(sum.work), duration(sum.worker), brief(sum.commit+sum.start),
			duration(max(0, total-sum.work-sum.worker-sum.commit-sum.start)))))
	}
	return b.String()
}

// shownFailed is how many failed tasks are shown, and of each how many that were skipped
// because of it.
const shownFailed = 10

// failure is a task that failed, and what that made of others.
func (w *timeline) failure(i int, skipped []int, st style) string {
	t := &w.s.Tasks[i]
	message := t.Reason
	if t.Error != nil {
		message = oneLine(why(t.Error.Reason, t.Error.Message))
	}
	line := fmt.Sprintf("%s %s  %s\n", st.status("failed", mark("failed")), st.bold(t.ID), message)
	var names []string
	for _, k := range skipped[:min(len(skipped), shownFailed)] {
		names = append(names, w.s.Tasks[k].ID)
	}
	if more := len(skipped) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(names) > 0 {
		line += "  " + st.faint("so were skipped: ") + strings.Join(names, ", ") + "\n"
	}
	return line
}

// brief is a duration that is most often below a millisecond.
func brief(d time.Duration) string {
	if d > 0 && d < time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return duration(d)
}

func (w *timeline) ofTask(i int, st style) string {
	var b strings.Builder
	t := &w.s.Tasks[i]
	b.WriteString(shownTask(t, len(t.ID), st))
	for _, k := range w.Roots(i) {
		cause := &w.s.Tasks[k]
		fmt.Fprintf(&b, "  %s %s", st.faint("because of"), strings.TrimLeft(shownTask(cause, len(cause.ID), st), " "))
	}
	if t.Started.IsZero() {
		return b.String()
	}
	s := w.spent(i)
	inputs := ""
	if w.Last[i] >= 0 {
		inputs = fmt.Sprintf(" (the last was %s)", w.s.Tasks[w.Last[i]].ID)
	}
	fmt.Fprintf(&b, "  waited %s for what it depends on%s, %s for a worker, %s for the record, %s for its process; at work for %s\n",
		duration(w.Ready[i].Sub(w.s.Started.Time)), inputs, duration(s.worker), brief(s.commit), brief(s.start), duration(s.work))
	if t.Error != nil && t.Error.Traceback != "" {
		for line := range strings.Lines(t.Error.Traceback) {
			fmt.Fprintf(&b, "  %s %s%s\n", st.faint("│"), indent(line), fit(line, 400))
		}
	}
	return b.String()
}
