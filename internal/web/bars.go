package web

import (
	"fmt"
	"time"

	"flow/internal/run"
)

// rect is a piece of a bar: of 1000 in all.
type rect struct {
	Class    string
	X, Width float64
}

// scale places times on a bar.
type scale struct{ from, to, now time.Time }

func (v *runView) scale(line *run.Timeline) scale {
	s := scale{from: line.Summary.Started.Time, to: line.Summary.Ended.Time, now: v.Now}
	if s.to.IsZero() {
		s.to = v.Now
		if v.Status == "interrupted" {
			for i := range line.Summary.Tasks {
				if e := line.Summary.Tasks[i].Ended.Time; e.After(s.from) && (s.to.Equal(v.Now) || e.After(s.to)) {
					s.to = e
				}
			}
		}
	}
	if !s.to.After(s.from) {
		s.to = s.from.Add(time.Millisecond)
	}
	s.now = s.to
	all := s.to.Sub(s.from)
	for k := range 5 {
		v.Axis = append(v.Axis, took(all*time.Duration(k)/4))
	}
	return s
}

func (s *scale) x(t time.Time) float64 {
	return min(1000, max(0, 1000*float64(t.Sub(s.from))/float64(s.to.Sub(s.from))))
}

func (s *scale) rect(class string, from, to time.Time) rect {
	x := s.x(from)
	r := rect{class, x, max(0, s.x(to)-x)}
	if class != "in" && class != "wk" {
		r.Width = max(r.Width, 3) // it can be seen
		r.X = min(r.X, 1000-r.Width)
	}
	return r
}

// bars draw a task's time: waiting for its inputs, for a worker, and its attempts.
func (s *scale) bars(t *run.TaskSummary, ready time.Time, waits bool, tries []*attempt) (all []rect, says string) {
	begun, ended := t.Started.Time, t.Ended.Time
	if ended.IsZero() {
		ended = s.now
	}
	if t.Status == "pending" || t.Status == "skipped" || begun.IsZero() && t.Status == "cancelled" {
		return nil, ""
	}
	if waits {
		all = append(all, s.rect("in", s.from, ready))
		says = "waited " + took(ready.Sub(s.from)) + " for its inputs"
	}
	if begun.IsZero() { // it waits for a worker, or could not begin
		return append(all, s.rect("wk", ready, ended)), says + comma(says) + took(ended.Sub(ready)) + " for a worker"
	}
	if begun.After(ready) {
		all = append(all, s.rect("wk", ready, begun))
		says += comma(says) + took(begun.Sub(ready)) + " for a worker"
	}
	says += comma(says) + took(ended.Sub(begun)) + " of work"
	if len(tries) == 0 {
		return append(all, s.rect(t.Status, begun, ended)), says
	}
	if len(tries) > 1 {
		all = append(all, s.rect("wk", begun, ended))
		says += fmt.Sprintf(", %d attempts", len(tries))
	}
	for _, a := range tries {
		class, end := t.Status, s.now
		if a.ended != 0 {
			end, class = time.UnixMilli(a.ended), "succeeded"
			if a.failure != nil {
				class = "failed"
			}
			if t.Status == "cancelled" && a == tries[len(tries)-1] {
				class = "cancelled"
			}
		}
		all = append(all, s.rect(class, time.UnixMilli(a.started), end))
	}
	return all, says
}

func comma(before string) string {
	if before == "" {
		return ""
	}
	return ", "
}
