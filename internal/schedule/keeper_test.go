package schedule

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const hourly = `
name: w
schedule: { cron: "0 * * * *"%s }
tasks: { a: { expr: 1 } }
`

func hourlyWith(more string) string {
	if more != "" {
		more = ", " + more
	}
	return strings.Replace(hourly, "%s", more, 1)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// A schedule counts from when it is first read; what is due is fired at its time.
func TestFires(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith(""))
	s.until("2024-05-01 13:00:00")
	same(t, "fates", s.fates(), "01 11:00 fired", "01 12:00 fired", "01 13:00 fired")
	for _, r := range s.machine.runs {
		if r.began != 1 || r.Trigger != "schedule" || r.To != r.At || r.At.Sub(r.From) != time.Hour {
			t.Errorf("%+v", r)
		}
	}
	if next, ok := s.keeper.Next(); !ok || next != at(t, "2024-05-01 14:00:00") {
		t.Error(next, ok)
	}
}

// What was missed has the fate that the file wants for it.
func TestCatchup(t *testing.T) {
	for more, want := range map[string][]string{
		"":                                     {"01 11:00 fired", "01 12:00 missed", "01 13:00 missed", "01 14:00 missed", "01 15:00 fired"},
		"catchup: latest":                      {"01 11:00 fired", "01 12:00 missed", "01 13:00 missed", "01 14:00 caught_up", "01 15:00 fired"},
		"catchup: all":                         {"01 11:00 fired", "01 12:00 caught_up", "01 13:00 caught_up", "01 14:00 caught_up", "01 15:00 fired"},
		"catchup: all, catchup_window: 90m":    {"01 11:00 fired", "01 12:00 missed", "01 13:00 caught_up", "01 14:00 caught_up", "01 15:00 fired"},
		"catchup: latest, catchup_window: 10m": {"01 11:00 fired", "01 12:00 missed", "01 13:00 missed", "01 14:00 missed", "01 15:00 fired"},
		"overlap: allow, catchup: all":         {"01 11:00 fired", "01 12:00 caught_up", "01 13:00 caught_up", "01 14:00 caught_up", "01 15:00 fired"},
	} {
		for _, asleep := range []bool{false, true} {
			s := newStage(t, "2024-05-01 10:30:00", hourlyWith(more))
			s.until("2024-05-01 11:30:00")
			s.now = at(t, "2024-05-01 14:30:00") // nobody was there, or the machine slept
			if asleep {
				s.step()
			} else {
				s.restart()
			}
			s.until("2024-05-01 15:00:00")
			same(t, more, s.fates(), want...)
			if !slices.IsSorted(s.machine.order) {
				t.Errorf("%s: begun in the order %q", more, s.machine.order)
			}
		}
	}
	// A service that is away for less than a minute misses nothing.
	s := newStage(t, "2024-05-01 10:59:50", hourlyWith(""))
	s.now = at(t, "2024-05-01 11:00:50")
	s.restart()
	same(t, "late", s.fates(), "01 11:00 fired")
}

func TestOverlap(t *testing.T) {
	for more, want := range map[string]struct{ fates, order []string }{
		"": {
			[]string{"01 11:00 fired", "01 12:00 skipped", "01 13:00 skipped", "01 14:00 fired", "01 15:00 skipped"},
			[]string{"w 01 11:00", "w 01 14:00"},
		},
		"overlap: queue": {
			[]string{"01 11:00 fired", "01 12:00 fired", "01 13:00 queued", "01 14:00 queued", "01 15:00 queued"},
			[]string{"w 01 11:00", "w 01 12:00"},
		},
		"overlap: replace": {
			[]string{"01 11:00 fired", "01 12:00 fired", "01 13:00 fired", "01 14:00 fired", "01 15:00 fired"},
			[]string{"w 01 11:00", "w 01 12:00", "w 01 13:00", "w 01 14:00", "w 01 15:00"},
		},
		"overlap: allow": {
			[]string{"01 11:00 fired", "01 12:00 fired", "01 13:00 fired", "01 14:00 fired", "01 15:00 fired"},
			[]string{"w 01 11:00", "w 01 12:00", "w 01 13:00", "w 01 14:00", "w 01 15:00"},
		},
	} {
		for _, restart := range []bool{false, true} {
			s := newStage(t, "2024-05-01 10:30:00", hourlyWith(more))
			s.machine.lasts = func(*Firing) time.Duration { return 150 * time.Minute }
			s.until("2024-05-01 12:30:00")
			if restart { // what goes on, and what waits for it, is known to the next
				s.restart()
			}
			s.until("2024-05-01 15:10:00")
			same(t, more, s.fates(), want.fates...)
			same(t, more, s.machine.order, want.order...)
		}
	}
	// Of what waits to take a run's place, only the newest does.
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: replace"))
	s.until("2024-05-01 11:00:00")
	s.machine.runs["R000001"].ends = at(t, "2024-05-02 00:00:00")
	deaf := s.machine
	s.keeper.runner = struct{ Runner }{deafTo{deaf}}
	s.until("2024-05-01 14:00:00")
	same(t, "a run that does not make room", s.fates(), "01 11:00 fired", "01 12:00 skipped", "01 13:00 skipped", "01 14:00 queued")
}

// deafTo is a machine whose runs don't make room when they are asked.
type deafTo struct{ *machine }

func (deafTo) Replace(string) {}

// Between the row and the run anything may happen: the run begins once.
func TestCrashBetweenRowAndRun(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith(""))
	s.now, s.machine.lose = at(t, "2024-05-01 11:00:00"), true
	s.step()
	if len(s.machine.runs) != 0 {
		t.Fatal("it began")
	}
	s.now = at(t, "2024-05-01 11:20:00")
	s.restart()
	s.restart()
	same(t, "begun", s.machine.order, "w 01 11:00")
	same(t, "fates", s.fates(), "01 11:00 fired")

	// The run began, and nobody has noted it.
	s.until("2024-05-01 11:30:00")
	s.now = at(t, "2024-05-01 12:00:00")
	if _, err := s.keeper.Tick(s.now); err != nil {
		t.Fatal(err)
	}
	s.restart()
	same(t, "begun", s.machine.order, "w 01 11:00", "w 01 12:00")
}

// After an error nothing is changed, and the next try does it.
func TestLedgerFails(t *testing.T) {
	for _, overlap := range []string{"skip", "queue", "replace"} {
		s := newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: "+overlap))
		s.machine.lasts = func(*Firing) time.Duration { return 90 * time.Minute }
		s.until("2024-05-01 11:59:00")
		s.book.broken, s.now = errDisk, at(t, "2024-05-01 12:00:00")
		for range 3 {
			if _, err := s.keeper.Tick(s.now); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
		}
		s.book.broken = nil
		s.until("2024-05-01 12:40:00")
		want := map[string]string{"skip": "01 12:00 skipped", "queue": "01 12:00 fired", "replace": "01 12:00 fired"}[overlap]
		same(t, overlap, s.fates(), "01 11:00 fired", want)
	}
}

// A run that can't begin, or finds no place, is told of in the ledger, and the next time
// is not kept waiting.
func TestRefused(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: queue"))
	s.machine.fails = errors.New("secret TOKEN: the environment variable TOKEN is not set")
	s.until("2024-05-01 11:10:00")
	s.machine.fails = ErrSkipped
	s.until("2024-05-01 12:10:00")
	s.machine.fails = nil
	s.until("2024-05-01 13:10:00")
	same(t, "fates", s.fates(), "01 11:00 failed", "01 12:00 skipped", "01 13:00 fired")
	for _, r := range s.book.rows {
		if r.Fate == Failed && (!strings.Contains(r.Note, "TOKEN is not set")) {
			t.Errorf("%+v", r)
		}
	}
}

// Times of a schedule that is off are told as such; on again, it counts from then on.
func TestDisabledAndChanged(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith("catchup: all"))
	s.until("2024-05-01 11:10:00")
	change := func(now string, texts ...string) {
		t.Helper()
		s.until(now)
		s.versions = nil
		for _, text := range texts {
			s.versions = append(s.versions, version(t, text))
		}
		if err := s.keeper.Update(s.versions, s.now); err != nil {
			t.Fatal(err)
		}
		s.step()
	}
	change("2024-05-01 11:20:00", hourlyWith("catchup: all, enabled: false"))
	change("2024-05-01 13:20:00", hourlyWith("catchup: all"))
	s.until("2024-05-01 14:00:00")
	same(t, "off and on", s.fates(), "01 11:00 fired", "01 12:00 disabled", "01 13:00 disabled", "01 14:00 fired")

	// The same schedule with another key of the file is the same schedule.
	change("2024-05-01 14:10:00", strings.Replace(hourlyWith("catchup: all, jitter: 0s"), "expr: 1", "expr: 2", 1))
	s.now = at(t, "2024-05-01 16:30:00")
	s.restart()
	s.until("2024-05-01 16:31:00")
	same(t, "changed task", s.fates()[4:], "01 15:00 caught_up", "01 16:00 caught_up")

	// Gone while nobody was there, and there again: nothing before is missed.
	s.versions = nil
	s.now = at(t, "2024-05-01 18:30:00")
	s.restart()
	s.versions = []*Version{version(t, hourlyWith("catchup: all"))}
	s.now = at(t, "2024-05-01 20:30:00")
	s.restart()
	s.until("2024-05-01 21:00:00")
	same(t, "gone and back", s.fates()[6:], "01 21:00 fired")

	// What waited for its turn is told of when it is switched off or removed.
	s = newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: queue"))
	s.machine.lasts = func(*Firing) time.Duration { return 150 * time.Minute }
	change("2024-05-01 12:10:00", hourlyWith("overlap: queue, enabled: false"))
	s.until("2024-05-01 14:10:00")
	same(t, "queue of one that is off", s.fates(), "01 11:00 fired", "01 12:00 skipped", "01 13:00 disabled", "01 14:00 disabled")
}

// Whatever is done to the clock, no time is fired twice, and none is silent for long.
func TestClockIsSet(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith(""))
	s.until("2024-05-01 12:30:00")
	s.now = at(t, "2024-05-01 10:45:00") // back: the same hours pass again
	s.step()
	s.until("2024-05-01 14:10:00")
	same(t, "back", s.fates(), "01 11:00 fired", "01 12:00 fired", "01 13:00 fired", "01 14:00 fired")
	s.now = at(t, "2031-05-01 00:00:00") // a leap by mistake, and back
	s.step()
	s.now = at(t, "2024-05-01 14:20:00")
	s.step()
	if next, ok := s.keeper.Next(); !ok || next != at(t, "2024-05-01 15:00:00") {
		t.Error("after a leap, and back:", next)
	}
	for _, r := range s.machine.runs {
		if r.began != 1 {
			t.Errorf("%+v", r)
		}
	}
}

func TestZonesJitterBounds(t *testing.T) {
	// 02:30 does not exist in Berlin on 31 March 2024: the first moment after it is 03:00.
	s := newStage(t, "2024-03-30 12:00:00", `
name: w
schedule: { cron: "30 2 * * *", timezone: Europe/Berlin }
tasks: { a: { expr: 1 } }
`)
	s.until("2024-04-01 12:00:00")
	same(t, "clock change", s.fates(), "31 01:00 fired shifted", "01 00:30 fired")

	s = newStage(t, "2024-05-01 10:30:00", hourlyWith("jitter: 10m"))
	s.until("2024-05-01 11:00:00")
	same(t, "before its jitter", s.fates())
	s.until("2024-05-01 11:10:00")
	same(t, "with jitter", s.fates(), "01 11:00 fired")

	s = newStage(t, "2024-05-01 10:30:00", hourlyWith(`start: "2024-05-01T12:00:00Z", end: "2024-05-01T14:00:00Z"`))
	s.until("2024-05-01 18:00:00")
	same(t, "start and end", s.fates(), "01 12:00 fired", "01 13:00 fired")
	if _, ok := s.keeper.Next(); ok {
		t.Error("there is a time after the end")
	}
}

// A thousand times and more that were missed are told one by one, in pieces.
func TestLongSleep(t *testing.T) {
	s := newStage(t, "2024-01-01 00:30:00", hourlyWith("catchup: latest, catchup_window: 9000h"))
	s.now = at(t, "2024-12-31 00:30:00")
	s.restart()
	fates := s.fates()
	if len(fates) != 365*24 {
		t.Fatal(len(fates))
	}
	for i, f := range fates {
		want := "missed"
		if i == len(fates)-1 {
			want = "caught_up"
		}
		if !strings.HasSuffix(f, want) {
			t.Fatal(i, f)
		}
	}
}
