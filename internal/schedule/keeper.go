package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"flow/dag"
	"flow/internal/cron"
)

// Grace is how late a time may be decided on without having been missed.
const Grace = time.Minute

// chunk is how many times of one schedule are decided on in one transaction: after a long
// sleep, or a leap of the clock, there may be many.
const chunk = 1000

// backwards is how far the clock has to go back for its times to be looked at anew. The
// ledger sees to it that none is started twice.
const backwards = time.Minute

// Version is a workflow as it was read from its file.
type Version struct {
	File string // absolute
	Plan *dag.Plan
}

// Keeper decides what is started when. It is used by one goroutine.
type Keeper struct {
	ledger Ledger
	runner Runner

	entries map[string]*entry // by the key of the cause
	order   []*entry          // in order of workflow and place in the file
	of      map[string]*entry // by live run
	rows    map[string]Row    // by run: of those that have not begun
	known   map[string]Cause  // as the ledger had them

	first time.Time // when the next time is due
	due   bool      // there is one
	last  time.Time // the last Tick
}

// entry is a schedule or a trigger of a file.
type entry struct {
	cause   Cause
	version *Version
	index   int            // among the workflow's schedules, or its triggers
	trigger *dag.Trigger   // nil: it is a schedule, or what people start
	sched   *cron.Schedule // nil: it is no schedule
	def     *dag.Schedule
	jitter  time.Duration
	next    cron.Time // the next time, if any
	more    bool      // there is a next time

	live  []string // runs that it has started and that go on, the oldest first
	queue []Row    // waiting for these
}

// NewKeeper takes over from whoever kept the ledger before.
func NewKeeper(l Ledger, r Runner) (*Keeper, error) {
	known, err := l.Causes()
	if err != nil {
		return nil, err
	}
	return &Keeper{ledger: l, runner: r, known: known, entries: make(map[string]*entry), of: make(map[string]*entry), rows: make(map[string]Row)}, nil
}

// Update tells what the files say now. What is new counts from now on; what was counted
// before, also by an earlier keeper, goes on from where that was. After an error nothing is
// changed, and it is to be called again.
func (k *Keeper) Update(versions []*Version, now time.Time) error {
	entries, order := make(map[string]*entry), []*entry(nil)
	var changed []Cause
	for _, v := range versions {
		for _, e := range entriesOf(v) {
			if entries[e.cause.Key] != nil {
				continue // the same twice is once
			}
			if err := k.adopt(e, now); err != nil {
				return err
			}
			entries[e.cause.Key] = e
			order = append(order, e)
			if k.known[e.cause.Key] != e.cause {
				changed = append(changed, e.cause)
			}
		}
	}
	for key, c := range k.known {
		if c.Active && entries[key] == nil {
			c.Active = false
			changed = append(changed, c)
		}
	}
	settle := k.unqueue(entries, now.Truncate(time.Millisecond))
	if len(changed) > 0 || len(settle) > 0 {
		if _, err := k.ledger.Decide(changed, nil, settle); err != nil {
			return err
		}
	}
	for _, c := range changed {
		k.known[c.Key] = c
	}
	k.entries, k.order = entries, order
	for _, e := range order {
		if !e.cause.Active {
			e.queue = nil
		}
		for _, run := range e.live {
			k.of[run] = e
		}
	}
	k.look()
	return nil
}

// unqueue returns the rows that wait for their turn of schedules that are gone, or are
// switched off, as they are to be kept.
func (k *Keeper) unqueue(entries map[string]*entry, now time.Time) []Row {
	var settle []Row
	for key, old := range k.entries {
		e := entries[key]
		if len(old.queue) == 0 || e != nil && e.cause.Active {
			continue
		}
		note := "its schedule was removed before its turn came"
		if e != nil {
			note = offNote
		}
		for _, r := range old.queue {
			r.Fate, r.Begun, r.Note, r.Decided = Skipped, true, note, now
			settle = append(settle, r)
		}
	}
	return settle
}

const offNote = "its schedule was switched off before its turn came"

// adopt gives an entry its state: that of the one before it in this keeper, that of the
// ledger, or a new one.
func (k *Keeper) adopt(e *entry, now time.Time) error {
	old, was := k.entries[e.cause.Key], k.known[e.cause.Key]
	switch {
	case old != nil:
		e.live, e.queue = old.live, old.queue
	case was.Key != "" && e.sched != nil: // an earlier keeper's, or it was away for a while
		run, err := k.ledger.LastRun(e.cause.Key)
		if err != nil {
			return err
		}
		live := false
		if run != "" {
			if live, err = k.runner.Live(run); err != nil {
				return err
			}
		}
		if live {
			e.live = []string{run}
		}
	}
	switch {
	case e.cause.Active && was.Active:
		e.cause.Upto = was.Upto
		if old != nil {
			e.cause.Upto = old.cause.Upto
		}
	case !e.cause.Active && old != nil && !old.cause.Active:
		e.cause.Upto = old.cause.Upto
	default:
		e.cause.Upto = now.Truncate(time.Millisecond)
	}
	e.seek()
	return nil
}

// entriesOf are the schedules and triggers of a workflow.
func entriesOf(v *Version) []*entry {
	w := v.Plan.Workflow
	var all []*entry
	for i := range w.Schedules {
		d := &w.Schedules[i]
		s, err := cron.Parse(d.Cron, d.Timezone, d.Start)
		if err != nil {
			continue // the file would not be valid
		}
		key := Key(w, d)
		all = append(all, &entry{
			cause:   Cause{Key: key, Workflow: w.Name, Trigger: "schedule", What: d.Cron + " " + d.Timezone, Active: d.Enabled},
			version: v, index: i, sched: s, def: d, jitter: jitterOf(key, d.Jitter),
		})
	}
	for i := range w.Triggers {
		t := &w.Triggers[i]
		c := Cause{Key: KeyOfTrigger(w, t), Workflow: w.Name, Active: true}
		switch {
		case t.File != "":
			c.Trigger, c.What = "file", t.File
		case t.Workflow != "":
			c.Trigger, c.What = "workflow", t.Workflow
		default:
			c.Trigger, c.What = "webhook", t.Webhook
		}
		all = append(all, &entry{cause: c, version: v, index: i, trigger: t})
	}
	return append(all, &entry{cause: Cause{Key: KeyOfPeople(w.Name), Workflow: w.Name, Trigger: "manual", Active: true}, version: v})
}

// seek finds the next time after Upto.
func (e *entry) seek() {
	e.more = false
	if e.sched == nil {
		return
	}
	e.next, e.more = Next(e.sched, e.def, e.cause.Upto)
}

// Next is the first time of a schedule after a moment, within its start and end; false:
// there is none.
func Next(s *cron.Schedule, def *dag.Schedule, after time.Time) (cron.Time, bool) {
	if !def.Start.IsZero() && after.Before(def.Start) {
		after = def.Start.Add(-time.Nanosecond)
	}
	t, ok := s.Next(after)
	return t, ok && (def.End.IsZero() || t.At.Before(def.End))
}

// due is when the next time is to be decided on.
func (e *entry) due() time.Time { return e.next.At.Add(e.jitter) }

// Next returns when Tick is to be called at the latest; false: never, as it looks now.
func (k *Keeper) Next() (time.Time, bool) { return k.first, k.due }

// look finds what is due next.
func (k *Keeper) look() {
	k.due = false
	for _, e := range k.order {
		if e.more && (!k.due || e.due().Before(k.first)) {
			k.first, k.due = e.due(), true
		}
	}
}

// Tick decides on all times that have come. After an error it is to be called again: what
// was not recorded has not changed. more: there are so many that it is to be called again at
// once. Its cost is linear in schedules.
func (k *Keeper) Tick(now time.Time) (more bool, err error) {
	if err := k.advance(now); err != nil {
		return false, err
	}
	d := k.decision(now)
	if !k.last.IsZero() && !d.now.Before(k.last) && (!k.due || d.now.Before(k.first)) {
		k.last = d.now
		return false, nil
	}
	defer k.look()
	k.last = d.now
	for _, e := range k.order {
		if d.now.Before(e.cause.Upto.Add(-backwards)) {
			e.cause.Upto = d.now // the clock was set back
			e.seek()
		}
		if e.more && !e.due().After(d.now) {
			more = d.take(e) || more
		}
	}
	return more, d.carryOut()
}

// decision is what a Tick comes to.
type decision struct {
	k       *Keeper
	now     time.Time
	before  map[*entry]undo // how the entries were
	rows    []Row
	of      []*entry // by row
	replace []string // runs that are to make room
	settle  []Row    // queued rows that a newer one takes the place of
}

// undo is an entry as it was.
type undo struct {
	copy  entry
	runs  []string
	queue []Row
}

func (k *Keeper) decision(now time.Time) *decision {
	return &decision{k: k, now: now.Truncate(time.Millisecond), before: make(map[*entry]undo)}
}

// touch notes how an entry was, before it is changed first.
func (d *decision) touch(e *entry) {
	if _, done := d.before[e]; !done {
		d.before[e] = undo{*e, slices.Clone(e.live), slices.Clone(e.queue)}
	}
}

// undo makes the entries what they were.
func (d *decision) undo() {
	for e, u := range d.before {
		*e = u.copy
		e.live, e.queue = u.runs, u.queue
	}
}

// take decides on the times of one schedule.
func (d *decision) take(e *entry) (more bool) {
	d.touch(e)
	var times []cron.Time
	for e.more && !e.due().After(d.now) && len(times) < chunk {
		times = append(times, e.next)
		e.cause.Upto = e.next.At
		e.seek()
	}
	more = e.more && !e.due().After(d.now)
	catch := d.caught(e, times, more)
	for i, t := range times {
		switch onTime := d.now.Sub(t.At.Add(e.jitter)) <= Grace; {
		case !e.cause.Active:
			d.add(e, t, Disabled, "")
		case onTime && e.def.Overlap == "skip" && e.def.Catchup != "all" && (more || i < len(times)-1):
			d.add(e, t, Skipped, "the time after it was due as well")
		case onTime:
			d.fire(e, t, Fired, e.def.Catchup == "all" && (i > 0 || len(e.queue) > 0))
		case catch[i]:
			d.fire(e, t, CaughtUp, true)
		default:
			d.add(e, t, Missed, "nobody was there for "+span(d.now.Sub(t.At)))
		}
	}
	return more
}

// caught says which of the times that were missed are caught up.
func (d *decision) caught(e *entry, times []cron.Time, more bool) []bool {
	catch := make([]bool, len(times))
	last := -1
	for i, t := range times {
		late := d.now.Sub(t.At.Add(e.jitter))
		if late <= Grace {
			break
		}
		if late <= e.def.CatchupWindow {
			last = i
			catch[i] = e.def.Catchup == "all"
		}
	}
	// The latest is that of the last chunk, and none where one fires that is on time.
	if e.def.Catchup == "latest" && last == len(times)-1 && !more && last >= 0 {
		catch[last] = true
	}
	return catch
}

// fire decides on a time that is to start a run, by what the schedule says of overlaps; one
// of several that are caught up waits for those before it.
func (d *decision) fire(e *entry, t cron.Time, fate string, several bool) {
	busy := len(e.live) > 0 || len(e.queue) > 0
	overlap := e.def.Overlap
	if several && overlap != "allow" {
		overlap = "queue"
	}
	switch {
	case !busy || overlap == "allow":
		r := d.add(e, t, fate, "")
		r.Run, r.Begun = d.k.runner.NewID(), false
		e.live = append(e.live, r.Run)
	case overlap == "queue":
		r := d.add(e, t, Queued, d.waits(e))
		r.Begun = false
		e.queue = append(e.queue, *r)
	case overlap == "replace":
		for _, q := range e.queue {
			q.Fate, q.Begun, q.Decided, q.Note = Skipped, true, d.now, "a newer time took its place"
			d.settle = append(d.settle, q)
		}
		d.replace = append(d.replace, e.live...)
		r := d.add(e, t, Queued, d.waits(e))
		r.Begun = false
		e.queue = append(e.queue[:0:0], *r)
	default:
		d.add(e, t, Skipped, d.waits(e))
	}
}

// waits says what stands in a time's way.
func (d *decision) waits(e *entry) string {
	if len(e.live) == 0 {
		return fmt.Sprintf("%d times are queued before it", len(e.queue))
	}
	return "run " + e.live[len(e.live)-1] + " had not ended"
}

func (d *decision) add(e *entry, t cron.Time, fate, note string) *Row {
	d.rows = append(d.rows, Row{
		Key: e.cause.Key, At: t.At, Fate: fate, Shifted: t.Shifted, Decided: d.now, Begun: true, Note: note,
		Workflow: e.cause.Workflow, Trigger: e.cause.Trigger, Of: e.cause.What,
	})
	d.of = append(d.of, e)
	return &d.rows[len(d.rows)-1]
}

// carryOut records the decision and starts what it comes to.
func (d *decision) carryOut() error {
	if len(d.before) == 0 {
		return nil
	}
	causes := make([]Cause, 0, len(d.before))
	for e := range d.before {
		causes = append(causes, e.cause)
	}
	fresh, err := d.k.ledger.Decide(causes, d.rows, d.settle)
	if err != nil {
		d.undo()
		return err
	}
	for _, c := range causes {
		d.k.known[c.Key] = c
	}
	for _, run := range d.replace {
		d.k.runner.Replace(run)
	}
	for i := range d.rows {
		r, e := &d.rows[i], d.of[i]
		switch {
		case !fresh[i]: // somebody was before us
			e.drop(r)
		case r.Run != "":
			d.k.launch(e, r)
		}
	}
	return d.k.advance(d.now) // what was queued behind one that was dropped
}

// drop forgets what was decided on a time that has its row already.
func (e *entry) drop(r *Row) {
	e.live = slices.DeleteFunc(e.live, func(run string) bool { return run == r.Run })
	e.queue = slices.DeleteFunc(e.queue, func(q Row) bool { return q.At.Equal(r.At) && q.What == r.What })
}

// launch gives a row's run to the runner.
func (k *Keeper) launch(e *entry, r *Row) {
	if k.rows[r.Run] = *r; e.sched != nil {
		k.of[r.Run] = e
	}
	f := Firing{
		Run: r.Run, Version: e.version, Trigger: e.cause.Trigger, Schedule: -1, Key: e.cause.Key,
	}
	if r.Params != "" {
		_ = json.Unmarshal([]byte(r.Params), &f.Order) // as Saw wrote it
	}
	if e.sched != nil {
		t, _ := e.sched.Next(r.At.Add(-time.Nanosecond)) // in its zone
		f.At, f.From, f.To, f.Schedule = t.At, t.At, t.At, e.index
		if prev, ok := e.sched.Prev(r.At); ok {
			f.From = prev.At
		}
	}
	k.runner.Launch(f)
}

// span is a duration for people.
func span(d time.Duration) string {
	if d < time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// ErrSkipped refuses a run: there is no place for it (concurrency), or another one has
// taken that.
var ErrSkipped = errors.New("skipped")
