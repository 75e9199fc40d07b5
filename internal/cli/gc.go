package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/store"
)

func newGC(std streams) *cobra.Command {
	var dir, age string
	var keep store.Keep
	var dry, asJSON bool
	c := &cobra.Command{
		Use:   "gc",
		Short: "Removes old runs, and what belongs to no run",
		Long: `Removes runs that have ended and are not to be kept, with their logs, and results, logs,
folders and locks that belong to no run. Runs that have not ended are always kept. By itself
only flow serve removes anything; without limits only what belongs to no run goes. Times of
schedules whose fate is settled go as well, after --older-than, or 90 days.`,
		Example: `  flow gc --older-than 90d --keep 1000
  flow gc --older-than 30d --dry-run`,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			if keep.PerWorkflow < 0 || keep.Total < 0 {
				return usage("", "--keep and --keep-total are not negative")
			}
			if age != "" {
				d, err := dag.ParseDuration(age)
				if err != nil || d <= 0 {
					return usage("for example 90d", "--older-than %s: not a positive duration", age)
				}
				keep.Age = d
			}
			c, err := removed(dir, keep, dry)
			if c == nil {
				return err
			}
			return errors.Join(err, tell(std, c, dry, asJSON))
		},
	}
	fl := c.Flags()
	fl.StringVar(&dir, "home", "", homeFlag)
	fl.StringVar(&age, "older-than", "", "remove runs that ended longer ago than this `duration`")
	fl.IntVar(&keep.PerWorkflow, "keep", 0, "keep so many of each workflow, the newest (0: all)")
	fl.IntVar(&keep.Total, "keep-total", 0, "keep so many in all, the newest (0: all)")
	fl.BoolVar(&dry, "dry-run", false, "only tell what would be removed")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// removed is what gc removes; where the disk is full, without any room for that.
func removed(dir string, keep store.Keep, dry bool) (c *store.Collected, err error) {
	now := time.Now()
	do := func(h *engine.Home) (err error) {
		c, err = h.GC(keep, now, dry)
		return err
	}
	if dry {
		return c, withHome(dir, do)
	}
	err = withHomeBy(dir, engine.OpenHome, do)
	if !store.IsFull(err) {
		return c, err
	}
	before := c
	if alone := withHomeBy(dir, func(dir, _ string) (*engine.Home, error) { return store.OpenAlone(dir) }, do); alone != nil {
		return c, errors.Join(err, alone)
	}
	if before != nil {
		c.Values, c.Bytes, c.Strays = c.Values+before.Values, c.Bytes+before.Bytes, c.Strays+before.Strays
	}
	return c, nil
}

// collected is what gc --json prints.
type collected struct {
	Runs    []string `json:"runs"`
	Results int      `json:"results"`
	Bytes   int64    `json:"bytes"` // of the results
	Strays  int      `json:"strays"`
	Times   int64    `json:"times"`
	Dry     bool     `json:"dry_run"`
}

func tell(std streams, c *store.Collected, dry, asJSON bool) error {
	if asJSON {
		told := collected{make([]string, len(c.Runs)), c.Values, c.Bytes, c.Strays, c.Times, dry}
		for i := range c.Runs {
			told.Runs[i] = c.Runs[i].ID
		}
		return encoder(std.out).Encode(told)
	}
	done := "removed"
	if dry {
		done = "would be removed"
	}
	_, err := fmt.Fprintf(std.out, "%s: %s; of no run: %s (%s), %s; of schedules: %s\n", done, count(len(c.Runs), "run"),
		count(c.Values, "result"), size(c.Bytes), count(c.Strays, "stray file"), count(int(c.Times), "old time"))
	return err
}

// size shows a number of bytes: 340 B, 1.2 MB.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n), "kMGTPE"
	for i := range names {
		if value /= unit; value < unit || i == len(names)-1 {
			return fmt.Sprintf("%.1f %cB", value, names[i])
		}
	}
	return ""
}

func newFsck(std streams) *cobra.Command {
	var dir string
	var repair bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Checks all that is stored of runs, and repairs what can be",
		Long: `Reads all that is stored: the database, every event and summary, every result that is
named, and looks for what belongs to no run. It is to be called while no run is being
run. With --repair, events that can't be read are dropped from the end of runs that have
not ended, which flow resume then goes on with, and what belongs to no run is removed.

Exit codes: 0 nothing is wrong, or all of it was repaired, 1 something is wrong.`,
		Example: `  flow fsck
  flow fsck --repair`,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			return withHome(dir, func(h *engine.Home) error { return check(std, h, repair) })
		},
	}
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	c.Flags().BoolVar(&repair, "repair", false, "repair what can be")
	return c
}

func check(std streams, h *engine.Home, repair bool) error {
	found, err := h.Check(repair, time.Now())
	if err != nil {
		return err
	}
	left := 0
	for _, f := range found {
		line := f.What
		if f.Run != "" {
			line = "run " + f.Run + ": " + line
		}
		if f.Repaired {
			line += " (repaired)"
		} else {
			left++
		}
		if _, err := fmt.Fprintln(std.out, line); err != nil {
			return err
		}
	}
	if left > 0 {
		return quiet(exitFailed)
	}
	if len(found) == 0 {
		_, err = fmt.Fprintln(std.out, "nothing is wrong")
	}
	return err
}
