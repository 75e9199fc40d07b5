package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/internal/cron"
)

func newSchedule(std streams) *cobra.Command {
	return asParent(&cobra.Command{
		Use:     "schedule",
		Short:   "Shows when schedules fire, and what became of their times",
		Example: "  flow schedule next daily.yaml\n  flow schedule ledger daily",
	}, newScheduleNext(std), newScheduleLedger(std))
}

// scheduleFlags are those of `schedule next`.
type scheduleFlags struct {
	cron, zone, from string
	n                int
	json             bool
}

func newScheduleNext(std streams) *cobra.Command {
	f := &scheduleFlags{}
	c := &cobra.Command{
		Use:   "next [FILE]",
		Short: "Shows the next times of a workflow's schedules, or of an expression",
		Long: `Shows the next times of a workflow's schedules, or of an expression. A time that a
clock change skips is marked with what it is in place of.`,
		Example: `  flow schedule next daily.yaml
  flow schedule next --cron "30 2 * * *" --timezone Europe/Berlin --from 2026-03-27 -n 5`,
		ValidArgsFunction: completeFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if f.n < 1 || f.n > 100_000 {
				return usage("", "-n is from 1 to 100000")
			}
			if !c.Flags().Changed("cron") {
				if c.Flags().Changed("timezone") {
					return usage("", "--timezone goes with --cron: a file says the zone of its schedules")
				}
				if err := files(1, 1)(c, args); err != nil {
					return err
				}
				return nextOfFile(std, args[0], f)
			}
			if len(args) > 0 {
				return usage("", "flow schedule next takes a workflow file or --cron, not both")
			}
			return nextOfExpression(std, f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.cron, "cron", "", "an `expression` in place of a file: five fields, @daily, @every 15m")
	fl.StringVar(&f.zone, "timezone", "UTC", "its `zone`, such as Europe/Berlin")
	fl.StringVar(&f.from, "from", "", "times after this `moment` (now): 2026-01-31, 2026-01-31T06:30 in the schedule's zone, or with an offset")
	fl.IntVarP(&f.n, "number", "n", 10, "how many")
	fl.BoolVar(&f.json, "json", false, "print an object a line")
	return c
}

func nextOfExpression(std streams, f *scheduleFlags) error {
	if _, err := cron.Parse("@daily", f.zone, time.Time{}); err != nil {
		hint := "names are those of the IANA database, such as Europe/Berlin"
		if near := dag.NearestZone(f.zone); near != "" {
			hint = "did you mean " + near + "?"
		}
		return usage(hint, "--timezone: there is no time zone %q", f.zone)
	}
	sched, err := cron.Parse(f.cron, f.zone, time.Time{})
	if err != nil {
		return usage("", "--cron: %s", strings.TrimPrefix(err.Error(), "cron: "))
	}
	for _, w := range sched.Warnings() {
		fmt.Fprintf(std.err, "warning: %s\n", w)
	}
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return err
	}
	from, err := f.moment(zone)
	if err != nil {
		return err
	}
	t := &timetable{def: &dag.Schedule{Cron: f.cron, Timezone: f.zone}, sched: sched}
	t.advance(from)
	l := listing{times: merge([]*timetable{t}, f.n), now: f.now()}
	return l.print(std, f.json)
}

func nextOfFile(std streams, file string, f *scheduleFlags) error {
	plan, err := load(std, file)
	if err != nil {
		return err
	}
	w := plan.Workflow
	from, err := f.moment(w.Zone())
	if err != nil {
		return err
	}
	if len(w.Schedules) == 0 {
		fmt.Fprintf(std.err, "flow: %s has no schedule\n", file)
		return nil
	}
	var tables []*timetable
	for i := range w.Schedules {
		def := &w.Schedules[i]
		sched, err := cron.Parse(def.Cron, def.Timezone, def.Start)
		if err != nil {
			return err
		}
		t := &timetable{def: def, sched: sched}
		switch t.advance(from); {
		case !def.Enabled:
			fmt.Fprintf(std.err, "flow: %s: not enabled\n", named(def))
		case !t.more:
			fmt.Fprintf(std.err, "flow: %s: never again\n", named(def))
		default:
			tables = append(tables, t)
		}
	}
	l := listing{times: merge(tables, f.n), file: true, several: len(w.Schedules) > 1, now: f.now()}
	return l.print(std, f.json)
}

// moment is that of --from, or now.
func (f *scheduleFlags) moment(zone *time.Location) (time.Time, error) {
	if f.from == "" {
		return time.Now(), nil
	}
	t, ok := dag.ParseMoment(f.from, zone)
	if !ok {
		return t, usage("", "--from: %q is no date or time; write one as 2026-01-31 or 2026-01-31T06:30", f.from)
	}
	return t, nil
}

// now is what times are told relative to: nothing where --from says from when on.
func (f *scheduleFlags) now() time.Time {
	if f.from != "" {
		return time.Time{}
	}
	return time.Now()
}
