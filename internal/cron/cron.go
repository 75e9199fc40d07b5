// Package cron says when: it reads the times at which a schedule fires, and
// finds the next and the previous one, with time zones and clock changes as §8
// of the language reference has them.
//
// The package is pure: no clock, no goroutine. Only [Parse] touches the
// machine, for the rules of a time zone.
package cron

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Schedule is the endless sequence of times that an expression stands for. It
// is immutable.
type Schedule struct {
	loc      *time.Location
	every    time.Duration // of @every; else 0
	start    time.Time     // of @every: its first time
	started  bool          // of @every: start was given, so nothing is before it
	fields   fields
	fixed    bool // neither minute nor hour begins with a star
	warnings []string
}

// Time is one time of a Schedule.
type Time struct {
	At time.Time // in the schedule's zone
	// Shifted: the time that the expression names was skipped by a clock
	// change, and this is the first moment after it.
	Shifted bool
	// Skipped is what the expression names where Shifted, the first where it
	// names several: what a clock would have shown, as a time of UTC.
	Skipped time.Time
}

// Error says what is wrong with an expression.
type Error struct {
	Field   string // "minute", "hour", "day of month", "month", "day of week"; "" where it is not about one
	Text    string // of the field, or of the whole
	Message string
}

// Error names the field, and shows its text.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("cron: %q: %s", e.Text, e.Message)
	}
	return fmt.Sprintf("cron: %s %q: %s", e.Field, e.Text, e.Message)
}

// Abbreviations of expressions.
var descriptors = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads an expression: five fields (minute, hour, day of month, month,
// day of week) of numbers, names, ranges, lists and steps; @yearly, @annually,
// @monthly, @weekly, @daily, @midnight, @hourly; or @every and a duration of at
// least a second.
//
// zone is a name of the IANA database; "" is UTC. start matters to @every
// alone: it is the first time, where it isn't the zero time; otherwise times
// are multiples of the duration from the Unix epoch.
//
// The error is an *Error. What never fires, as the 30th of February, is one.
func Parse(expr, zone string, start time.Time) (*Schedule, error) {
	loc, err := location(zone)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(expr)
	switch {
	case text == "":
		return nil, &Error{Text: expr, Message: "it is empty; write five fields, or one of @hourly, @daily, @weekly, @monthly, @yearly, @every 15m"}
	case strings.Contains(strings.ToUpper(text), "TZ="):
		return nil, &Error{Text: expr, Message: "a time zone does not belong here; write it beside: timezone: Europe/Berlin"}
	case text == "@every" || strings.HasPrefix(text, "@every "):
		return parseEvery(text, loc, start)
	}
	if strings.HasPrefix(text, "@") {
		fields, ok := descriptors[text]
		if !ok {
			return nil, &Error{Text: expr, Message: "no such abbreviation; there are @hourly, @daily, @weekly, @monthly, @yearly and @every 15m"}
		}
		text = fields
	}
	s := &Schedule{loc: loc}
	if err := s.parseFields(strings.Fields(text), expr); err != nil {
		return nil, err
	}
	// 2000 is a leap year, and the longest gap between two is eight years.
	if _, ok := s.fields.next(wallOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))); !ok {
		return nil, &Error{Text: expr, Message: "it never fires: no such month has such a day"}
	}
	return s, nil
}

// location is a time zone by its name.
func location(zone string) (*time.Location, error) {
	if zone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, &Error{Text: zone, Message: "no such time zone; names are IANA's, such as Europe/Berlin or UTC"}
	}
	return loc, nil
}

// parseEvery reads @every.
func parseEvery(text string, loc *time.Location, start time.Time) (*Schedule, error) {
	d, err := duration(strings.TrimSpace(strings.TrimPrefix(text, "@every")))
	if err != nil {
		return nil, &Error{Text: text, Message: "a duration is wanted, such as @every 15m or @every 1d12h"}
	}
	if d < time.Second {
		return nil, &Error{Text: text, Message: "once a second is as often as it gets"}
	}
	s := &Schedule{loc: loc, every: d, start: start, started: !start.IsZero()}
	if !s.started {
		s.start = time.Unix(0, 0)
	}
	return s, nil
}

// duration is Go's, plus days in front.
func duration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	// A day has 24 hours here; ParseDuration knows how to read the number.
	d, err := time.ParseDuration(days + "h")
	if err != nil || d > (1<<63-1)/24 || d < 0 {
		return 0, errors.New("not a number of days")
	}
	d *= 24
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err == nil && (more < 0 || d+more < d) {
		err = errors.New("too long")
	}
	return d + more, err
}

// Warnings says what of the expression is probably not meant as it stands.
func (s *Schedule) Warnings() []string { return append([]string(nil), s.warnings...) }

// Next returns the first time after a moment. It is false where there is none
// in the next nine years, which only moments tens of thousands of years away
// bring about.
func (s *Schedule) Next(after time.Time) (Time, bool) {
	if beyond(after) {
		return Time{}, false
	}
	if s.every > 0 {
		return s.nextEvery(after)
	}
	seg := segmentAt(after, s.loc)
	for range maxSegments {
		if t, ok := s.first(seg, after); ok {
			return t, true
		}
		if !seg.bounded {
			return Time{}, false
		}
		seg = segmentAt(time.Unix(seg.end, 0), s.loc)
	}
	return Time{}, false
}

// Prev returns the last time before a moment, and false if there is none.
func (s *Schedule) Prev(before time.Time) (Time, bool) {
	if beyond(before) {
		return Time{}, false
	}
	if s.every > 0 {
		return s.prevEvery(before)
	}
	seg := segmentAt(before.Add(-1), s.loc)
	for range maxSegments {
		if t, ok := s.last(seg, before); ok {
			return t, true
		}
		if !seg.begun {
			return Time{}, false
		}
		seg = segmentAt(time.Unix(seg.start-1, 0), s.loc)
	}
	return Time{}, false
}

// nextEvery is Next of @every.
func (s *Schedule) nextEvery(after time.Time) (Time, bool) {
	if after.Before(s.start) && s.started {
		return Time{At: s.start.In(s.loc)}, true
	}
	return Time{At: s.onGrid(after, 1).In(s.loc)}, true
}

// prevEvery is Prev of @every.
func (s *Schedule) prevEvery(before time.Time) (Time, bool) {
	if s.started && !before.After(s.start) {
		return Time{}, false
	}
	return Time{At: s.onGrid(before.Add(-1), 0).In(s.loc)}, true
}

// onGrid is the last multiple of every that isn't after t, counted from start,
// and n more. What lies between is more nanoseconds than 64 bits hold.
func (s *Schedule) onGrid(t time.Time, n int64) time.Time {
	secs, nanos := t.Unix()-s.start.Unix(), int64(t.Nanosecond()-s.start.Nanosecond())
	if nanos < 0 {
		secs, nanos = secs-1, nanos+1e9
	}
	d := int64(s.every)
	high, low := bits.Mul64(uint64(secs-floorDiv(secs, d)*d), 1e9)
	low, carry := bits.Add64(low, uint64(nanos), 0)
	over := int64(bits.Rem64(high+carry, low, uint64(d))) // since the last one
	return time.Unix(t.Unix(), int64(t.Nanosecond())).Add(time.Duration(n*d - over))
}

// beyond reports whether a moment is too far away to reckon with.
func beyond(t time.Time) bool {
	const far = 1 << 40 // seconds: 34,865 years from 1970
	return t.Unix() < -far || t.Unix() > far
}

// floorDiv rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
