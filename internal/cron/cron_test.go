package cron

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at reads a time for a test.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNext(t *testing.T) {
	const ny, berlin, sp, cairo, apia = "America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia"
	cases := []struct {
		name, expr, zone, from, want string
		shifted                      bool
	}{
		{"a number and a step run to the end", "0/15 * * * *", "", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z", false},
		{"a stepped range, next hour", "20-35/15 * * * *", "", "2012-07-09T15:45:00Z", "2012-07-09T16:20:00Z", false},
		{"a stepped range, next day", "20-35/15 * * * *", "", "2012-07-09T23:45:00Z", "2012-07-10T00:20:00Z", false},
		{"names, next year", "0 0 * Feb Mon", "", "2012-07-09T23:35:00Z", "2013-02-04T00:00:00Z", false},
		{"a leap day", "0 0 29 Feb ?", "", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00Z", false},
		{"a leap day over 2100", "0 0 29 2 *", "", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", false},
		{"strictly after", "@hourly", "", "2012-07-09T15:00:00Z", "2012-07-09T16:00:00Z", false},
		{"just before", "@hourly", "", "2012-07-09T14:59:59.999999999Z", "2012-07-09T15:00:00Z", false},
		{"just after", "@hourly", "", "2012-07-09T15:00:00.000000001Z", "2012-07-09T16:00:00Z", false},
		{"weeks begin on Sunday", "@weekly", "", "2012-07-09T00:00:00Z", "2012-07-15T00:00:00Z", false},
		{"@daily", "@daily", "", "2012-07-09T00:00:00Z", "2012-07-10T00:00:00Z", false},
		{"@midnight", "@midnight", "", "2012-07-09T00:00:00Z", "2012-07-10T00:00:00Z", false},
		{"@monthly", "@monthly", "", "2012-12-09T00:00:00Z", "2013-01-01T00:00:00Z", false},
		{"@yearly", "@yearly", "", "2012-07-08T00:00:00Z", "2013-01-01T00:00:00Z", false},
		{"@annually", "@annually", "", "2012-07-08T00:00:00Z", "2013-01-01T00:00:00Z", false},
		{"a name of a day", "5 4 * * sun", "", "2024-03-01T00:00:00Z", "2024-03-03T04:05:00Z", false},
		{"a day of the month", "15 14 1 * *", "", "2024-03-01T14:15:00Z", "2024-04-01T14:15:00Z", false},
		{"an uneven step begins anew", "0 */23 * * *", "", "2024-03-01T23:00:00Z", "2024-03-02T00:00:00Z", false},
		{"Mondays", "0 3 * * 1", "", "2024-03-05T00:00:00Z", "2024-03-11T03:00:00Z", false},
		{"either day", "30 4 1,15 * 5", "", "2024-05-16T00:00:00Z", "2024-05-17T04:30:00Z", false},
		{"either day, the other", "30 4 1,15 * 5", "", "2024-05-14T00:00:00Z", "2024-05-15T04:30:00Z", false},
		{"a stepped star is set", "0 0 */2 * 1", "", "2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z", false},
		{"a stepped star is set, the other", "0 0 */2 * 1", "", "2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z", false},
		{"a star stepped by one is set", "0 0 */1 * 1", "", "2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z", false},
		{"a question mark is no set day", "0 0 ? * 1", "", "2024-05-07T00:00:00Z", "2024-05-13T00:00:00Z", false},
		{"7 is Sunday", "0 0 * * 7", "", "2024-03-01T00:00:00Z", "2024-03-03T00:00:00Z", false},
		{"a range to 7", "0 0 * * 5-7", "", "2024-03-02T00:00:00Z", "2024-03-03T00:00:00Z", false},
		{"a range to 7 leaves Monday out", "0 0 * * 5-7", "", "2024-03-03T00:00:00Z", "2024-03-08T00:00:00Z", false},
		{"a range to Sunday", "0 0 * * fri-sun", "", "2024-03-03T00:00:00Z", "2024-03-08T00:00:00Z", false},
		{"0 and 7 as a range", "0 0 * * 0-7", "", "2024-03-03T00:00:00Z", "2024-03-04T00:00:00Z", false},
		{"a stepped range to 7", "0 0 * * 1-7/3", "", "2024-03-04T00:00:00Z", "2024-03-07T00:00:00Z", false},
		{"a stepped range to 7, Sunday", "0 0 * * 1-7/3", "", "2024-03-07T00:00:00Z", "2024-03-10T00:00:00Z", false},
		{"blanks", "  5   4\t* *  * ", "", "2024-03-01T00:00:00Z", "2024-03-01T04:05:00Z", false},
		{"a zone of half an hour", "14 14 * * *", "Asia/Kolkata", "2016-01-03T13:09:03+05:30", "2016-01-03T14:14:00+05:30", false},

		{"a skipped time is made up for", "0 2 * * *", ny, "2012-03-11T00:00:00-05:00", "2012-03-11T03:00:00-04:00", true},
		{"and is the only one that day", "0 2 * * *", ny, "2012-03-11T03:00:00-04:00", "2012-03-12T02:00:00-04:00", false},
		{"a skipped time and the moment after it are one", "30 2,3 * * *", ny, "2012-03-11T00:00:00-05:00", "2012-03-11T03:00:00-04:00", true},
		{"the moment after is named by itself", "0 2,3 * * *", ny, "2012-03-11T00:00:00-05:00", "2012-03-11T03:00:00-04:00", false},
		{"several skipped times are one", "0,15,30,45 2 * * *", ny, "2012-03-11T00:00:00-05:00", "2012-03-11T03:00:00-04:00", true},
		{"a day of 23 hours", "0 1 * * *", ny, "2012-03-11T01:00:00-05:00", "2012-03-12T01:00:00-04:00", false},
		{"a star is never shifted", "*/30 * * * *", ny, "2012-03-11T01:30:00-05:00", "2012-03-11T03:00:00-04:00", false},
		{"a star in the hour is never shifted", "30 */2 * * *", ny, "2012-03-11T01:00:00-05:00", "2012-03-11T04:30:00-04:00", false},
		{"a star minute is never shifted", "* 2 * * *", ny, "2012-03-11T01:00:00-05:00", "2012-03-12T02:00:00-04:00", false},
		{"a star fires in both hours", "0 * * * *", ny, "2012-11-04T01:00:00-04:00", "2012-11-04T01:00:00-05:00", false},
		{"a fixed time fires in the first", "0 1 * * *", ny, "2012-11-04T00:30:00-04:00", "2012-11-04T01:00:00-04:00", false},
		{"and not in the second", "0 1 * * *", ny, "2012-11-04T01:00:00-04:00", "2012-11-05T01:00:00-05:00", false},
		{"a day of 25 hours", "0 2 * * *", ny, "2012-11-04T00:00:00-04:00", "2012-11-04T02:00:00-05:00", false},
		{"no midnight on the day of the change", "0 9 10 * ?", sp, "2018-10-17T06:00:00-03:00", "2018-11-10T09:00:00-02:00", false},
		{"a skipped midnight", "0 0 * * *", sp, "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00", true},
		{"a skipped midnight, @daily", "@daily", sp, "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00", true},
		{"noon on the day of the change", "0 12 * * 0", berlin, "2022-03-24T12:00:00+01:00", "2022-03-27T12:00:00+02:00", false},
		{"the rest of the day of the change", "0 */2 * * *", cairo, "2024-04-25T22:00:00+02:00", "2024-04-26T02:00:00+03:00", false},
		{"a change of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2024-10-05T12:00:00+10:30", "2024-10-06T02:30:00+11:00", true},
		{"a change of two hours", "30 1 * * *", "Antarctica/Troll", "2024-03-30T12:00:00Z", "2024-03-31T03:00:00+02:00", true},
		{"a change of a whole day only skips", "0 12 30 12 *", apia, "2011-12-01T00:00:00-10:00", "2012-12-30T12:00:00+14:00", false},
		{"the day after a skipped one", "0 12 * * *", apia, "2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00", false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Parse(tc.expr, tc.zone, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			want := at(t, tc.want)
			got, ok := s.Next(at(t, tc.from))
			if !ok || !got.At.Equal(want) || got.Shifted != tc.shifted {
				t.Errorf("next of %q in %q after %s: %s (shifted %t), want %s (%t)", tc.expr, tc.zone, tc.from,
					got.At.Format(time.RFC3339), got.Shifted, tc.want, tc.shifted)
			}
			if got.At.Location() != s.loc {
				t.Errorf("in zone %s, want %s", got.At.Location(), s.loc)
			}
			if prev, ok := s.Prev(got.At.Add(1)); !ok || prev != got {
				t.Errorf("previous up to it: %v, want itself, %v", prev, got)
			}
		})
	}
}

func TestEvery(t *testing.T) {
	start := at(t, "2024-01-01T00:10:00Z")
	for _, tc := range []struct {
		expr             string
		start            time.Time
		from, next, prev string // prev "": none
	}{
		{"@every 15m", time.Time{}, "2024-01-01T00:20:00Z", "2024-01-01T00:30:00Z", "2024-01-01T00:15:00Z"},
		{"@every 15m", time.Time{}, "2024-01-01T00:15:00Z", "2024-01-01T00:30:00Z", "2024-01-01T00:00:00Z"},
		{"@every 15m", start, "2024-01-01T00:20:00Z", "2024-01-01T00:25:00Z", "2024-01-01T00:10:00Z"},
		{"@every 15m", start, "2023-06-01T00:00:00Z", "2024-01-01T00:10:00Z", ""},
		{"@every 15m", start, "2024-01-01T00:10:00Z", "2024-01-01T00:25:00Z", ""},
		{"@every 1.5s", start, "2024-01-01T00:10:01.5Z", "2024-01-01T00:10:03Z", "2024-01-01T00:10:00Z"},
		{"@every 1.5s", start, "2400-01-01T00:10:01.5Z", "2400-01-01T00:10:03Z", "2400-01-01T00:10:00Z"},
		{"@every 1.5s", time.Time{}, "1500-01-01T00:00:00Z", "1500-01-01T00:00:01.5Z", "1499-12-31T23:59:58.5Z"},
		{"@every 1d", time.Time{}, "2024-01-01T00:20:00Z", "2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"@every 1d12h", time.Time{}, "1970-01-01T00:00:00Z", "1970-01-02T12:00:00Z", "1969-12-30T12:00:00Z"},
		{"@every 15m", time.Time{}, "2300-01-01T00:20:00Z", "2300-01-01T00:30:00Z", "2300-01-01T00:15:00Z"},
	} {
		s, err := Parse(tc.expr, "", tc.start)
		if err != nil {
			t.Fatal(err)
		}
		from := at(t, tc.from)
		if got, ok := s.Next(from); !ok || !got.At.Equal(at(t, tc.next)) {
			t.Errorf("%s from %v: next of %s is %v", tc.expr, tc.start, tc.from, got)
		}
		got, ok := s.Prev(from)
		if ok != (tc.prev != "") || ok && !got.At.Equal(at(t, tc.prev)) {
			t.Errorf("%s from %v: previous of %s is %v, %t", tc.expr, tc.start, tc.from, got, ok)
		}
	}
}

func TestSkipped(t *testing.T) {
	for _, tc := range []struct{ expr, zone, from, want string }{
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:30:00Z"},
		{"15,45 1-2 * * *", "Europe/Berlin", "2026-03-29T00:50:00Z", "2026-03-29T02:15:00Z"},
		{"30 23 * * *", "America/Nuuk", "2025-03-29T12:00:00Z", "2025-03-29T23:30:00Z"}, // and fires on the day after
		{"0 3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ""},
	} {
		s, err := Parse(tc.expr, tc.zone, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := s.Next(at(t, tc.from))
		if got.Shifted != (tc.want != "") || got.Shifted && got.Skipped != at(t, tc.want) {
			t.Errorf("%q in %s: %+v, want %s", tc.expr, tc.zone, got, tc.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct{ expr, zone, field, want string }{
		{"", "", "", "empty"},
		{" ", "", "", "empty"},
		{"* * * *", "", "", "4 fields"},
		{"0 0 * * * *", "", "", "no seconds"},
		{"60 * * * *", "", "minute", "60"},
		{"0 60 * * *", "", "hour", "60"},
		{"0 24 * * *", "", "hour", "24"},
		{"0 0 0 * *", "", "day of month", "below"},
		{"0 0 32 * *", "", "day of month", "32"},
		{"0 0 * 13 *", "", "month", "13"},
		{"0 0 * foo *", "", "month", "foo"},
		{"0 0 * * 8", "", "day of week", "8"},
		{"0 0 * * mondag", "", "day of week", "mondag"},
		{"5-3 * * * *", "", "minute", "beyond"},
		{"*/0 * * * *", "", "minute", "step"},
		{"1/2/3 * * * *", "", "minute", "slashes"},
		{"1-2-3 * * * *", "", "minute", "hyphens"},
		{"1, * * * *", "", "minute", "missing"},
		{"1,,2 * * * *", "", "minute", "missing"},
		{", * * * *", "", "minute", "missing"},
		{"5- * * * *", "", "minute", "missing"},
		{"*-5 * * * *", "", "minute", "star"},
		{"** * * * *", "", "minute", "star"},
		{"+5 * * * *", "", "minute", "'+'"},
		{"6~15 * * * *", "", "minute", "'~'"},
		{"0 0 L * *", "", "day of month", "L"},
		{"0 0 * * 5#2", "", "day of week", "'#'"},
		{"٣ * * * *", "", "minute", "means nothing"},
		{"99999999999999999999 * * * *", "", "minute", ""},
		{"*/99999999999999999999 * * * *", "", "minute", ""},
		{"CRON_TZ=America/New_York", "", "", "timezone:"},
		{"TZ=0", "", "", "timezone:"},
		{"TZ=UTC 0 0 * * *", "", "", "timezone:"},
		{"0 0 * * * tz=UTC", "", "", "timezone:"},
		{"@reboot", "", "", "@hourly"},
		{"@every", "", "", "duration"},
		{"@every 5", "", "", "duration"},
		{"@every -5m", "", "", "second"},
		{"@every 500ms", "", "", "second"},
		{"@every 999999999999d", "", "", "duration"},
		{"0 0 30 2 *", "", "", "never"},
		{"0 0 31 apr,jun,sep,nov *", "", "", "never"},
		{"0 0 30 feb ?", "Europe/Berlin", "", "never"},
		{"0 0 * * *", "Mars/Olympus", "", "zone"},
		{"0 0 * * *", "Local", "", "zone"},
		{"0 0 * * *", "../etc/passwd", "", "zone"},
		{"0 0 * * *", "+02:00", "", "zone"},
	} {
		_, err := Parse(tc.expr, tc.zone, time.Time{})
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%q: %v, want an *Error", tc.expr, err)
			continue
		}
		if e.Field != tc.field || !strings.Contains(e.Message, tc.want) || !strings.HasPrefix(err.Error(), "cron: "+tc.field) {
			t.Errorf("%q: %v, want a field %q and %q", tc.expr, err, tc.field, tc.want)
		}
		t.Log(err)
	}
}

func TestWarnings(t *testing.T) {
	for expr, want := range map[string]string{
		"*/45 * * * *":      "0, 45",
		"*/7 * * * *":       "0, 7, 14, …",
		"0 */23 * * *":      "0, 23",
		"0 0 * */5 *":       "1, 6, 11",
		"0 0 */2 * *":       "1, 3, 5, …",
		"* 3 * * *":         "each minute",
		"0 0 1 * 1":         "either matches",
		"0 0 */2 * 1":       "either matches",
		"*/15 * * * *":      "",
		"*/5 9-17 * * 1-5":  "",
		"0 3 * * *":         "",
		"* * * * *":         "",
		"0 0 ? * 1":         "",
		"0 0 1 * ?":         "",
		"@daily":            "",
		"@every 45m":        "",
		"0 0 29 2 *":        "",
		"0 */6 1,15 */3 *":  "",
		"30 6 * * 1-5":      "",
		"0,30 8-18/2 * * *": "",
	} {
		s, err := Parse(expr, "", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(s.Warnings(), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", expr, got, want)
		}
	}
}

// drawExpr makes up an expression.
func drawExpr(t *rapid.T) string {
	list := func(name string, low, high, most int) string {
		vs := rapid.SliceOfNDistinct(rapid.IntRange(low, high), 1, most, rapid.ID).Draw(t, name)
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(vs), " ", ","), "[]")
	}
	min, hour, dom, dow := list("minute", 0, 59, 3), list("hour", 0, 23, 4), "*", "*"
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0:
		min = "*/20"
	case 1:
		hour = "*/3"
	case 2:
		hour = "*"
	case 3:
		hour = "0-3"
	}
	if rapid.Bool().Draw(t, "by day of month") {
		dom = list("day of month", 1, 31, 6)
	}
	if rapid.Bool().Draw(t, "by day of week") {
		dow = list("day of week", 0, 6, 3)
	}
	return strings.Join([]string{min, hour, dom, "*", dow}, " ")
}

// changes are stretches of time in which clocks change in odd ways.
var changes = []struct{ zone, from string }{
	{"Europe/Berlin", "2024-03-30T00:00:00Z"}, {"Europe/Berlin", "2024-10-26T00:00:00Z"},
	{"America/New_York", "2012-03-10T00:00:00Z"}, {"America/New_York", "2012-11-03T00:00:00Z"},
	{"America/Sao_Paulo", "2018-11-02T00:00:00Z"}, {"America/Sao_Paulo", "2018-02-16T00:00:00Z"},
	{"Africa/Cairo", "2024-04-24T00:00:00Z"}, {"Africa/Cairo", "2024-10-30T00:00:00Z"},
	{"Africa/Cairo", "2010-08-09T00:00:00Z"}, // off for Ramadan
	{"Australia/Lord_Howe", "2024-10-04T00:00:00Z"}, {"Australia/Lord_Howe", "2024-04-05T00:00:00Z"},
	{"Pacific/Apia", "2011-12-28T00:00:00Z"}, {"Pacific/Apia", "2011-09-23T00:00:00Z"},
	{"Antarctica/Troll", "2024-03-29T00:00:00Z"}, {"Antarctica/Troll", "2024-10-25T00:00:00Z"},
	{"Asia/Pyongyang", "2018-05-03T00:00:00Z"}, {"America/Caracas", "2016-04-29T00:00:00Z"},
	{"Asia/Kathmandu", "1985-12-30T00:00:00Z"}, {"Pacific/Kwajalein", "1993-08-19T00:00:00Z"},
	{"Antarctica/Casey", "2020-10-02T00:00:00Z"}, {"Africa/Casablanca", "2024-03-08T00:00:00Z"}, {"UTC", "2024-02-27T00:00:00Z"},
}

// after yields the times of a schedule after a moment, in order.
func after(s *Schedule, t time.Time) iter.Seq[Time] {
	return func(yield func(Time) bool) {
		for {
			next, ok := s.Next(t)
			if !ok || !yield(next) {
				return
			}
			t = next.At
		}
	}
}

// TestAgainstWalk compares Next and Prev with a walk from minute to minute.
func TestAgainstWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expr := drawExpr(t)
		c := rapid.SampledFrom(changes).Draw(t, "change")
		s, err := Parse(expr, c.zone, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newWalk(s.loc, from, from.Add(5*24*time.Hour)).compare(s, readLiterally(expr)); err != nil {
			t.Fatalf("%q in %s: %v", expr, c.zone, err)
		}
	})
}

// TestInOrder goes through years of a schedule in both directions.
func TestInOrder(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Africa/Casablanca", "Australia/Lord_Howe"} {
		for _, expr := range []string{"30 2 * * *", "0 0 29 2 *", "0 */4 1 * *", "15 3 31 * 1", "@every 7h"} {
			s, err := Parse(expr, zone, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			from := at(t, "2023-05-17T11:12:13Z")
			n := 0
			for next := range after(s, from) {
				if !next.At.After(from) {
					t.Fatalf("%s in %s: %s after %s", expr, zone, next.At, from)
				}
				if prev, ok := s.Prev(next.At.Add(time.Nanosecond)); !ok || prev != next {
					t.Fatalf("%s in %s: previous up to %v is %v", expr, zone, next, prev)
				}
				if n > 0 {
					if prev, ok := s.Prev(next.At); !ok || !prev.At.Equal(from) {
						t.Fatalf("%s in %s: previous of %v is %v, want %v", expr, zone, next, prev, from)
					}
				}
				from = next.At
				if n++; n > 800 {
					break
				}
			}
		}
	}
}

// hardly are inputs that are nearly right, or nearly wrong.
var hardly = []string{
	"* * * * *", "0 0 29 feb ?", "@every 1d2h", "@every 1.000000001s", "@daily", "CRON_TZ=", "TZ=0", "*/7 1-5/2 ? jan-dec 5-7",
	"0 0 * * 0-7/2", "1,2 3,4 5,6 7,8 sun", "0 0 29 2 1", "*/59 23 31 12 *", "@every 106751d", "-1 0/9223372036854775807 * * 7/7",
}

func FuzzParse(f *testing.F) {
	for _, s := range hardly {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, expr, zone string) {
		s, err := Parse(expr, zone, time.Time{})
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Errorf("%q: %v", expr, err)
		}
		if err == nil {
			s.Warnings()
		}
	})
}

// FuzzNext: whatever the moment, Next and Prev are each other's inverse.
func FuzzNext(f *testing.F) {
	for i, s := range hardly {
		f.Add(s, "Europe/Berlin", int64(i), int64(1711843200), int64(i))
		f.Add(s, "Africa/Casablanca", int64(0), int64(3_750_000_000), int64(0))
		f.Add(s, "", int64(1<<62), int64(-1<<63), int64(999_999_999))
	}
	f.Fuzz(func(t *testing.T, expr, zone string, start, unix, nanos int64) {
		s, err := Parse(expr, zone, time.Unix(start, nanos%1e9))
		if err != nil {
			return
		}
		from := time.Unix(unix, nanos%1e9)
		s.Prev(from)
		next, ok := s.Next(from)
		if !ok && !beyond(from) || ok && !next.At.After(from) {
			t.Fatalf("%q in %q: next of %s is %v, %t", expr, zone, from, next, ok)
		}
		if !ok || beyond(next.At) {
			return
		}
		if prev, ok := s.Prev(next.At.Add(1)); !ok || prev != next {
			t.Fatalf("%q in %q: previous up to %v is %v, %t", expr, zone, next, prev, ok)
		}
		if prev, ok := s.Prev(next.At); ok {
			if prev.At.After(from) {
				t.Fatalf("%q in %q: %v is before %v and after %s", expr, zone, prev, next, from)
			}
			if again, ok := s.Next(prev.At); !beyond(prev.At) && (!ok || again != next) {
				t.Fatalf("%q in %q: next of %v is %v, %t, want %v", expr, zone, prev, again, ok, next)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("30 6 * * 1-5", "Europe/Berlin", time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, expr := range []string{"*/5 * * * *", "30 6 * * 1-5", "0 0 29 2 *"} {
		b.Run(strings.ReplaceAll(expr, " ", "_"), func(b *testing.B) {
			s, err := Parse(expr, "Europe/Berlin", time.Time{})
			if err != nil {
				b.Fatal(err)
			}
			from := time.Unix(1711843200, 0)
			for b.Loop() {
				s.Next(from.Add(time.Duration(rand.IntN(1000)) * time.Hour))
			}
		})
	}
}
