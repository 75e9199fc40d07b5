package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flow/internal/run"
)

// CacheOf names the task whose results a cache has.
type CacheOf struct {
	File     string // absolute: of the workflow
	Workflow string
	Task     string
}

// CacheKey is what a result is kept by. Definition and Key are hashes.
type CacheKey struct {
	CacheOf
	Definition, Key string
}

// Cached is a result that may be used again. It lives as long as the last run that made
// or used it is kept.
type Cached struct {
	Run             string // the id of the run that made it
	Made            time.Time
	Value           any // plain, or a *dag.Ref
	ExitCode        int
	Parts           []string // of the key, as texts for people
	Definition, Key string
}

// Kept is a result of the cache as a run has to do with it: it has made Entry, or, where
// that is nil, has used what was there for the key.
type Kept struct {
	Key   CacheKey
	Entry *Cached
}

// keep records in a transaction what a run has made or used: it stays as long as that run.
func (j *Journal) keep(tx *sql.Tx, c *Kept) error {
	k := &c.Key
	if c.Entry == nil {
		_, err := tx.Exec(`UPDATE cache SET used = max(used, ?) WHERE file = ? AND workflow = ? AND task = ? AND definition = ? AND key = ?`,
			j.run.num, k.File, k.Workflow, k.Task, k.Definition, k.Key)
		return err
	}
	value, err := run.EncodeValue(c.Entry.Value)
	if err != nil {
		return fmt.Errorf("store: cache: %w", err)
	}
	parts, err := json.Marshal(c.Entry.Parts)
	if err != nil {
		return fmt.Errorf("store: cache: %w", err)
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO cache (file, workflow, task, definition, key, run, used, made, code, value, parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		k.File, k.Workflow, k.Task, k.Definition, k.Key, j.run.ID, j.run.num, c.Entry.Made.UnixMilli(), c.Entry.ExitCode, value, parts)
	return err
}

const selectCached = `SELECT run, made, code, value, parts, definition, key FROM cache WHERE file = ? AND workflow = ? AND task = ?`

// Cached returns the result for a key; nil where there is none, or its value is gone
// or damaged. Its cost is linear in the value's size, and does not depend on what else is
// kept.
func (s *Store) Cached(k CacheKey) (*Cached, error) {
	c, err := s.cached(s.read.QueryRow(selectCached+` AND definition = ? AND key = ?`, k.File, k.Workflow, k.Task, k.Definition, k.Key))
	if c == nil || err != nil {
		return nil, err
	}
	for _, ref := range refsIn(nil, c.Value) {
		if there, err := s.holds(ref); err != nil || !there {
			return nil, nil // what can't be read is no result
		}
		if s.looking {
			continue
		}
		name, err := valueName(ref.Hash)
		if err == nil {
			err = s.files.touch(name) // what is young is nobody's prey
		}
		if err != nil {
			return nil, nil
		}
	}
	return c, nil
}

// LastCached returns the newest result of a task, whatever its key; nil: there is none.
func (s *Store) LastCached(of CacheOf) (*Cached, error) {
	return s.cached(s.read.QueryRow(selectCached+` ORDER BY made DESC LIMIT 1`, of.File, of.Workflow, of.Task))
}

func (s *Store) cached(row *sql.Row) (*Cached, error) {
	var c Cached
	var made int64
	var value, parts []byte
	err := row.Scan(&c.Run, &made, &c.ExitCode, &value, &parts, &c.Definition, &c.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain(err)
	}
	c.Made = time.UnixMilli(made)
	if c.Value, err = run.DecodeValue(value); err == nil {
		err = json.Unmarshal(parts, &c.Parts)
	}
	if err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	return &c, nil
}
