//go:build unix

package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flow/engine"
	"flow/internal/store"
)

// cacheRuns are runs of workflows one after the other in one home.
type cacheRuns struct {
	t    *testing.T
	dir  string
	home *engine.Home
	e    *engine.Engine
}

func newCacheRuns(t *testing.T) *cacheRuns {
	home := newHome(t)
	return &cacheRuns{t: t, dir: t.TempDir(), home: home, e: newEngine(t, engine.History(home))}
}

// run runs a workflow and returns where each task's result is from: "made", "cached", or
// its status.
func (c *cacheRuns) run(file string, o engine.Options) (s *engine.Summary, from string) {
	c.t.Helper()
	s, err := c.e.Run(c.t.Context(), planOf(c.t, c.dir, file), o)
	if err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, t := range s.Tasks {
		switch {
		case t.Cached != (t.From != ""):
			c.t.Errorf("%s: cached %v, from %q", t.ID, t.Cached, t.From)
		case t.Cached:
			all = append(all, t.ID+" cached")
		case t.Status == "succeeded":
			all = append(all, t.ID+" made")
		default:
			all = append(all, t.ID+" "+t.Status)
		}
	}
	return s, strings.Join(all, ", ")
}

const cached = `
params: { day: a, n: 1 }
tasks:
  a: { run: 'echo ran >> side; echo "$FLOW_RUN_ID $day"', inputs: { day: "${{ params.day }}" }, cache: { key: ["${{ params.day }}", "${{ hash_files('in') }}"], ttl: 1h } }
  big: { run: "head -c 100000 /dev/zero | tr '\\0' x", cache: { key: big } }
  len: { expr: "len(tasks.big.result)" }
  each: { for_each: [1, 2], run: 'echo ran >> side; echo "$n"', inputs: { n: "${{ item * params.n }}" }, cache: { key: "${{ inputs.n }}" } }
  bad: { run: 'exit 1', cache: { key: 1 }, continue_on_error: true }
outputs: { all: ["${{ tasks.a.result }}", "${{ tasks.len.result }}", "${{ tasks.each.result }}"] }
`

func TestCache(t *testing.T) {
	t.Run("3.cache.engine", testCache)
}

func testCache(t *testing.T) {
	c := newCacheRuns(t)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(c.dir, "in"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran := func() int {
		text, _ := os.ReadFile(filepath.Join(c.dir, "side"))
		return strings.Count(string(text), "ran")
	}
	write("one")
	first, from := c.run(cached, engine.Options{})
	if from != "a made, big made, len made, each made, bad failed" || ran() != 3 {
		t.Fatal(from, ran())
	}
	second, from := c.run(cached, engine.Options{})
	if from != "a cached, big cached, len made, each made, bad failed" || ran() != 3 {
		t.Fatal(from, ran())
	}
	if a, b := fmt.Sprint(first.Outputs), fmt.Sprint(second.Outputs); a != b {
		t.Errorf("%s, then %s", a, b)
	}
	if a := second.Tasks[0]; a.From != first.Run || a.Attempts != 0 || a.ExitCode == nil || !a.Started.IsZero() {
		t.Errorf("%+v", a)
	}
	if n := second.Tasks[3].Instances; n == nil || n.Cached != 2 || n.Succeeded != 2 {
		t.Errorf("%+v", n)
	}
	// A part of the key that changes: one task's, one instance's.
	if _, from = c.run(cached, engine.Options{Params: map[string]any{"day": "b", "n": "2"}}); !strings.HasPrefix(from, "a made, big cached") || ran() != 5 {
		t.Error(from, ran())
	}
	write("two")
	if _, from = c.run(cached, engine.Options{}); !strings.HasPrefix(from, "a made") {
		t.Error(from)
	}
	write("one")
	if s, from := c.run(cached, engine.Options{}); !strings.HasPrefix(from, "a cached") || s.Tasks[0].From != first.Run {
		t.Error(from)
	}
	// What does not change the result is no part of the definition; what does, is.
	other := strings.ReplaceAll(cached, "a: { run", "a: { description: x, retry: 2, timeout: 1m, priority: 3, run")
	if _, from = c.run(other, engine.Options{}); !strings.HasPrefix(from, "a cached") {
		t.Error(from)
	}
	for _, change := range []string{`a: { env: { X: y }, run`, `a: { stdin: x, run`, `a: { result: lines, run`, `a: { dir: ., run`} {
		if _, from = c.run(strings.ReplaceAll(cached, "a: { run", change), engine.Options{}); !strings.HasPrefix(from, "a made") {
			t.Errorf("%s: %s", change, from)
		}
	}
	if _, from = c.run(strings.ReplaceAll(cached, "ttl: 1h", "ttl: 1ms"), engine.Options{}); !strings.HasPrefix(from, "a made") {
		t.Error("too old:", from)
	}
	// Without a history there is no cache; a retry takes what succeeded from its run.
	plain := &cacheRuns{t: t, dir: c.dir, e: newEngine(t)}
	if _, from = plain.run(cached, engine.Options{}); strings.Contains(from, "cached") {
		t.Error(from)
	}
	// Results live as long as the last run that has made or used them.
	if _, err := c.home.GC(store.Keep{Total: 1}, time.Now().Add(2*time.Hour), false); err != nil {
		t.Fatal(err)
	}
	if s, from := c.run(cached, engine.Options{}); !strings.HasPrefix(from, "a cached, big cached") || fmt.Sprint(s.Outputs["all"]) == "" {
		t.Error(from)
	}
	if _, err := c.home.GC(store.Keep{Age: time.Nanosecond}, time.Now().Add(2*time.Hour), false); err != nil {
		t.Fatal(err)
	}
	if _, from := c.run(cached, engine.Options{}); !strings.HasPrefix(from, "a made, big made") {
		t.Error(from)
	}
	if faults, err := c.home.Check(false, time.Now()); err != nil || len(faults) > 0 {
		t.Error(faults, err)
	}
}

// A key is part of the run: what is resumed, or told of from history, needs no cache.
func TestCacheIsRecorded(t *testing.T) {
	c := newCacheRuns(t)
	const file = `
params: { gone: false }
tasks:
  a: { run: 'echo "$FLOW_RUN_ID"', cache: { key: 1 } }
  b: { run: 'test $gone = false', needs: a, inputs: { gone: "${{ params.gone }}" } }
`
	first, _ := c.run(file, engine.Options{})
	failed, from := c.run(file, engine.Options{Params: map[string]any{"gone": "true"}})
	if from != "a cached, b failed" {
		t.Fatal(from)
	}
	r, err := c.e.Retry(failed.Run, engine.Again{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Wait(t.Context())
	if err != nil || s.Tasks[0].Status != "succeeded" || s.Tasks[0].Result.Value != first.Run {
		t.Errorf("%v, %+v", err, s.Tasks[0])
	}
	rec, err := c.home.Find(failed.Run)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.home.Summary(&rec)
	var stored engine.Summary
	if err != nil || json.Unmarshal(text, &stored) != nil || stored.Tasks[0].From != first.Run {
		t.Errorf("%s, %v", text, err)
	}
}

// Several engines, as several processes, have one cache: what one has made, others use,
// and what they make at the same time does no harm.
func TestCacheBetweenEngines(t *testing.T) {
	dir, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
	file := `
tasks:
  a: { for_each: "${{ 0..49 }}", run: 'echo "$n"', inputs: { n: "${{ item % 10 }}" }, cache: { key: "${{ inputs.n }}" } }
`
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			h, err := engine.OpenHome(home, "")
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Close()
			e := engine.New(engine.History(h))
			defer e.Close()
			for range 3 {
				s, err := e.Run(t.Context(), planOf(t, dir, file), engine.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				list := s.Tasks[0].Result.Value.([]any)
				for k, v := range list {
					if v != fmt.Sprint(k%10) {
						t.Errorf("instance %d is %v", k, v)
					}
				}
			}
		})
	}
	wait.Wait()
}

// A result with a secret in it is cached without it, and a secret in a key is not kept.
func TestCacheHasNoSecrets(t *testing.T) {
	home := newHome(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("hunter2hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, engine.History(home))
	plan := planOf(t, dir, `
secrets: { S: { file: key } }
tasks: { a: { run: 'echo "$X"', env: { X: "${{ secrets.S }}" }, cache: { key: ["${{ read_file('key') }}"] } } }
`)
	for k := range 2 {
		s, err := e.Run(t.Context(), plan, engine.Options{})
		if err != nil || s.Tasks[0].Result.Value != "***" || s.Tasks[0].Cached != (k == 1) {
			t.Errorf("%v, %+v", err, s)
		}
	}
	files, err := filepath.Glob(filepath.Join(home.Dir(), "flow.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if text, err := os.ReadFile(name); err != nil || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
