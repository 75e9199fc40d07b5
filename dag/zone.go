package dag

import "time"

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
