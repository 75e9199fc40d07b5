package schedule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"flow/dag"
)

// look is how often triggers look for what they wait for.
const look = time.Second

// calm is how long a file has to stay as it is to be taken for complete.
const calm = 2 * time.Second

// latest is how much later than a run has ended that may be recorded.
const latest = time.Minute

// mostAtOnce is how many files are decided on in one transaction.
const mostAtOnce = 500

// mostFiles is how many files one trigger may match.
const mostFiles = 100_000

// End is a run that has ended.
type End struct {
	Run, Status string
	At          time.Time
}

// Ends tells of runs that have ended.
type Ends interface {
	// EndedAfter returns the runs of a workflow that ended after a moment, the first first.
	EndedAfter(workflow string, after time.Time) ([]End, error)
}

// Watcher looks for files that have come or changed, and for runs that have ended, and
// tells a service. It is used by one goroutine.
type Watcher struct {
	service decider
	ends    Ends
	say     func(format string, args ...any)
	now     func() time.Time

	files   map[string]*files // by key of the cause
	trouble map[string]string // by key: the last error that was told
}

// decider is a Service.
type decider interface {
	Watches() []Watch
	Saw(ctx context.Context, sights []Sight, upto map[string]time.Time) ([]string, error)
}

// files is what a trigger knows of files.
type files struct {
	known  map[string]stamp // that were seen, or were there before it counted
	coming map[string]arrival
	kept   time.Time // upto, as it was told last
}

// arrival is a file that may still be written to.
type arrival struct {
	stamp stamp
	since time.Time
	at    time.Time // when it changed
}

// NewWatcher returns a watcher for a service.
func NewWatcher(s *Service, ends Ends, say func(format string, args ...any)) *Watcher {
	return &Watcher{service: s, ends: ends, say: say, now: wall, files: make(map[string]*files), trouble: make(map[string]string)}
}

// Run looks until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	for sleep(ctx, look) {
		w.round(ctx)
	}
}

func (w *Watcher) round(ctx context.Context) {
	watches := w.service.Watches()
	here := make(map[string]bool, len(watches))
	for i := range watches {
		here[watches[i].Key] = true
		err := w.one(ctx, &watches[i])
		if ctx.Err() != nil {
			return
		}
		w.tell(&watches[i], err)
	}
	for key := range w.files {
		if !here[key] {
			delete(w.files, key)
		}
	}
}

// one looks for one trigger.
func (w *Watcher) one(ctx context.Context, watch *Watch) error {
	t := &watch.Version.Plan.Workflow.Triggers[watch.Trigger]
	if t.Workflow != "" {
		return w.workflow(ctx, watch, t)
	}
	return w.file(ctx, watch, t)
}

// tell says once what is wrong.
func (w *Watcher) tell(watch *Watch, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && w.trouble[watch.Key] != text {
		w.say("%s: on: %s", watch.Version.Plan.Workflow.Name, text)
	}
	w.trouble[watch.Key] = text
}

// workflow looks for runs of another workflow that have ended.
func (w *Watcher) workflow(ctx context.Context, watch *Watch, t *dag.Trigger) error {
	ended, err := w.ends.EndedAfter(t.Workflow, watch.Upto)
	if err != nil || len(ended) == 0 {
		return err
	}
	statuses := t.Status
	if statuses == nil {
		statuses = []string{"succeeded"}
	}
	var sights []Sight
	for _, e := range ended {
		if slices.Contains(statuses, e.Status) {
			order := Order{Params: param(watch.Version.Plan.Workflow, "upstream", e.Run)}
			sights = append(sights, Sight{Key: watch.Key, At: e.At, What: "run " + e.Run, Order: order})
		}
	}
	upto := ended[len(ended)-1].At.Add(-latest)
	_, err = w.service.Saw(ctx, sights, map[string]time.Time{watch.Key: upto})
	return err
}

// file looks for files that have come or changed.
func (w *Watcher) file(ctx context.Context, watch *Watch, t *dag.Trigger) error {
	now := w.now()
	found, err := match(watch.Version.File, t.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // something went while it was looked at
	}
	if err != nil {
		return err
	}
	f, first := w.files[watch.Key], false
	if f == nil {
		f, first = &files{known: make(map[string]stamp), coming: make(map[string]arrival), kept: watch.Upto}, true
		w.files[watch.Key] = f
	}
	var sights []Sight
	upto := now
	for path, info := range found {
		at := stamp{size: info.Size(), written: info.ModTime().UnixNano()}
		if f.known[path] == at {
			continue
		}
		changed := changedAt(info)
		if first && !changed.After(watch.Upto) {
			f.known[path] = at // it was there before
			continue
		}
		c, ok := f.coming[path]
		if !ok || c.stamp != at {
			c = arrival{stamp: at, since: now, at: changed}
			f.coming[path] = c
		}
		// One that was complete long before this service looked need not prove it.
		if now.Sub(c.since) < calm && now.Sub(info.ModTime()) < calm {
			upto = earlier(upto, changed)
			continue
		}
		sights = append(sights, Sight{
			Key: watch.Key, At: c.at, What: fmt.Sprintf("%s %s %d", path, info.ModTime().UTC().Format(time.RFC3339Nano), at.size),
			Order: Order{Params: param(watch.Version.Plan.Workflow, "file", path)},
		})
	}
	if len(sights) == 0 && now.Sub(f.kept) < time.Hour {
		return nil
	}
	slices.SortFunc(sights, func(a, b Sight) int { return a.At.Compare(b.At) })
	upto = upto.Add(-calm) // the clock of a file system may be behind
	for part := range slices.Chunk(sights, mostAtOnce) {
		if _, err := w.service.Saw(ctx, part, nil); err != nil {
			return err
		}
	}
	if _, err := w.service.Saw(ctx, nil, map[string]time.Time{watch.Key: upto}); err != nil {
		return err
	}
	f.kept = upto
	for path, info := range found {
		at := stamp{size: info.Size(), written: info.ModTime().UnixNano()}
		if c, ok := f.coming[path]; ok && c.stamp == at && (now.Sub(c.since) >= calm || now.Sub(info.ModTime()) >= calm) {
			f.known[path] = at
			delete(f.coming, path)
		}
	}
	for path := range f.known {
		if _, there := found[path]; !there {
			delete(f.known, path) // should it come back, it has come
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// match returns the files that a pattern matches, relative to a workflow's file.
func match(file, pattern string) (map[string]fs.FileInfo, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(file), pattern)
	}
	base, rest := doublestar.SplitPattern(filepath.ToSlash(filepath.Clean(pattern)))
	found := make(map[string]fs.FileInfo)
	root := os.DirFS(base)
	if _, err := fs.Stat(root, "."); errors.Is(err, fs.ErrNotExist) {
		return found, nil // the folder has not come yet
	} else if err != nil {
		return nil, err
	}
	err := doublestar.GlobWalk(root, rest, func(path string, d fs.DirEntry) error {
		info, err := os.Stat(filepath.Join(base, path)) // of what a link leads to
		if err != nil || !info.Mode().IsRegular() {
			return nil // it has gone, or is nothing that can be complete
		}
		if found[filepath.Join(base, path)] = info; len(found) > mostFiles {
			return fmt.Errorf("file: %s matches more than %d files", pattern, mostFiles)
		}
		return nil
	}, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, err
	}
	return found, nil
}

// param is an order's params: one, where the workflow has it.
func param(w *dag.Workflow, name, value string) []byte {
	if _, ok := w.Param(name); !ok {
		return nil
	}
	text, err := dag.EncodeJSON(map[string]any{name: value})
	if err != nil {
		return nil
	}
	return text
}
