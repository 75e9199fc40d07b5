package schedule

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// News is what became of a run that the runner was given.
type News struct {
	Run   string
	Begun bool  // it has begun
	Err   error // it could not begin: ErrSkipped, or why
	Ended bool  // it has ended, or could not begin
}

// Tell takes news of runs, and starts what has waited for them. After an error it is to be
// called again with the same.
func (k *Keeper) Tell(news []News, now time.Time) error {
	now = now.Truncate(time.Millisecond)
	var settle []Row
	for i := range news {
		if r, ok := k.settled(&news[i], now); ok {
			settle = append(settle, r)
		}
	}
	if len(settle) > 0 {
		if err := k.ledger.Settle(settle...); err != nil {
			return err
		}
	}
	for i := range news {
		n := &news[i]
		if n.Begun || n.Ended {
			delete(k.rows, n.Run)
		}
		if e := k.of[n.Run]; e != nil && n.Ended {
			delete(k.of, n.Run)
			e.live = slices.DeleteFunc(e.live, func(other string) bool { return other == n.Run })
		}
	}
	return k.advance(now)
}

// settled is a run's row as it is to be kept now; false: it is settled already.
func (k *Keeper) settled(n *News, now time.Time) (Row, bool) {
	r, ok := k.rows[n.Run]
	if !ok {
		return Row{}, false
	}
	switch {
	case n.Err != nil && errors.Is(n.Err, ErrSkipped):
		r.Fate, r.Note = Skipped, n.Err.Error()
	case n.Err != nil:
		r.Fate, r.Note = Failed, n.Err.Error()
	case !n.Begun:
		return Row{}, false
	}
	r.Begun, r.Decided = true, now
	return r, true
}

// advance starts the next in the queue of each schedule in whose way nothing stands any
// more. Its cost is linear in schedules.
func (k *Keeper) advance(now time.Time) error {
	now = now.Truncate(time.Millisecond)
	var of []*entry
	var rows []Row
	for _, e := range k.order {
		if len(e.live) > 0 || len(e.queue) == 0 || !e.cause.Active {
			continue
		}
		r := e.queue[0]
		late := r.Decided.Sub(r.At.Add(e.jitter))
		r.Fate, r.Run, r.Decided = Fired, k.runner.NewID(), now
		if late > Grace {
			r.Fate = CaughtUp
		}
		if r.Note = ""; now.Sub(r.At) >= time.Second {
			r.Note = fmt.Sprintf("began %s after its time", span(now.Sub(r.At)))
		}
		of, rows = append(of, e), append(rows, r)
	}
	if len(rows) == 0 {
		return nil
	}
	if err := k.ledger.Settle(rows...); err != nil {
		return err
	}
	for i, e := range of {
		e.queue = e.queue[1:]
		e.live = append(e.live, rows[i].Run)
		k.launch(e, &rows[i])
	}
	return nil
}

// TakeOver goes on with what an earlier keeper has left: rows whose run has not begun, and
// queues. It is called once, after the first Update. After an error this keeper is of no use
// any more: what it did is in the ledger, for the next one.
func (k *Keeper) TakeOver(now time.Time) error {
	rows, err := k.ledger.Unsettled()
	if err != nil {
		return err
	}
	now = now.Truncate(time.Millisecond)
	var settle []Row
	var launch []*Row
	for i := range rows {
		r := &rows[i]
		e := k.entries[r.Key]
		switch {
		case e == nil:
			r.Fate, r.Begun, r.Note, r.Decided = Failed, true, "its workflow, or its schedule, is gone", now
			settle = append(settle, *r)
		case r.Run != "":
			if e.sched != nil {
				e.live = append(e.live, r.Run)
			}
			launch = append(launch, r)
		case !e.cause.Active:
			r.Fate, r.Begun, r.Note, r.Decided = Skipped, true, offNote, now
			settle = append(settle, *r)
		default:
			e.queue = append(e.queue, *r)
		}
	}
	if len(settle) > 0 {
		if err := k.ledger.Settle(settle...); err != nil {
			return err
		}
	}
	for _, r := range launch {
		k.launch(k.entries[r.Key], r)
	}
	for _, e := range k.order { // the keeper before may not have got to it
		if e.def != nil && e.def.Overlap == "replace" && len(e.queue) > 0 {
			for _, run := range e.live {
				k.runner.Replace(run)
			}
		}
	}
	return k.advance(now)
}
