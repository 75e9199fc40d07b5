package home

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sys/unix"
)

// Request asks for one of the places that the runs of a workflow have.
type Request struct {
	Home     string
	Workflow string // an id
	Run      string // the run's id: who holds the place
	Places   int    // how many there are
	OnLimit  string // "queue", "skip" or "replace": what if all are taken
	// Waiting, if not nil, is told once when the run has to wait, and for which
	// runs.
	Waiting func(runs []string)
}

// ErrTaken answers a request that does not wait: all places are taken.
var ErrTaken = errors.New("all places are taken")

// Replace is the signal that asks a process to give the place of its run to
// another one.
const Replace = unix.SIGUSR1

// look is how often a waiting run looks whether a place is free. A lock tells
// nobody of its end but who blocks on it, and a blocked thread can't be
// cancelled.
const look = 100 * time.Millisecond

// Place is a place that a run holds. The system frees it when the process ends,
// however it ends.
type Place struct{ file *os.File }

// Asked reports whether somebody has asked for this place, for a newer run. It is for a
// process that holds several, and was sent Replace.
func (p *Place) Asked() bool {
	if p == nil {
		return false
	}
	text, err := io.ReadAll(io.NewSectionReader(p.file, 0, 4096))
	return err == nil && strings.Contains(string(text), wanted)
}

// wanted is written into a place by who wants it.
const wanted = "\nreplace\n"

// want leaves word in the holder's place that it is wanted.
func (h holder) want(root *os.Root) {
	f, err := root.OpenFile(h.place, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return // it has gone
	}
	defer f.Close()
	if h.holds(root) {
		_, _ = f.WriteString(wanted) // the signal alone will do for most
	}
}

// Free gives the place back.
func (p *Place) Free() error {
	if p == nil {
		return nil
	}
	return p.file.Close()
}

// Take takes a place. If there is none it waits in order of arrival, or answers
// ErrTaken (skip), or asks the run that has held one for longest to end and
// waits for that (replace). When ctx ends, so does the waiting.
//
// Places are files that are locked with flock(2), with pid and run of the holder
// in them; those who wait hold a locked file as well, named by a ULID, and the
// first of them goes first.
func Take(ctx context.Context, r Request) (*Place, error) {
	root, err := open(r.Home, r.Workflow)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	q := queue{root: root, request: &r}
	if err := q.join(); err != nil {
		return nil, err
	}
	defer q.leave()
	told, asked := false, ""
	for {
		place, holders, err := q.try()
		if err != nil || place != nil {
			return place, err
		}
		if r.OnLimit == "skip" {
			return nil, fmt.Errorf("%w by %s", ErrTaken, names(holders))
		}
		if !told && r.Waiting != nil {
			r.Waiting(runs(holders))
		}
		told = true
		if r.OnLimit == "replace" && len(holders) > 0 && holders[0].run != asked {
			asked = holders[0].run
			holders[0].want(root)
			holders[0].ask(root)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(look):
		}
	}
}

// queue is a run's part in the waiting.
type queue struct {
	root    *os.Root
	request *Request
	name    string
	file    *os.File
}

const waits = "wait-"

// join makes the file with which a run waits. Who looks in the moment between
// its making and its locking takes it for one that was left behind and removes
// it; so it is made sure that it is still there.
func (q *queue) join() error {
	for {
		q.name = waits + ulid.Make().String()
		f, err := locked(q.root, q.name)
		if err != nil {
			return fmt.Errorf("home: %s: %w", q.name, err)
		}
		if f == nil {
			continue
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return fmt.Errorf("home: %s: %w", q.name, err)
		}
		if there, err := q.root.Stat(q.name); err == nil && os.SameFile(mine, there) {
			q.file = f
			return nil
		}
		f.Close()
	}
}

// leave removes the file before its lock goes, so that nobody takes it for one
// that was left behind.
func (q *queue) leave() {
	_ = q.root.Remove(q.name) // it is taken for stale otherwise, and removed
	q.file.Close()
}

// try takes a place if one is free and nobody has waited for longer; else it
// tells who holds them, the longest holder first.
func (q *queue) try() (*Place, []holder, error) {
	first, err := q.first()
	if err != nil {
		return nil, nil, err
	}
	var holders []holder
	for k := range q.request.Places {
		name := fmt.Sprintf("place-%d", k)
		if first {
			f, err := locked(q.root, name)
			if err != nil {
				return nil, nil, fmt.Errorf("home: %s: %w", name, err)
			}
			if f != nil {
				return take(f, q.request.Run)
			}
		}
		if h, ok := read(q.root, name); ok {
			holders = append(holders, h)
		}
	}
	slices.SortFunc(holders, func(a, b holder) int { return strings.Compare(a.since, b.since) })
	return nil, holders, nil
}

// first reports whether nobody who is alive has waited for longer.
func (q *queue) first() (bool, error) {
	entries, err := fs.ReadDir(q.root.FS(), ".")
	if err != nil {
		return false, fmt.Errorf("home: %w", err)
	}
	for _, e := range entries { // by name, so by time
		name := e.Name()
		if name == q.name {
			return true, nil
		}
		if !strings.HasPrefix(name, waits) {
			continue
		}
		f, err := locked(q.root, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("home: %s: %w", name, err)
		}
		if f == nil && err == nil {
			return false, nil // its owner lives
		}
		if f != nil {
			_ = q.root.Remove(name) // its owner died while it waited
			f.Close()
		}
	}
	return true, nil
}

// locked opens a file, which it makes if it has to, and locks it. It returns nil
// where another has the lock.
func locked(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, f.Close()
	case err != nil:
		f.Close()
		return nil, err
	}
	return f, nil
}

// take writes the holder into a place that was just locked.
func take(f *os.File, run string) (*Place, []holder, error) {
	text := fmt.Sprintf("%s %d %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z"), os.Getpid(), run)
	if err := errors.Join(f.Truncate(0), write(f, text)); err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("home: %w", err)
	}
	return &Place{f}, nil, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// holder is who holds a place.
type holder struct {
	place, since, run string
	pid               int
}

func read(root *os.Root, name string) (holder, bool) {
	f, err := root.Open(name)
	if err != nil {
		return holder{}, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return holder{}, false
	}
	h := holder{place: name}
	first, _, _ := strings.Cut(string(text), "\n")
	n, err := fmt.Sscan(first, &h.since, &h.pid, &h.run)
	return h, err == nil && n == 3
}

// holds reports whether the holder still has its place.
func (h holder) holds(root *os.Root) bool {
	f, err := locked(root, h.place)
	if f != nil {
		f.Close()
	}
	if err != nil || f != nil {
		return false
	}
	now, ok := read(root, h.place)
	return ok && now == h
}

func runs(hs []holder) []string {
	ids := make([]string, len(hs))
	for k, h := range hs {
		ids[k] = h.run
	}
	return ids
}

func names(hs []holder) string {
	if len(hs) == 0 {
		return "another run"
	}
	return "run " + strings.Join(runs(hs), ", ")
}
