package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
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
	Strays int   // logs, folders and locks of runs that there are not, and files that were never finished
	Times  int64 // settled rows of the ledger
}

// young is how old a value must be to be taken for nobody's: a run writes one before the
// event that names it.
const young = time.Hour

// KeepTimes is how long settled rows of the ledger are kept where Keep.Age is 0.
const KeepTimes = 90 * 24 * time.Hour

// batch is how many runs are removed in one transaction: others are not kept waiting for
// long, and a commit is not paid for each.
const batch = 100

// GC removes the runs that are not to be kept, with their logs, what belongs to no run,
// and settled rows of the ledger that are older than Keep.Age, or KeepTimes. With dry it
// only tells. Files go first, and what tells of them last: so it makes room for itself,
// and what is interrupted is done by the next one. Its cost is linear in what is stored.
func (s *Store) GC(keep Keep, now time.Time, dry bool) (*Collected, error) {
	c := new(Collected)
	total, of, needed := 0, make(map[string]int), make(map[string]bool)
	var old []Run
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return nil, err
		}
		total++
		of[r.Workflow]++
		aged := keep.Age > 0 && now.Sub(r.Ended) > keep.Age
		many := keep.PerWorkflow > 0 && of[r.Workflow] > keep.PerWorkflow || keep.Total > 0 && total > keep.Total
		if r.Ended.IsZero() && r.Of != "" {
			needed[r.Of] = true // an older one: it comes later
		}
		if !r.Ended.IsZero() && (aged || many) && !needed[r.ID] {
			old = append(old, r)
		}
	}
	gone := make(map[int64]bool, len(old))
	for i := range old {
		gone[old[i].num] = true
		if dry {
			continue
		}
		if err := s.removeFiles(&old[i]); err != nil {
			return c, err
		}
	}
	if err := s.collectStrays(c, now, dry); err != nil {
		return c, err
	}
	if err := s.collectValues(c, gone, now, dry); err != nil {
		return c, err
	}
	if dry {
		c.Runs = old
	} else if err := s.removeRuns(c, old); err != nil {
		return c, err
	}
	var err error
	c.Times, err = s.collectLedger(now.Add(-cmp.Or(keep.Age, KeepTimes)), dry)
	return c, err
}

func (s *Store) removeFiles(r *Run) error {
	for _, dir := range []string{logsDir, workDir} {
		if err := s.files.remove(path.Join(dir, r.ID)); err != nil {
			return fmt.Errorf("store: run %s: %w", r.ID, err)
		}
	}
	return nil
}

// removeRuns removes what the database has of runs, and counts them.
func (s *Store) removeRuns(c *Collected, old []Run) error {
	for some := range slices.Chunk(old, batch) {
		err := s.roomy(func(tx *sql.Tx) error {
			for i := range some {
				if err := drop(tx, some[i].num); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.Runs = append(c.Runs, some...)
	}
	return s.roomy(func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM texts WHERE hash NOT IN (SELECT text FROM runs)`)
		return err
	})
}

// roomy is transaction for what makes room. A database that is open for one process alone
// can do without files beside it, if they find none.
func (s *Store) roomy(do func(*sql.Tx) error) error {
	err := s.transaction(do)
	for _, mode := range []string{"TRUNCATE", "MEMORY"} {
		if !s.alone || !isFull(err) {
			break
		}
		if _, err := s.write.Exec("PRAGMA journal_mode = " + mode); err != nil {
			continue
		}
		err = s.transaction(do)
	}
	return err
}

// collectStrays removes the logs, folders and locks of runs that are not in the database,
// and files that were begun and never finished.
func (s *Store) collectStrays(c *Collected, now time.Time, dry bool) error {
	var names, locks []string
	for _, dir := range []string{logsDir, workDir, locksDir} {
		some, err := s.files.list(dir)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		for _, name := range some {
			if dir == locksDir {
				locks = append(locks, name)
			} else {
				names = append(names, path.Join(dir, name))
			}
		}
	}
	known, err := s.ids() // after the names: what has begun since has none among them
	if err != nil {
		return err
	}
	stray := func(name string, remove func(string) error) error {
		c.Strays++
		if dry {
			return nil
		}
		if err := remove(name); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return nil
	}
	for _, name := range names {
		if known[path.Base(name)] {
			continue
		}
		if err := stray(name, s.files.remove); err != nil {
			return err
		}
	}
	for _, name := range locks {
		id, rest, more := strings.Cut(name, ".")
		name := path.Join(locksDir, name)
		switch {
		case known[id] && !strings.Contains(rest, temporaryMark), id == service, !s.aged(name, now):
		case more:
			err = stray(name, s.files.remove)
		default:
			if _, owned := s.Owner(id); !owned {
				err = stray(name, s.removeLock)
			}
		}
		if err != nil {
			return err
		}
	}
	unfinished, err := s.valueFiles()
	if err != nil {
		return err
	}
	for _, name := range unfinished {
		if strings.Contains(name, temporaryMark) && s.aged(name, now) {
			if err := stray(name, s.files.remove); err != nil {
				return err
			}
		}
	}
	return nil
}

// aged reports whether a file is too old to be of something that is just beginning.
func (s *Store) aged(name string, now time.Time) bool {
	_, changed, err := s.files.stat(name)
	return err == nil && now.Sub(changed) >= young
}

// ids are those of all runs.
func (s *Store) ids() (map[string]bool, error) {
	rows, err := s.read.Query(`SELECT id FROM runs`)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	all := make(map[string]bool)
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, s.explain(err)
		}
		all[id] = true
	}
	return all, s.explain(rows.Err())
}

// collectValues removes the values that neither a run nor the cache names.
func (s *Store) collectValues(c *Collected, gone map[int64]bool, now time.Time, dry bool) error {
	all, err := s.valueNames()
	if err != nil || len(all) == 0 {
		return err
	}
	named := make(map[string]bool)
	for r, err := range s.Runs(Filter{}) {
		if err != nil {
			return err
		}
		if gone[r.num] {
			continue
		}
		err := s.refs(&r, named)
		if errors.As(err, new(*TornError)) {
			if r.Ended.IsZero() {
				return nil // what it names is not known, so nothing is nobody's
			}
			continue // it can't be retried: the summary is all that is left of it
		}
		if err != nil {
			return err
		}
	}
	for row, err := range s.cacheRows() {
		if err != nil {
			return err
		}
		if !gone[row.used] {
			for _, ref := range row.refs {
				named[ref.Hash] = true
			}
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

// valueFiles are the files among the values.
func (s *Store) valueFiles() ([]string, error) {
	var all []string
	dirs, err := s.files.list(valuesDir)
	for _, dir := range dirs {
		if err != nil {
			break
		}
		var names []string
		names, err = s.files.list(path.Join(valuesDir, dir))
		for _, name := range names {
			all = append(all, path.Join(valuesDir, dir, name))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

// valueNames are the hashes of all values that there are.
func (s *Store) valueNames() ([]string, error) {
	files, err := s.valueFiles()
	all := files[:0]
	for _, name := range files {
		dir, base := path.Split(name)
		hash := hashPrefix + path.Base(dir) + base
		if _, err := valueName(hash); err == nil {
			all = append(all, hash)
		}
	}
	return all, err
}

var refPattern = regexp.MustCompile(`"ref":"(sha256:[0-9a-f]{64})"`)

// refs adds the hashes of the values that a run names: those of its events, which a resume
// or a retry of it reads, and of its summary, which people do. A *TornError says that some
// of them are not known.
func (s *Store) refs(r *Run, named map[string]bool) error {
	text, err := s.Summary(r)
	if err != nil && code(err) != 0 {
		return err
	} // else it is torn, and nobody can read it either
	for _, m := range refPattern.FindAllSubmatch(text, -1) {
		named[string(m[1])] = true
	}
	for e, err := range s.Events(r) {
		if err != nil {
			return err
		}
		for _, ref := range refsIn(nil, e.Value) {
			named[ref.Hash] = true
		}
	}
	return nil
}

// cacheRow is what of a row of the cache concerns its values.
type cacheRow struct {
	used int64
	refs []*dag.Ref
	key  CacheKey
}

// cacheRows are the rows of the cache that name values.
func (s *Store) cacheRows() iter.Seq2[cacheRow, error] {
	return func(yield func(cacheRow, error) bool) {
		rows, err := s.read.Query(`SELECT used, value, file, workflow, task, definition, key FROM cache`)
		if err != nil {
			yield(cacheRow{}, s.explain(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var r cacheRow
			var value []byte
			k := &r.key
			if err := rows.Scan(&r.used, &value, &k.File, &k.Workflow, &k.Task, &k.Definition, &k.Key); err != nil {
				yield(r, s.explain(err))
				return
			}
			v, err := run.DecodeValue(value)
			if r.refs = refsIn(nil, v); err != nil || len(r.refs) == 0 {
				continue // a row that can't be read names nothing
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(cacheRow{}, s.explain(err))
		}
	}
}

// refsIn adds the references in a value.
func refsIn(refs []*dag.Ref, v any) []*dag.Ref {
	switch v := v.(type) {
	case *dag.Ref:
		refs = append(refs, v)
	case []any:
		for _, e := range v {
			refs = refsIn(refs, e)
		}
	case map[string]any:
		for _, e := range v {
			refs = refsIn(refs, e)
		}
	}
	return refs
}
