package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// player runs what a service launches, by the clock: each run takes a second.
type player struct {
	mu      sync.Mutex
	service *Service
	n       int
	began   []string // "workflow 15:04:05.000"
	late    time.Duration
}

func (p *player) NewID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return fmt.Sprintf("R%06d", p.n)
}

func (p *player) Launch(f Firing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = append(p.began, f.Version.Plan.Workflow.Name+" "+time.Now().UTC().Format("15:04:05.000"))
	if !f.At.IsZero() {
		p.late = max(p.late, time.Since(f.At))
	}
	p.service.Tell(News{Run: f.Run, Begun: true})
	time.AfterFunc(time.Second, func() { p.service.Tell(News{Run: f.Run, Ended: true}) })
}

func (p *player) Replace(string)            {}
func (p *player) Live(string) (bool, error) { return false, nil }

// safeBook is a book for several goroutines.
type safeBook struct {
	mu sync.Mutex
	*book
}

func (b *safeBook) Causes() (map[string]Cause, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Causes()
}

func (b *safeBook) Decide(c []Cause, r, s []Row) ([]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Decide(c, r, s)
}

func (b *safeBook) Settle(r ...Row) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.book.Settle(r...)
}

func (b *safeBook) breakWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = err
}

// told collects what a service says.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (t *told) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func serving(t *testing.T, texts ...string) (*Service, *player, *safeBook, *told) {
	t.Helper()
	b := &safeBook{book: newBook()}
	s, p, said := serviceOn(t, b, texts...)
	return s, p, b, said
}

// serviceOn lets a service begin with a ledger.
func serviceOn(t *testing.T, b *safeBook, texts ...string) (*Service, *player, *told) {
	t.Helper()
	p, said := &player{}, &told{}
	p.service = NewService(b, p, said.say)
	var versions []*Version
	for _, text := range texts {
		versions = append(versions, version(t, text))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		p.service.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	p.service.Update(versions)
	return p.service, p, said
}

func minutely(name string) string {
	return "name: " + name + "\nschedule:\n  - cron: '* * * * *'\ntasks: {a: {run: 'true'}}\n"
}

// A service wakes when something is due, and not a moment later.
func TestServiceFiresOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, _, _ := serving(t, minutely("a"), minutely("b"))
		time.Sleep(10*time.Minute + 30*time.Second)
		synctest.Wait()
		if len(p.began) != 20 || p.late != 0 {
			t.Errorf("%d runs, the last %s late", len(p.began), p.late)
		}
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// While its ledger can't be written to it says so, starts nothing, and then makes up for it.
func TestServiceWithoutLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, b, said := serving(t, minutely("a"))
		time.Sleep(90 * time.Second)
		b.breakWith(errDisk)
		time.Sleep(50 * time.Second) // a time falls into it
		synctest.Wait()
		began := len(p.began)
		if err := s.Ready(); !errors.Is(err, errDisk) {
			t.Errorf("ready: %v", err)
		}
		if _, err := s.Saw(t.Context(), []Sight{{Key: KeyOfPeople("a"), What: "x"}}, nil); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		b.breakWith(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(p.began) != began+1 {
			t.Errorf("%v", p.began)
		}
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
		if len(said.lines) != 2 || !strings.Contains(said.lines[0], "no space left") {
			t.Errorf("%q", said.lines)
		}
	})
}

// What is asked for twice is one run, also for a service that comes later; what comes when
// a service ends is told so.
func TestServiceSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, b, _ := serving(t, "name: a\ntasks: {a: {run: 'true'}}\n")
		key := KeyOfPeople("a")
		at := time.Now()
		runs, err := s.Saw(t.Context(), []Sight{{Key: key, At: at, What: "1"}, {Key: key, At: at, What: "2"}, {Key: key, At: at, What: "1"}}, nil)
		if err != nil || len(runs) != 3 || runs[0] != runs[2] || runs[0] == runs[1] {
			t.Fatalf("%v, %v", runs, err)
		}
		next := NewService(b, p, func(string, ...any) {})
		p.service = next
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			next.Run(ctx)
			close(done)
		}()
		next.Update([]*Version{version(t, "name: a\ntasks: {a: {run: 'true'}}\n")})
		again, err := next.Saw(t.Context(), []Sight{{Key: key, At: at.Add(time.Hour), What: "2", Run: "OTHER"}}, nil)
		if err != nil || !slices.Equal(again, runs[1:2]) {
			t.Errorf("%v, %v", again, err)
		}
		if _, err := next.Saw(t.Context(), []Sight{{Key: "nothing", What: "2"}}, nil); !errors.As(err, new(*GoneError)) {
			t.Errorf("%v", err)
		}
		cancel()
		<-done
		if _, err := next.Saw(t.Context(), []Sight{{Key: key, What: "3"}}, nil); !errors.Is(err, ErrStopped) {
			t.Errorf("%v", err)
		}
		if len(p.began) != 2 {
			t.Errorf("%v", p.began)
		}
	})
}

// Before it knows the files, a service takes nothing over: it would take every queued run
// for one whose workflow is gone.
func TestServiceWaitsForTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, b := &player{}, &safeBook{book: newBook()}
		_, _ = b.Decide([]Cause{{Key: KeyOfPeople("a"), Workflow: "a", Active: true}}, []Row{{Key: KeyOfPeople("a"), What: "1", Fate: Fired, Run: "R1"}}, nil)
		p.service = NewService(b, p, func(string, ...any) {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			p.service.Run(ctx)
			close(done)
		}()
		time.Sleep(time.Hour)
		if err := p.service.Ready(); err == nil || len(p.began) > 0 {
			t.Errorf("%v, %v", err, p.began)
		}
		p.service.Update([]*Version{version(t, "name: a\ntasks: {a: {run: 'true'}}\n")})
		time.Sleep(time.Second)
		synctest.Wait()
		if err := p.service.Ready(); err != nil || len(p.began) != 1 {
			t.Errorf("%v, %v", err, p.began)
		}
		cancel()
		<-done
	})
}
