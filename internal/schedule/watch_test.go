package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// post is a keeper with a watcher, in a folder.
type post struct {
	t       *testing.T
	dir     string
	text    string
	book    *book
	machine *machine
	keeper  *Keeper
	watcher *Watcher
	ended   []End
	now     time.Time
	said    told
}

func newPost(t *testing.T, on string) *post {
	p := &post{t: t, dir: t.TempDir(), book: newBook(), machine: newMachine(t), now: time.Now()}
	p.text = "name: w\nparams: {file: {type: string, default: ''}, upstream: {type: string, default: ''}}\non:\n  - " + on + "\ntasks: {a: {run: 'true'}}\n"
	return p.restart()
}

// restart begins anew, as a service does.
func (p *post) restart() *post {
	p.t.Helper()
	k, err := NewKeeper(p.book, p.machine)
	if err == nil {
		v := version(p.t, p.text)
		v.File = filepath.Join(p.dir, "w.yaml")
		err = k.Update([]*Version{v}, p.now)
	}
	if err == nil {
		err = k.TakeOver(p.now)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.keeper = k
	p.watcher = NewWatcher(nil, p, p.said.say)
	p.watcher.service, p.watcher.now = p, func() time.Time { return p.now }
	return p
}

func (p *post) Watches() []Watch { return p.keeper.Watches() }

func (p *post) Saw(_ context.Context, sights []Sight, upto map[string]time.Time) ([]string, error) {
	return p.keeper.Saw(sights, upto, p.now)
}

func (p *post) EndedAfter(workflow string, after time.Time) ([]End, error) {
	var all []End
	for _, e := range p.ended {
		if workflow == "other" && e.At.After(after) {
			all = append(all, e)
		}
	}
	return all, nil
}

// pass lets time pass, a look each second.
func (p *post) pass(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(look)
		p.watcher.round(p.t.Context())
	}
}

// write writes a file, at a moment of its own.
func (p *post) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		p.t.Fatal(err)
	}
	p.now = p.now.Add(time.Millisecond)
	if err := os.Chtimes(path, p.now, p.now); err != nil {
		p.t.Fatal(err)
	}
}

// expect says which files, or upstream runs, have started a run, in order.
func (p *post) expect(want ...string) {
	p.t.Helper()
	var got []string
	for _, id := range slices.Sorted(maps.Keys(p.machine.runs)) {
		r := p.machine.runs[id]
		var params struct{ File, Upstream string }
		if err := json.Unmarshal(r.Order.Params, &params); err != nil {
			p.t.Fatal(err)
		}
		name := params.Upstream
		if params.File != "" {
			name, _ = filepath.Rel(p.dir, params.File)
		}
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("%q, not %q", got, want)
	}
}

func TestFileTrigger(t *testing.T) {
	p := newPost(t, "file: in/*.csv")
	p.pass(5 * time.Second) // the folder is not there yet
	p.write("in/a.csv", "1")
	p.write("in/a.txt", "1")
	p.write("in/sub/deep.csv", "1")
	p.pass(10 * time.Second)
	p.expect("in/a.csv")
	p.write("in/a.csv", "changed")
	p.pass(10 * time.Second)
	p.expect("in/a.csv", "in/a.csv")
	p.restart().pass(10 * time.Second)
	p.expect("in/a.csv", "in/a.csv")
	p.write("in/b.csv", "while nobody is there")
	p.now = p.now.Add(time.Hour)
	p.restart().pass(10 * time.Second)
	p.expect("in/a.csv", "in/a.csv", "in/b.csv")
}

// What is there when the trigger begins to count starts nothing.
func TestFileTriggerCountsFromNow(t *testing.T) {
	p := newPost(t, "file: '**/*.csv'")
	p.write("in/old.csv", "1")
	p.book, p.now = newBook(), time.Now().Add(time.Second)
	p.restart().pass(10 * time.Second)
	p.expect()
	p.write("in/deep/new.csv", "1")
	p.pass(10 * time.Second)
	p.expect("in/deep/new.csv")
}

// A file that is being written to is not complete; one that was moved to its place is, and
// counts, however old its contents are.
func TestFileTriggerWaitsForTheWhole(t *testing.T) {
	p := newPost(t, "file: in/*.csv")
	p.write("in/slow.csv", "")
	for i := range 6 {
		p.write("in/slow.csv", strings.Repeat("x", i+1))
		p.pass(time.Second)
	}
	p.expect()
	p.pass(5 * time.Second)
	p.expect("in/slow.csv")
	p.write("old.tmp", "1")
	long := p.now.Add(-1000 * time.Hour)
	if err := errors.Join(os.Chtimes(filepath.Join(p.dir, "old.tmp"), long, long), os.Rename(filepath.Join(p.dir, "old.tmp"), filepath.Join(p.dir, "in/moved.csv"))); err != nil {
		t.Fatal(err)
	}
	p.pass(2 * time.Second)
	p.expect("in/slow.csv", "in/moved.csv")
}

// What can't be decided on is tried again.
func TestFileTriggerAfterTrouble(t *testing.T) {
	p := newPost(t, "file: in/*.csv")
	p.write("in/a.csv", "1")
	p.book.broken = errDisk
	p.pass(20 * time.Second)
	p.expect()
	if len(p.said.lines) != 1 || !strings.Contains(p.said.lines[0], "no space left") {
		t.Errorf("%q", p.said.lines)
	}
	p.book.broken = nil
	p.pass(2 * time.Second)
	p.expect("in/a.csv")
}

func TestWorkflowTrigger(t *testing.T) {
	p := newPost(t, "{workflow: other, status: [succeeded, cancelled]}")
	p.ended = []End{{"OLD", "succeeded", p.now.Add(-time.Second)}}
	p.pass(time.Minute)
	p.ended = append(p.ended, End{"A", "succeeded", p.now}, End{"B", "failed", p.now}, End{"C", "cancelled", p.now})
	p.pass(5 * time.Second)
	p.expect("A", "C")
	p.ended = append(p.ended, End{"D", "succeeded", p.now.Add(-20 * time.Second)}) // told of late
	p.pass(2 * time.Second)
	p.expect("A", "C", "D")
	p.restart().pass(5 * time.Second)
	p.expect("A", "C", "D")
	p.now = p.now.Add(time.Hour)
	p.ended = append(p.ended, End{"E", "succeeded", p.now.Add(-30 * time.Minute)}) // while nobody was there
	p.restart().pass(5 * time.Second)
	p.expect("A", "C", "D", "E")
}

// The clock is set back: what ends then counts all the same, and nothing counts twice.
func TestWorkflowTriggerClockSetBack(t *testing.T) {
	p := newPost(t, "{workflow: other}")
	p.now = p.now.Add(3 * time.Hour)
	p.ended = []End{{"A", "succeeded", p.now}}
	p.pass(2 * time.Second)
	if _, err := p.keeper.Tick(p.now); err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(-2 * time.Hour)
	if _, err := p.keeper.Tick(p.now); err != nil {
		t.Fatal(err)
	}
	p.ended = append([]End{{"B", "succeeded", p.now.Add(time.Second)}}, p.ended...)
	p.pass(5 * time.Second)
	p.expect("A", "B")
}
