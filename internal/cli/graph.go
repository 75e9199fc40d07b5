package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flow/dag"
)

func newGraph(std streams) *cobra.Command {
	var format string
	var all bool
	pictures := dag.Formats()
	c := &cobra.Command{
		Use:   "graph FILE",
		Short: "Draws a workflow",
		Example: `  flow graph weather.yaml
  flow graph weather.yaml --format svg > weather.svg`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(pictures, format) {
				return usage("one of "+strings.Join(pictures, ", "), "unknown format %q", format)
			}
			plan, err := load(std, args[0])
			if err != nil {
				return err
			}
			if format == "svg" {
				err := dag.DrawSVG(std.out, plan, nil, all)
				if errors.Is(err, dag.ErrTangle) {
					return usage("--format text has them all", "too many long lines for a picture")
				}
				return err
			}
			return dag.Draw(std.out, plan, format, nil)
		},
	}
	c.Flags().StringVar(&format, "format", "text", strings.Join(pictures, ", "))
	c.Flags().BoolVar(&all, "all", false, "with svg: a card for each task, a line for each dependency")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(pictures, cobra.ShellCompDirectiveNoFileComp))
	return c
}
