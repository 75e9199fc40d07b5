package dag

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flow/internal/layout"
)

// readSVG checks that a picture is XML and stands alone, and returns the texts of
// its elements by name and class.
func readSVG(t *testing.T, picture []byte) map[string][]string {
	t.Helper()
	texts := make(map[string][]string)
	in := xml.NewDecoder(bytes.NewReader(picture))
	var open []string
	for {
		token, err := in.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatalf("%v in %.2000s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			class := ""
			for _, a := range token.Attr {
				if a.Name.Local == "class" {
					class = " " + a.Value
				}
				if a.Name.Local != "xmlns" && strings.Contains(a.Value, "//") || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("attribute %v", a)
				}
			}
			if token.Name.Local == "script" {
				t.Error("a script")
			}
			name := token.Name.Local + class
			open = append(open, name)
			texts[name] = append(texts[name], "")
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				all := texts[open[len(open)-1]]
				all[len(all)-1] += string(token)
			}
		}
	}
}

func svgOf(t *testing.T, p *Plan, status []Status, all bool) map[string][]string {
	t.Helper()
	var b bytes.Buffer
	if err := DrawSVG(&b, p, status, all); err != nil {
		t.Fatal(err)
	}
	return readSVG(t, b.Bytes())
}

// fan is a workflow of a first task, n chains of two, and a last task.
func fan(n int) *Workflow {
	w := &Workflow{Name: "fan", Tasks: []*Task{{ID: "first"}}}
	last := &Task{ID: "last", Index: 2*n + 1}
	for i := range n {
		w.Tasks = append(w.Tasks,
			&Task{ID: fmt.Sprint("get-", i), Index: 2*i + 1, Deps: []int{0}},
			&Task{ID: fmt.Sprint("put-", i), Index: 2*i + 2, Deps: []int{2*i + 1}})
		last.Deps = append(last.Deps, 2*i+2)
	}
	w.Tasks = append(w.Tasks, last)
	return w
}

// TestAlike: up to eight tasks that are alike are drawn one by one, more as one, with
// all as many; chains of them too.
func TestAlike(t *testing.T) {
	if got := svgOf(t, planOf(t, fan(8)), nil, false); len(got["g task"]) != 18 || got["text count"] != nil {
		t.Errorf("eight: %d cards, stacks %q", len(got["g task"]), got["text count"])
	}
	p := planOf(t, fan(32))
	got := svgOf(t, p, nil, false)
	if len(got["g task"]) != 4 || !slices.Equal(got["text count"], []string{"32 tasks", "32 tasks"}) {
		t.Errorf("many: %d cards, stacks %q", len(got["g task"]), got["text count"])
	}
	if want := []string{"first", "get-0, get-1, get-2, get-3, get-4, …", "put-0, put-1, put-2, put-3, put-4, …", "last"}; !slices.Equal(got["text id"], want) {
		t.Errorf("many: %q", got["text id"])
	}
	if title := got["title"][2]; !strings.HasPrefix(title, "32 tasks · ?\nget-0, get-1, ") || !strings.HasSuffix(title, "get-19, and 12 more") {
		t.Errorf("title %q", title)
	}
	if got := svgOf(t, p, nil, true); len(got["text id"]) != 66 || len(got["text count"]) != 2 {
		t.Errorf("all: %d ids, grids %q", len(got["text id"]), got["text count"])
	}
	status := slices.Repeat([]Status{Succeeded}, 66)
	status[5], status[7], status[9] = Failed, Running, Failed // get-2, get-3, get-4
	got = svgOf(t, p, status, false)
	if want := []string{"succeeded", "2 failed, 1 running, …", "32 succeeded", "succeeded"}; !slices.Equal(got["text status"], want) {
		t.Errorf("statuses %q", got["text status"])
	}
	if title := got["title"][2]; !strings.HasSuffix(title, "\n2 failed, 1 running, 29 succeeded") {
		t.Errorf("title %q", title)
	}
}

// TestNotAlike: what a task is, and what it is connected with, keep it out of a stack.
func TestNotAlike(t *testing.T) {
	w := fan(12)
	w.Tasks[1].Executor = "io"               // get-0: elsewhere
	w.Tasks[4].Fan = &Fan{Each: &Value{}}    // put-1: a fan-out
	w.Tasks[25].Deps = w.Tasks[25].Deps[:11] // put-11: the last one does not need it
	got := svgOf(t, planOf(t, w), nil, false)["text id"]
	for _, id := range []string{"get-0", "put-0", "get-1", "put-1", "get-11", "put-11"} {
		if !slices.Contains(got, id) {
			t.Errorf("%s is not alone: %q", id, got)
		}
	}
	if !slices.Contains(got, "get-2, get-3, get-4, get-5, get-6, …") {
		t.Errorf("the others are no stack: %q", got)
	}
}

// TestBoxes: each task is in one box; lines between boxes say what depends on what,
// no more and no less.
func TestBoxes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &Workflow{}
		for i := range rapid.IntRange(1, 60).Draw(t, "tasks") {
			task := &Task{ID: fmt.Sprint("t", i), Index: i}
			if i > 0 { // from few to choose, so that many are alike
				task.Deps = rapid.SliceOfNDistinct(rapid.IntRange(0, min(i-1, 3)), 0, min(i, 2), rapid.ID).Draw(t, "deps")
				if len(task.Deps) == 0 && rapid.Bool().Draw(t, "chained") {
					task.Deps = []int{max(0, i-10)}
				}
				slices.Sort(task.Deps)
			}
			w.Tasks = append(w.Tasks, task)
		}
		p, err := NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		set, edges := boxes(p)
		at := slices.Repeat([]int{-1}, len(w.Tasks))
		for k, b := range set {
			if n := len(b.tasks); n < 1 || n > 1 && n <= maxAlike {
				t.Fatalf("box of %d", n)
			}
			for _, i := range b.tasks {
				if at[i] >= 0 {
					t.Fatalf("task %d is in two boxes", i)
				}
				at[i] = k
			}
		}
		for i, task := range w.Tasks {
			for _, d := range task.Deps {
				if !slices.Contains(edges, layout.Edge{From: at[d], To: at[i]}) {
					t.Fatalf("no edge for %d after %d", i, d)
				}
			}
			for _, e := range edges {
				if e.To == at[i] && !slices.ContainsFunc(task.Deps, func(d int) bool { return at[d] == e.From }) {
					t.Fatalf("%d does not depend on a task of %v", i, set[e.From])
				}
			}
		}
		if err := DrawSVG(io.Discard, p, nil, false); err != nil {
			t.Fatal(err)
		}
	})
}

// TestImpliedLines: in a picture of many lines, those that follow from others are
// left out and said to be so.
func TestImpliedLines(t *testing.T) {
	w := &Workflow{Name: "dense"}
	for i := range 30 {
		task := &Task{ID: fmt.Sprint("t", i), Index: i}
		for d := range i {
			task.Deps = append(task.Deps, d)
		}
		w.Tasks = append(w.Tasks, task)
	}
	p := planOf(t, w)
	const said = "406 dependencies that follow from others are not drawn"
	if got := svgOf(t, p, nil, false); !slices.Contains(got["text word"], said) || !strings.Contains(got["desc"][0], "435 dependencies, from top to bottom. "+said) {
		t.Errorf("%q, %q", got["text word"], got["desc"])
	}
	if got := svgOf(t, p, nil, true); slices.Contains(got["text word"], said) {
		t.Error("left out with all")
	}
	w.Tasks = w.Tasks[:20]
	if got := svgOf(t, planOf(t, w), nil, false); len(got["text word"]) != 20 {
		t.Errorf("left out of a small one: %q", got["text word"])
	}
}

// TestSVGHostile: names of workflows that were built by hand are text and nothing else.
func TestSVGHostile(t *testing.T) {
	bad := "</text><script>alert('1')</script>&\x00\x1b\"]]>\xff"
	w := &Workflow{Name: bad, Tasks: []*Task{{ID: bad, Description: bad}, {ID: strings.Repeat(bad, 9), Index: 1, Finally: true}}}
	got := svgOf(t, planOf(t, w), []Status{Failed, Pending}, false)
	if len(got["g task failed"]) != 1 || len(got["g task pending"]) != 1 || len(got["rect frame"]) != 1 || !slices.Equal(got["text label"], []string{"finally"}) {
		t.Errorf("%q", got)
	}
	if err := DrawSVG(io.Discard, planOf(t, w), []Status{Failed}, false); err == nil {
		t.Error("one status of two tasks: taken")
	}
}

// TestIDs: ids have at most two lines; of what all long ones begin with, nothing is
// shown.
func TestIDs(t *testing.T) {
	for id, want := range map[string][]string{
		"short":                               {"short"},
		"twenty-eight-characters-long":        {"twenty-eight-characters-long"},
		"a-name-of-some-more-characters-here": {"a-name-of-some-", "more-characters-here"},
		strings.Repeat("x", 40):               {strings.Repeat("x", 20), strings.Repeat("x", 20)},
		strings.Repeat("é", 99) + "-end":      {strings.Repeat("é", 28), "…" + strings.Repeat("é", 23) + "-end"},
	} {
		if got := idLines(id); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	w := &Workflow{Tasks: []*Task{{ID: "region_eu_west_warehouse_extract_orders"}, {ID: "region_eu_west_warehouse_load_orders", Index: 1}, {ID: "region", Index: 2}}}
	if got, want := svgOf(t, planOf(t, w), nil, false)["text id"], []string{"…extract_orders", "…load_orders", "region"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStatusShapes: no two statuses look alike without colour.
func TestStatusShapes(t *testing.T) {
	seen := make(map[string]bool)
	for s := range statusNames {
		if icons[s] == "" || seen[icons[s]] {
			t.Errorf("%v has the shape %q", Status(s), icons[s])
		}
		seen[icons[s]] = true
		if !slices.Contains(byWeight[:], Status(s)) {
			t.Errorf("%v has no weight", Status(s))
		}
	}
}

// TestContrast: text can be read on what it stands on, light and dark; lines and
// borders can be seen.
func TestContrast(t *testing.T) {
	light, dark, found := strings.Cut(svgStyle, "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark colours")
	}
	for name, style := range map[string]string{"light": light, "dark": dark} {
		color := make(map[string]float64)
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6});`).FindAllStringSubmatch(style, -1) {
			color[m[1]] = luminance(t, m[2])
		}
		check := func(least float64, back string, front ...string) {
			for _, f := range front {
				a, b := max(color[f], color[back])+0.05, min(color[f], color[back])+0.05
				if a/b < least {
					t.Errorf("%s: %s on %s has a contrast of %.2f", name, f, back, a/b)
				}
			}
		}
		check(4.5, "card", "text", "muted", "accent", "good", "bad", "warn")
		check(4.5, "frame", "muted", "accent")
		check(4.5, "ground", "muted")
		check(3, "ground", "line", "border")
		check(3, "frame", "line", "border")
	}
}

// luminance is that of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(c uint64) float64 {
		v := float64(c&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func BenchmarkSVG(b *testing.B) {
	p := planOf(b, fan(500))
	for b.Loop() {
		if err := DrawSVG(io.Discard, p, nil, true); err != nil {
			b.Fatal(err)
		}
	}
}

// TestInline: a picture for a page has no style of its own, and says which task each card
// is of; one of too many cards is none.
func TestInline(t *testing.T) {
	var b bytes.Buffer
	p := planOf(t, fan(2))
	if err := DrawInline(&b, p, nil, 6); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Contains(got, "<style") || strings.Count(got, ` data-task="`) != 6 || !strings.Contains(got, `data-task="5"`) {
		t.Errorf("got %s", got)
	}
	if err := DrawInline(&b, p, nil, 5); !errors.Is(err, ErrTangle) {
		t.Errorf("6 cards of 5: %v", err)
	}
}
