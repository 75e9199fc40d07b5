package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"flow/internal/run"
)

// Journal is the writing side of one run: whoever has it owns the run. It is used by one
// goroutine.
type Journal struct {
	store *Store
	run   Run
	lock  *lock
	next  int64 // number of the next event
	last  int64 // time of the last one, in Unix milliseconds
	buf   []byte
}

// Begin records a new run with its first events, and takes its ownership.
func (s *Store) Begin(r Run, text []byte, first ...run.Event) (*Journal, error) {
	l, err := s.own(r.ID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	r.Hash, r.Status = hex.EncodeToString(sum[:]), run.RunRunning.String()
	j := &Journal{store: s, lock: l}
	insertText, err := s.stmt(s.write, `INSERT INTO texts (hash, text) VALUES (?, ?) ON CONFLICT DO NOTHING`)
	if err != nil {
		return nil, errors.Join(err, l.free())
	}
	insertRun, err := s.stmt(s.write, `INSERT INTO runs (id, workflow, file, text, status, started, cause, of, tasks, token, shape, again) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return nil, errors.Join(err, l.free())
	}
	err = s.transaction(func(tx *sql.Tx) error {
		if _, err := tx.Stmt(insertText).Exec(r.Hash, text); err != nil {
			return err
		}
		res, err := tx.Stmt(insertRun).Exec(r.ID, r.Workflow, r.File, r.Hash, r.Status, r.Started.UnixMilli(), r.Cause, r.Of, r.Tasks, r.Token, r.Shape, r.Again)
		if err != nil {
			return err
		}
		if r.num, err = res.LastInsertId(); err != nil {
			return err
		}
		j.run = r
		return j.append(tx.Stmt(s.insert), first)
	})
	if err != nil {
		return nil, errors.Join(err, l.free())
	}
	return j, nil
}

// transaction commits what do does, or nothing.
func (s *Store) transaction(do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(context.Background(), nil)
	if err != nil {
		return s.explain(err)
	}
	if err := do(tx); err != nil {
		return errors.Join(s.explain(err), ignoreDone(tx.Rollback()))
	}
	return s.explain(tx.Commit())
}

// ignoreDone drops the error of a rollback that SQLite has done by itself.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) || code(err) == 1 { // SQLITE_ERROR: no transaction is active
		return nil
	}
	return err
}

// Reopen takes the ownership of a run whose owner is gone. It is an *OwnedError where
// that lives. fold is given the events so far; those that can't be read any more, at the
// end, are dropped for good.
// What the dead owner has left running carries r.Token: it is to be ended before SetToken
// puts another in its place.
func (s *Store) Reopen(r Run, fold func(run.Event) error) (*Journal, error) {
	l, err := s.own(r.ID)
	if err != nil {
		return nil, err
	}
	j := &Journal{store: s, run: r, lock: l}
	if err := j.replay(fold); err != nil {
		return nil, errors.Join(err, l.free())
	}
	return j, nil
}

// Left reports whether the owner before this one ended without giving the run up, so
// that its processes may still be there.
func (j *Journal) Left() bool { return j.lock.left }

// SetToken says what the processes of the run carry from now on; those of the owner
// before are gone.
func (j *Journal) SetToken(token string) error {
	if _, err := j.store.write.Exec(`UPDATE runs SET token = ? WHERE num = ?`, token, j.run.num); err != nil {
		return j.store.explain(err)
	}
	j.lock.left = false
	return nil
}

func (j *Journal) replay(fold func(run.Event) error) error {
	var torn *TornError
	for e, err := range j.store.Events(&j.run) {
		if errors.As(err, &torn) {
			break
		}
		if err == nil {
			err = fold(e)
		}
		if err != nil {
			return err
		}
		j.next++
		j.last = e.Time.UnixMilli()
	}
	if torn == nil {
		return nil
	}
	_, err := j.store.write.Exec(`DELETE FROM events WHERE run = ? AND seq >= ?`, j.run.num, torn.Seq)
	return j.store.explain(err)
}

// Run is the run's record, as it was when the journal was opened.
func (j *Journal) Run() Run { return j.run }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append commits events, all of them or none, and with them what they mean for the cache.
// What it costs does not depend on how many the run has, nor on what else is kept.
func (j *Journal) Append(events []run.Event, kept ...Kept) error {
	if len(kept) == 0 {
		return j.store.explain(j.append(j.store.insert, events))
	}
	next, last := j.next, j.last
	err := j.store.transaction(func(tx *sql.Tx) error {
		if err := j.append(tx.Stmt(j.store.insert), events); err != nil {
			return err
		}
		for i := range kept {
			if err := j.keep(tx, &kept[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		j.next, j.last = next, last
	}
	return err
}

func (j *Journal) append(insert *sql.Stmt, events []run.Event) error {
	if len(events) == 0 {
		return nil
	}
	data, last := append(j.buf[:0], 0, 0, 0, 0), j.last
	for i := range events {
		var err error
		if data, err = run.AppendEvent(data, &events[i], last); err != nil {
			return err
		}
		last = events[i].Time.UnixMilli()
	}
	binary.BigEndian.PutUint32(data, crc32.Checksum(data[4:], castagnoli))
	j.buf = data
	if _, err := insert.Exec(j.run.num, j.next, len(events), data); err != nil {
		return err
	}
	j.next += int64(len(events))
	j.last = last
	return nil
}

// unseal reads what Append has written.
func unseal(data []byte, n int, last int64) ([]run.Event, error) {
	if len(data) < 4 || crc32.Checksum(data[4:], castagnoli) != binary.BigEndian.Uint32(data) {
		return nil, errors.New("their checksum is wrong")
	}
	events := make([]run.Event, 0, min(n, len(data)))
	for rest := data[4:]; len(rest) > 0; {
		e, after, err := run.ReadEvent(rest, last)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
		rest, last = after, e.Time.UnixMilli()
	}
	if len(events) != n {
		return nil, fmt.Errorf("there are %d, not %d", len(events), n)
	}
	return events, nil
}

// Span is how long a task took, in all its attempts; of a fan-out, in the mean of its
// instances.
type Span struct {
	Took   int64 `json:"ms"`                 // milliseconds, delays between attempts included; -1: it is no measure for the next run
	Commit int64 `json:"commit_us,omitzero"` // of that, microseconds until what came before was recorded
	Start  int64 `json:"start_us,omitzero"`  // then, until its process was there
}

// Ending is how a run has ended.
type Ending struct {
	Status, Reason, Message string
	Time                    time.Time
	Summary                 []byte          // JSON
	Spans                   map[string]Span // by task
}

// End records how the run has ended.
func (j *Journal) End(e Ending) error {
	spans, err := json.Marshal(e.Spans)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	st, err := j.store.stmt(j.store.write, `UPDATE runs SET status = ?, reason = ?, message = ?, ended = ?, summary = ?, spans = ? WHERE num = ?`)
	if err != nil {
		return err
	}
	_, err = st.Exec(e.Status, e.Reason, e.Message, e.Time.UnixMilli(), j.store.pack(e.Summary), j.store.pack(spans), j.run.num)
	return j.store.explain(err)
}

// Drop removes the run, which has not begun after all.
func (j *Journal) Drop() error {
	return j.store.transaction(func(tx *sql.Tx) error { return drop(tx, j.run.num) })
}

// drop removes what the database has of a run.
func drop(tx *sql.Tx, num int64) error {
	for _, statement := range []string{`DELETE FROM events WHERE run = ?`, `DELETE FROM cache WHERE used = ?`, `DELETE FROM runs WHERE num = ?`} {
		if _, err := tx.Exec(statement, num); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the ownership up.
func (j *Journal) Close() error { return j.lock.free() }
