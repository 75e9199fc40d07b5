// Package cli is flow's command line: the commands, one file each, and the
// wiring of all other packages. docs and scripts rely on what it prints and on
// its exit codes.
package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK        = 0
	exitFailed    = 1   // the run failed
	exitUsage     = 2   // an invalid file, params or usage
	exitInternal  = 3   // flow itself went wrong
	exitCancelled = 130 // the run was cancelled
	exitUnread    = 141 // nobody reads the output any more: as by SIGPIPE
)

// codeError is an error with an exit code. Without Err it is silent: what there
// is to say was said.
type codeError struct {
	code int
	err  error
	hint string
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usage is an error of whoever called flow.
func usage(hint, format string, args ...any) error {
	return &codeError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// quiet ends with a code and nothing more to say.
func quiet(code int) error {
	if code == exitOK {
		return nil
	}
	return &codeError{code: code}
}

// streams are where a command reads and writes.
type streams struct {
	out io.Writer // results
	err io.Writer // talk
}

// Main runs the command line and returns the exit code. args are without the
// program's name.
func Main(args []string, stdout, stderr io.Writer) int {
	std := streams{out: stdout, err: stderr}
	root := newRoot(std)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return report(root.Execute(), stderr)
}

// report prints an error and returns the exit code that it stands for.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	coded, ok := errors.AsType[*codeError](err)
	if !ok {
		coded = &codeError{code: exitInternal, err: err}
	}
	if coded.err != nil {
		text := coded.err.Error()
		if err != error(coded) {
			text = err.Error() // with those that stand beside it
		}
		// Of several errors each has a line; they stand below each other.
		fmt.Fprintf(stderr, "flow: %s\n", strings.ReplaceAll(text, "\n", "\n      "))
		if coded.hint != "" {
			fmt.Fprintf(stderr, "hint: %s\n", coded.hint)
		}
	}
	return coded.code
}

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "flow",
		Short: "Runs workflows: tasks that are futures, in YAML files",
		Long: `flow runs workflows written as YAML files. Every task is a future; a task that
mentions another task's result depends on it. One binary, no service needed.`,
		Example: `  flow run examples/workflows/weather.yaml
  flow plan weather.yaml -p city=seattle
  flow validate workflows/*.yaml`,
		Version:       thisVersion().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(c.CommandPath()+" --help", "%w", flagError(err))
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelp())
	asParent(root,
		newRun(std), newPlan(std), newSimulate(std), newValidate(std), newGraph(std),
		newRuns(std), newShow(std), newLogs(std), newResume(std), newRetry(std), newCancel(std),
		newServe(std), newBackfill(std), newToken(std),
		newWhy(std), newSchedule(std), newGC(std), newFsck(std),
		newSchema(std), newVersion(std), newCompletion(std), newSweep(),
	)
	return root
}

// asParent makes a command one that has others, and does nothing itself.
func asParent(c *cobra.Command, children ...*cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(children...)
	return c
}

// newHelp is `flow help COMMAND`, which is `flow COMMAND --help`.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Shows what a command does",
		Example: "  flow help run",
		Args:    atMost(2),
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Root(), strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag() // as with --help, it is one of the flags that are listed
			return about.Help()
		},
	}
}

// unknownCommand tells of a word that is no command, and what it may have meant.
func unknownCommand(root *cobra.Command, word string) error {
	hint := root.CommandPath() + " --help lists the commands"
	if near := root.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + root.CommandPath() + " " + near[0] + "?"
	} else if ext := filepath.Ext(word); ext == ".yaml" || ext == ".yml" {
		hint = "to run a workflow: flow run " + word
	}
	return usage(hint, "unknown command %q", word)
}

// flagError is an error of a flag in users' words.
func flagError(err error) error {
	bad, ok := errors.AsType[*strconv.NumError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: not a whole number", strings.TrimSuffix(err.Error(), ": "+bad.Error()))
}

// atMost says how many arguments a command takes that takes no files.
func atMost(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(c.CommandPath()+" --help", "%s: there is no use for %q here", c.CommandPath(), args[n])
		}
		return nil
	}
}

// files says how many workflow files a command takes.
func files(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			example, _, _ := strings.Cut(strings.TrimSpace(c.Example), "\n")
			return usage("for example "+example, "%s needs a workflow file", c.CommandPath())
		case most > 0 && len(args) > most:
			hint := c.CommandPath() + " --help"
			if strings.Contains(args[most], "=") && c.Flags().Lookup("param") != nil {
				hint = "a param is given with -p " + args[most]
			}
			return usage(hint, "%s takes one workflow file, not %d arguments", c.CommandPath(), len(args))
		}
		return nil
	}
}

// completeFiles offers workflow files.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
