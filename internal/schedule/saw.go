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
// they may be nil. After an error nothing is changed. Its cost is linear in sights.
func (k *Keeper) Saw(sights []Sight, upto map[string]time.Time, now time.Time) ([]string, error) {
	d := k.decision(now)
	runs := make([]string, len(sights))
	known := make(map[[2]string]string)
	for i := range sights {
		s := &sights[i]
		run, err := d.saw(s, known)
		if err != nil {
			d.undo()
			return nil, err
		}
		runs[i] = run
	}
	for key, t := range upto {
		if e := k.entries[key]; e != nil && t.After(e.cause.Upto) {
			d.touch(e)
			e.cause.Upto = t.Truncate(time.Millisecond)
		}
	}
	return runs, d.carryOut()
}

// saw decides on one sight, and returns its run; known are those of this decision.
func (d *decision) saw(s *Sight, known map[[2]string]string) (string, error) {
	e := d.k.entries[s.Key]
	if e == nil || e.sched != nil {
		return "", &GoneError{s.Key}
	}
	at := [2]string{s.Key, s.What}
	if run, twice := known[at]; twice {
		return run, nil
	}
	run, seen, err := d.k.ledger.Seen(s.Key, s.What)
	if err != nil {
		return "", err
	}
	if !seen {
		order, err := json.Marshal(s.Order)
		if err != nil {
			return "", fmt.Errorf("schedule: %w", err)
		}
		if run = s.Run; run == "" {
			run = d.k.runner.NewID()
		}
		d.touch(e)
		d.rows = append(d.rows, Row{
			Key: s.Key, At: s.At.Truncate(time.Millisecond), What: s.What, Fate: Fired, Decided: d.now, Run: run, Params: string(order),
			Workflow: e.cause.Workflow, Trigger: e.cause.Trigger, Of: e.cause.What,
		})
		d.of = append(d.of, e)
	}
	known[at] = run
	return run, nil
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
