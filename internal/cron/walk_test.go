package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// literal is an expression as a model of itself, read in the plainest way.
type literal struct {
	minute, hour, dom, month, dow [60]bool
	either                        bool // day of month or day of week
	star                          bool // minute or hour begins with one
}

// readLiterally reads an expression that is right.
func readLiterally(expr string) *literal {
	f := strings.Fields(expr)
	l := &literal{
		either: f[2] != "*" && f[2] != "?" && f[4] != "*" && f[4] != "?",
		star:   f[0][0] == '*' || f[1][0] == '*',
	}
	l.minute, l.hour, l.dom = values(f[0], 0, 59, ""), values(f[1], 0, 23, ""), values(f[2], 1, 31, "")
	l.month = values(f[3], 1, 12, "   janfebmaraprmayjunjulaugsepoctnovdec")
	l.dow = values(f[4], 0, 7, "sunmontuewedthufrisat")
	l.dow[0] = l.dow[0] || l.dow[7]
	if strings.HasPrefix(f[4], "*") { // a star ends with Saturday: */7 is Sunday, for it is 0
		l.dow = values(f[4], 0, 6, "")
	}
	return l
}

// values are those of a field. names are three letters each, the first is that of 0.
func values(field string, low, high int, names string) (set [60]bool) {
	number := func(s string) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return strings.Index(names, strings.ToLower(s)) / 3
	}
	for part := range strings.SplitSeq(field, ",") {
		span, by, stepped := strings.Cut(part, "/")
		first, last, ranged := strings.Cut(span, "-")
		from, to, step := low, high, 1
		if span != "*" && span != "?" {
			from = number(first)
			if !stepped {
				to = from
			}
		}
		if ranged {
			to = number(last)
		}
		if stepped {
			step = number(by)
		}
		for v := from; v <= to; v += step {
			set[v] = true
		}
	}
	return set
}

// matches reports whether a clock shows a time of the expression.
func (l *literal) matches(c *face) bool {
	if !l.minute[c.minute] || !l.hour[c.hour] || !l.month[c.month] {
		return false
	}
	if l.either {
		return l.dom[c.dom] || l.dow[c.dow]
	}
	return l.dom[c.dom] && l.dow[c.dow]
}

// face is what a clock shows in a minute.
type face struct {
	wall                          int64
	minute, hour, dom, month, dow int
	shown                         bool // it has been shown already
}

func faceOf(wall int64) face {
	t := time.Unix(wall*60, 0).UTC()
	return face{wall: wall, minute: t.Minute(), hour: t.Hour(), dom: t.Day(), month: int(t.Month()), dow: int(t.Weekday())}
}

// walk is a stretch of time in a zone, minute by minute.
type walk struct {
	loc      *time.Location
	from, to time.Time
	faces    []face         // one for each minute
	skipped  map[int][]face // what was not shown just before one of them
}

func newWalk(loc *time.Location, from, to time.Time) *walk {
	w := &walk{loc: loc, from: from, to: to, skipped: make(map[int][]face)}
	shown := make(map[int64]bool)
	var last int64
	// It begins a day early, so that what was shown before counts as well.
	for t := from.Add(-26 * time.Hour); t.Before(to); t = t.Add(time.Minute) {
		_, offset := t.In(loc).Zone()
		f := faceOf((t.Unix() + int64(offset)) / 60)
		f.shown = shown[f.wall]
		if len(shown) > 0 && !t.Before(from) {
			for wall := last + 1; wall < f.wall; wall++ {
				s := faceOf(wall)
				s.shown = shown[wall]
				w.skipped[len(w.faces)] = append(w.skipped[len(w.faces)], s)
			}
		}
		shown[f.wall], last = true, f.wall
		if !t.Before(from) {
			w.faces = append(w.faces, f)
		}
	}
	return w
}

// times are those of an expression by the letter of the rules.
func (w *walk) times(l *literal) []Time {
	var out []Time
	for i := range w.faces {
		f := &w.faces[i]
		at := w.from.Add(time.Duration(i) * time.Minute)
		if l.matches(f) && (l.star || !f.shown) {
			out = append(out, Time{At: at})
			continue
		}
		if l.star || len(w.skipped) == 0 || len(w.skipped[i]) > 3*60 {
			continue
		}
		for _, s := range w.skipped[i] {
			if l.matches(&s) && !s.shown {
				out = append(out, Time{At: at, Shifted: true, Skipped: time.Unix(s.wall*60, 0).UTC()})
				break
			}
		}
	}
	return out
}

// compare holds Next and Prev of a schedule against the walk, and tells how many times
// there were.
func (w *walk) compare(s *Schedule, l *literal) (int, error) {
	want := w.times(l)
	same := func(got, want Time) bool {
		return got.At.Equal(want.At) && got.Shifted == want.Shifted && got.Skipped == want.Skipped
	}
	check := func(name string, got []Time) error {
		if slices.EqualFunc(got, want, same) {
			return nil
		}
		for i, g := range got {
			if i >= len(want) || !same(g, want[i]) {
				return fmt.Errorf("%s: %d times, want %d; the first that is wrong: %v", name, len(got), len(want), g)
			}
		}
		return fmt.Errorf("%s: %d times, want %d; %v is missing", name, len(got), len(want), want[len(got)])
	}
	var there, back []Time
	for t, ok := s.Next(w.from.Add(-1)); ok && t.At.Before(w.to); t, ok = s.Next(t.At) {
		if there = append(there, t); len(there) > len(w.faces) {
			break
		}
	}
	for t, ok := s.Prev(w.to); ok && !t.At.Before(w.from); t, ok = s.Prev(t.At) {
		if back = append(back, t); len(back) > len(w.faces) {
			break
		}
	}
	slices.Reverse(back)
	if err := check("next", there); err != nil {
		return 0, err
	}
	return len(want), check("previous", back)
}
