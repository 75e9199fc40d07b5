package schedule

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"flow/dag"
)

// Good keeps, of each workflow file, the last text that could be used.
type Good interface {
	Good(file string) (text []byte, ok bool, err error)
	SetGood(file string, text []byte) error // nil: the file is gone
}

// File is a workflow file of a folder.
type File struct {
	Path   string
	Plan   *dag.Plan        // of the last text that could be used; nil: there was none
	Broken []dag.Diagnostic // why the file as it is now can't be used: Plan is older
	Source []byte           // as the file is now

	twin    string    // the name that another file has; else ""
	stamp   stamp     // of Source
	seen    stamp     // at the last look
	missing time.Time // since then it is not there
}

// stamp tells versions of a file apart without reading it.
type stamp struct {
	size            int64
	written, placed int64 // nanoseconds: its contents; and its place, name or mode, where that is known
	inode           uint64
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{info.Size(), info.ModTime().UnixNano(), changedAt(info).UnixNano(), inodeOf(info)}
}

// Name is the workflow's, or else the file's.
func (f *File) Name() string {
	if f.Plan != nil {
		return f.Plan.Workflow.Name
	}
	return strings.TrimSuffix(filepath.Base(f.Path), filepath.Ext(f.Path))
}

// Folder reads the workflows of a folder: its files *.yaml and *.yml, not those of folders
// in it, nor hidden ones. It is used by one goroutine.
type Folder struct {
	dir   string
	good  Good
	check func(*dag.Workflow) []dag.Diagnostic // what else speaks against one
	files map[string]*File
	owner map[string]string // path by name in force
	order []*File           // by path
}

// NewFolder returns a folder that was not looked at yet. dir is absolute.
func NewFolder(dir string, good Good, check func(*dag.Workflow) []dag.Diagnostic) *Folder {
	return &Folder{dir: dir, good: good, check: check, files: make(map[string]*File), owner: make(map[string]string)}
}

// absence is how long a file has to be gone to be taken for removed: editors and
// deployments replace files by removing them first.
const absence = 2 * time.Second

// maxFile is how large a workflow file may be.
const maxFile = 64 << 20

// Look reads what has changed since the last look, and tells whether anything has: in that
// case Files is a new list. A file that is being written is read once it holds still, from
// one look to the next; the first look reads it as it is. An error that concerns the folder,
// or the place where good texts are kept, leaves everything as it was.
func (f *Folder) Look(now time.Time) (changed bool, err error) {
	names, err := f.list()
	if err != nil {
		return false, err
	}
	first := f.order == nil
	next := make(map[string]*File, len(names))
	for _, name := range names {
		path := filepath.Join(f.dir, name)
		old := f.files[path]
		info, err := os.Stat(path) // of what a link leads to
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			continue
		}
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is no regular file")
		}
		if err != nil {
			file := f.unreadable(path, old, err)
			changed = changed || old == nil || file.Broken[0].Message != message(old)
			next[path] = file
			continue
		}
		at := stampOf(info)
		switch {
		case old == nil && first, old != nil && old.stamp != at && old.seen == at, old != nil && f.free(old):
			file, err := f.read(path, old, at)
			if err != nil {
				return false, err
			}
			next[path], changed = file, true
			if file.Plan != nil {
				f.owner[file.Plan.Workflow.Name] = path
			}
		case old == nil: // it is new: it is read when it holds still
			next[path] = &File{Path: path, seen: at}
		default:
			old.seen, old.missing = at, time.Time{}
			next[path] = old
		}
	}
	for path, old := range f.files {
		if next[path] != nil {
			continue
		}
		if old.missing.IsZero() {
			old.missing = now
		}
		if now.Sub(old.missing) < absence && old.stamp != (stamp{}) {
			next[path] = old
			continue
		}
		if err := f.good.SetGood(path, nil); err != nil {
			return false, err
		}
		changed = true
	}
	f.files = next
	f.own()
	if changed || first {
		f.sort()
	}
	return changed || first, nil
}

func message(f *File) string {
	if len(f.Broken) == 0 {
		return ""
	}
	return f.Broken[0].Message
}

// list are the names of the workflow files.
func (f *Folder) list() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of the workflows: %w", err)
	}
	var names []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// read reads a file; old may be nil.
func (f *Folder) read(path string, old *File, at stamp) (*File, error) {
	if at.size > maxFile {
		return f.broken(path, old, at, nil, dag.Diagnostic{File: path, Message: fmt.Sprintf("%d MiB are no workflow", at.size>>20)})
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f.unreadable(path, old, err), nil
	}
	w, found := dag.Parse(path, text)
	if w != nil {
		if refused := f.check(w); len(refused) > 0 {
			w, found = nil, refused
		}
	}
	if w == nil {
		return f.broken(path, old, at, text, found...)
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		return f.broken(path, old, at, text, dag.Diagnostic{File: path, Message: err.Error()})
	}
	if other, taken := f.taken(w.Name, path); taken {
		file, err := f.broken(path, old, at, text, w.Finding(dag.Pos{Line: 1, Col: 1}, "the name %q is that of %s too: give one of them another `name`", w.Name, filepath.Base(other)))
		file.twin = w.Name
		return file, err
	}
	if err := f.good.SetGood(path, text); err != nil {
		return nil, err
	}
	if old != nil && old.Plan != nil && bytes.Equal(old.Source, text) && old.Broken == nil {
		plan = old.Plan // it was touched
	}
	return &File{Path: path, Plan: plan, Source: text, stamp: at, seen: at}, nil
}

// broken is a file that can't be used; what could be used last stays in force.
func (f *Folder) broken(path string, old *File, at stamp, text []byte, found ...dag.Diagnostic) (*File, error) {
	file := &File{Path: path, Broken: found, Source: text, stamp: at, seen: at}
	if old != nil && old.Plan != nil {
		file.Plan = old.Plan
		return file, nil
	}
	last, ok, err := f.good.Good(path)
	if err != nil || !ok {
		return file, err
	}
	if w, _ := dag.Parse(path, last); w != nil && len(f.check(w)) == 0 {
		if _, taken := f.taken(w.Name, path); !taken {
			file.Plan, err = dag.NewPlan(w)
		}
	}
	return file, err
}

// free reports whether the name that a file could not have is free now.
func (f *Folder) free(file *File) bool {
	_, taken := f.taken(file.twin, file.Path)
	return file.twin != "" && !taken
}

// unreadable is a file that can't be read for now; it is tried again at each look.
func (f *Folder) unreadable(path string, old *File, why error) *File {
	file, _ := f.broken(path, old, stamp{size: -1}, nil, dag.Diagnostic{File: path, Message: "it can't be read: " + why.Error()}) // without what was good it is broken as well
	file.seen = stamp{}
	return file
}

// sort makes the list of files that were read.
func (f *Folder) sort() {
	f.order = make([]*File, 0, len(f.files))
	for _, file := range f.files {
		if file.stamp != (stamp{}) {
			f.order = append(f.order, file)
		}
	}
	slices.SortFunc(f.order, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
}

// taken tells which other file has a name in force; false: none.
func (f *Folder) taken(name, path string) (string, bool) {
	other := f.owner[name]
	return other, other != "" && other != path
}

// own notes which files have which names in force.
func (f *Folder) own() {
	clear(f.owner)
	for path, file := range f.files {
		if file.Plan != nil {
			f.owner[file.Plan.Workflow.Name] = path
		}
	}
}

// Forget lets the next look read every file, whether it seems to have changed or not.
func (f *Folder) Forget() {
	for _, file := range f.files {
		if file.stamp != (stamp{}) && file.stamp.size >= 0 {
			file.stamp.size, file.stamp.written = 0, -1
		}
	}
}

// Files are the folder's workflow files as of the last look, by path. What is exported of
// them is not changed any more.
func (f *Folder) Files() []*File { return f.order }

// Versions are the workflows that are in force.
func (f *Folder) Versions() []*Version {
	var all []*Version
	for _, file := range f.order {
		if file.Plan != nil {
			all = append(all, &Version{File: file.Path, Plan: file.Plan})
		}
	}
	return all
}
