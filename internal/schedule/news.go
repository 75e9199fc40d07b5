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
	if err := k.ledger.Settle(settle...); err != nil {
		return err
	}
	for i := range news {
		if n := &news[i]; n.Begun {
			delete(k.rows, n.Run)
		}
	}
	var errs []error
	for i := range news {
		if news[i].Ended {
			errs = append(errs, k.ended(news[i].Run, now))
		}
	}
	return errors.Join(errs...)
}

// settled is a run's row as it is to be kept now; false: it is settled already.
func (k *Keeper) settled(n *News, now time.Time) (Row, bool) {
	r, ok := k.rows[n.Run]
	if !ok {
		return Row{}, false
	}
	switch {
	case n.Err != nil && errors.Is(n.Err, ErrSkipped):
		r.Fate, r.Note, r.Run = Skipped, n.Err.Error(), ""
	case n.Err != nil:
		r.Fate, r.Note, r.Run = Failed, n.Err.Error(), ""
	case !n.Begun:
		return Row{}, false
	}
	r.Begun, r.Decided = true, now
	return r, true
}

// ended lets the next in the queue of a run's schedule begin.
func (k *Keeper) ended(run string, now time.Time) error {
	delete(k.rows, run)
	e := k.of[run]
	if e == nil {
		return nil
	}
	delete(k.of, run)
	e.live = slices.DeleteFunc(e.live, func(other string) bool { return other == run })
	return k.advance(e, now)
}

// advance starts the next of a queue, if nothing stands in its way.
func (k *Keeper) advance(e *entry, now time.Time) error {
	if len(e.live) > 0 || len(e.queue) == 0 {
		return nil
	}
	r := e.queue[0]
	if k.entries[e.cause.Key] != e || !e.cause.Active {
		return nil // switched off, or gone: what waits is looked at by Update
	}
	late := r.Decided.Sub(r.At.Add(e.jitter))
	r.Fate, r.Run, r.Decided = Fired, k.runner.NewID(), now
	if late > Grace {
		r.Fate = CaughtUp
	}
	r.Note = fmt.Sprintf("began %s after its time", span(now.Sub(r.At)))
	if err := k.ledger.Settle(r); err != nil {
		return err
	}
	e.queue = e.queue[1:]
	e.live = append(e.live, r.Run)
	k.launch(e, &r)
	return nil
}

// TakeOver goes on with what an earlier keeper has left: rows whose run has not begun, and
// runs that go on. It is called once, after the first Update.
func (k *Keeper) TakeOver(now time.Time) error {
	for _, e := range k.order {
		run, err := k.ledger.LastRun(e.cause.Key)
		if err != nil {
			return err
		}
		if run != "" && k.runner.Live(run) {
			e.live = append(e.live, run)
			k.of[run] = e
		}
	}
	rows, err := k.ledger.Unsettled()
	if err != nil {
		return err
	}
	var lost []Row
	for _, r := range rows {
		e := k.entries[r.Key]
		switch {
		case e == nil:
			r.Fate, r.Begun, r.Note, r.Decided = Failed, true, "its workflow, or its schedule, is gone", now.Truncate(time.Millisecond)
			lost = append(lost, r)
		case r.Run != "":
			e.live = append(e.live, r.Run)
			k.launch(e, &r)
		default:
			e.queue = append(e.queue, r)
		}
	}
	errs := []error{k.ledger.Settle(lost...)}
	for _, e := range k.order {
		errs = append(errs, k.advance(e, now))
	}
	return errors.Join(errs...)
}
