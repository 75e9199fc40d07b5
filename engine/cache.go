package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/run"
	"flow/internal/store"
)

// A task with `cache` is looked up before it is given to an executor. What is found is part
// of the event that answers the machine, so a replay needs no cache. Without a history
// there is nothing to find, and nothing is kept.

// digest is a cache's key as it is recorded: a hash, and its parts as texts for people.
type digest struct {
	hash  string
	parts []string
}

// newDigest makes the digest of an evaluated key; shown has the same key, masked.
func newDigest(key, shown any) (digest, error) {
	hash, _, err := hashed(key)
	if err != nil {
		return digest{}, err
	}
	d := digest{hash: hash}
	parts, several := shown.([]any)
	if !several {
		parts = []any{shown}
	}
	for _, p := range parts {
		hash, text, err := hashed(p)
		if err != nil {
			return digest{}, err
		}
		if len(text) > mostShown {
			text = fmt.Appendf(nil, "%d bytes, sha256:%s", len(text), hash)
		}
		d.parts = append(d.parts, string(text))
	}
	return d, nil
}

// mostShown is how long a part of a key is to be kept as it is.
const mostShown = 120

func hashed(v any) (hash string, text []byte, err error) {
	if text, err = dag.EncodeJSON(v); err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), text, nil
}

// plain is the digest as a value of an event.
func (d digest) plain() any {
	parts := make([]any, len(d.parts))
	for i, p := range d.parts {
		parts[i] = p
	}
	return map[string]any{"hash": d.hash, "parts": parts}
}

// readDigest reads what plain has made.
func readDigest(v any) (d digest, ok bool) {
	m, _ := v.(map[string]any)
	if d.hash, ok = m["hash"].(string); !ok {
		return d, false
	}
	parts, _ := m["parts"].([]any)
	for _, p := range parts {
		text, _ := p.(string)
		d.parts = append(d.parts, text)
	}
	return d, true
}

// lookUp completes the answer to EvalCache: by the result that there is for the key.
func (r *Run) lookUp(e *run.Event) {
	answer := e.Value.(map[string]any)
	d, err := newDigest(answer["key"], r.mask.Value(answer["key"]))
	if err != nil {
		e.Failure = &dag.Failure{Reason: dag.ReasonInvalid, Message: "cache.key: " + err.Error(), ExitCode: -1}
		return
	}
	answer["key"] = d.plain()
	if r.journal == nil {
		return
	}
	t := r.plan.Nodes[e.Task].Task
	c, err := r.engine.home.Cached(r.cacheKey(t, d))
	switch {
	case err != nil:
		r.in.put(message{fatal: err})
	case c != nil && fresh(t.Cache, c, time.Now()):
		answer["run"], answer["result"], answer["exit_code"] = c.Run, c.Value, c.ExitCode
	}
}

func fresh(c *dag.Cache, entry *store.Cached, now time.Time) bool {
	return c.TTL == 0 || now.Sub(entry.Made) < c.TTL
}

func (r *Run) cacheKey(t *dag.Task, d digest) store.CacheKey {
	of := r.cacheOf
	of.Task = t.ID
	return store.CacheKey{CacheOf: of, Definition: r.plan.Workflow.Definition(t), Key: d.hash}
}

// cacheOf names a workflow in the cache.
func cacheOf(w *dag.Workflow) (store.CacheOf, error) {
	file, err := filepath.Abs(w.File)
	return store.CacheOf{File: file, Workflow: w.Name}, err
}

// noteResult notes what an event, which is about to be applied, has for the cache. An
// attempt that was stopped meanwhile has nothing.
func (r *Run) noteResult(e *run.Event) {
	if r.journal == nil || e.Failure != nil {
		return
	}
	switch {
	case e.Kind == run.AttemptEnded && r.plan.Nodes[e.Task].Task.Cache != nil:
		d, ok := readDigest(r.m.CacheKey(e.Task, e.Instance))
		if !ok || !r.m.Counts(e) {
			return
		}
		t := r.plan.Nodes[e.Task].Task
		r.results = append(r.results, store.Kept{Key: r.cacheKey(t, d), Entry: &store.Cached{
			Made: r.clock(), Value: e.Value, ExitCode: int(e.ExitCode), Parts: d.parts,
		}})
	case e.Kind == run.Evaluated && e.What == run.EvalCache:
		answer, _ := e.Value.(map[string]any)
		d, ok := readDigest(answer["key"])
		if _, hit := answer["run"]; hit && ok {
			r.results = append(r.results, store.Kept{Key: r.cacheKey(r.plan.Nodes[e.Task].Task, d)})
		}
	}
}

// CacheView tells of results that a run of a plan would take from earlier ones, without
// any effect. It is a dag.Host without secrets: expressions over what is found, and over
// files, can be evaluated with it.
type CacheView struct {
	host
	home *Home
	plan *dag.Plan
	of   store.CacheOf
	now  time.Time
}

// NewCacheView returns the view of a plan's results in a home at a moment.
func NewCacheView(h *Home, plan *dag.Plan, now time.Time) (*CacheView, error) {
	of, err := cacheOf(plan.Workflow)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return &CacheView{host: host{dir: plan.Workflow.Dir, store: h}, home: h, plan: plan, of: of, now: now}, nil
}

// Find returns the result that there is for a task and its evaluated key, the run that it
// is from, and says when that was. Where there is none (run is "") it says why: what has
// changed since the newest one.
func (v *CacheView) Find(t *dag.Task, key any) (result any, run, why string, err error) {
	d, err := newDigest(key, key)
	if err != nil {
		return nil, "", "", err
	}
	of := v.of
	of.Task = t.ID
	k := store.CacheKey{CacheOf: of, Definition: v.plan.Workflow.Definition(t), Key: d.hash}
	c, err := v.home.Cached(k)
	switch {
	case err != nil:
		return nil, "", "", err
	case c != nil && fresh(t.Cache, c, v.now):
		return c.Value, c.Run, "made " + ago(v.now, c.Made) + " ago", nil
	case c != nil:
		return nil, "", fmt.Sprintf("its result was made %s ago, and is good for %s", ago(v.now, c.Made), t.Cache.TTL), nil
	}
	last, err := v.home.LastCached(of)
	if err != nil || last == nil {
		return nil, "", "no result is kept yet", err
	}
	if last.Definition != k.Definition {
		return nil, "", "the definition of the task has changed since the last one", nil
	}
	return nil, "", changed(t, d.parts, last.Parts), nil
}

// changed says which parts of a key have.
func changed(t *dag.Task, now, before []string) string {
	if len(now) != len(before) {
		return fmt.Sprintf("its key has %d parts, the last one had %d", len(now), len(before))
	}
	var parts []string
	for i := range now {
		if now[i] == before[i] {
			continue
		}
		what := "key"
		if len(now) > 1 {
			what = fmt.Sprintf("key[%d]", i)
		}
		if is, was := glimpse(now[i]), glimpse(before[i]); is != was {
			parts = append(parts, fmt.Sprintf("%s is %s, was %s", what, is, was))
		} else {
			parts = append(parts, what+" has changed")
		}
	}
	if len(parts) == 0 { // what is kept of them is the same
		return "its key has changed"
	}
	return strings.Join(parts, "; ")
}

// glimpse is the beginning of a text: enough to tell two hashes apart.
func glimpse(s string) string {
	runes := []rune(s)
	if len(runes) <= 32 {
		return s
	}
	return string(runes[:16]) + "…"
}

// ago is a span for people.
func ago(now, then time.Time) string {
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
