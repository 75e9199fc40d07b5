package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/internal/run"
)

func newSchema(std streams) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Prints the JSON Schema of the workflow file",
		Long:    "Prints the JSON Schema of the workflow file, for editors: completion and checks while you type.",
		Example: "  flow schema > flow.schema.json",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := std.out.Write(dag.Schema())
			return err
		},
	}
}

// version is what `flow version` tells.
type version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitzero"`
	Machine int    `json:"machine"` // version of the run's semantics
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersion(std streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Prints the version",
		Example: "  flow version --json",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			if asJSON {
				return json.NewEncoder(std.out).Encode(v)
			}
			_, err := fmt.Fprintln(std.out, v)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (v version) String() string {
	return fmt.Sprintf("flow %s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch)
}

func thisVersion() version {
	v := version{Version: "devel", Machine: run.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; m != "" && m != "(devel)" {
		v.Version = m
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func newCompletion(std streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Prints the completion script of a shell",
		Example: `  flow completion bash > /etc/bash_completion.d/flow
  flow completion zsh > "${fpath[1]}/_flow"`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("one of bash, zsh, fish, powershell", "flow completion needs the name of one shell")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(std.out, true)
			case "zsh":
				return root.GenZshCompletion(std.out)
			case "fish":
				return root.GenFishCompletion(std.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(std.out)
			}
			return usage("one of bash, zsh, fish, powershell", "no completion for %q", args[0])
		},
	}
}
