package schedule

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/dag"
)

// shelf keeps good texts in memory.
type shelf struct {
	texts map[string]string
	err   error
}

func (s *shelf) Good(file string) ([]byte, bool, error) {
	text, ok := s.texts[file]
	return []byte(text), ok, s.err
}

func (s *shelf) SetGood(file string, text []byte) error {
	if s.err != nil {
		return s.err
	}
	if s.texts[file] = string(text); text == nil {
		delete(s.texts, file)
	}
	return nil
}

// desk is a folder and who looks at it.
type desk struct {
	t      *testing.T
	dir    string
	shelf  *shelf
	folder *Folder
	now    time.Time
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir(), shelf: &shelf{texts: map[string]string{}}, now: time.Now()}
	d.restart()
	return d
}

func (d *desk) restart() {
	d.folder = NewFolder(d.dir, d.shelf, func(w *dag.Workflow) []dag.Diagnostic {
		if w.Name == "refused" {
			return []dag.Diagnostic{w.Finding(dag.Pos{Line: 1, Col: 1}, "refused")}
		}
		return nil
	})
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// look looks until nothing changes any more, and returns what is in force and what is
// broken, as "name: cron" and "file!".
func (d *desk) look() []string {
	d.t.Helper()
	for range 3 {
		d.now = d.now.Add(absence)
		if _, err := d.folder.Look(d.now); err != nil {
			d.t.Fatal(err)
		}
	}
	var all []string
	for _, f := range d.folder.Files() {
		text := ""
		if f.Plan != nil {
			text = f.Name() + " " + f.Plan.Workflow.Description
		}
		if len(f.Broken) > 0 {
			text += " " + filepath.Base(f.Path) + "!"
		}
		all = append(all, strings.TrimSpace(text))
	}
	return all
}

func (d *desk) expect(want ...string) {
	d.t.Helper()
	if got := d.look(); !slices.Equal(got, want) {
		d.t.Errorf("there is %q, not %q", got, want)
	}
}

func flowFile(name, description string) string {
	return "name: " + name + "\ndescription: " + description + "\ntasks: {a: {run: 'true'}}\n"
}

func TestFolder(t *testing.T) {
	d := newDesk(t)
	d.expect()
	d.write("a.yaml", flowFile("a", "1"))
	d.write("b.yml", flowFile("b", "1"))
	d.write(".hidden.yaml", flowFile("hidden", "1"))
	d.write("notes.txt", "nothing")
	if err := os.MkdirAll(filepath.Join(d.dir, "sub.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.expect("a 1", "b 1")
	d.write("a.yaml", flowFile("a", "longer"))
	d.expect("a longer", "b 1")
	if err := os.Remove(filepath.Join(d.dir, "b.yml")); err != nil {
		t.Fatal(err)
	}
	d.expect("a longer")
	if names := slices.Collect(maps.Keys(d.shelf.texts)); len(names) != 1 {
		t.Errorf("%q", names)
	}
}

// A file that can't be used leaves its last good version in force, also for a service that
// begins then; one that never could is shown.
func TestFolderBroken(t *testing.T) {
	d := newDesk(t)
	d.write("a.yaml", flowFile("a", "1"))
	d.write("never.yaml", "tasks: [")
	d.write("refused.yaml", flowFile("refused", "1"))
	d.expect("a 1", "never.yaml!", "refused.yaml!")
	d.write("a.yaml", "name: a\ntasks: {a: {runn: 'true'}}\n")
	d.expect("a 1 a.yaml!", "never.yaml!", "refused.yaml!")
	d.restart()
	d.expect("a 1 a.yaml!", "never.yaml!", "refused.yaml!")
	d.write("a.yaml", flowFile("a", "mended"))
	d.write("never.yaml", flowFile("now", "1"))
	d.expect("a mended", "now 1", "refused.yaml!")
}

// A file that is being written to is not read before it holds still, and one that is
// replaced in two steps is never taken for removed.
func TestFolderHalfWritten(t *testing.T) {
	d := newDesk(t)
	d.write("a.yaml", flowFile("a", "1"))
	d.expect("a 1")
	path := filepath.Join(d.dir, "a.yaml")
	for i := range 4 {
		d.write("a.yaml", flowFile("a", strings.Repeat("x", i+2)))
		if changed, err := d.folder.Look(d.now); changed || err != nil {
			t.Fatalf("it was read while it was written to: %v", err)
		}
	}
	if changed, err := d.folder.Look(d.now); !changed || err != nil {
		t.Fatalf("it holds still: %v, %v", changed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if changed, err := d.folder.Look(d.now.Add(absence / 2)); changed || err != nil || len(d.folder.Versions()) != 1 {
		t.Errorf("%v, %v", changed, err)
	}
	d.write("a.yaml", flowFile("a", "back again"))
	d.expect("a back again")
}

// Of two files with one name the first keeps it, until it gives it up.
func TestFolderTwins(t *testing.T) {
	d := newDesk(t)
	d.write("b.yaml", flowFile("w", "b"))
	d.expect("w b")
	d.write("a.yaml", flowFile("w", "a"))
	d.expect("a.yaml!", "w b")
	if m := d.folder.Files()[0].Broken[0].Message; !strings.Contains(m, "b.yaml") {
		t.Errorf("%q", m)
	}
	d.write("b.yaml", flowFile("other", "b"))
	d.expect("w a", "other b")
	d.write("b.yaml", flowFile("w", "thief"))
	d.expect("w a", "other b b.yaml!")
}

// Where the folder can't be read, or what is good can't be kept, all stays as it was.
func TestFolderTrouble(t *testing.T) {
	d := newDesk(t)
	d.write("a.yaml", flowFile("a", "1"))
	d.expect("a 1")
	d.write("a.yaml", flowFile("a", "new one"))
	d.shelf.err = errDisk
	for range 3 {
		if _, err := d.folder.Look(d.now); err != nil && !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	}
	if v := d.folder.Versions(); len(v) != 1 || v[0].Plan.Workflow.Description != "1" {
		t.Errorf("%+v", v)
	}
	d.shelf.err = nil
	d.expect("a new one")
	if err := os.Rename(d.dir, d.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.folder.Look(d.now.Add(time.Hour)); err == nil || len(d.folder.Versions()) != 1 {
		t.Errorf("%v", err)
	}
	if err := os.Rename(d.dir+"-away", d.dir); err != nil {
		t.Fatal(err)
	}
	d.expect("a new one")
}

// A file that is a link counts, with what it leads to: so deployments swap whole folders.
func TestFolderLinks(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"v1", "v2"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		d.write(name+"/a.yaml", flowFile("a", name+strings.Repeat("!", len(name)*int(name[1]-'0'))))
	}
	swap := func(to string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, filepath.Join(d.dir, "tmp")), os.Rename(filepath.Join(d.dir, "tmp"), filepath.Join(d.dir, "current"))); err != nil {
			t.Fatal(err)
		}
	}
	swap("v1")
	if err := os.Symlink("current/a.yaml", filepath.Join(d.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	d.expect("a v1!!")
	swap("v2")
	d.expect("a v2!!!!")
}

// What is no file is told, and is not waited for; a file that is replaced by one of the same
// size and time is read.
func TestFolderOddFiles(t *testing.T) {
	d := newDesk(t)
	if err := syscall.Mkfifo(filepath.Join(d.dir, "pipe.yaml"), 0o600); err != nil {
		t.Skip(err)
	}
	d.write("a.yaml", flowFile("a", "one"))
	d.expect("a one", "pipe.yaml!")
	path := filepath.Join(d.dir, "a.yaml")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	d.write("new", flowFile("a", "two"))
	if err := errors.Join(os.Chtimes(filepath.Join(d.dir, "new"), info.ModTime(), info.ModTime()), os.Rename(filepath.Join(d.dir, "new"), path)); err != nil {
		t.Fatal(err)
	}
	d.expect("a two", "pipe.yaml!")
	before := d.folder.Files()[0].Plan
	d.folder.Forget()
	d.expect("a two", "pipe.yaml!")
	if d.folder.Files()[0].Plan != before {
		t.Error("what has not changed is another version")
	}
}
