package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Keep says which runs that have ended are kept. Those that have not are always, and what
// they are retries of.
type Keep struct {
	Age         time.Duration // since they ended; 0: for ever
	PerWorkflow int           // the newest of each workflow; 0: all
	Total       int           // the newest of all; 0: all
}

// Collected is what GC has removed, or would.
type Collected struct {
	Runs   []Run // the newest first
	Values int   // results that no run that is left has
	Bytes  int64 // of these
	Strays int   // logs and folders of runs that there are not
}

// young is how old a value must be to be taken for nobody's: a run writes one before the
// event that names it.
const young = time.Hour

// GC removes the runs that are not to be kept, with their logs, and what belongs to no
// run. With dry it only tells. Its cost is linear in what is stored.
func (s *Store) GC(keep Keep, now time.Time, dry bool) (*Collected, error) {
	c := new(Collected)
	total, of, needed := 0, make(map[string]int), make(map[string]bool)
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return nil, err
		}
		total++
		of[r.Workflow]++
		old := keep.Age > 0 && now.Sub(r.Ended) > keep.Age
		many := keep.PerWorkflow > 0 && of[r.Workflow] > keep.PerWorkflow || keep.Total > 0 && total > keep.Total
		if r.Ended.IsZero() && r.Of != "" {
			needed[r.Of] = true // an older one: it comes later
		}
		if !r.Ended.IsZero() && (old || many) && !needed[r.ID] {
			c.Runs = append(c.Runs, r)
		}
	}
	if !dry {
		for i := range c.Runs {
			if err := s.remove(&c.Runs[i]); err != nil {
				return c, err
			}
		}
	}
	gone := make(map[string]bool)
	for i := range c.Runs {
		gone[c.Runs[i].ID] = true
	}
	if err := s.collectStrays(c, dry); err != nil {
		return c, err
	}
	return c, s.collectValues(c, gone, now, dry)
}

// remove removes a run that has ended: what tells of it last.
func (s *Store) remove(r *Run) error {
	for _, dir := range []string{logsDir, workDir} {
		if err := s.files.remove(path.Join(dir, r.ID)); err != nil {
			return fmt.Errorf("store: run %s: %w", r.ID, err)
		}
	}
	return s.transaction(func(tx *sql.Tx) error {
		if err := drop(tx, r.num); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM texts WHERE hash = ? AND hash NOT IN (SELECT text FROM runs)`, r.Hash)
		return err
	})
}

// collectStrays removes the logs and folders of runs that are not in the database.
func (s *Store) collectStrays(c *Collected, dry bool) error {
	for _, dir := range []string{logsDir, workDir} {
		names, err := s.files.list(dir)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		for _, id := range names {
			if known, err := s.known(id); err != nil {
				return err
			} else if known {
				continue
			}
			c.Strays++
			if dry {
				continue
			}
			if err := s.files.remove(path.Join(dir, id)); err != nil {
				return fmt.Errorf("store: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) known(id string) (bool, error) {
	var n int
	err := s.read.QueryRow(`SELECT count(*) FROM runs WHERE id = ?`, id).Scan(&n)
	return n > 0, s.explain(err)
}

// collectValues removes the values that no run names.
func (s *Store) collectValues(c *Collected, gone map[string]bool, now time.Time, dry bool) error {
	all, err := s.valueNames()
	if err != nil || len(all) == 0 {
		return err
	}
	named := make(map[string]bool)
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return err
		}
		if gone[r.ID] {
			continue
		}
		refs, err := s.refs(&r)
		if errors.As(err, new(*TornError)) {
			return nil // what it names is not known, so nothing is nobody's
		}
		if err != nil {
			return err
		}
		for _, hash := range refs {
			named[hash] = true
		}
	}
	for _, hash := range all {
		name, err := valueName(hash)
		if err != nil || named[hash] {
			continue // a file of somebody else's
		}
		size, changed, err := s.files.stat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.Sub(changed) < young {
			continue
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		c.Values++
		c.Bytes += size
		if dry {
			continue
		}
		if err := s.files.remove(name); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// valueNames are the hashes of all values that there are.
func (s *Store) valueNames() ([]string, error) {
	var all []string
	dirs, err := s.files.list(valuesDir)
	for _, dir := range dirs {
		if err != nil {
			break
		}
		var names []string
		names, err = s.files.list(path.Join(valuesDir, dir))
		for _, name := range names {
			all = append(all, hashPrefix+dir+name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

var refPattern = regexp.MustCompile(`"ref":"(sha256:[0-9a-f]{64})"`)

// refs are the hashes of the values that a run names: those of its summary, or of its
// events where it has not ended.
func (s *Store) refs(r *Run) ([]string, error) {
	text, err := s.Summary(r)
	if err != nil {
		return nil, err
	}
	var hashes []string
	if text != nil {
		for _, m := range refPattern.FindAllSubmatch(text, -1) {
			hashes = append(hashes, string(m[1]))
		}
		return hashes, nil
	}
	for e, err := range s.Events(r) {
		if err != nil {
			return hashes, err
		}
		hashes = refsIn(hashes, e.Value)
	}
	return hashes, nil
}

func refsIn(hashes []string, v any) []string {
	switch v := v.(type) {
	case *dag.Ref:
		hashes = append(hashes, v.Hash)
	case []any:
		for _, e := range v {
			hashes = refsIn(hashes, e)
		}
	case map[string]any:
		for _, e := range v {
			hashes = refsIn(hashes, e)
		}
	}
	return hashes
}

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
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return found, err
		}
		faults, err := s.checkRun(&r, repair)
		found = append(found, faults...)
		if err != nil {
			return found, err
		}
	}
	c, err := s.GC(Keep{}, now, !repair)
	if err != nil {
		return found, err
	}
	if c.Strays > 0 {
		found = append(found, Fault{What: fmt.Sprintf("%d logs and folders of runs that there are not", c.Strays), Repaired: repair})
	}
	if c.Values > 0 {
		found = append(found, Fault{What: fmt.Sprintf("%d results that no run names, %d bytes", c.Values, c.Bytes), Repaired: repair})
	}
	return found, nil
}

func (s *Store) checkRun(r *Run, repair bool) (found []Fault, err error) {
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
	refs, err := s.refs(r)
	if err != nil && torn == nil {
		fault(false, "%s", strings.TrimPrefix(err.Error(), "store: "))
		return found, nil
	}
	slices.Sort(refs)
	for _, hash := range slices.Compact(refs) {
		if _, err := s.Value(&dag.Ref{Hash: hash}); err != nil {
			fault(false, "%s", strings.TrimPrefix(err.Error(), "store: "))
		}
	}
	return found, nil
}
