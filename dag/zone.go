package dag

import (
	"time"

	"flow/internal/cron"
)

// Zone is where the workflow's times are: the zone of its first schedule, else
// UTC.
func (w *Workflow) Zone() *time.Location {
	if len(w.Schedules) > 0 {
		if zone, err := loadZone(w.Schedules[0].Timezone); err == nil {
			return zone
		}
	}
	return time.UTC
}

// LastTime is the last time of the workflow's first schedule at or before now:
// what a run that no schedule started has as its interval's start. Now itself
// where there is no schedule, or none such time.
func (w *Workflow) LastTime(now time.Time) time.Time {
	if len(w.Schedules) == 0 {
		return now
	}
	first := &w.Schedules[0]
	s, err := cron.Parse(first.Cron, first.Timezone, first.Start)
	if err != nil {
		return now
	}
	last, ok := s.Prev(now.Add(time.Nanosecond))
	if !ok || !first.Start.IsZero() && last.At.Before(first.Start) {
		return now
	}
	return last.At
}
