package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flow/dag"
	"flow/engine"
	"flow/internal/run"
	"flow/internal/web"
)

// TestNewsFromTheStore: what the site tells of a run is what `flow run --json` printed of
// it, but for how exactly an attempt was timed.
func TestNewsFromTheStore(t *testing.T) {
	h, err := engine.OpenHome(t.TempDir(), "off")
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.History(h))
	text := `
tasks:
  a: { expr: "[1, 2, 3]" }
  b: { for_each: "${{ tasks.a.result }}", run: 'test "$x" != 2', inputs: { x: "${{ item }}" }, retry: { attempts: 2, delay: 1ms } }
  c: { run: echo c, needs: b }
  d: { run: echo d }
  e: { run: sleep 30, timeout: 10ms, continue_on_error: true }
finally:
  f: { run: exit 4 }
`
	w, found := dag.Parse("news.yaml", []byte(text))
	if w == nil {
		t.Fatal(found)
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	bare := func(line []byte) string {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "duration_s")
		delete(m, "time") // of a batch that the engine tells at once
		line, _ = json.Marshal(m)
		return string(line)
	}
	var told []string
	r, err := e.Start(plan, engine.Options{Watch: func(e engine.Event) {
		line, _ := json.Marshal(&e)
		told = append(told, bare(line))
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs := NewSiteRuns(h)
	teller := run.NewTeller(plan)
	var read []string
	for e, err := range runs.Events(r.ID, 0, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		news, err := teller.Tell(&e)
		if err != nil {
			t.Fatal(err)
		}
		for i := range news {
			line, _ := json.Marshal(&news[i])
			read = append(read, bare(line))
		}
	}
	if diff := cmp.Diff(told, read); diff != "" {
		t.Error(diff)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestSiteRuns: a run is found by its whole id only, and no log is outside its folder.
func TestSiteRuns(t *testing.T) {
	h, err := engine.OpenHome(t.TempDir(), "off")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	runs := NewSiteRuns(h)
	for _, id := range []string{"", "last", "..", "../..", strings.Repeat("x", 10_000), "%", "a/../b"} {
		if r, err := runs.Find(id); err == nil {
			t.Errorf("%.20q is run %s", id, r.ID)
		}
	}
	for _, of := range []web.LogOf{{Run: "..", Task: "flow", Attempt: 1}, {Run: "X", Task: "../../flow", Attempt: 1}, {Run: "X", Task: filepath.Join("..", "x"), Attempt: 1}, {Run: "X", Task: "a", Attempt: -1}} {
		if _, err := runs.LogFrom(of, 0, 100); err == nil || !strings.Contains(err.Error(), "no such log") {
			t.Errorf("%v: %v", of, err)
		}
	}
}
