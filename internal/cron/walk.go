package cron

import (
	"math/bits"
	"time"
)

// A wall is a minute as a clock on the wall shows it: minutes since 1970-01-01
// 00:00, as if there were no zones.

const day = 24 * 60 // minutes

// horizon is how many years are looked through for a day: the longest gap, from
// one 29th of February to the next around 2100, is eight.
const horizon = 9

// maxSegments bounds how many parts of a zone between changes are looked
// through: twice as many as the worst zones (Morocco's Ramadan) have in nine
// years.
const maxSegments = 80

// maxShift is the longest change, in seconds, whose skipped times are made up for.
const maxShift = 3 * 60 * 60

// wallOf is the minute that a time of UTC shows.
func wallOf(t time.Time) int64 { return floorDiv(t.Unix(), 60) }

// date takes a day since 1970-01-01 apart.
func date(d int64) (year int, month time.Month, dom int) {
	return time.Unix(d*day*60, 0).UTC().Date()
}

// dayOf is the day since 1970-01-01 of a date.
func dayOf(year int, month time.Month, dom int) int64 {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC).Unix() / (day * 60)
}

// on reports whether the expression fires on a day.
func (f *fields) on(d int64, dom int) bool {
	byDom := f.dom>>dom&1 == 1
	byDow := f.dow>>((d%7+4+7)%7)&1 == 1 // 1970-01-01 was a Thursday
	if f.anyDom || f.anyDow {
		return byDom && byDow
	}
	return byDom || byDow
}

// next is the first wall from w on that matches.
func (f *fields) next(w int64) (int64, bool) {
	d, m := floorDiv(w, day), w-floorDiv(w, day)*day
	year, month, dom := date(d)
	for last := year + horizon; year <= last; {
		if f.month>>month&1 == 0 {
			month++
			if month > 12 {
				year, month = year+1, 1
			}
			dom, m = 1, 0
			d = dayOf(year, month, dom)
			continue
		}
		if f.on(d, dom) {
			if m, ok := f.minuteFrom(m); ok {
				return d*day + m, true
			}
		}
		d, m = d+1, 0
		year, month, dom = date(d)
	}
	return 0, false
}

// prev is the last wall up to w that matches.
func (f *fields) prev(w int64) (int64, bool) {
	d, m := floorDiv(w, day), w-floorDiv(w, day)*day
	year, month, dom := date(d)
	for last := year - horizon; year >= last; {
		if f.month>>month&1 == 0 {
			d = dayOf(year, month, 1) - 1
			m = day - 1
			year, month, dom = date(d)
			continue
		}
		if f.on(d, dom) {
			if m, ok := f.minuteTo(m); ok {
				return d*day + m, true
			}
		}
		d, m = d-1, day-1
		year, month, dom = date(d)
	}
	return 0, false
}

// minuteFrom is the first minute of the day from m on.
func (f *fields) minuteFrom(m int64) (int64, bool) {
	h, min := m/60, m%60
	if f.hour>>h&1 == 1 {
		if set := f.minute >> min << min; set != 0 {
			return h*60 + int64(bits.TrailingZeros64(set)), true
		}
	}
	set := f.hour >> (h + 1) << (h + 1)
	if set == 0 {
		return 0, false
	}
	return int64(bits.TrailingZeros64(set))*60 + int64(bits.TrailingZeros64(f.minute)), true
}

// minuteTo is the last minute of the day up to m.
func (f *fields) minuteTo(m int64) (int64, bool) {
	h, min := m/60, m%60
	if f.hour>>h&1 == 1 {
		if set := f.minute & (1<<(min+1) - 1); set != 0 {
			return h*60 + int64(bits.Len64(set)-1), true
		}
	}
	set := f.hour & (1<<h - 1)
	if set == 0 {
		return 0, false
	}
	return int64(bits.Len64(set)-1)*60 + int64(bits.Len64(f.minute)-1), true
}

// segment is a part of a zone's history in which its clocks don't change. Times
// are seconds since the Unix epoch.
type segment struct {
	start, end     int64 // from start to before end
	begun, bounded bool  // whether there is a start, an end
	offset         int64 // of its clocks, in seconds
	loc            *time.Location
}

// segmentAt is the one that a moment is in.
func segmentAt(t time.Time, loc *time.Location) segment {
	t = t.In(loc)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	s := segment{offset: int64(offset), loc: loc, begun: !start.IsZero(), bounded: !end.IsZero()}
	if s.begun {
		s.start = start.Unix()
	}
	if s.bounded {
		s.end = end.Unix()
	}
	s.amend(t)
	return s
}

// amend puts right what the standard library says of years for which a zone has
// a rule and no list of changes. The last part of each year ends after 365
// days, so before the last day of a leap year. And the rule is taken to have
// held before the list ended.
func (s *segment) amend(t time.Time) {
	if s.bounded && s.end <= t.Unix() {
		s.end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	if !s.begun || offsetAt(s.start, s.loc) == s.offset {
		return
	}
	before, since := s.start, t.Unix()
	for before+1 < since {
		if m := before + (since-before)/2; offsetAt(m, s.loc) == s.offset {
			since = m
		} else {
			before = m
		}
	}
	s.start = since
}

// offsetAt is how far a zone's clocks are ahead of UTC at a moment, in seconds.
func offsetAt(t int64, loc *time.Location) int64 {
	_, offset := time.Unix(t, 0).In(loc).Zone()
	return int64(offset)
}

// at is the moment when the segment's clocks show a wall.
func (s *segment) at(w int64) int64 { return w*60 - s.offset }

// has reports whether a moment is in the segment.
func (s *segment) has(t int64) bool {
	return (!s.begun || t >= s.start) && (!s.bounded || t < s.end)
}

// before is the segment before this one, which has begun.
func (s *segment) before() segment { return segmentAt(time.Unix(s.start-1, 0), s.loc) }

// shown reports whether clocks have shown a wall before the segment began.
func (s *segment) shown(w int64) bool {
	const longest = 26 * 60 * 60 // between the westernmost and the easternmost clock
	for p := *s; p.begun; {
		if s.at(w) > p.start+longest {
			return false
		}
		p = p.before()
		if p.has(p.at(w)) {
			return true
		}
	}
	return false
}

// gap finds the first time of the schedule that was skipped by the change with
// which the segment began, where that is short enough to be made up for.
func (s *Schedule) gap(seg *segment) (wall int64, ok bool) {
	if !s.fixed || !seg.begun {
		return 0, false
	}
	before := seg.before()
	if jump := seg.offset - before.offset; jump <= 0 || jump > maxShift {
		return 0, false
	}
	from, to := -floorDiv(-(seg.start+before.offset), 60), seg.start+seg.offset
	for w, ok := s.fields.next(from); ok && w*60 < to; w, ok = s.fields.next(w + 1) {
		if !seg.shown(w) {
			return w, true
		}
	}
	return 0, false
}

// time makes a Time of a moment.
func (s *Schedule) time(t int64) Time { return Time{At: time.Unix(t, 0).In(s.loc)} }

// shifted makes a Time of the beginning of a segment that skipped a wall.
func (s *Schedule) shifted(seg *segment, wall int64) Time {
	return Time{At: time.Unix(seg.start, 0).In(s.loc), Shifted: true, Skipped: time.Unix(wall*60, 0).UTC()}
}

// first is the segment's first time after a moment.
func (s *Schedule) first(seg segment, after time.Time) (Time, bool) {
	from := after.Unix() + 1
	if seg.begun {
		from = max(from, seg.start)
	}
	w, ok := s.fields.next(-floorDiv(-(from + seg.offset), 60))
	for ok && s.fixed && seg.has(seg.at(w)) && seg.shown(w) {
		w, ok = s.fields.next(w + 1)
	}
	ok = ok && seg.has(seg.at(w))
	if seg.begun && seg.start >= from && !(ok && seg.at(w) == seg.start) {
		if skipped, ok := s.gap(&seg); ok {
			return s.shifted(&seg, skipped), true
		}
	}
	if !ok {
		return Time{}, false
	}
	return s.time(seg.at(w)), true
}

// last is the segment's last time before a moment.
func (s *Schedule) last(seg segment, before time.Time) (Time, bool) {
	to := before.Unix() // the last second that counts
	if before.Nanosecond() == 0 {
		to--
	}
	if seg.bounded {
		to = min(to, seg.end-1)
	}
	w, ok := s.fields.prev(floorDiv(to+seg.offset, 60))
	for ok && s.fixed && seg.has(seg.at(w)) && seg.shown(w) {
		w, ok = s.fields.prev(w - 1)
	}
	if ok && seg.has(seg.at(w)) {
		return s.time(seg.at(w)), true
	}
	if seg.begun && seg.start <= to {
		if skipped, ok := s.gap(&seg); ok {
			return s.shifted(&seg, skipped), true
		}
	}
	return Time{}, false
}
