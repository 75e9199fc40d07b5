//go:build unix

package engine_test

import (
	"testing"
	"time"

	"flow/engine"
)

// slow is an expression that takes a second or more, in loops within loops.
const slow = `len(filter(1..2000, {let n = #; any(1..2000, {# * n == -1})}))`

// Time limits, deadlines and cancels hold for expressions as for commands.
func TestSlowExpressionsAreStopped(t *testing.T) {
	for name, tc := range map[string]struct {
		keys   string
		cancel bool
		want   string
	}{
		"timeout":  {"timeout: 20ms", false, "failed timeout"},
		"deadline": {"deadline: 20ms", false, "failed timeout"},
		"cancel":   {"", true, "cancelled user"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "tasks:\n  a:\n    expr: '" + slow + "'\n    " + tc.keys + "\n"
			began := time.Now()
			r := start(t, newEngine(t), planOf(t, t.TempDir(), file), engine.Options{Watch: func(e engine.Event) {
				if e.Type == engine.AttemptStarted {
					began = time.Now()
				}
			}})
			if tc.cancel {
				r.Cancel()
			}
			s := wait(t, r)
			if got := s.Tasks[0].Status + " " + s.Tasks[0].Reason; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			t.Logf("after %v", time.Since(began))
		})
	}
	s := wait(t, start(t, newEngine(t), planOf(t, t.TempDir(), "tasks:\n  a: { expr: '"+slow+"' }\n"), engine.Options{}))
	took := s.Tasks[0].Ended.Sub(s.Tasks[0].Started.Time)
	if s.Status != "succeeded" || took < 100*time.Millisecond {
		t.Errorf("%s after %v: the expression is too quick to be stopped", s.Status, took)
	}
}
