package cli

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
)

func newGraph(std streams) *cobra.Command {
	var format string
	var all bool
	var of, dir string
	pictures := dag.Formats()
	c := &cobra.Command{
		Use:   "graph FILE",
		Short: "Draws a workflow, or a run of one",
		Example: `  flow graph weather.yaml
  flow graph --run last
  flow graph weather.yaml --format svg > weather.svg`,
		Args:              files(0, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(pictures, format) {
				return usage("one of "+strings.Join(pictures, ", "), "unknown format %q", format)
			}
			plan, status, err := drawn(std, args, of, dir)
			if err != nil {
				return err
			}
			if format == "svg" {
				err := dag.DrawSVG(std.out, plan, status, all)
				if errors.Is(err, dag.ErrTangle) {
					return usage("--format text has them all", "too many long lines for a picture")
				}
				return err
			}
			return dag.Draw(std.out, plan, format, status)
		},
	}
	c.Flags().StringVar(&format, "format", "text", strings.Join(pictures, ", "))
	c.Flags().StringVar(&of, "run", "", "a `run`, as it was, each task with its status; its file need not be named")
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	c.Flags().BoolVar(&all, "all", false, "with svg: a card for each task, a line for each dependency")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(pictures, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// drawn is what is to be drawn: a file, or a run with the status of each task.
func drawn(std streams, args []string, of, dir string) (plan *dag.Plan, status []dag.Status, err error) {
	if of == "" {
		if len(args) == 0 {
			return nil, nil, usage("for example flow graph weather.yaml, or flow graph --run last", "graph needs a file, or --run")
		}
		plan, err = load(std, args[0])
		return plan, nil, err
	}
	err = withHome(dir, func(h *engine.Home) error {
		r, err := find(h, of)
		if err != nil {
			return err
		}
		m, err := folded(std.err, h, &r)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			file, err := filepath.Abs(args[0])
			if err != nil || file != r.File {
				return errors.Join(err, usage("leave the file out", "run %s is of %s", r.ID, r.File))
			}
		}
		plan, status = m.Plan(), make([]dag.Status, len(m.Plan().Nodes))
		for i := range m.Summary().Tasks { // none, where not even its beginning can be read
			status[i] = m.Outcome(i).Status
		}
		return nil
	})
	return plan, status, err
}
