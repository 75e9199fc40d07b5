package dag

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func planOf(t testing.TB, w *Workflow) *Plan {
	t.Helper()
	p, err := NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDraw holds pictures as people see them. An archive has a workflow in
// w.yaml, and a section for each format.
func TestDraw(t *testing.T) {
	archives, err := filepath.Glob("testdata/draw/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		t.Run(filepath.Base(path), func(t *testing.T) {
			comment, sections := readArchive(t, path)
			var now strings.Builder
			now.WriteString(comment + "-- w.yaml --\n" + sections[0].text)
			plan := planOf(t, mustParse(t, sections[0].text))
			for _, s := range sections[1:] {
				var status []Status
				format, withStatus := strings.CutSuffix(s.name, " status")
				if withStatus {
					for i := range plan.Nodes {
						status = append(status, Status(i%len(statusNames)))
					}
				}
				var b bytes.Buffer
				if err := Draw(&b, plan, format, status); err != nil {
					t.Fatal(err)
				}
				now.WriteString("-- " + s.name + " --\n" + b.String())
				if diff := cmp.Diff(s.text, b.String()); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", s.name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, []byte(now.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestDrawRefuses(t *testing.T) {
	p := planOf(t, mustParse(t, "tasks: { a: { run: ls } }"))
	if err := Draw(&bytes.Buffer{}, p, "png", nil); err == nil || !strings.Contains(err.Error(), "text, dot, mermaid") {
		t.Error(err)
	}
	if err := Draw(&bytes.Buffer{}, p, "text", []Status{Queued, Queued}); err == nil {
		t.Error("taken")
	}
}

// TestDrawMany: pictures of many tasks are drawn in good time, a tangle as a list.
func TestDrawMany(t *testing.T) {
	const n = 50_000
	wide := &Workflow{Tasks: []*Task{{ID: "first"}}}
	last := &Task{ID: "last", Index: n + 1}
	tangle := &Workflow{}
	for i := range n {
		wide.Tasks = append(wide.Tasks, &Task{ID: fmt.Sprint("t", i), Index: i + 1, Deps: []int{0}})
		last.Deps = append(last.Deps, i+1)
		task := &Task{ID: fmt.Sprint("t", i), Index: i}
		for k := range min(10, i/100) {
			task.Deps = append(task.Deps, i-(10-k)*97)
		}
		task.Deps = slices.DeleteFunc(task.Deps, func(d int) bool { return d < 0 })
		tangle.Tasks = append(tangle.Tasks, task)
	}
	wide.Tasks = append(wide.Tasks, last)
	for name, w := range map[string]*Workflow{"wide": wide, "tangle": tangle} {
		start := time.Now()
		var b bytes.Buffer
		if err := Draw(&b, planOf(t, w), "text", nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if got, want := bytes.Count(b.Bytes(), []byte("\n")), len(w.Tasks); got != want {
			t.Errorf("%s: %d lines of %d tasks", name, got, want)
		}
		if name == "wide" && !strings.HasPrefix(b.String(), "●      first   ?\n├─●─╮  t0      ?\n├─●─┤  t1      ?\n") {
			t.Errorf("wide:\n%.300s", b.String())
		}
		if name == "tangle" && !strings.Contains(b.String(), "t2000  ?  ← t1030, ") {
			t.Errorf("tangle:\n%.300s", b.String())
		}
	}
}

// TestDrawnLines follows the lines of random pictures: what they connect is
// what depends on each other, no more and no less.
func TestDrawnLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "tasks")
		w := &Workflow{}
		for i := range n {
			task := &Task{ID: fmt.Sprint("t", i), Index: i}
			if i > 0 {
				task.Deps = rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 4), rapid.ID).Draw(t, "deps")
				slices.Sort(task.Deps)
			}
			w.Tasks = append(w.Tasks, task)
		}
		p, err := NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Draw(&b, p, "text", nil); err != nil {
			t.Fatal(err)
		}
		got := followLines(t, b.String())
		for _, task := range w.Tasks {
			var deps []string
			for _, d := range task.Deps {
				deps = append(deps, w.Tasks[d].ID)
			}
			slices.Sort(deps)
			if !slices.Equal(got[task.ID], deps) {
				t.Fatalf("%s depends on %v, the picture says %v:\n%s", task.ID, deps, got[task.ID], b.String())
			}
		}
	})
}

// followLines reads a picture from top to bottom: what each task takes from.
func followLines(t *rapid.T, picture string) map[string][]string {
	deps := make(map[string][]string)
	var above []column
	for line := range strings.Lines(picture) {
		graph, id := []rune(strings.TrimRight(line, "\n")), ""
		if i := slices.Index(graph, 't'); i >= 0 { // names are the first letters
			id = strings.Fields(string(graph[i:]))[0]
			graph = graph[:i]
		}
		r := &drawnRow{above: above, below: make([]column, len(graph)), id: id, at: slices.Index(graph, '●')}
		for k, c := range graph {
			if !r.read(k, c) {
				t.Fatalf("%q in a picture:\n%s", c, picture)
			}
		}
		if r.at >= 0 {
			deps[id] = slices.Sorted(maps.Keys(r.takes))
			if !r.leadsOut {
				r.below[r.at] = column{who: map[string]bool{id: true}, fresh: true}
			}
		}
		above = r.below
	}
	return deps
}

// column is whose line runs down in a column. One that is fresh begins at the
// ● of the row above: only a │ below shows that it goes on.
type column struct {
	who   map[string]bool
	fresh bool
}

type drawnRow struct {
	above, below []column
	id           string
	at           int // of its ●, -1: none
	takes        map[string]bool
	leadsOut     bool // its own line leads to the right
}

func (r *drawnRow) read(k int, c rune) bool {
	var from column
	if k < len(r.above) {
		from = r.above[k]
	}
	out := func() {
		r.leadsOut = true
		r.down(k, map[string]bool{r.id: true})
	}
	switch c {
	case ' ', '─':
	case '│':
		r.down(k, from.who)
	case '╰', '┴', '╯':
		r.take(from)
	case '├':
		r.take(from)
		r.down(k, from.who)
	case '┼':
		r.down(k, from.who)
		if k < r.at {
			r.take(from)
		} else {
			out()
		}
	case '╮', '┬':
		out()
	case '┤':
		r.down(k, from.who)
		out()
	case '●':
		if !from.fresh {
			r.take(from)
		}
	default:
		return false
	}
	return true
}

func (r *drawnRow) down(k int, who map[string]bool) {
	if r.below[k].who == nil {
		r.below[k].who = make(map[string]bool)
	}
	maps.Copy(r.below[k].who, who)
}

func (r *drawnRow) take(from column) {
	if r.takes == nil {
		r.takes = make(map[string]bool)
	}
	maps.Copy(r.takes, from.who)
}
