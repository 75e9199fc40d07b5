package cli

import (
	"github.com/spf13/cobra"

	"flow/dag"
)

func newValidate(std streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Checks workflow files and prints what is wrong with them",
		Long: `Checks workflow files and prints what is wrong with them, all of it, to standard
output. Errors: exit code 2; warnings alone: 0.`,
		Example:           "  flow validate workflows/*.yaml",
		Args:              files(1, 0),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return validate(std, args, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one finding a line, as JSON")
	return c
}

// finding is a diagnostic as JSON.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitzero"`
	Column   int    `json:"column,omitzero"`
	Severity string `json:"severity"` // "error" or "warning"
	Message  string `json:"message"`
}

func validate(std streams, names []string, asJSON bool) error {
	bad := false
	for _, name := range names {
		w, found, err := dag.Load(name)
		if err != nil {
			report(unreadable(name, err), std.err) // the others are checked all the same
			bad = true
			continue
		}
		bad = bad || w == nil
		if asJSON {
			err = encodeFindings(std, found)
		} else {
			err = dag.WriteDiagnostics(std.out, found)
		}
		if err != nil {
			return err
		}
	}
	if bad {
		return quiet(exitUsage)
	}
	return nil
}

func encodeFindings(std streams, found []dag.Diagnostic) error {
	enc := encoder(std.out)
	for _, d := range found {
		f := finding{File: d.File, Line: d.Pos.Line, Column: d.Pos.Col, Severity: "error", Message: d.Message}
		if d.Warning {
			f.Severity = "warning"
		}
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
