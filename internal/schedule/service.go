package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// nap is how long the service sleeps at most, so that a suspend or a step of the clock
// costs no more than that.
const nap = 10 * time.Second

// again is how long it waits after an error.
const again = time.Second

// Service lets a Keeper work by the clock on the wall.
type Service struct {
	ledger Ledger
	runner Runner
	say    func(format string, args ...any)

	mu       sync.Mutex
	news     []News
	versions []*Version
	fresh    bool // versions were not taken yet
	asks     []*ask
	closed   bool
	watches  []Watch
	beat     time.Time // when it was last round
	trouble  error     // of the last round
	signal   chan struct{}
	loaded   chan struct{} // closed with the first versions
	ready    chan struct{} // closed when it has taken over
}

// ask is something for the keeper that somebody waits for.
type ask struct {
	sights []Sight
	upto   map[string]time.Time
	runs   []string
	err    error
	done   chan struct{}
}

// NewService returns a service that does nothing before Run. say is told what people
// should know.
func NewService(l Ledger, r Runner, say func(format string, args ...any)) *Service {
	return &Service{ledger: l, runner: r, say: say, signal: make(chan struct{}, 1), loaded: make(chan struct{}), ready: make(chan struct{})}
}

// Update tells what the files say now.
func (s *Service) Update(versions []*Version) {
	s.mu.Lock()
	if s.versions, s.fresh = versions, true; versions == nil {
		s.versions = []*Version{}
	}
	select {
	case <-s.loaded:
	default:
		close(s.loaded)
	}
	s.mu.Unlock()
	s.wake()
}

// Tell tells what became of runs. It does not wait.
func (s *Service) Tell(news ...News) {
	s.mu.Lock()
	s.news = append(s.news, news...)
	s.mu.Unlock()
	s.wake()
}

// ErrStopped answers what comes when the service has ended.
var ErrStopped = errors.New("the service is stopping")

// Saw tells what was seen, or is asked for, and returns the ids of the runs that it starts,
// or has started already: once they are in the ledger, which no crash undoes.
func (s *Service) Saw(ctx context.Context, sights []Sight, upto map[string]time.Time) ([]string, error) {
	a := &ask{sights: sights, upto: upto, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrStopped
	}
	s.asks = append(s.asks, a)
	s.mu.Unlock()
	s.wake()
	select {
	case <-a.done:
		return a.runs, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx) // it may have been done all the same
	}
}

// Watches returns what triggers have to look for.
func (s *Service) Watches() []Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// Ready is nil while the service does its work: it has taken over, was round lately, and
// its ledger can be written to.
func (s *Service) Ready() error {
	select {
	case <-s.ready:
	default:
		return errors.New("the service has not taken over yet")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late := time.Since(s.beat); late > 2*nap {
		return fmt.Errorf("the scheduler was not round for %s", span(late))
	}
	return s.trouble
}

func (s *Service) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. It is called once, by who has the lead: it takes over what an
// earlier service has left, as soon as it knows the files.
func (s *Service) Run(ctx context.Context) {
	defer s.close()
	select {
	case <-s.loaded:
	case <-ctx.Done():
		return
	}
	k := s.takeOver(ctx)
	if k == nil {
		return
	}
	close(s.ready)
	var news []News // that the keeper could not take yet
	for ctx.Err() == nil {
		wait, err := s.round(k, &news)
		s.note(k, err)
		if err != nil {
			wait = again
		}
		select {
		case <-s.signal:
			if err != nil { // what has come waits with the rest
				sleep(ctx, again)
			}
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// takeOver begins, and tries that again until it succeeds, each time from what the ledger
// says; nil: ctx has ended.
func (s *Service) takeOver(ctx context.Context) *Keeper {
	for {
		k, err := NewKeeper(s.ledger, s.runner)
		if err == nil {
			s.mu.Lock()
			versions := s.versions
			s.fresh = false
			s.mu.Unlock()
			err = k.Update(versions, wall())
		}
		if err == nil {
			err = k.TakeOver(wall())
		}
		if err == nil {
			return k
		}
		s.note(nil, err)
		if !sleep(ctx, again) {
			return nil
		}
	}
}

// round does what is to be done now, and returns for how long there is nothing more.
func (s *Service) round(k *Keeper, news *[]News) (time.Duration, error) {
	s.mu.Lock()
	*news = append(*news, s.news...)
	s.news = s.news[:0]
	asks := s.asks
	s.asks = nil
	versions, fresh := s.versions, s.fresh
	s.fresh = false
	s.mu.Unlock()
	if fresh {
		if err := k.Update(versions, wall()); err != nil {
			s.putBack(asks, true)
			return 0, err
		}
	}
	if len(*news) > 0 {
		if err := k.Tell(*news, wall()); err != nil {
			s.putBack(asks, false)
			return 0, err
		}
		*news = (*news)[:0]
	}
	for _, a := range asks {
		a.runs, a.err = k.Saw(a.sights, a.upto, wall())
		close(a.done)
	}
	more, err := k.Tick(wall())
	if err != nil || more {
		return 0, err
	}
	wait := nap
	if next, ok := k.Next(); ok {
		wait = min(wait, next.Sub(wall()))
	}
	return wait, nil
}

// putBack keeps what could not be done for the next round.
func (s *Service) putBack(asks []*ask, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks = append(asks, s.asks...)
	s.fresh = s.fresh || fresh
}

// note keeps what others are told.
func (s *Service) note(k *Keeper, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat = time.Now()
	switch {
	case err != nil && (s.trouble == nil || s.trouble.Error() != err.Error()):
		s.say("the scheduler can't go on, and tries again: %v", err)
	case err == nil && s.trouble != nil:
		s.say("the scheduler goes on")
	}
	s.trouble = err
	if k != nil {
		s.watches = k.Watches()
	}
}

func (s *Service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, a := range s.asks {
		a.err = ErrStopped
		close(a.done)
	}
	s.asks = nil
}

// wall is the time of the clock on the wall alone: differences of two such times are what
// that shows, whatever has been done to it.
func wall() time.Time { return time.Now().Round(0) }

// sleep reports whether it was not ended by ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
