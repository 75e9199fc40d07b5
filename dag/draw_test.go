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
			now := comment + "-- w.yaml --\n" + sections[0].text
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
				now += "-- " + s.name + " --\n" + b.String()
				if diff := cmp.Diff(s.text, b.String()); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", s.name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
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

// followLines reads a picture from top to bottom: in each column, whose lines
// run down in it.
func followLines(t *rapid.T, picture string) map[string][]string {
	var above []map[string]bool // by column: whose line comes from above
	deps := make(map[string][]string)
	for line := range strings.Lines(picture) {
		runes := []rune(strings.TrimRight(line, "\n"))
		graph, id := runes, ""
		if i := slices.Index(runes, 't'); i >= 0 { // names are the only letters before traits
			graph = runes[:i]
			id = strings.Fields(string(runes[i:]))[0]
		}
		below := make([]map[string]bool, len(graph))
		at := slices.Index(graph, '●')
		down := func(k int, who map[string]bool) {
			if below[k] == nil {
				below[k] = make(map[string]bool)
			}
			for s := range who {
				if s != unseen {
					below[k][s] = true
				}
			}
		}
		from := func(k int) map[string]bool {
			if k < len(above) {
				return above[k]
			}
			return nil
		}
		takes := make(map[string]bool)
		take := func(k int) {
			for s := range from(k) {
				if s != unseen {
					takes[s] = true
				}
			}
		}
		leadsOut := false // to the right, as ╮ ┤ ┬ show
		for k, r := range graph {
			switch r {
			case ' ', '─':
			case '│':
				down(k, from(k))
			case '├', '╰', '┴', '╯':
				take(k)
				if r == '├' {
					down(k, from(k))
				}
			case '┼':
				down(k, from(k))
				if k < at {
					take(k)
				} else {
					leadsOut = true
					down(k, map[string]bool{id: true})
				}
			case '╮', '┬', '┤':
				leadsOut = true
				if r == '┤' {
					down(k, from(k))
				}
				down(k, map[string]bool{id: true})
			case '●':
				for s := range lineAbove(above, k) {
					takes[s] = true
				}
			default:
				t.Fatalf("%q in a picture:\n%s", r, picture)
			}
		}
		if at >= 0 {
			if !leadsOut {
				down(at, map[string]bool{id: true})
			}
			deps[id] = slices.Sorted(maps.Keys(takes))
		}
		// A ● right below a ● is not connected: mark it.
		if at >= 0 && !leadsOut {
			below[at] = map[string]bool{id: true, unseen: true}
		}
		above = below
	}
	return deps
}

// unseen marks a line that begins in the row above: only a │ shows that it
// goes on.
const unseen = "\x00"

func lineAbove(above []map[string]bool, k int) map[string]bool {
	if k >= len(above) || above[k][unseen] {
		return nil
	}
	return above[k]
}
