package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A ledger that can't be written to when a service begins is no reason to give up.
func TestServiceBeginsInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &safeBook{book: newBook()}
		key := KeyOfPeople("a")
		_, _ = b.Decide([]Cause{{Key: key, Workflow: "a", Active: true}}, []Row{{Key: key, What: "1", Fate: Fired, Run: "R1"}, {Key: "gone", What: "2", Fate: Fired, Run: "R2"}}, nil)
		// All is known, so that the first to write is what takes over.
		k, err := NewKeeper(b, &player{})
		if err == nil {
			err = k.Update([]*Version{version(t, minutely("a"))}, wall())
		}
		if err != nil {
			t.Fatal(err)
		}
		b.breakWith(errDisk)
		s, p, said := serviceOn(t, b, minutely("a"))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if err := s.Ready(); err == nil || len(said.lines) == 0 || len(p.began) > 0 {
			t.Errorf("ready: %v; it has said %q and begun %q", err, said.lines, p.began)
		}
		b.breakWith(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if err := s.Ready(); err != nil || len(p.began) < 3 {
			t.Errorf("ready: %v; it has begun %q", err, p.began)
		}
	})
}

// What can't be written is written later, whichever of the writes fails: no time waits for
// ever, and none is lost.
func TestLedgerFailsNowAndThen(t *testing.T) {
	for _, overlap := range []string{"skip", "queue", "replace", "allow"} {
		rng := rand.New(rand.NewPCG(1, 2))
		s := newStage(t, "2024-05-01 00:30:00", hourlyWith("overlap: "+overlap))
		s.machine.lasts = func(*Firing) time.Duration { return time.Duration(rng.IntN(150)) * time.Minute }
		s.book.flaky = func() bool { return rng.IntN(2) == 0 }
		end := at(t, "2024-05-03 00:10:00")
		var news []News
		for ; s.now.Before(end); s.now = s.now.Add(10 * time.Second) {
			for range 20 {
				news = append(news, s.machine.pass(s.now)...)
				if err := s.keeper.Tell(news, s.now); errors.Is(err, errDisk) {
					continue
				}
				news = nil
				if _, err := s.keeper.Tick(s.now); !errors.Is(err, errDisk) {
					break
				}
			}
		}
		s.book.flaky = nil
		for range 1000 { // what is queued comes to its end
			s.now = s.now.Add(10 * time.Minute)
			if err := s.keeper.Tell(append(news, s.machine.pass(s.now)...), s.now); err != nil {
				t.Fatal(err)
			}
			news = nil
		}
		if len(s.book.rows) != 48 || len(s.book.open) != 0 {
			t.Errorf("%s: %d rows, %d of them are still open", overlap, len(s.book.rows), len(s.book.open))
		}
		for _, r := range s.book.rows {
			if run := s.machine.runs[r.Run]; r.Run != "" && (run == nil || run.began != 1) {
				t.Errorf("%s: %+v", overlap, r)
			}
		}
	}
}

// A clock that leaps ahead, and is put right again, costs no time of those between.
func TestClockLeapsAhead(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith(""))
	s.until("2024-05-01 11:10:00")
	s.now = at(t, "2024-05-01 17:10:00")
	s.step()
	same(t, "the leap", s.fates(), "01 11:00 fired", "01 12:00 missed", "01 13:00 missed", "01 14:00 missed", "01 15:00 missed", "01 16:00 missed", "01 17:00 missed")
	s.now = at(t, "2024-05-01 11:20:00")
	s.restart() // the next keeper sees it as well
	s.until("2024-05-01 18:10:00")
	same(t, "put right", s.fates(), "01 11:00 fired", "01 12:00 fired", "01 13:00 fired", "01 14:00 fired", "01 15:00 fired", "01 16:00 fired", "01 17:00 fired", "01 18:00 fired")
}

// What waits for its turn of a schedule that is switched off, or is put back, is not
// forgotten, and does not stand in the way later.
func TestQueueOfScheduleThatIsAway(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: queue"))
	s.machine.lasts = func(*Firing) time.Duration { return 90 * time.Minute }
	s.until("2024-05-01 12:10:00")
	same(t, "before", s.fates(), "01 11:00 fired", "01 12:00 queued")
	on := s.versions
	s.versions = []*Version{version(t, hourlyWith("overlap: queue, enabled: false"))}
	s.restart()
	s.versions = on
	s.restart()
	s.until("2024-05-01 15:10:00")
	same(t, "after", s.fates(), "01 11:00 fired", "01 12:00 skipped", "01 13:00 fired", "01 14:00 fired", "01 15:00 queued")

	// A file that is away for a moment: its run still goes on.
	s = newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: skip"))
	s.machine.lasts = func(*Firing) time.Duration { return 90 * time.Minute }
	s.until("2024-05-01 11:10:00")
	for _, versions := range [][]*Version{nil, s.versions} {
		if err := s.keeper.Update(versions, s.now); err != nil {
			t.Fatal(err)
		}
	}
	s.until("2024-05-01 13:10:00")
	same(t, "away", s.fates(), "01 11:00 fired", "01 12:00 skipped", "01 13:00 fired")
}

// An update that can't be recorded changes nothing, and is repeated.
func TestUpdateFails(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", hourlyWith("overlap: queue"))
	s.machine.lasts = func(*Firing) time.Duration { return 10 * time.Hour }
	s.until("2024-05-01 12:10:00")
	s.book.broken = errDisk
	for range 2 {
		if err := s.keeper.Update(nil, s.now); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	}
	s.book.broken = nil
	if err := s.keeper.Update(nil, s.now); err != nil {
		t.Fatal(err)
	}
	same(t, "removed", s.fates(), "01 11:00 fired", "01 12:00 skipped")
}

// A hundred thousand sights cost what each costs, and no more.
func TestSawMany(t *testing.T) {
	s := newStage(t, "2024-05-01 10:30:00", "name: w\ntasks: {a: {run: 'true'}}\n")
	sights := make([]Sight, 100_000)
	for i := range sights {
		sights[i] = Sight{Key: KeyOfPeople("w"), At: s.now, What: fmt.Sprint(i)}
	}
	s.keeper.ledger = seesNothing{s.book} // the book looks through all its rows
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := s.keeper.Saw(sights, nil, s.now); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 40*float64(len(sights)) {
		t.Errorf("%.0f allocations a sight", allocated/float64(len(sights)))
	}
	if len(s.keeper.of) != 0 {
		t.Error("it remembers runs that nothing waits for")
	}
}

type seesNothing struct{ *book }

func (seesNothing) Seen(string, string) (string, bool, error) { return "", false, nil }

// After a time without a service, of the times that are due at once the newest counts, but
// where all do.
func TestCatchupOfSeveral(t *testing.T) {
	minutes := func(more string) string {
		return "name: w\nschedule: [{cron: '* * * * *', " + more + "}]\ntasks: {a: {run: 'true'}}\n"
	}
	for more, want := range map[string][]string{
		"catchup: none":                   {"01 10:01 missed", "01 10:02 missed", "01 10:03 missed", "01 10:04 fired"},
		"catchup: latest":                 {"01 10:01 missed", "01 10:02 missed", "01 10:03 missed", "01 10:04 fired"},
		"catchup: latest, overlap: allow": {"01 10:01 missed", "01 10:02 missed", "01 10:03 missed", "01 10:04 fired"},
		"catchup: all":                    {"01 10:01 caught_up", "01 10:02 caught_up", "01 10:03 caught_up", "01 10:04 fired"},
		"catchup: all, overlap: replace":  {"01 10:01 caught_up", "01 10:02 caught_up", "01 10:03 caught_up", "01 10:04 fired"},
	} {
		s := newStage(t, "2024-05-01 10:00:30", minutes(more))
		s.now = at(t, "2024-05-01 10:04:02")
		s.restart()
		s.until("2024-05-01 10:04:30")
		same(t, more, s.fates(), want...)
	}
	// All within the grace.
	s := newStage(t, "2024-05-01 10:00:30", "name: w\nschedule: [{cron: '@every 10s'}]\ntasks: {a: {run: 'true'}}\n")
	s.now = at(t, "2024-05-01 10:01:01")
	s.restart()
	same(t, "grace", s.fates(), "01 10:00 skipped", "01 10:00 skipped", "01 10:01 fired")
}
