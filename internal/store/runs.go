package store

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"flow/internal/run"
)

// Run is what is known of a run without its events.
type Run struct {
	ID       string
	Workflow string
	File     string // absolute: where the workflow stood
	Hash     string // of its text
	Status   string // running also where whoever ran it is gone: see Store.Owner
	Reason   string
	Message  string
	Started  time.Time
	Ended    time.Time // zero: it has not
	Cause    string    // manual, schedule, …
	Of       string    // the run that it is a retry of
	Tasks    int
	Token    string // of the processes of whoever ran it last
	Again    string // JSON: what of the run Of is to run again
	Shape    string // of its params: runs of the same shape are expected to take as long

	num int64
}

// ErrNoRun says that there is no such run.
var ErrNoRun = errors.New("store: no such run")

const runColumns = `num, id, workflow, file, text, status, reason, message, started, ended, cause, of, tasks, token, shape, again`

func scanRun(row interface{ Scan(...any) error }) (r Run, err error) {
	var started, ended int64
	err = row.Scan(&r.num, &r.ID, &r.Workflow, &r.File, &r.Hash, &r.Status, &r.Reason, &r.Message, &started, &ended, &r.Cause, &r.Of, &r.Tasks, &r.Token, &r.Shape, &r.Again)
	r.Started = time.UnixMilli(started)
	if ended != 0 {
		r.Ended = time.UnixMilli(ended)
	}
	return r, err
}

// Find returns the run with that id, or the only one whose id ends in it: people type
// the last few characters. "last" is the newest.
func (s *Store) Find(id string) (Run, error) {
	ctx := context.Background()
	if id == "" {
		return Run{}, fmt.Errorf("%w: the id is empty", ErrNoRun)
	}
	if id == "last" {
		r, err := scanRun(s.read.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs ORDER BY num DESC LIMIT 1`))
		if errors.Is(err, sql.ErrNoRows) {
			return Run{}, fmt.Errorf("%w: there is none yet", ErrNoRun)
		}
		return r, s.explain(err)
	}
	id = strings.ToUpper(id)
	r, err := scanRun(s.read.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs WHERE id = ?`, id))
	if !errors.Is(err, sql.ErrNoRows) {
		return r, s.explain(err)
	}
	var found []Run
	rows, err := s.read.QueryContext(ctx, `SELECT `+runColumns+` FROM runs WHERE id LIKE ? ESCAPE '\' ORDER BY num DESC LIMIT 3`, "%"+escapeLike(id))
	if err != nil {
		return Run{}, s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return Run{}, s.explain(err)
		}
		found = append(found, r)
	}
	switch {
	case rows.Err() != nil:
		return Run{}, s.explain(rows.Err())
	case len(found) == 0:
		return Run{}, fmt.Errorf("%w: %s", ErrNoRun, id)
	case len(found) > 1:
		return Run{}, fmt.Errorf("store: several runs end in %s: %s and %s", id, found[0].ID, found[1].ID)
	}
	return found[0], nil
}

// Get returns the run with exactly that id; ErrNoRun: there is none.
func (s *Store) Get(id string) (Run, error) {
	st, err := s.stmt(s.read, `SELECT `+runColumns+` FROM runs WHERE id = ?`)
	if err != nil {
		return Run{}, err
	}
	r, err := scanRun(st.QueryRow(id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("%w: %s", ErrNoRun, id)
	}
	return r, s.explain(err)
}

// EndedAfter returns the runs of a workflow that ended after a moment, the first first.
func (s *Store) EndedAfter(workflow string, after time.Time) ([]Run, error) {
	return s.some(`SELECT `+runColumns+` FROM runs WHERE workflow = ? AND ended > ? AND ended > 0 ORDER BY ended, num`, workflow, after.UnixMilli())
}

// Unended returns the runs that a service has started and that have not ended, the oldest
// first.
func (s *Store) Unended() ([]Run, error) {
	return s.some(`SELECT ` + runColumns + ` FROM runs WHERE status = 'running' AND EXISTS (SELECT 1 FROM ledger WHERE ledger.run = runs.id AND ledger.run != '') ORDER BY num`)
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// Filter says which runs are wanted.
type Filter struct {
	Workflow string // "": of all
	Status   string // "": any
	Limit    int    // 0: all
	Before   string // an id: older ones only
}

// page is how many runs are read at a time: whoever ranges over them may ask for more of
// each meanwhile.
const page = 500

// Runs returns runs, the newest first.
func (s *Store) Runs(f Filter) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		before := int64(math.MaxInt64)
		if f.Before != "" {
			r, err := s.Get(f.Before)
			if err != nil {
				yield(Run{}, err)
				return
			}
			before = r.num
		}
		for left := cmp.Or(f.Limit, math.MaxInt); left > 0; {
			some, err := s.page(f, before, min(left, page))
			if err != nil {
				yield(Run{}, err)
				return
			}
			for i := range some {
				if !yield(some[i], nil) {
					return
				}
				before = some[i].num
			}
			if len(some) < min(left, page) {
				return
			}
			left -= len(some)
		}
	}
}

func (s *Store) page(f Filter, before int64, n int) ([]Run, error) {
	query, args := `SELECT `+runColumns+` FROM runs WHERE num < ?`, []any{before}
	if f.Workflow != "" {
		query, args = query+" AND workflow = ?", append(args, f.Workflow)
	}
	if f.Status != "" {
		query, args = query+" AND status = ?", append(args, f.Status)
	}
	return s.some(query+" ORDER BY num DESC LIMIT ?", append(args, n)...)
}

func (s *Store) some(query string, args ...any) ([]Run, error) {
	rows, err := s.read.Query(query, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var some []Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, s.explain(err)
		}
		some = append(some, r)
	}
	return some, s.explain(rows.Err())
}

// Text returns the workflow's text as it was when the run began.
func (s *Store) Text(r *Run) ([]byte, error) {
	var text []byte
	err := s.read.QueryRow(`SELECT text FROM texts WHERE hash = ?`, r.Hash).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("store: the text of run %s is missing", r.ID)
	}
	return text, s.explain(err)
}

// Summary returns the JSON of the summary of a run that has ended; nil of another.
func (s *Store) Summary(r *Run) ([]byte, error) {
	var packed []byte
	if err := s.read.QueryRow(`SELECT summary FROM runs WHERE num = ?`, r.num).Scan(&packed); err != nil || packed == nil {
		return nil, s.explain(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		return nil, fmt.Errorf("store: the summary of run %s is torn: %w", r.ID, err)
	}
	return text, nil
}

// Spans are how long the tasks took, by id, in the newest runs of a workflow that
// succeeded, n at most: those whose params have that shape, or if there are none, whatever
// they had.
func (s *Store) Spans(workflow, shape string, n int) ([]map[string]Span, error) {
	const query = `SELECT spans FROM runs WHERE workflow = ? AND status = 'succeeded' AND spans IS NOT NULL`
	all, err := s.spans(query+` AND shape = ? ORDER BY num DESC LIMIT ?`, workflow, shape, n)
	if err != nil || len(all) > 0 {
		return all, err
	}
	return s.spans(query+` ORDER BY num DESC LIMIT ?`, workflow, n)
}

// RunSpans are how long the tasks of a run took; nil: it has not ended.
func (s *Store) RunSpans(r *Run) (map[string]Span, error) {
	all, err := s.spans(`SELECT spans FROM runs WHERE num = ? AND spans IS NOT NULL`, r.num)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (s *Store) spans(query string, args ...any) ([]map[string]Span, error) {
	st, err := s.stmt(s.read, query)
	if err != nil {
		return nil, err
	}
	rows, err := st.Query(args...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var all []map[string]Span
	for rows.Next() {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return nil, s.explain(err)
		}
		var spans map[string]Span
		text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
		if err == nil {
			err = json.Unmarshal(text, &spans)
		}
		if err == nil { // a torn one is no reason to refuse a run
			all = append(all, spans)
		}
	}
	return all, s.explain(rows.Err())
}

// pack compresses. What that takes is used again: it is more than a megabyte.
func (s *Store) pack(text []byte) []byte {
	var b bytes.Buffer
	w, ok := s.packers.Get().(*flate.Writer)
	if ok {
		w.Reset(&b)
	} else {
		w, _ = flate.NewWriter(&b, flate.BestSpeed) // fails for levels that don't exist
	}
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	s.packers.Put(w)
	return b.Bytes()
}

// TornError says that a stored event can't be read. What is before it can.
type TornError struct {
	Run string
	Seq int64 // of the first event that can't be read
	Err error
}

// Error implements error.
func (e *TornError) Error() string {
	return fmt.Sprintf("store: run %s: event %d and what follows can't be read: %v", e.Run, e.Seq, e.Err)
}

// Unwrap returns Err.
func (e *TornError) Unwrap() error { return e.Err }

// Events returns the events of a run, in order; a *TornError ends them.
func (s *Store) Events(r *Run) iter.Seq2[run.Event, error] { return s.EventsFrom(r, 0, time.Time{}) }

// EventsFrom is Events for those who have read the first n events and look for what has
// come since: known is the time of the last one that they know. n is such that all of what
// was there has been read; in the middle of what was committed at once there is a
// *TornError.
func (s *Store) EventsFrom(r *Run, n int64, known time.Time) iter.Seq2[run.Event, error] {
	return func(yield func(run.Event, error) bool) {
		rows, err := s.read.QueryContext(context.Background(), `SELECT seq, n, data FROM events WHERE run = ? AND seq >= ? ORDER BY seq`, r.num, n)
		if err != nil {
			yield(run.Event{}, s.explain(err))
			return
		}
		defer rows.Close()
		next, last := n, int64(0)
		if n > 0 {
			last = known.UnixMilli()
		}
		for rows.Next() {
			var seq int64
			var n int
			var data []byte
			if err := rows.Scan(&seq, &n, &data); err != nil {
				yield(run.Event{}, s.explain(err))
				return
			}
			events, err := unseal(data, n, last)
			if err == nil && seq != next {
				err = fmt.Errorf("the next that is there is %d", seq)
			}
			if err != nil {
				yield(run.Event{}, &TornError{r.ID, next, err})
				return
			}
			for i := range events {
				if !yield(events[i], nil) {
					return
				}
				last = events[i].Time.UnixMilli()
			}
			next += int64(n)
		}
		if err := rows.Err(); err != nil {
			yield(run.Event{}, s.explain(err))
		}
	}
}
