package cli

import (
	"github.com/spf13/cobra"

	"flow/engine"
)

// sweepName is the command that a watcher becomes.
const sweepName = "sweep"

// newSweep is the command that ends what the commands of a flow left that was
// killed. It is no command for people: its argument is known to their environment
// only.
func newSweep() *cobra.Command {
	return &cobra.Command{
		Use:    sweepName + " TOKEN",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return engine.Sweep(args[0]) },
	}
}
