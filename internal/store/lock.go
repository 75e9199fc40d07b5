package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Owner is who runs a run.
type Owner struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// OwnedError says that a run has an owner, who lives.
type OwnedError struct {
	Run   string
	Owner Owner
}

// Error implements error.
func (e *OwnedError) Error() string {
	return fmt.Sprintf("store: run %s is being run by process %d since %s", e.Run, e.Owner.PID, e.Owner.Since.Format(time.RFC3339))
}

// lock is the ownership of a run: a file that is locked with flock(2), which the system
// undoes when the process ends, however it ends. So a dead owner's can be taken over, and
// a living one's never, whatever numbers processes have.
type lock struct {
	store *Store
	name  string
	file  *os.File // nil in memory
	left  bool     // the owner before did not give it up, and what that has left is not gone yet
}

// own takes the ownership of a run. An *OwnedError says who has it.
func (s *Store) own(id string) (*lock, error) {
	l := &lock{store: s, name: locksDir + "/" + id}
	if m, ok := s.files.(*memory); ok {
		if _, taken := m.owned.LoadOrStore(l.name, true); taken {
			return nil, &OwnedError{Run: id, Owner: Owner{PID: os.Getpid()}}
		}
		return l, nil
	}
	d := s.files.onDisk()
	for began := time.Now(); ; {
		f, owner, err := d.lock(l.name)
		if err != nil {
			return nil, fmt.Errorf("store: run %s: %w", id, err)
		}
		if f == nil {
			// What a dead owner was about to start has the lock until it runs.
			if owner.PID > 0 && errors.Is(unix.Kill(owner.PID, 0), unix.ESRCH) && time.Since(began) < patience {
				time.Sleep(pause)
				continue
			}
			return nil, &OwnedError{id, owner}
		}
		// Its owner may have removed it between the opening and the locking.
		mine, err := f.Stat()
		there, err2 := d.root.Stat(l.name)
		if err != nil || err2 != nil || !os.SameFile(mine, there) {
			f.Close()
			continue
		}
		l.file, l.left = f, mine.Size() > 0
		text, _ := json.Marshal(Owner{os.Getpid(), time.Now().Truncate(time.Second)}) // of numbers
		if err := errors.Join(f.Truncate(0), writeAt(f, text)); err != nil {
			return nil, errors.Join(fmt.Errorf("store: run %s: %w", id, err), l.free())
		}
		return l, nil
	}
}

// How long the lock of a dead owner may be held by what that was about to start, and how
// often it is tried.
const (
	patience = 5 * time.Second
	pause    = 5 * time.Millisecond
)

func writeAt(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	return err
}

// lock locks a file; nil where another has the lock, and who that is.
func (d *disk) lock(name string) (*os.File, Owner, error) {
	if err := d.root.MkdirAll(locksDir, 0o700); err != nil {
		return nil, Owner{}, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Owner{}, err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return f, Owner{}, nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		f.Close()
		return nil, Owner{}, err
	}
	defer f.Close()
	var o Owner
	text, err := io.ReadAll(f)
	if err == nil {
		_ = json.Unmarshal(text, &o) // it may be being written: then nothing is known yet
	}
	return nil, o, nil
}

// cancelSuffix is in the name of the file by which a run is asked to end.
const cancelSuffix = ".cancel"

// RequestCancel asks whoever runs a run to cancel it; false: nobody does.
func (s *Store) RequestCancel(id string) (bool, error) {
	if _, owned := s.Owner(id); !owned {
		return false, nil
	}
	if err := s.files.put(locksDir+"/"+id+cancelSuffix, nil, false); err != nil {
		return false, fmt.Errorf("store: run %s: %w", id, err)
	}
	return true, nil
}

// WishCancel is RequestCancel for whoever runs a run, now or when it is gone on with. With
// replace, that is for a newer one.
func (s *Store) WishCancel(id string, replace bool) error {
	var text []byte
	if replace {
		text = []byte(replaceWish)
	}
	if err := s.files.put(locksDir+"/"+id+cancelSuffix, text, false); err != nil {
		return fmt.Errorf("store: run %s: %w", id, err)
	}
	return nil
}

const replaceWish = "replace"

// CancelRequested reports whether somebody has asked for the end of a run, and whether that
// is for a newer one.
func (s *Store) CancelRequested(id string) (asked, replace bool) {
	name := locksDir + "/" + id + cancelSuffix
	size, _, err := s.files.stat(name)
	return err == nil, err == nil && size == int64(len(replaceWish))
}

// CancelRequests returns the ids of all runs whose end somebody has asked for, in one look;
// nil: there are none, or that can't be told.
func (s *Store) CancelRequests() map[string]bool {
	names, err := s.files.list(locksDir)
	if err != nil {
		return nil
	}
	var ids map[string]bool
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, cancelSuffix); ok {
			if ids == nil {
				ids = make(map[string]bool)
			}
			ids[id] = true
		}
	}
	return ids
}

// free gives the ownership up.
func (l *lock) free() error {
	err := l.store.files.remove(l.name + cancelSuffix)
	if m, ok := l.store.files.(*memory); ok {
		m.owned.Delete(l.name)
		return err
	}
	// The file goes before the lock, so that nobody takes what is about to go; the lock
	// is undone since a program that is being started has the file as well, until it runs.
	if !l.left {
		err = errors.Join(err, l.store.files.remove(l.name))
	}
	err = errors.Join(err, unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// removeLock removes the lock of nobody: where somebody has it meanwhile, it stays.
func (s *Store) removeLock(name string) error {
	d := s.files.onDisk()
	if d == nil {
		return nil
	}
	f, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return ignoreMissing(err)
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	return s.files.remove(name)
}

// Owner returns who runs a run at the moment; false: nobody does.
func (s *Store) Owner(id string) (Owner, bool) {
	if m, ok := s.files.(*memory); ok {
		_, taken := m.owned.Load(locksDir + "/" + id)
		return Owner{PID: os.Getpid()}, taken
	}
	f, err := s.files.onDisk().root.OpenFile(locksDir+"/"+id, os.O_RDWR, 0)
	if err != nil {
		return Owner{}, false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return Owner{}, false
	}
	var o Owner
	if text, err := io.ReadAll(f); err == nil {
		_ = json.Unmarshal(text, &o)
	}
	return o, true
}
