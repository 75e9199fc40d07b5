package cli

import (
	"strings"
	"time"

	"flow/dag"
	"flow/internal/cron"
)

// nextTimes tells when a workflow's schedules fire next, a line for each.
func nextTimes(w *dag.Workflow, from time.Time, n int) []string {
	var lines []string
	for i := range w.Schedules {
		s := &w.Schedules[i]
		line := s.Cron + " " + s.Timezone + ": "
		c, err := cron.Parse(s.Cron, s.Timezone, s.Start)
		switch {
		case err != nil: // it was parsed when the file was loaded
			line += err.Error()
		case !s.Enabled:
			line += "not enabled"
		default:
			line += strings.Join(firings(c, s, from, n), ", ")
		}
		lines = append(lines, line)
	}
	return lines
}

// firings are the next times of a schedule within its start and end.
func firings(c *cron.Schedule, s *dag.Schedule, from time.Time, n int) []string {
	if !s.Start.IsZero() && from.Before(s.Start) {
		from = s.Start.Add(-1)
	}
	var times []string
	for range n {
		t, ok := c.Next(from)
		if !ok || !s.End.IsZero() && t.At.After(s.End) {
			break
		}
		text := dag.Text(t.At)
		if t.Shifted {
			text += " (shifted)"
		}
		times = append(times, text)
		from = t.At
	}
	if len(times) == 0 {
		return []string{"never again"}
	}
	return times
}
