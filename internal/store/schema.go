package store

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite" // the driver
)

// format is the version of the home's format that this package writes. migrations[k]
// brings a database of version k to k+1.
var migrations = []string{
	`
CREATE TABLE texts (
	hash TEXT PRIMARY KEY, -- SHA-256 of a workflow file
	text BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
	num      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	workflow TEXT NOT NULL,
	file     TEXT NOT NULL,    -- absolute: where the workflow stood
	text     TEXT NOT NULL,    -- of texts
	status   TEXT NOT NULL,    -- running until it has ended
	reason   TEXT NOT NULL DEFAULT '',
	message  TEXT NOT NULL DEFAULT '',
	started  INTEGER NOT NULL, -- Unix milliseconds
	ended    INTEGER NOT NULL DEFAULT 0,
	cause    TEXT NOT NULL,    -- what started it: manual, schedule, …
	of       TEXT NOT NULL DEFAULT '', -- the run that it is a retry of
	tasks    INTEGER NOT NULL,
	token    TEXT NOT NULL DEFAULT '', -- of the processes of whoever ran it last
	summary  BLOB,             -- JSON, compressed; once it has ended
	spans    BLOB              -- JSON, compressed: milliseconds by task, of those that succeeded
);
CREATE INDEX runs_by_workflow ON runs (workflow, num);
CREATE INDEX runs_by_status ON runs (status, num);

CREATE TABLE events (
	run  INTEGER NOT NULL,
	seq  INTEGER NOT NULL, -- of the first in data, from 0
	n    INTEGER NOT NULL, -- how many there are
	data BLOB NOT NULL,    -- their CRC-32C, then their records
	PRIMARY KEY (run, seq)
) WITHOUT ROWID;
`,
	`
CREATE TABLE cache (
	file       TEXT NOT NULL,    -- absolute: of the workflow
	workflow   TEXT NOT NULL,
	task       TEXT NOT NULL,
	definition TEXT NOT NULL,    -- hash
	key        TEXT NOT NULL,    -- hash
	run        TEXT NOT NULL,    -- id of the run that made it
	used       INTEGER NOT NULL, -- num of the last run that made or used it
	made       INTEGER NOT NULL, -- Unix milliseconds
	code       INTEGER NOT NULL, -- exit code, -1: none
	value      BLOB NOT NULL,
	parts      BLOB NOT NULL,    -- JSON: of the key, for people
	PRIMARY KEY (file, workflow, task, definition, key)
) WITHOUT ROWID;
CREATE INDEX cache_by_used ON cache (used);

ALTER TABLE runs ADD COLUMN shape TEXT NOT NULL DEFAULT ''; -- of the params: runs that are alike take alike
ALTER TABLE runs ADD COLUMN again TEXT NOT NULL DEFAULT ''; -- JSON: what of the run in "of" is to run again
`,
	`
CREATE TABLE causes (
	num      INTEGER PRIMARY KEY,
	key      TEXT NOT NULL UNIQUE,
	workflow TEXT NOT NULL,
	kind     TEXT NOT NULL,    -- schedule, file, workflow, webhook or manual
	what     TEXT NOT NULL,    -- for people
	upto     INTEGER NOT NULL, -- Unix milliseconds
	active   INTEGER NOT NULL
);

CREATE TABLE ledger (
	cause   INTEGER NOT NULL,
	at      INTEGER NOT NULL, -- Unix milliseconds: the nominal time
	sight   TEXT NOT NULL,    -- of what is no schedule: what it saw
	fate    TEXT NOT NULL,
	shifted INTEGER NOT NULL,
	decided INTEGER NOT NULL, -- Unix milliseconds
	run     TEXT NOT NULL,    -- id; '' for none
	begun   INTEGER NOT NULL, -- 0: something is still to come of it
	note    TEXT NOT NULL,
	params  TEXT NOT NULL,    -- JSON: of what is no schedule, how its run is to be made
	PRIMARY KEY (cause, at, sight)
) WITHOUT ROWID;
CREATE INDEX ledger_by_time ON ledger (at);
CREATE INDEX ledger_unsettled ON ledger (at) WHERE begun = 0;
CREATE INDEX ledger_by_sight ON ledger (cause, sight) WHERE sight != '';
CREATE INDEX ledger_by_run ON ledger (run) WHERE run != '';
CREATE INDEX runs_by_end ON runs (workflow, ended) WHERE ended > 0;

CREATE TABLE good (
	file TEXT PRIMARY KEY, -- absolute
	text BLOB NOT NULL     -- the last one that could be used
) WITHOUT ROWID;
`,
	// What a run begins with is found without looking at the runs that failed, or had other
	// params.
	`
CREATE INDEX runs_by_outcome ON runs (workflow, status, num);
CREATE INDEX runs_by_shape ON runs (workflow, status, shape, num);
`,
}

// NewerError says that a home was written by a later flow.
type NewerError struct{ Dir, Version string }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("store: %s is of format %s, written by a newer flow; this one knows up to %d: use that, or another --home", e.Dir, e.Version, len(migrations))
}

// OlderError says that a home was written by an earlier flow, and is only to be read.
type OlderError struct{ Dir string }

// Error implements error.
func (e *OlderError) Error() string {
	return fmt.Sprintf("store: %s was written by an earlier flow: the next flow run brings it up to date", e.Dir)
}

// migrate brings the database to the format of this package.
func migrate(ctx context.Context, db *sql.DB, dir string) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == len(migrations) {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil) // immediate: one process does it, others wait
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return &NewerError{dir, fmt.Sprint(version)}
	}
	for _, m := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, m); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return err
	}
	return tx.Commit()
}
