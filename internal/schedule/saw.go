package schedule

import (
	"encoding/json"
	"fmt"
	"time"
)

// Order says how a run is to be made that no schedule starts. The zero value is a whole
// run with the defaults of its params.
type Order struct {
	Params json.RawMessage `json:"params,omitzero"` // an object
	Only   []string        `json:"only,omitzero"`
	From   []string        `json:"from,omitzero"`

	Retry      string   `json:"retry,omitzero"`      // the run that it is a retry of
	Tasks      []string `json:"tasks,omitzero"`      // of that: these run again
	Downstream bool     `json:"downstream,omitzero"` // and what depends on them
}

// Sight is something that a trigger saw, or that somebody asked for. What is seen twice
// starts one run.
type Sight struct {
	Key   string    // of the cause
	At    time.Time // when it happened
	What  string    // unique for the cause: what it is
	Run   string    // the id that its run is to have; "" makes one
	Order Order
}

// GoneError says that there is no such cause any more.
type GoneError struct{ Key string }

// Error implements error.
func (e *GoneError) Error() string { return "the workflow, or its trigger, is gone" }

// Saw decides on what was seen: each starts a run, unless it did already. It returns
// the ids of these runs, in order. upto, of causes, are moments before which all was seen;
// they may be nil. After an error nothing is changed.
func (k *Keeper) Saw(sights []Sight, upto map[string]time.Time, now time.Time) ([]string, error) {
	d := decision{k: k, now: now.Truncate(time.Millisecond)}
	runs := make([]string, len(sights))
	new := make(map[[2]string]int)
	for i := range sights {
		s := &sights[i]
		e := k.entries[s.Key]
		if e == nil || e.sched != nil {
			return nil, &GoneError{s.Key}
		}
		run, seen, err := k.ledger.Seen(s.Key, s.What)
		if err != nil {
			return nil, err
		}
		if first, twice := new[[2]string{s.Key, s.What}]; twice {
			run, seen = runs[first], true
		}
		if runs[i] = run; seen {
			continue
		}
		if runs[i] = s.Run; s.Run == "" {
			runs[i] = k.runner.NewID()
		}
		order, err := json.Marshal(s.Order)
		if err != nil {
			return nil, fmt.Errorf("schedule: %w", err)
		}
		new[[2]string{s.Key, s.What}] = i
		d.saw(e, s, runs[i], string(order))
	}
	for key, t := range upto {
		if e := k.entries[key]; e != nil && t.After(e.cause.Upto) {
			d.touch(e)
			e.cause.Upto = t.Truncate(time.Millisecond)
			d.causes = append(d.causes, e.cause)
		}
	}
	return runs, d.carryOut()
}

// saw adds the row of a sight, with a run.
func (d *decision) saw(e *entry, s *Sight, run, order string) {
	d.touch(e)
	d.rows = append(d.rows, Row{
		Key: e.cause.Key, At: s.At.Truncate(time.Millisecond), What: s.What, Fate: Fired, Decided: d.now, Run: run, Params: order,
		Workflow: e.cause.Workflow, Trigger: e.cause.Trigger, Of: e.cause.What,
	})
	d.of = append(d.of, e)
	e.live = append(e.live, run)
	d.causes = append(d.causes, e.cause)
}

// Watch is what a trigger has to look for.
type Watch struct {
	Key     string
	Version *Version
	Trigger int       // which of the workflow's
	Upto    time.Time // all before was seen
}

// Watches returns the triggers that have to look for something, in order of their
// workflows.
func (k *Keeper) Watches() []Watch {
	var all []Watch
	for _, e := range k.order {
		if e.trigger != nil && e.trigger.Webhook == "" {
			all = append(all, Watch{e.cause.Key, e.version, e.index, e.cause.Upto})
		}
	}
	return all
}
