package dag

import (
	_ "embed"
	"slices"
	"strings"
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
	before := now.Add(time.Nanosecond)
	if !first.End.IsZero() && before.After(first.End) {
		before = first.End
	}
	last, ok := s.Prev(before)
	if !ok || !first.Start.IsZero() && last.At.Before(first.Start) {
		return now
	}
	return last.At
}

// zoneNames are the names of the IANA database that people use, a line each.
//
//go:embed zones.txt
var zoneNames string

// NearestZone returns the time zone that a name is most likely meant for, "" where
// there is none: letters in another case, a city alone, a slip.
func NearestZone(name string) string {
	name = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", "_"))
	names := strings.Fields(zoneNames)
	full := make(map[string]string, 2*len(names)) // by what is tried, in this order
	var tried []string
	for _, part := range []func(string) string{strings.ToLower, cityOf} {
		for _, zone := range names {
			key := part(zone)
			if full[key] == "" {
				full[key] = zone
				tried = append(tried, key)
			}
		}
	}
	if zone := full[name]; zone != "" {
		return zone
	}
	if len(name) < 6 { // an abbreviation, as likely as a slip
		return ""
	}
	return full[nearest(name, slices.Values(tried))]
}

// cityOf is the last part of a zone's name, in small letters.
func cityOf(zone string) string { return strings.ToLower(zone[strings.LastIndexByte(zone, '/')+1:]) }
