package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/cron"
	"flow/internal/home"
	"flow/internal/run"
	"flow/internal/schedule"
	"flow/internal/store"
)

// backfillFlags are the flags of backfill.
type backfillFlags struct {
	from, to   string
	schedule   int
	jobs       int
	dry, all   bool
	json       bool
	home       string
	durability string
}

func newBackfill(std streams) *cobra.Command {
	f := &backfillFlags{}
	c := &cobra.Command{
		Use:   "backfill WORKFLOW --from D --to D",
		Short: "Runs a workflow for past times of its schedules",
		Long: `Runs a workflow for the times that its schedules have from one day to another, both
included, the first first: each run has the scheduled_at, the interval and the params that
it would have had then. A day may be a moment too, 2026-01-31T06:30, in the schedule's zone.
WORKFLOW is a file, or the name of one that was run or served before.

A time for which a run has succeeded already, on schedule or by a backfill, is left out:
the same command once more does only what is still to be done. What was interrupted goes
on. Enabled or not does not matter; start and end of the schedule do.`,
		Example: `  flow backfill daily.yaml --from 2026-01-01 --to 2026-01-31 --dry-run
  flow backfill daily --from 2026-01-01 --to 2026-01-31 --jobs 4`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if f.from == "" || f.to == "" {
				return usage("for example --from 2026-01-01 --to 2026-01-31", "flow backfill needs --from and --to")
			}
			if f.jobs < 1 || f.jobs > 1000 {
				return usage("", "--jobs is from 1 to 1000")
			}
			return backfill(c.Context(), std, args[0], f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.from, "from", "", "the first `day` or moment")
	fl.StringVar(&f.to, "to", "", "the last `day` or moment")
	fl.IntVar(&f.schedule, "schedule", 0, "only this one of several schedules, from 1 (0: all)")
	fl.IntVar(&f.jobs, "jobs", 1, "runs at once")
	fl.BoolVar(&f.dry, "dry-run", false, "show what would be run")
	fl.BoolVar(&f.all, "all", false, "run times again that have a run which succeeded")
	fl.BoolVar(&f.json, "json", false, "print an object a line")
	fl.StringVar(&f.home, "home", "", homeFlag)
	fl.StringVar(&f.durability, "durability", "normal", "what a power cut may cost: `full` (nothing), normal (the last moments) or off")
	return c
}

// past is a time of a schedule that is to have a run.
type past struct {
	index  int // of the schedule
	key    string
	at     time.Time
	before time.Time // the time before
	run    string    // the newest run for it; "": none
	status string    // of that
}

// todo says what is to be done about it: "", "run" or "resume".
func (p *past) todo(all bool) string {
	switch {
	case p.status == "running" || p.status == "succeeded" && !all:
		return ""
	case p.status == "interrupted":
		return "resume"
	}
	return "run"
}

func backfill(ctx context.Context, std streams, name string, f *backfillFlags) error {
	keep := keepFlags{home: f.home, durability: f.durability}
	dir, err := homeDir(f.home)
	if err != nil {
		return err
	}
	file, err := fileOf(name, f.home)
	if err != nil {
		return err
	}
	plan, err := load(std, file)
	if err != nil {
		return err
	}
	if err := supported(std, plan.Workflow); err != nil {
		return err
	}
	times, err := pastTimes(plan.Workflow, f, time.Now())
	if err != nil {
		return err
	}
	if f.dry && !store.Exists(dir) {
		return tellPast(std, plan.Workflow, times, f)
	}
	h, err := keep.open()
	if err != nil {
		return err
	}
	code, err := func() (int, error) {
		if err := knownRuns(h, times); err != nil {
			return 0, err
		}
		if f.dry {
			return 0, tellPast(std, plan.Workflow, times, f)
		}
		release, err := h.Hold("backfill-" + plan.Workflow.Name)
		if err != nil {
			if owned, ok := errors.AsType[*store.OwnedError](err); ok {
				return 0, &codeError{code: exitFailed, err: fmt.Errorf("process %d is at a backfill of %s", owned.Owner.PID, plan.Workflow.Name)}
			}
			return 0, err
		}
		b := &backfiller{std: std, flags: f, plan: plan, home: h, dir: dir, style: newStyle(std.out)}
		code, err := b.run(ctx, times)
		return code, errors.Join(err, release())
	}()
	if err := errors.Join(err, h.Close()); err != nil {
		return err
	}
	return quiet(code)
}

// fileOf is the file of a workflow that is named by it, or by its name.
func fileOf(name, homeFlag string) (string, error) {
	if _, err := os.Stat(name); err == nil || filepath.Ext(name) != "" || strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	file := ""
	err := lookIfThere(homeFlag, func(h *engine.Home) error {
		if h == nil {
			return usage("", "%s: there is no such file, and no home in which a workflow of that name is known", name)
		}
		for r, err := range h.Runs(store.Filter{Workflow: name, Limit: 1}) {
			file = r.File
			return err
		}
		if found, err := h.GoodFile(func(file string, text []byte) bool {
			w, _ := dag.Parse(file, text)
			return w != nil && w.Name == name
		}); err != nil || found != "" {
			file = found
			return err
		}
		return usage("give its file", "%s is no file, and no workflow of that name was run or served in this home", name)
	})
	return file, err
}

// pastTimes are the times of a workflow's schedules that are asked for, the first first.
func pastTimes(w *dag.Workflow, f *backfillFlags, now time.Time) ([]*past, error) {
	if len(w.Schedules) == 0 {
		return nil, usage("", "%s has no schedule: there are no times to run it for", w.Name)
	}
	if f.schedule < 0 || f.schedule > len(w.Schedules) {
		return nil, usage("", "--schedule %d: it is from 1 to %d", f.schedule, len(w.Schedules))
	}
	var all []*past
	for i := range w.Schedules {
		if f.schedule != 0 && f.schedule != i+1 {
			continue
		}
		d := &w.Schedules[i]
		s, err := cron.Parse(d.Cron, d.Timezone, d.Start)
		if err != nil {
			return nil, err
		}
		from, err := dayOrMoment("--from", f.from, d.Timezone, false)
		if err != nil {
			return nil, err
		}
		to, err := dayOrMoment("--to", f.to, d.Timezone, true)
		if err != nil {
			return nil, err
		}
		if to.Before(from) {
			return nil, usage("", "--to is before --from")
		}
		if to.After(now) {
			to = now // what is to come is the service's
		}
		for t, ok := schedule.Next(s, d, from.Add(-time.Nanosecond)); ok && !t.At.After(to); t, ok = schedule.Next(s, d, t.At) {
			p := &past{index: i, key: schedule.Key(w, d), at: t.At, before: t.At}
			if prev, ok := s.Prev(t.At); ok {
				p.before = prev.At
			}
			if all = append(all, p); len(all) > mostPast {
				return nil, usage("choose a shorter span", "these are more than %d times", mostPast)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *past) int { return a.at.Compare(b.at) })
	return all, nil
}

// mostPast is how many times one backfill has at most.
const mostPast = 100_000

// dayOrMoment reads a day or a moment in a zone; the end of a day is its last instant.
func dayOrMoment(flag, text, zone string, end bool) (time.Time, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	if t, err := time.ParseInLocation("2006-01-02", text, loc); err == nil {
		if end {
			t = t.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		return t, nil
	}
	t, ok := dag.ParseMoment(text, loc)
	if !ok {
		return t, usage("for example 2026-01-31, or 2026-01-31T06:30", "%s %q is no day, and no moment", flag, text)
	}
	return t, nil
}

// backfillKey is the identity of the backfills of a schedule in the ledger.
func backfillKey(key string) string { return "backfill-" + key }

// knownRuns finds the newest run that each time has.
func knownRuns(h *engine.Home, times []*past) error {
	for _, p := range times {
		var ids []string
		for _, key := range []string{p.key, backfillKey(p.key)} {
			rows, err := h.Ledger(store.LedgerFilter{Key: key, At: p.at})
			if err != nil {
				return err
			}
			for i := range rows {
				ids = append(ids, rows[i].Run)
			}
		}
		slices.Sort(ids) // they sort by time
		for _, id := range slices.Backward(ids) {
			rec, err := h.Get(id)
			if errors.Is(err, store.ErrNoRun) {
				continue // it did not begin, or is not kept any more
			}
			if err != nil {
				return err
			}
			// The newest counts, but for one that succeeded: that will do.
			if p.run == "" || rec.Status == "succeeded" {
				p.run, p.status = rec.ID, statusOf(h, &rec)
			}
			if rec.Status == "succeeded" {
				break
			}
		}
	}
	return nil
}

// pastLine is a line of `backfill --json`.
type pastLine struct {
	Time     run.Time `json:"time"`
	Run      string   `json:"run,omitzero"`
	Status   string   `json:"status,omitzero"` // of that run
	Do       string   `json:"do,omitzero"`     // with --dry-run: run, resume or nothing
	Duration float64  `json:"duration_s,omitzero"`
	Message  string   `json:"message,omitzero"`
}

// tellPast shows what would be done.
func tellPast(std streams, w *dag.Workflow, times []*past, f *backfillFlags) error {
	n := 0
	for _, p := range times {
		do := p.todo(f.all)
		if do != "" {
			n++
		}
		if f.json {
			if do == "" {
				do = "nothing"
			}
			if err := encoder(std.out).Encode(pastLine{Time: run.Time{Time: p.at}, Run: p.run, Status: p.status, Do: do}); err != nil {
				return err
			}
			continue
		}
		what := map[string]string{"": "nothing", "run": "run", "resume": "resume " + p.run}[do]
		if p.run != "" {
			what += " (run " + p.run + " " + p.status + ")"
		}
		if _, err := fmt.Fprintf(std.out, "%s  %s\n", p.at.Format("Mon 2006-01-02 15:04 -07:00"), what); err != nil {
			return err
		}
	}
	if !f.json {
		fmt.Fprintf(std.err, "flow: %s: %s, %d to be run\n", w.Name, count(len(times), "time"), n)
	}
	return nil
}

// backfiller runs past times.
type backfiller struct {
	std    streams
	flags  *backfillFlags
	plan   *dag.Plan
	home   *engine.Home
	dir    string
	style  style
	engine *engine.Engine

	mu        sync.Mutex
	running   map[*engine.Run]bool
	failed    int
	cancelled int
	done      int
	stopped   bool
}

func (b *backfiller) run(ctx context.Context, times []*past) (int, error) {
	signals := newSignals()
	defer signals.stop()
	b.engine = engine.New(engine.Subreaper(sweepName), engine.History(b.home))
	b.running = make(map[*engine.Run]bool)
	waits, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go b.heed(signals, cancel, over)

	queue := make(chan *past)
	var group sync.WaitGroup
	errs := make([]error, b.flags.jobs)
	for k := range b.flags.jobs {
		group.Go(func() {
			for p := range queue {
				if err := b.one(waits, p); err != nil {
					errs[k] = err
					cancel(err)
				}
			}
		})
	}
	left := 0
	for _, p := range times {
		if p.todo(b.flags.all) == "" {
			left++
			continue
		}
		if waits.Err() != nil {
			break
		}
		select {
		case queue <- p:
		case <-waits.Done():
		}
	}
	close(queue)
	group.Wait()
	err := errors.Join(append(errs, b.engine.Close())...)
	if err != nil {
		return exitInternal, err
	}
	if !b.flags.json {
		fmt.Fprintf(b.std.err, "flow: %s: %d of %s run, %d failed, %d cancelled, %d had a run already\n", b.plan.Workflow.Name, b.done, count(len(times), "time"), b.failed, b.cancelled, left)
	}
	switch {
	case b.stopped:
		return exitCancelled, nil
	case b.failed+b.cancelled > 0:
		return exitFailed, nil
	}
	return exitOK, nil
}

// heed cancels what runs at the first signal, and kills it at the second.
func (b *backfiller) heed(s *signals, cancel context.CancelCauseFunc, over <-chan struct{}) {
	for n := 0; ; {
		select {
		case <-over:
			return
		case sig := <-s.came:
			if sig == home.Replace {
				continue // a backfill makes no room: its runs are wanted one by one
			}
			n++
			b.mu.Lock()
			b.stopped = true
			for r := range b.running {
				if n > 1 {
					r.Kill()
				} else {
					r.Cancel()
				}
			}
			b.mu.Unlock()
			cancel(errors.New(signalName(sig)))
		}
	}
}

// one runs one time. An error is of flow itself.
func (b *backfiller) one(ctx context.Context, p *past) error {
	w := b.plan.Workflow
	id := engine.NewID()
	var place *home.Place
	if n := w.Concurrency.MaxRuns; n > 0 {
		var err error
		place, err = home.Take(ctx, home.Request{Home: b.dir, Workflow: w.Name, Run: id, Places: n, OnLimit: "queue"})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r, err := b.begin(ctx, p, id)
	if err != nil && ctx.Err() != nil { // it was told to stop
		return place.Free()
	}
	if err != nil {
		return errors.Join(startError(err), place.Free())
	}
	b.mu.Lock()
	b.running[r] = true
	if b.stopped {
		r.Cancel()
	}
	b.mu.Unlock()
	began := time.Now()
	summary, err := r.Wait(context.Background())
	b.mu.Lock()
	delete(b.running, r)
	b.mu.Unlock()
	if err := errors.Join(err, place.Free()); err != nil {
		return err
	}
	return b.tell(p, summary, time.Since(began))
}

// begin begins the run of a time, once that is in the ledger.
func (b *backfiller) begin(ctx context.Context, p *past, id string) (*engine.Run, error) {
	if p.todo(b.flags.all) == "resume" {
		return b.engine.Resume(p.run, engine.Options{Context: ctx})
	}
	w := b.plan.Workflow
	d := &w.Schedules[p.index]
	now := time.Now()
	cause := store.Cause{Key: backfillKey(p.key), Workflow: w.Name, Trigger: "backfill", What: d.Cron + " " + d.Timezone, Upto: now}
	row := store.Row{Key: cause.Key, At: p.at, What: "run " + id, Fate: schedule.Fired, Decided: now, Run: id, Begun: true}
	if _, err := b.home.Decide([]store.Cause{cause}, []store.Row{row}, nil); err != nil {
		return nil, &engine.FolderError{Err: err}
	}
	return b.engine.Start(b.plan, engine.Options{
		ID: id, Trigger: "backfill", ScheduledAt: p.at, IntervalStart: p.before, IntervalEnd: p.at, Bound: d.Params, Context: ctx,
	})
}

// tell shows how a run has ended.
func (b *backfiller) tell(p *past, s *engine.Summary, took time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	switch s.Status {
	case "failed":
		b.failed++
	case "cancelled":
		b.cancelled++
	}
	if b.flags.json {
		return encoder(b.std.out).Encode(pastLine{Time: run.Time{Time: p.at}, Run: s.Run, Status: s.Status, Duration: took.Round(time.Millisecond).Seconds(), Message: s.Why()})
	}
	line := fmt.Sprintf("%s %s  %s  %s  %s", b.style.status(s.Status, mark(s.Status)), p.at.Format("Mon 2006-01-02 15:04 -07:00"),
		b.style.faint(s.Run), b.style.status(s.Status, pad(s.Status, 9)), duration(took))
	if why := cmp.Or(s.Why(), s.Reason); why != "" {
		line += "  " + why
	}
	_, err := fmt.Fprintln(b.std.out, line)
	return err
}
