package cli

import (
	"context"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/schedule"
	"flow/internal/store"
)

// lookEvery is how often the service looks for runs that nobody has in hand any more.
const lookEvery = 3 * time.Second

// look goes on with runs that a service has started and that nobody runs any more, and
// sees the end of those that another process has in hand, until ctx ends.
func (r *serveRunner) look(ctx context.Context) {
	trouble := ""
	for ctx.Err() == nil {
		text := ""
		if err := r.lookOnce(); err != nil {
			text = err.Error()
		}
		if text != "" && text != trouble {
			r.say("runs that were interrupted can't be looked for: %s", text)
		}
		trouble = text
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
	}
}

func (r *serveRunner) lookOnce() error {
	unended, err := r.home.Unended()
	if err != nil {
		return err
	}
	owned := make(map[string]bool)
	for i := range unended {
		rec := &unended[i]
		ours, may := r.mayTry(rec.ID)
		if ours {
			continue
		}
		if _, is := r.home.Owner(rec.ID); is {
			owned[rec.ID] = true
		} else if may {
			r.resume(rec)
		}
	}
	r.mu.Lock()
	for id := range owned {
		r.others[id] = true
	}
	var gone []string
	for id := range r.others {
		if !owned[id] {
			gone = append(gone, id)
		}
	}
	r.mu.Unlock()
	for _, id := range gone {
		live, err := r.Live(id)
		if err != nil {
			return err
		}
		r.mu.Lock()
		delete(r.others, id)
		r.mu.Unlock()
		if !live { // else it is gone on with
			r.tell(schedule.News{Run: id, Ended: true})
		}
	}
	return nil
}

// mayTry reports whether a run is in this process's hands, and else whether it is time to
// go on with it, if nobody does.
func (r *serveRunner) mayTry(id string) (ours, may bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.delays[id]
	return r.live[id] != nil, t == nil || !time.Now().Before(t.next)
}

// tried notes that a run did not come to its end, so that each try comes later than the
// one before.
func (r *serveRunner) tried(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.delays[id]
	if t == nil {
		t = &delay{wait: lookEvery / 2}
		r.delays[id] = t
	}
	t.wait = min(2*t.wait, 10*time.Minute)
	t.next = time.Now().Add(t.wait)
}

// resume goes on with a run.
func (r *serveRunner) resume(rec *store.Run) {
	ctx, l := r.claim(rec.ID, true)
	if l == nil {
		return
	}
	w := &dag.Workflow{Name: rec.Workflow} // without a limit, if it can't be read: Resume says why
	if plan, err := engine.Pinned(r.home, rec); err == nil {
		w = plan.Workflow
	}
	r.goOn(ctx, rec.ID, w, l)
}

// goOn goes on with a run that was claimed again. It waits for a place: it had one before.
func (r *serveRunner) goOn(ctx context.Context, id string, w *dag.Workflow, l *liveRun) {
	r.inTurn(w, func(turn func()) {
		defer turn()
		place, err := r.place(ctx, w, id, "queue")
		if err != nil {
			r.refused(ctx, id, w.Name, err)
			return
		}
		l.place = place
		turn()
		tell, traced := r.traces.follow(nil)
		l.traced = traced
		run, err := r.patiently(ctx, id, func() (*engine.Run, error) {
			return r.engine.Resume(id, engine.Options{Context: ctx, Watch: tell})
		})
		if err == nil {
			r.say("run %s of %s goes on", id, w.Name)
		}
		r.follow(ctx, id, w.Name, l, run, err)
	})
}
