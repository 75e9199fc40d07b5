package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
)

// fates are those of the times in the ledger.
var fates = []string{"fired", "caught_up", "queued", "skipped", "missed", "disabled", "failed"}

func newScheduleLedger(std streams) *cobra.Command {
	var dir, fate string
	var n int
	var asJSON bool
	c := &cobra.Command{
		Use:   "ledger [WORKFLOW]",
		Short: "Shows what became of each time at which something was to start",
		Long: `Shows what became of each time of each schedule since a service first read it, and of
what files, other workflows, requests and people asked for, the newest first:

  fired      its run was started; how much later, where that is a second or more
  caught_up  its run was started after the service had been down (catchup)
  queued     its run starts when the one before it has ended (overlap: queue or replace)
  skipped    the one before it had not ended, or there was no place (overlap, concurrency)
  missed     no service was there to start it
  disabled   the schedule is switched off
  failed     its run could not begin`,
		Example: `  flow schedule ledger
  flow schedule ledger daily --fate missed -n 100`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if n < 0 || fate != "" && !slices.Contains(fates, fate) {
				return usage("", "-n is not negative, and --fate one of %s", strings.Join(fates, ", "))
			}
			f := store.LedgerFilter{Fate: fate, Limit: n}
			if len(args) == 1 {
				f.Workflow = args[0]
			}
			return withHome(dir, func(h *engine.Home) error { return listLedger(std, h, f, asJSON) })
		},
	}
	fl := c.Flags()
	fl.StringVar(&dir, "home", "", homeFlag)
	fl.StringVar(&fate, "fate", "", "with this `fate` only: "+strings.Join(fates, ", "))
	fl.IntVarP(&n, "number", "n", 20, "how many at most (0: all)")
	fl.BoolVar(&asJSON, "json", false, "print an object a line")
	return c
}

// ledgerLine is a line of `schedule ledger --json`.
type ledgerLine struct {
	Time     run.Time `json:"time"`
	Workflow string   `json:"workflow"`
	Trigger  string   `json:"trigger"`
	What     string   `json:"what,omitzero"`
	Fate     string   `json:"fate"`
	Shifted  bool     `json:"shifted"`
	Decided  run.Time `json:"decided_at"`
	Run      string   `json:"run,omitzero"`
	Note     string   `json:"note,omitzero"`
}

func listLedger(std streams, h *engine.Home, f store.LedgerFilter, asJSON bool) error {
	rows, err := h.Ledger(f)
	if err != nil {
		return err
	}
	st := newStyle(std.out)
	for i := range rows {
		r := &rows[i]
		if asJSON {
			fate, note := fateOf(r)
			err = encoder(std.out).Encode(ledgerLine{utc(r.At), r.Workflow, r.Trigger, whatOf(r), fate, r.Shifted, utc(r.Decided), runOf(r), note})
		} else {
			_, err = fmt.Fprintln(std.out, rowLine(r, st))
		}
		if err != nil {
			return err
		}
	}
	if len(rows) == 0 && !asJSON {
		return nothingIn(std, h, &f)
	}
	return nil
}

// nothingIn says why the ledger has nothing to show.
func nothingIn(std streams, h *engine.Home, f *store.LedgerFilter) error {
	causes, err := h.Causes()
	if err != nil {
		return err
	}
	why := "flow: nothing has been due yet"
	known := f.Workflow == ""
	for _, c := range causes {
		known = known || c.Workflow == f.Workflow
	}
	switch {
	case !known:
		why = "flow: no service of this home has read a workflow " + f.Workflow
	case f.Fate != "":
		why = "flow: no time with this fate"
	}
	_, err = fmt.Fprintln(std.err, why)
	return err
}

// whatOf is what caused a row, for people.
func whatOf(r *store.Row) string {
	if r.What == "" || r.Trigger == "manual" || r.Trigger == "backfill" {
		return r.Of
	}
	return r.What
}

// runOf is the run that a row has started; "": none.
func runOf(r *store.Row) string {
	if r.Fate == "failed" || r.Fate == "skipped" {
		return ""
	}
	return r.Run
}

// fateOf is a row's fate as it looks now: one whose run waits for its turn is queued.
func fateOf(r *store.Row) (fate, note string) {
	if r.Fate == "fired" && !r.Begun {
		return "queued", "waits for its turn"
	}
	return r.Fate, strings.TrimPrefix(r.Note, "skipped: ")
}

// rowLine is a row of the ledger in one line.
func rowLine(r *store.Row, st style) string {
	fate, note := fateOf(r)
	status := map[string]string{"fired": "succeeded", "caught_up": "succeeded", "missed": "failed", "failed": "failed"}[fate]
	if status == "" {
		status = "skipped"
	}
	at := r.At
	if i := strings.LastIndexByte(r.Of, ' '); i >= 0 && (r.Trigger == "schedule" || r.Trigger == "backfill") {
		if zone, err := time.LoadLocation(r.Of[i+1:]); err == nil { // the expression and its zone
			at = at.In(zone)
		}
	}
	parts := []string{at.Format("Mon 2006-01-02 15:04:05 -07:00"), st.status(status, pad(fate, 9)), pad(r.Workflow, 16)}
	if run := runOf(r); run != "" {
		parts = append(parts, st.faint(run))
	}
	what := r.Trigger
	if r.Trigger == "schedule" {
		what = ""
	}
	if of := whatOf(r); of != "" {
		what = strings.TrimSpace(what + " " + oneLine(of))
	}
	parts = append(parts, st.faint(what))
	if r.Shifted {
		parts = append(parts, "shifted by a clock change")
	}
	if late := r.Decided.Sub(r.At); r.Trigger == "schedule" && r.Note == "" && late >= time.Second && r.Run != "" {
		parts = append(parts, duration(late)+" late")
	}
	if note != "" {
		parts = append(parts, oneLine(note))
	}
	return strings.TrimRight(strings.Join(parts, "  "), " ")
}
