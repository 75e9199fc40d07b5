package cli

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"flow/dag"
	"flow/internal/cron"
	"flow/internal/schedule"
)

// nextTimes tells when a workflow's schedules fire next, a line for each.
func nextTimes(w *dag.Workflow, from time.Time, n int) []string {
	var lines []string
	for i := range w.Schedules {
		s := &w.Schedules[i]
		line := named(s) + ": "
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

// named is a schedule for people.
func named(s *dag.Schedule) string { return fit(s.Cron, 40) + " " + s.Timezone }

// firings are the next times of a schedule within its start and end.
func firings(c *cron.Schedule, s *dag.Schedule, from time.Time, n int) []string {
	var times []string
	for range n {
		t, ok := schedule.Next(c, s, from)
		if !ok {
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

// ahead tells how far away a moment to come is: in 12m05s, in 3 days.
func ahead(d time.Duration) string {
	const day = 24 * time.Hour
	whole := func(unit time.Duration, what string) string {
		return "in " + count(int(math.Round(float64(d)/float64(unit))), what)
	}
	switch {
	case d < day:
		return "in " + duration(d)
	case d < 60*day:
		return whole(day, "day")
	case d < 700*day:
		return whole(365*day/12, "month")
	}
	return whole(365*day, "year")
}

// skippedTime says of a time that was shifted what it is in place of.
func skippedTime(t cron.Time) string {
	if t.Skipped.Day() != t.At.Day() {
		return fmt.Sprintf("shifted: there is no %s", t.Skipped.Format("15:04 on Mon 02"))
	}
	return fmt.Sprintf("shifted: %s does not exist that day", t.Skipped.Format("15:04"))
}

// timetable is a schedule and its next time.
type timetable struct {
	def   *dag.Schedule
	sched *cron.Schedule
	next  cron.Time
	more  bool // there is one
}

func (t *timetable) advance(after time.Time) { t.next, t.more = schedule.Next(t.sched, t.def, after) }

// occasion is a time of one of several schedules.
type occasion struct {
	cron.Time
	of *dag.Schedule
}

// merge takes the first n times of all schedules, in order.
func merge(tables []*timetable, n int) []occasion {
	var out []occasion
	for len(out) < n {
		var first *timetable
		for _, t := range tables {
			if t.more && (first == nil || t.next.At.Before(first.next.At)) {
				first = t
			}
		}
		if first == nil {
			break
		}
		out = append(out, occasion{first.next, first.def})
		first.advance(first.next.At)
	}
	return out
}

// listing is what is shown of times.
type listing struct {
	times   []occasion
	file    bool      // they are of a file's schedules
	several bool      // there is more than one
	now     time.Time // what they are told relative to, if anything
}

// listedTime is a line of `schedule next --json`.
type listedTime struct {
	Time     string `json:"time"`
	Shifted  bool   `json:"shifted"`
	Cron     string `json:"cron,omitzero"`
	Timezone string `json:"timezone,omitzero"`
}

func (l *listing) print(std streams, asJSON bool) error {
	out := bufio.NewWriter(std.out)
	if !asJSON {
		l.text(out, newStyle(std.out))
		return out.Flush()
	}
	enc := encoder(out)
	for _, t := range l.times {
		line := listedTime{Time: t.At.Format(time.RFC3339Nano), Shifted: t.Shifted}
		if l.file {
			line.Cron, line.Timezone = t.of.Cron, t.of.Timezone
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// text is the listing for people, in columns: the time, how far away it is, whose it is,
// and what a clock change has made of it.
func (l *listing) text(out io.Writer, st style) {
	layout := "15:04"
	for _, t := range l.times {
		if t.At.Nanosecond() != 0 {
			layout = "15:04:05.000"
			break
		}
		if t.At.Second() != 0 {
			layout = "15:04:05"
		}
	}
	rows := make([][4]string, len(l.times))
	var width [4]int
	for i, t := range l.times {
		row := &rows[i]
		row[0] = t.At.Format("-07:00")
		if name := t.At.Format("MST"); !strings.ContainsAny(name, "+-") {
			row[0] += " " + name
		}
		if !l.now.IsZero() {
			row[1] = ahead(t.At.Sub(l.now))
		}
		if l.several {
			row[2] = named(t.of)
		}
		if t.Shifted {
			row[3] = skippedTime(t.Time)
		}
		for k, text := range row {
			width[k] = max(width[k], utf8.RuneCountInString(text))
		}
	}
	for i, t := range l.times {
		row := &rows[i]
		line := t.At.Format("Mon 2006-01-02 ") + st.bold(t.At.Format(layout)) + " " + st.faint(pad(row[0], width[0]))
		if width[1] > 0 {
			line += "  " + pad(row[1], width[1])
		}
		if width[2] > 0 {
			line += "  " + st.faint(pad(row[2], width[2]))
		}
		if row[3] != "" {
			line += "  " + st.status("cancelled", row[3])
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}
