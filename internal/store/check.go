package store

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Fault is something that Check has found.
type Fault struct {
	Run      string // "": it is of none
	What     string
	Repaired bool
}

// Check reads everything that is stored: the database, every event and summary, every
// value that is named, and looks for what belongs to nothing. With repair it drops what
// can't be read from the end of runs that have not ended, and removes what belongs to
// nothing. It is to be called while no run is being run.
func (s *Store) Check(repair bool, now time.Time) ([]Fault, error) {
	var found []Fault
	var verdict string
	if err := s.read.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil {
		return nil, s.explain(err)
	}
	if verdict != "ok" {
		found = append(found, Fault{What: "the database: " + verdict})
	}
	sound, damaged, err := s.checkValues(repair)
	if err != nil {
		return found, err
	}
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return found, err
		}
		faults, err := s.checkRun(&r, sound, repair)
		found = append(found, faults...)
		if err != nil {
			return found, err
		}
	}
	found = append(found, damaged...)
	n, err := s.checkCache(sound, repair)
	if err != nil {
		return found, err
	}
	if n > 0 {
		found = append(found, Fault{What: fmt.Sprintf("%d cached results whose values are missing or damaged", n), Repaired: repair})
	}
	c := new(Collected)
	err = s.collectStrays(c, now, !repair)
	if err == nil {
		err = s.collectValues(c, nil, now, !repair)
	}
	if err != nil {
		return found, err
	}
	if c.Strays > 0 {
		found = append(found, Fault{What: fmt.Sprintf("%d files and folders of runs that there are not, or that were never finished", c.Strays), Repaired: repair})
	}
	if c.Values > 0 {
		found = append(found, Fault{What: fmt.Sprintf("%d results that no run names, %d bytes", c.Values, c.Bytes), Repaired: repair})
	}
	return found, nil
}

// checkValues reads all values. It tells which are sound; with repair, the others are
// removed.
func (s *Store) checkValues(repair bool) (sound map[string]bool, found []Fault, err error) {
	all, err := s.valueNames()
	if err != nil {
		return nil, nil, err
	}
	sound = make(map[string]bool, len(all))
	for _, want := range all {
		name, err := valueName(want)
		if err != nil {
			return nil, nil, err
		}
		hash, err := s.hash(name)
		if err != nil {
			return nil, nil, fmt.Errorf("store: %w", err)
		}
		if hash == want {
			sound[want] = true
			continue
		}
		found = append(found, Fault{What: fmt.Sprintf("the file %s does not hold the value that it is named by", name), Repaired: repair})
		if repair {
			if err := s.files.remove(name); err != nil {
				return nil, nil, fmt.Errorf("store: %w", err)
			}
		}
	}
	return sound, found, nil
}

// checkCache counts the rows of the cache that name values that are not sound; with repair,
// they are removed.
func (s *Store) checkCache(sound map[string]bool, repair bool) (n int, err error) {
	var bad []CacheKey
	for row, err := range s.cacheRows() {
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(row.refs, func(r *dag.Ref) bool { return !sound[r.Hash] }) {
			bad = append(bad, row.key)
		}
	}
	if !repair || len(bad) == 0 {
		return len(bad), nil
	}
	return len(bad), s.transaction(func(tx *sql.Tx) error {
		for _, k := range bad {
			if _, err := tx.Exec(`DELETE FROM cache WHERE file = ? AND workflow = ? AND task = ? AND definition = ? AND key = ?`, k.File, k.Workflow, k.Task, k.Definition, k.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) checkRun(r *Run, sound map[string]bool, repair bool) (found []Fault, err error) {
	fault := func(repaired bool, format string, args ...any) {
		found = append(found, Fault{r.ID, fmt.Sprintf(format, args...), repaired})
	}
	if _, err := s.Text(r); err != nil {
		fault(false, "%s", strings.TrimPrefix(err.Error(), "store: "))
	}
	var torn *TornError
	n := 0
	for e, err := range s.Events(r) {
		if errors.As(err, &torn) {
			break
		}
		if err != nil {
			return found, err
		}
		if n == 0 && e.Kind != run.Started {
			fault(false, "its first event is not its beginning")
		}
		n++
	}
	switch {
	case torn != nil && repair && r.Ended.IsZero():
		_, err = s.write.Exec(`DELETE FROM events WHERE run = ? AND seq >= ?`, r.num, torn.Seq)
		fault(err == nil, "event %d and what follows can't be read: %v", torn.Seq, torn.Err)
	case torn != nil:
		fault(false, "event %d and what follows can't be read: %v", torn.Seq, torn.Err)
	case n == 0:
		fault(false, "it has no event")
	}
	if err != nil {
		return found, s.explain(err)
	}
	if _, err := s.Summary(r); err != nil {
		fault(false, "%s", strings.TrimPrefix(err.Error(), "store: "))
	}
	named := make(map[string]bool)
	if err := s.refs(r, named); err != nil && torn == nil {
		return found, err
	}
	for _, hash := range slices.Sorted(maps.Keys(named)) {
		if !sound[hash] {
			fault(false, "value %s is missing or damaged", hash)
		}
	}
	return found, nil
}
