package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
	"flow/internal/web"
)

// siteRuns are the runs of a home, for the pages and the API.
type siteRuns struct{ h *engine.Home }

// NewSiteRuns returns the runs of a home, for pages and the API.
func NewSiteRuns(h *engine.Home) web.Runs { return siteRuns{h} }

// find looks a run up by its whole id: what becomes the name of a file is the store's own.
func (s siteRuns) find(id string) (store.Run, error) {
	r, err := s.h.Get(strings.ToUpper(id))
	if errors.Is(err, store.ErrNoRun) {
		return r, fmt.Errorf("there is no such run: %w", web.ErrNotFound)
	}
	return r, err
}

// List implements web.Runs.
func (s siteRuns) List(q web.RunQuery) ([]web.Run, error) {
	f := store.Filter{Workflow: q.Workflow, Status: q.Status, Before: q.Before, Limit: q.Limit}
	if q.Status == "interrupted" || q.Status == "running" { // which of these it is, its owner tells
		f.Status, f.Limit = run.RunRunning.String(), 0
	}
	if q.Before != "" {
		if _, err := s.find(q.Before); err != nil {
			return nil, err
		}
	}
	var all []web.Run
	for r, err := range s.h.Runs(f) {
		if err != nil {
			return nil, err
		}
		one := siteRun(s.h, &r)
		if q.Status != "" && one.Status != q.Status {
			continue
		}
		if all = append(all, one); len(all) == q.Limit {
			break
		}
	}
	return all, nil
}

func siteRun(h *engine.Home, r *store.Run) web.Run {
	return web.Run{
		ID: r.ID, Workflow: r.Workflow, File: r.File, Status: statusOf(h, r), Reason: r.Reason, Message: r.Message,
		Started: r.Started, Ended: r.Ended, Trigger: r.Cause, RetryOf: r.Of, Tasks: r.Tasks,
	}
}

// Find implements web.Runs.
func (s siteRuns) Find(id string) (web.Run, error) {
	r, err := s.find(id)
	if err != nil {
		return web.Run{}, err
	}
	return siteRun(s.h, &r), nil
}

// Text implements web.Runs.
func (s siteRuns) Text(id string) ([]byte, error) {
	r, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return s.h.Text(&r)
}

// Summary implements web.Runs.
func (s siteRuns) Summary(id string) ([]byte, error) {
	r, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return s.h.Summary(&r)
}

// Events implements web.Runs.
func (s siteRuns) Events(id string, n int64, known time.Time) iter.Seq2[run.Event, error] {
	r, err := s.find(id)
	if err != nil {
		return func(yield func(run.Event, error) bool) { yield(run.Event{}, err) }
	}
	return s.h.EventsFrom(&r, n, known)
}

// Count implements web.Runs. Those that nobody runs any more count as running: to tell
// them apart would cost a look at a file for each.
func (s siteRuns) Count() ([]web.Count, error) {
	counts, err := s.h.Count()
	all := make([]web.Count, len(counts))
	for i, c := range counts {
		all[i] = web.Count(c)
	}
	return all, err
}

// logOf is a log of the store. Run and task are the store's own already; what could lead
// out of its folder is refused once more.
func (s siteRuns) logOf(of web.LogOf) (store.LogOf, error) {
	if of.Run == "" || of.Task == "" || of.Attempt < 1 || strings.ContainsAny(of.Run+of.Task, "/\\.\x00") {
		return store.LogOf{}, fmt.Errorf("there is no such log: %w", web.ErrNotFound)
	}
	return store.LogOf(of), nil
}

// Logs implements web.Runs.
func (s siteRuns) Logs(id, task string) ([]web.LogOf, error) {
	r, err := s.find(id)
	if err != nil {
		return nil, err
	}
	found, err := s.h.Logs(r.ID, task)
	all := make([]web.LogOf, len(found))
	for i, of := range found {
		all[i] = web.LogOf(of)
	}
	return all, err
}

// absent says that a log that is not there is none.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing was printed: %w", web.ErrNotFound)
	}
	return err
}

// LogSize implements web.Runs.
func (s siteRuns) LogSize(of web.LogOf) (size, dropped int64, err error) {
	in, err := s.logOf(of)
	if err != nil {
		return 0, 0, err
	}
	size, dropped, err = s.h.LogSize(in)
	return size, dropped, absent(err)
}

// LogFrom implements web.Runs.
func (s siteRuns) LogFrom(of web.LogOf, from int64, limit int) (web.Piece, error) {
	in, err := s.logOf(of)
	if err != nil {
		return web.Piece{}, err
	}
	p, err := s.h.ReadLogFrom(in, store.Pos(from), limit)
	return piece(&p), absent(err)
}

// LogBefore implements web.Runs.
func (s siteRuns) LogBefore(of web.LogOf, before int64, limit int) (web.Piece, error) {
	in, err := s.logOf(of)
	if err != nil {
		return web.Piece{}, err
	}
	p, err := s.h.ReadLogBefore(in, store.Pos(before), limit)
	return piece(&p), absent(err)
}

func piece(p *store.Piece) web.Piece {
	out := web.Piece{From: int64(p.From), Next: int64(p.Next), First: p.First, Last: p.Last, Lines: make([]web.Line, len(p.Lines))}
	for i := range p.Lines {
		l := &p.Lines[i]
		out.Lines[i] = web.Line{Time: l.Time, Stderr: l.Stderr, Text: l.Text, Whole: l.Whole, Dropped: l.Dropped, Pos: int64(l.Pos), Continues: l.Continues}
	}
	return out
}

// Value implements web.Runs.
func (s siteRuns) Value(ref *dag.Ref) ([]byte, error) {
	text, err := s.h.Value(ref)
	return text, absent(err)
}
