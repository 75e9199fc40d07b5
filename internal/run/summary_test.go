package run_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"flow/dag"
)

// The summary is JSON of one form, in the order of the file; what is kept
// elsewhere stands by its reference. Outputs are written by the language's rules,
// like results: nothing is escaped that needn't be.
func TestSummaryJSON(t *testing.T) {
	wf, found := dag.Parse("w.yaml", []byte(`
tasks:
  z: { exec: [x] }
  a: { for_each: [1, 2, 3], exec: [x], retry: 2, continue_on_error: true }
  b: { exec: [x], needs: z, if: failure() }
  c: { expr: "'<&>'" }
  d: { for_each: { k: 1 }, exec: [x] }
outputs: { n: 1.0, text: "<\L>" }
`))
	if wf == nil {
		t.Fatal(found)
	}
	plan, err := dag.NewPlan(wf)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, byRef, plan, &sentence{does: `
a[0] = ok [1] in 1s
a[1] = exit 137; error
d = ok "D"`})
	w.live(nil, nil, dag.RunInfo{ID: "r1", Workflow: "w", StartedAt: epoch.In(berlin()), Attempt: 1})
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(w.m.Summary()); err != nil {
		t.Fatal(err)
	}
	// One line a task is easier to read than one a field.
	line := strings.NewReplacer("\n   ", " ", "\n    ", " ", "\n  }", " }").Replace(got.String())
	const want = `{
 "type": "summary",
 "run": "r1",
 "workflow": "w",
 "status": "succeeded",
 "started_at": "2026-01-31T07:30:00+01:00",
 "ended_at": "2026-01-31T07:30:01+01:00",
 "outputs": {
  "n": 1,
  "text": "<` + "\u2028" + `>"
 },
 "tasks": {
  "z": { "status": "succeeded", "attempts": 1, "cached": false, "exit_code": 0, "started_at": "2026-01-31T07:30:00+01:00", "ended_at": "2026-01-31T07:30:00+01:00", "result": null },
`
	if !strings.HasPrefix(line, want) {
		t.Errorf("%s\nwant\n%s", line, want)
	}
	for _, part := range []string{
		`"result": [ { "ref": "sha256:0", "size": 100000 }, null, null ]`,
		`"error": { "reason": "error", "message": "error", "type": "KeyError", "traceback": "line 1" }, "instances": { "total": 3, "succeeded": 2, "failed": 1 }`,
		`"b": { "status": "skipped", "reason": "condition", "attempts": 0, "cached": false, "ended_at": "2026-01-31T07:30:00+01:00" }`,
		`"result": { "k": { "ref": "sha256:`,
	} {
		if flat := strings.Join(strings.Fields(line), " "); !strings.Contains(flat, part) {
			t.Errorf("%s\nwant %s", flat, part)
		}
	}
}
