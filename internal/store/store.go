package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Durability says what a crash of the machine may cost. A crash of flow alone costs
// nothing with any of them.
type Durability string

const (
	// Full: every commit is on disk before its run goes on.
	Full Durability = "full"
	// Normal: commits reach the disk soon; a power cut may cost the last ones, never
	// the order or what was before. The default.
	Normal Durability = "normal"
	// Off: the system writes when it likes; a power cut may leave a broken database.
	Off Durability = "off"
)

// synchronous is what SQLite calls it.
var synchronous = map[Durability]string{Full: "FULL", Normal: "NORMAL", Off: "OFF"}

// Store is a home.
type Store struct {
	dir        string // absolute; "" in memory
	durability Durability
	files      files
	write      *sql.DB   // one connection
	read       *sql.DB   // several; the same in memory
	maxLog     int64     // MaxLog
	looking    bool      // it is only read
	alone      bool      // no other process has it open: see OpenAlone
	insert     *sql.Stmt // of events: prepared, since it is most of what is done
	prepared   sync.Map  // *sql.Stmt by statement: see stmt
	packers    sync.Pool // of *flate.Writer
}

// dirs are the folders of a home that belong to the store.
const (
	logsDir   = "logs"   // logs/RUN/TASK.INSTANCE.ATTEMPT
	valuesDir = "values" // values/ab/cd…: results, by the hash of their JSON
	workDir   = "work"   // work/RUN: a run's folder, while it has not ended
	locksDir  = "locks"  // locks/RUN: who runs it
)

// Open opens a home, which it makes if it has to. "" is Normal.
func Open(dir string, d Durability) (*Store, error) {
	if d == "" {
		d = Normal
	}
	if synchronous[d] == "" {
		return nil, fmt.Errorf("store: durability %q: there are full, normal and off", d)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: the home can't be made: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{dir: dir, durability: d, files: &disk{root: root}, maxLog: MaxLog}
	if err := s.open(filepath.Join(dir, "flow.db")); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// OpenToRead opens a home that is there, to look at: nothing of it is changed, so it may
// be on a file system that can't be written to, or that is full. What would write fails. A
// home of an older format is an *OlderError.
func OpenToRead(dir string) (*Store, error) {
	s, err := openThere(dir, true)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "flow.db")
	if err = s.openOne(path, url.Values{"mode": {"ro"}, "_pragma": {busy, inMemory}}); !isShut(err) {
		return s.orClosed(err)
	}
	// SQLite would make files beside the database, to share it with others, and can't.
	if info, statErr := os.Stat(path + "-wal"); statErr != nil || info.Size() == 0 {
		if s.openOne(path, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": {inMemory}}) == nil {
			return s, nil // nobody is writing, then
		}
	} else if s.openOne(path, url.Values{"mode": {"rw"}, "_pragma": {exclusively, busy, inMemory, "query_only(1)"}}) == nil {
		return s, nil
	}
	return s.orClosed(err)
}

// Look calls do with a home that is there, without any effect on it: where nobody has it
// open, not even the files are made by which SQLite shares a database. Should it be changed
// meanwhile, do is called again.
func Look(dir string, do func(*Store) error) error {
	path := filepath.Join(dir, "flow.db")
	for range 3 {
		if there(path+"-wal") || there(path+"-shm") {
			break // somebody has it open: sharing makes no file more
		}
		before, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		s, err := openThere(dir, true)
		if err != nil {
			return err
		}
		if err = s.openOne(path, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": {inMemory}}); err == nil {
			err = do(s)
		}
		err = errors.Join(err, s.Close())
		after, statErr := os.Stat(path)
		if statErr == nil && after.Size() == before.Size() && after.ModTime().Equal(before.ModTime()) {
			return err
		}
	}
	s, err := OpenToRead(dir)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// OpenAlone opens a home that is there for one process alone, which needs no room on the
// disk: for GC, where Open finds it full. A home of an older format is an *OlderError.
func OpenAlone(dir string) (*Store, error) {
	s, err := openThere(dir, false)
	if err != nil {
		return nil, err
	}
	s.alone = true
	return s.orClosed(s.openOne(filepath.Join(s.dir, "flow.db"), url.Values{"_txlock": {"immediate"}, "mode": {"rw"}, "_pragma": {exclusively, busy, inMemory}}))
}

const (
	busy        = "busy_timeout(10000)"
	inMemory    = "temp_store(MEMORY)"
	exclusively = "locking_mode(EXCLUSIVE)" // what else is a file to be shared is memory then
)

// isShut reports whether SQLite could not open a database for want of the files beside it.
func isShut(err error) bool { return isFull(err) || IsReadOnly(err) }

func openThere(dir string, looking bool) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Store{dir: dir, durability: Normal, files: &disk{root: root}, maxLog: MaxLog, looking: looking}, nil
}

// openOne opens the database over one connection, and checks its format.
func (s *Store) openOne(path string, options url.Values) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	db.SetMaxOpenConns(1)
	var version int
	err = s.explain(patiently(func() error { return db.QueryRow("PRAGMA user_version").Scan(&version) }))
	if err == nil {
		// The version alone may be read without what the rest needs.
		err = s.explain(patiently(func() error { return db.QueryRow("SELECT count(*) FROM sqlite_master").Scan(new(int)) }))
	}
	switch {
	case err != nil:
	case version > len(migrations):
		err = &NewerError{s.dir, fmt.Sprint(version)}
	case version < len(migrations):
		err = &OlderError{s.dir}
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.write, s.read = db, db
	return nil
}

func (s *Store) orClosed(err error) (*Store, error) {
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Exists reports whether a home has been used: reading commands make none.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "flow.db"))
	return !errors.Is(err, fs.ErrNotExist)
}

func (s *Store) open(path string) (err error) {
	// Only its owner is to read it; SQLite makes the files beside it alike.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store: %s can't be written to: %w", s.dir, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	options := url.Values{"_txlock": {"immediate"}, "_pragma": {
		busy, "journal_mode(WAL)", "synchronous(" + synchronous[s.durability] + ")", inMemory,
	}}
	source := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
	if s.write, err = sql.Open("sqlite", source); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	if err := patiently(func() error { return migrate(context.Background(), s.write, s.dir) }); err != nil {
		return s.explain(err)
	}
	if s.insert, err = s.write.Prepare(insertEvents); err != nil {
		return s.explain(err)
	}
	if s.read, err = sql.Open("sqlite", source); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.read.SetMaxOpenConns(4)
	return nil
}

// patiently does what SQLite refuses at once, without its busy timeout, while another
// process makes the database or recovers it.
func patiently(do func() error) error {
	for began := time.Now(); ; {
		err := do()
		if !isBusy(err) || time.Since(began) > busyTimeout {
			return err
		}
		time.Sleep(pause)
	}
}

// busyTimeout is how long a busy database is waited for.
const busyTimeout = 10 * time.Second

const insertEvents = `INSERT INTO events (run, seq, n, data) VALUES (?, ?, ?, ?)`

// Memory returns a store that is gone with the process.
func Memory() (*Store, error) {
	s := &Store{durability: Off, files: newMemory(), maxLog: MaxLog}
	db, err := sql.Open("sqlite", ":memory:?_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	s.write, s.read = db, db
	if err := migrate(context.Background(), db, "memory"); err != nil {
		return nil, errors.Join(s.explain(err), db.Close())
	}
	if s.insert, err = db.Prepare(insertEvents); err != nil {
		return nil, errors.Join(s.explain(err), db.Close())
	}
	return s, nil
}

// Close ends the use of the home. Journals are to be closed before.
func (s *Store) Close() error {
	var errs []error
	if s.insert != nil {
		errs = append(errs, s.insert.Close())
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(append(errs, s.files.close())...)
}

// stmt prepares a statement, once. It is for those that each run needs: to read them takes
// longer than to do what they say.
func (s *Store) stmt(db *sql.DB, text string) (*sql.Stmt, error) {
	type key struct {
		db   *sql.DB
		text string
	}
	if st, ok := s.prepared.Load(key{db, text}); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := db.Prepare(text)
	if err != nil {
		return nil, s.explain(err)
	}
	if other, loaded := s.prepared.LoadOrStore(key{db, text}, st); loaded {
		_ = st.Close() // another goroutine was first
		return other.(*sql.Stmt), nil
	}
	return st, nil
}

// WorkDir makes the folder of a run's files, which stays until RemoveWorkDir: a run that is
// interrupted goes on with what its tasks left there. In memory there is none.
func (s *Store) WorkDir(id string) (string, error) {
	d := s.files.onDisk()
	if d == nil {
		return "", errors.New("store: a store in memory has no folders")
	}
	name := workDir + "/" + id
	if err := d.root.MkdirAll(name, 0o700); err != nil {
		return "", fmt.Errorf("store: the run's folder: %w", err)
	}
	return filepath.Join(s.dir, filepath.FromSlash(name)), nil
}

// Dir is the home's folder; "" in memory.
func (s *Store) Dir() string { return s.dir }

// explain says what an error of the database means for people.
func (s *Store) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("store: %s can't be written to; is its disk full? %w", s.dir, err)
	case IsReadOnly(err):
		return fmt.Errorf("store: %s can't be written to: %w", s.dir, err)
	case isBusy(err):
		return fmt.Errorf("store: %s has been busy for ten seconds: %w", s.dir, err)
	}
	var newer *NewerError
	if errors.As(err, &newer) {
		return err
	}
	return fmt.Errorf("store: %w", err)
}
