package schedule

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

var zones = []string{
	"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Santiago",
	"Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Asia/Kathmandu",
	"Asia/Tehran", "Asia/Gaza", "Africa/Casablanca", "Africa/Cairo", "America/Nuuk", "Antarctica/Troll", "Asia/Tokyo",
}

// aYear are workflows with a schedule each, hourly or rarer, in many zones.
func aYear(t *testing.T, rng *rand.Rand, n int) []*Version {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	var all []*Version
	for i := range n {
		m, h := rng.IntN(60), rng.IntN(24)
		cron := ""
		switch k := rng.IntN(20); {
		case k == 0:
			cron = fmt.Sprintf("%d * * * *", m)
		case k < 4:
			cron = fmt.Sprintf("%d */6 * * *", m)
		case k < 6:
			cron = fmt.Sprintf("@every %dh", 2+rng.IntN(30))
		case k < 14:
			cron = fmt.Sprintf("%d %d * * *", m, h)
		case k < 17:
			cron = fmt.Sprintf("%d %d * * 1-5", m, h)
		default:
			cron = fmt.Sprintf("%d %d %d * *", m, h, 1+rng.IntN(31))
		}
		all = append(all, version(t, fmt.Sprintf(`
name: w%d
schedule: { cron: %q, timezone: %s, overlap: %s, catchup: %s, jitter: %s }
tasks: { a: { expr: 1 } }
`, i, cron, pick(zones...), pick("skip", "queue", "replace", "allow"), pick("none", "latest", "all"), pick("0s", "0s", "5m"))))
	}
	return all
}

// year is a year of a home with two services, and all that may happen to them.
type year struct {
	*stage
	rng    *rand.Rand
	offset time.Duration // of the clock on the wall from the true time
	real   time.Time     // the true time
	wakes  time.Time     // nobody is there before
	second *Keeper       // of a service that takes itself for the leader as well
	until  time.Time     // it does that until then
	what   map[string]int
}

// TestYear lets a year pass on a virtual clock: each expected time has exactly one row, and
// each that was fired exactly one run.
func TestYear(t *testing.T) {
	n := 150
	if more, err := strconv.Atoi(os.Getenv("FLOW_TEST_YEAR")); err == nil { // 1000: 40 s
		n = more
	}
	rng := rand.New(rand.NewPCG(6, 2024))
	start := at(t, "2024-01-01 00:00:00")
	y := &year{
		stage: &stage{t: t, book: newBook(), machine: newMachine(t), now: start, versions: aYear(t, rng, n)},
		rng:   rng, real: start, what: map[string]int{},
	}
	y.machine.lasts = func(*Firing) time.Duration { // a few minutes, now and then hours
		return time.Duration(rng.ExpFloat64() * float64(8*time.Minute))
	}
	y.restart()
	end := start.AddDate(1, 0, 0)
	trouble := y.later(6 * time.Hour)
	for y.real.Before(end) {
		if !y.real.Before(trouble) {
			y.trouble()
			trouble = y.later(8 * time.Hour)
		}
		y.pass(trouble)
	}
	y.offset, y.second, y.real = 0, nil, y.real.Add(24*time.Hour) // past all that a clock that was wrong has made of it
	y.now = y.real
	y.restart()
	for len(y.machine.going) > 0 || len(y.book.open) > 0 { // what is queued comes to its end
		y.now = y.now.Add(time.Minute)
		if err := y.keeper.Tell(y.machine.pass(y.now), y.now); err != nil {
			t.Fatal(err)
		}
	}
	y.check(start)
	t.Logf("%d times, %d runs, %v", len(y.book.rows), len(y.machine.runs), y.what)
}

func (y *year) later(mean time.Duration) time.Time {
	return y.real.Add(time.Duration(y.rng.ExpFloat64() * float64(mean)))
}

// pass goes on to the next moment at which there is something to do, limit at the latest.
func (y *year) pass(limit time.Time) {
	next := limit
	earlier := func(wall time.Time) {
		if t := wall.Add(-y.offset); t.Before(next) {
			next = t
		}
	}
	if due, ok := y.keeper.Next(); ok {
		earlier(due)
	}
	for _, r := range y.machine.going {
		earlier(r.ends)
	}
	if next.Before(y.wakes) {
		next = y.wakes
	}
	if !next.After(y.real) {
		next = y.real.Add(time.Millisecond)
	}
	y.real = next
	y.now = y.real.Add(y.offset)
	if y.second != nil {
		if y.real.After(y.until) {
			y.second = nil
		} else if _, err := y.second.Tick(y.now); err != nil {
			y.t.Fatal(err)
		}
	}
	y.step()
}

// trouble is what may happen to a service.
func (y *year) trouble() {
	kinds := []string{"crash", "crash and loss", "down", "sleep", "clock", "clock is right again", "disk", "two leaders", "restart"}
	kind := kinds[y.rng.IntN(len(kinds))]
	y.what[kind]++
	y.wakes = time.Time{}
	switch kind {
	case "crash": // the other service takes over within seconds
		y.real = y.real.Add(time.Duration(y.rng.IntN(4000)) * time.Millisecond)
	case "crash and loss": // between the row and the run
		y.machine.lose = true
		due, ok := y.keeper.Next()
		if ok && due.Add(-y.offset).After(y.real) {
			y.real = due.Add(-y.offset)
		}
		y.now = y.real.Add(y.offset)
		y.machine.now = y.now
		if _, err := y.keeper.Tick(y.now); err != nil {
			y.t.Fatal(err)
		}
	case "down": // both
		y.real = y.later(5 * time.Hour)
	case "sleep": // the machine: the keeper goes on
		y.wakes = y.later(3 * time.Hour)
		return
	case "clock":
		y.offset += time.Duration((y.rng.Float64() - 0.5) * float64(4*time.Hour)).Truncate(time.Millisecond)
		return
	case "clock is right again":
		y.offset = 0
		return
	case "disk":
		y.book.broken = errDisk
		y.now = y.later(time.Minute).Add(y.offset)
		if _, err := y.keeper.Tick(y.now); err == nil && len(y.machine.news) > 0 {
			y.t.Fatal("something began that is not recorded")
		}
		y.real = y.now.Add(-y.offset)
		y.book.broken = nil
		return
	case "two leaders":
		k, err := NewKeeper(y.book, y.machine)
		if err == nil {
			err = k.Update(y.versions, y.now)
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.second, y.until = k, y.later(2*time.Hour)
		return
	}
	y.second = nil
	y.now = y.real.Add(y.offset)
	y.restart()
}

// check holds the ledger against the times of the schedules.
func (y *year) check(start time.Time) {
	t := y.t
	runs := make(map[string]int)
	fates := make(map[string]int)
	byKey := make(map[string]int)
	for at, r := range y.book.rows {
		byKey[at.key]++
		fates[r.Fate]++
		if r.Run == "" {
			continue
		}
		runs[r.Run]++
		if run := y.machine.runs[r.Run]; run == nil || run.began != 1 || !run.At.Equal(r.At) || run.Key != r.Key {
			t.Fatalf("the run of %+v is %+v", r, run)
		}
		if r.Fate != Fired && r.Fate != CaughtUp {
			t.Fatalf("%+v has a run", r)
		}
	}
	for _, r := range y.book.rows {
		if fired := r.Fate == Fired || r.Fate == CaughtUp; fired && r.Run == "" || r.Fate == Queued || fired && runs[r.Run] > 1 {
			t.Fatalf("%+v, %d", r, runs[r.Run])
		}
	}
	if len(runs) != len(y.machine.runs) {
		t.Errorf("%d runs in the ledger, %d have begun", len(runs), len(y.machine.runs))
	}
	for key, e := range y.keeper.entries {
		if e.sched == nil {
			continue
		}
		expected := 0
		for at, ok := e.sched.Next(start); ok && !at.At.After(y.book.causes[key].Upto); at, ok = e.sched.Next(at.At) {
			expected++
			if r := y.book.rows[spot{key, at.At.UnixMilli(), ""}]; r == nil {
				t.Fatalf("%s: %s has no row", e.cause.What, at.At)
			} else if r.Shifted != at.Shifted {
				t.Errorf("%s: %s: shifted %v", e.cause.What, at.At, r.Shifted)
			}
		}
		if byKey[key] != expected || e.more && !e.due().After(y.real) {
			t.Errorf("%s: %d rows for %d times; the next is %s", e.cause.What, byKey[key], expected, e.next.At)
		}
	}
	for _, f := range []string{Fired, CaughtUp, Skipped, Missed} {
		if fates[f] == 0 {
			t.Errorf("no time was %s: %v", f, fates)
		}
	}
	t.Log(fates)
}
