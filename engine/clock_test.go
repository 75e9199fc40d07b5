package engine

import (
	"strings"
	"testing"
	"time"
)

// The wall clock may be set back or forth while a run goes on: the run's time is the
// wall's when it began and as much later as has passed. The machine compares walls,
// so there must be no second reading in it that compares otherwise.
func TestClockOfARun(t *testing.T) {
	now := time.Now()
	r := &Run{zero: now, began: now}
	last := r.zero.Round(0)
	for range 1000 {
		now := r.clock()
		if strings.Contains(now.String(), "m=") {
			t.Fatalf("%v has a monotonic reading", now)
		}
		if now.Before(last) {
			t.Fatalf("it went back from %v to %v", last, now)
		}
		last = now
	}
	if passed := time.Since(r.zero); last.Sub(r.zero.Round(0)) > passed {
		t.Errorf("it says %v after %v", last.Sub(r.zero.Round(0)), passed)
	}
}
