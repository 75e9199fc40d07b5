package store

import (
	"database/sql"
	"errors"
	"time"
)

// The ledger has a row for each time at which something was to be started, and says what
// became of it. Schedule and time are unique, and so is what a trigger that is no schedule
// saw: so nothing is started twice, whoever tries, however often, and whatever is done to
// the clock.

// Cause is a schedule, or another trigger, as the ledger knows it.
type Cause struct {
	Key      string // unique: its identity
	Workflow string
	Trigger  string // schedule, file, workflow, webhook or manual
	What     string // for people: the expression and its zone, the file, …
	// Upto is the moment up to which each of its times has a row, and before which there
	// is none.
	Upto time.Time
	// Active: a service counts its times. One that is not starts anew when it becomes so.
	Active bool
}

// Row is one time of a cause and its fate.
type Row struct {
	Key     string // of the cause
	At      time.Time
	What    string // of a trigger that is no schedule: what it saw; else ""
	Fate    string
	Shifted bool
	Decided time.Time
	Run     string // the id of the run that it was to start; "": none
	Begun   bool   // that run has begun, or can't
	Note    string
	Params  string // JSON: how its run is to be made, where no schedule says it

	Workflow, Trigger, Of string // of the cause: filled in by Ledger (Of is its What)
}

// Causes returns all causes that were ever seen, by key.
func (s *Store) Causes() (map[string]Cause, error) {
	rows, err := s.read.Query(`SELECT key, workflow, kind, what, upto, active FROM causes`)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	all := make(map[string]Cause)
	for rows.Next() {
		var c Cause
		var upto int64
		if err := rows.Scan(&c.Key, &c.Workflow, &c.Trigger, &c.What, &upto, &c.Active); err != nil {
			return nil, s.explain(err)
		}
		c.Upto = time.UnixMilli(upto)
		all[c.Key] = c
	}
	return all, s.explain(rows.Err())
}

// Decide records, in one transaction, causes as they are now, rows where there is none yet
// for that cause, time and sight, and what has changed of other rows, as Settle does. A row
// without a run that was decided on later than the new one, by a clock that was wrong, counts
// as none. It tells which rows are new.
func (s *Store) Decide(causes []Cause, rows, settle []Row) (fresh []bool, err error) {
	fresh = make([]bool, len(rows))
	insertCause, err := s.stmt(s.write, `INSERT INTO causes (key, workflow, kind, what, upto, active) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET workflow = excluded.workflow, what = excluded.what, upto = excluded.upto, active = excluded.active`)
	if err != nil {
		return fresh, err
	}
	num, err := s.stmt(s.write, `SELECT num FROM causes WHERE key = ?`)
	if err != nil {
		return fresh, err
	}
	insertRow, err := s.stmt(s.write, `INSERT INTO ledger (cause, at, sight, fate, shifted, decided, run, begun, note, params) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET fate = excluded.fate, shifted = excluded.shifted, decided = excluded.decided, run = excluded.run, begun = excluded.begun, note = excluded.note, params = excluded.params
		WHERE ledger.run = '' AND ledger.begun = 1 AND ledger.decided > excluded.decided`)
	if err != nil {
		return fresh, err
	}
	update, err := s.stmt(s.write, updateRow)
	if err != nil {
		return fresh, err
	}
	err = s.transaction(func(tx *sql.Tx) error {
		insertCause, num, insertRow := tx.Stmt(insertCause), tx.Stmt(num), tx.Stmt(insertRow)
		nums := make(map[string]int64)
		for i := range causes {
			c := &causes[i]
			if _, err := insertCause.Exec(c.Key, c.Workflow, c.Trigger, c.What, c.Upto.UnixMilli(), c.Active); err != nil {
				return err
			}
		}
		for i := range rows {
			r := &rows[i]
			cause, ok := nums[r.Key]
			if !ok {
				if err := num.QueryRow(r.Key).Scan(&cause); err != nil {
					return err
				}
				nums[r.Key] = cause
			}
			res, err := insertRow.Exec(cause, r.At.UnixMilli(), r.What, r.Fate, r.Shifted, r.Decided.UnixMilli(), r.Run, r.Begun, r.Note, r.Params)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			fresh[i] = n == 1
		}
		return settleIn(tx, update, settle)
	})
	return fresh, err
}

// Settle changes the fate of rows that are there: Fate, Decided, Run, Begun and Note. Of
// those that have failed or were skipped, Params goes: they may hold what must not be kept.
func (s *Store) Settle(rows ...Row) error {
	if len(rows) == 0 {
		return nil
	}
	update, err := s.stmt(s.write, updateRow)
	if err != nil {
		return err
	}
	return s.transaction(func(tx *sql.Tx) error { return settleIn(tx, update, rows) })
}

const updateRow = `UPDATE ledger SET fate = ?1, decided = ?2, run = ?3, begun = ?4, note = ?5,
	params = CASE WHEN ?1 IN ('failed', 'skipped') THEN '' ELSE params END
	WHERE cause = (SELECT num FROM causes WHERE key = ?6) AND at = ?7 AND sight = ?8`

func settleIn(tx *sql.Tx, update *sql.Stmt, rows []Row) error {
	update = tx.Stmt(update)
	for i := range rows {
		r := &rows[i]
		if _, err := update.Exec(r.Fate, r.Decided.UnixMilli(), r.Run, r.Begun, r.Note, r.Key, r.At.UnixMilli(), r.What); err != nil {
			return err
		}
	}
	return nil
}

const selectLedger = `SELECT c.key, l.at, l.sight, l.fate, l.shifted, l.decided, l.run, l.begun, l.note, l.params, c.workflow, c.kind, c.what
	FROM ledger l JOIN causes c ON c.num = l.cause `

// Unsettled returns the rows of which something is still to come, the oldest first: those
// that are queued, and those whose run has not begun.
func (s *Store) Unsettled() ([]Row, error) {
	return s.ledger(selectLedger + `WHERE l.begun = 0 ORDER BY l.at, l.cause`)
}

// LastRun returns the newest run that a cause has started; "": none.
func (s *Store) LastRun(key string) (run string, err error) {
	err = s.read.QueryRow(`SELECT run FROM ledger WHERE cause = (SELECT num FROM causes WHERE key = ?) AND run != '' AND begun = 1 AND fate IN ('fired', 'caught_up') ORDER BY at DESC LIMIT 1`, key).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return run, s.explain(err)
}

// Seen returns the run of the row that a cause has for a sight, and whether there is one.
func (s *Store) Seen(key, sight string) (run string, seen bool, err error) {
	err = s.read.QueryRow(`SELECT run FROM ledger WHERE cause = (SELECT num FROM causes WHERE key = ?) AND sight = ? AND sight != '' LIMIT 1`, key, sight).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return run, err == nil, s.explain(err)
}

// InLedger reports whether a run was started by a service.
func (s *Store) InLedger(run string) (bool, error) {
	var n int
	err := s.read.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM ledger WHERE run = ? AND run != '' LIMIT 1)`, run).Scan(&n)
	return n > 0, s.explain(err)
}

// LedgerFilter says which rows are wanted. The zero value means all.
type LedgerFilter struct {
	Workflow string
	Key      string
	Fate     string
	Trigger  string
	Run      string
	At       time.Time // rows of this time only
	Before   time.Time // rows of earlier times only
	Limit    int
}

// Ledger returns rows, the newest time first.
func (s *Store) Ledger(f LedgerFilter) ([]Row, error) {
	query, args := selectLedger+`WHERE 1`, []any(nil)
	if f.Workflow != "" {
		query, args = query+` AND c.workflow = ?`, append(args, f.Workflow)
	}
	if f.Key != "" {
		query, args = query+` AND c.key = ?`, append(args, f.Key)
	}
	if f.Trigger != "" {
		query, args = query+` AND c.kind = ?`, append(args, f.Trigger)
	}
	if f.Run != "" {
		query, args = query+` AND l.run = ? AND l.run != ''`, append(args, f.Run)
	}
	if f.Fate != "" {
		query, args = query+` AND l.fate = ?`, append(args, f.Fate)
	}
	if !f.At.IsZero() {
		query, args = query+` AND l.at = ?`, append(args, f.At.UnixMilli())
	}
	if !f.Before.IsZero() {
		query, args = query+` AND l.at < ?`, append(args, f.Before.UnixMilli())
	}
	query += ` ORDER BY l.at DESC, l.cause`
	if f.Limit > 0 {
		query, args = query+` LIMIT ?`, append(args, f.Limit)
	}
	return s.ledger(query, args...)
}

func (s *Store) ledger(query string, args ...any) ([]Row, error) {
	rows, err := s.read.Query(query, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var all []Row
	for rows.Next() {
		var r Row
		var at, decided int64
		if err := rows.Scan(&r.Key, &at, &r.What, &r.Fate, &r.Shifted, &decided, &r.Run, &r.Begun, &r.Note, &r.Params, &r.Workflow, &r.Trigger, &r.Of); err != nil {
			return nil, s.explain(err)
		}
		r.At, r.Decided = time.UnixMilli(at), time.UnixMilli(decided)
		all = append(all, r)
	}
	return all, s.explain(rows.Err())
}

// Good returns the last text of a workflow file that could be used, and whether there is
// one.
func (s *Store) Good(file string) (text []byte, ok bool, err error) {
	err = s.read.QueryRow(`SELECT text FROM good WHERE file = ?`, file).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return text, err == nil, s.explain(err)
}

// GoodFile returns the first file, by name, whose last good text is the one that is looked
// for; "": there is none.
func (s *Store) GoodFile(is func(file string, text []byte) bool) (string, error) {
	rows, err := s.read.Query(`SELECT file, text FROM good ORDER BY file`)
	if err != nil {
		return "", s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var file string
		var text []byte
		if err := rows.Scan(&file, &text); err != nil {
			return "", s.explain(err)
		}
		if is(file, text) {
			return file, nil
		}
	}
	return "", s.explain(rows.Err())
}

// SetGood keeps the text of a workflow file that can be used; nil: the file is gone.
func (s *Store) SetGood(file string, text []byte) error {
	var err error
	if text == nil {
		_, err = s.write.Exec(`DELETE FROM good WHERE file = ?`, file)
	} else {
		_, err = s.write.Exec(`INSERT INTO good (file, text) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET text = excluded.text WHERE text != excluded.text`, file, text)
	}
	return s.explain(err)
}

// service is what the lock of the leader is named by, in place of a run.
const service = "service"

// Hold takes something of a home that only one process may have, by its name: an
// *OwnedError says who has it. It ends with release, or with the process.
func (s *Store) Hold(name string) (release func() error, err error) {
	l, err := s.own(name)
	if err != nil {
		return nil, err
	}
	l.left = false
	return l.free, nil
}

// Lead takes the lead among the services of a home, as Hold does.
func (s *Store) Lead() (release func() error, err error) { return s.Hold(service) }

// Leader returns who leads; false: nobody.
func (s *Store) Leader() (Owner, bool) { return s.Owner(service) }

// collectLedger removes the rows that were settled before a moment, but for those that are
// still needed: those of runs that are kept, and what a trigger may see again.
func (s *Store) collectLedger(before time.Time, dry bool) (n int64, err error) {
	const where = ` FROM ledger WHERE decided < ? AND begun = 1
		AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = ledger.run AND ledger.run != '')
		AND at < (SELECT CASE WHEN active AND kind IN ('file', 'workflow') THEN upto - 86400000 ELSE ledger.at + 1 END FROM causes WHERE num = cause)`
	if dry {
		err = s.read.QueryRow(`SELECT count(*)`+where, before.UnixMilli()).Scan(&n)
		return n, s.explain(err)
	}
	err = s.roomy(func(tx *sql.Tx) error {
		res, err := tx.Exec(`DELETE`+where, before.UnixMilli())
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}
