package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Bounds of what is kept of runs that are looked at.
const (
	maxKept   = 16      // runs that nobody watches at the moment
	maxWeight = 300_000 // tasks and attempts of all of them
	ringBytes = 2 << 20 // of one run's newest news
	ringNews  = 20_000
	maxFirst  = 2 // runs being read for the first time, at once
	maxOld    = 4 // readers of older news, at once
)

// lives are the runs that are looked at, each read once for all who do.
type lives struct {
	runs  Runs
	poll  time.Duration
	turns chan struct{} // a place for each run that is read for the first time
	olds  chan struct{} // a place for each reader of older news

	readers atomic.Int64 // of streams

	mu   sync.Mutex
	all  map[string]*live
	idle []*live // those that nobody watches, the one that was used last at the end
	tail map[LogOf]*follow
}

func newLives(runs Runs, poll time.Duration) *lives {
	return &lives{runs: runs, poll: poll, turns: make(chan struct{}, maxFirst), olds: make(chan struct{}, maxOld), all: make(map[string]*live), tail: make(map[LogOf]*follow)}
}

// live is a run that is looked at.
type live struct {
	of *lives
	id string

	watchers int // guarded by of.mu
	stop     chan struct{}

	mu       sync.Mutex
	run      Run
	plan     *dag.Plan
	start    *run.Start
	teller   *run.Teller
	n        int64     // events that have been read
	known    time.Time // of the last one
	looked   time.Time // when it was looked for more
	err      error     // why no more can be read
	attempts []attempt
	open     map[place]int // those at work, by their place in attempts
	of1      map[int32]int // attempts by task: how many there are
	ring     []item
	size     int // of ring, in bytes
	changed  chan struct{}
	line     *run.Timeline // as it was after lineAt events
	lineAt   int64
	picture  picture
}

type place struct{ task, instance int32 }

// attempt is one attempt of a task.
type attempt struct {
	place
	number         int32
	exit           int32
	started, ended int64 // Unix milliseconds; 0: not yet
	failure        *dag.Failure
}

// item is one piece of news.
type item struct {
	seq  int64
	text []byte // JSON
}

// get returns a run that is looked at. It stays as it is until it is looked at again.
func (ls *lives) get(id string) (*live, error) {
	ls.mu.Lock()
	l := ls.all[id]
	if l == nil {
		l = &live{of: ls, id: id, open: make(map[place]int), of1: make(map[int32]int), changed: make(chan struct{})}
		ls.all[id] = l
		ls.idle = append(ls.idle, l)
	} else if k := slices.Index(ls.idle, l); k >= 0 {
		ls.idle = append(slices.Delete(ls.idle, k, k+1), l)
	}
	ls.mu.Unlock()
	err := l.update()
	ls.trim(l, err != nil)
	return l, err
}

// trim forgets runs that nobody watches, the one that was not looked at for longest first.
func (ls *lives) trim(last *live, drop bool) {
	weight := last.weight()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if k := slices.Index(ls.idle, last); k >= 0 && (drop || weight > maxWeight) {
		ls.forget(k)
	}
	for len(ls.idle) > maxKept {
		ls.forget(0)
	}
	for len(ls.idle) > 1 {
		sum := 0
		for _, l := range ls.idle {
			sum += int(l.weightNow())
		}
		if sum <= maxWeight {
			return
		}
		ls.forget(0)
	}
}

func (ls *lives) forget(k int) {
	delete(ls.all, ls.idle[k].id)
	ls.idle = slices.Delete(ls.idle, k, k+1)
}

func (l *live) weight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heavy()
}

func (l *live) heavy() int { return l.run.Tasks + len(l.attempts) }

// weightNow is weight of one that may be in use; then it is what its record says.
func (l *live) weightNow() int {
	if !l.mu.TryLock() {
		return 0
	}
	defer l.mu.Unlock()
	return l.heavy()
}

// watch is get for who wants to be told of changes, until release.
func (ls *lives) watch(id string) (*live, error) {
	l, err := ls.get(id)
	if err != nil {
		return nil, err
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.watchers++; l.watchers == 1 {
		if k := slices.Index(ls.idle, l); k >= 0 {
			ls.idle = slices.Delete(ls.idle, k, k+1)
		}
		if other := ls.all[id]; other == nil {
			ls.all[id] = l
		}
		l.stop = make(chan struct{})
		go l.follow(l.stop)
	}
	return l, nil
}

func (l *live) release() {
	ls := l.of
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.watchers--; l.watchers == 0 {
		close(l.stop)
		if ls.all[l.id] == l {
			ls.idle = append(ls.idle, l)
		}
	}
}

// pause is how long a run rests until it is looked at again: longer, the more runs are
// watched, so that all together cost the same.
func (ls *lives) pause() time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return max(ls.poll, time.Duration(len(ls.all)-len(ls.idle)+len(ls.tail))*4*time.Millisecond)
}

// follow looks for news until stop.
func (l *live) follow(stop chan struct{}) {
	for {
		t := time.NewTimer(l.of.pause())
		select {
		case <-stop:
			t.Stop()
			return
		case <-t.C:
		}
		_ = l.update() // it is tried again
	}
}

// update reads what is new of the run.
func (l *live) update() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.looked.IsZero() && time.Since(l.looked) < l.of.poll/2 || l.over() {
		return nil
	}
	r, err := l.of.runs.Find(l.id)
	if err != nil {
		return err
	}
	before, n := l.run.Status, l.n
	l.run = r
	if l.teller == nil {
		l.of.turns <- struct{}{}
		defer func() { <-l.of.turns }()
		if l.plan, err = planOf(l.of.runs, &r); err != nil {
			return err
		}
		l.teller = run.NewTeller(l.plan)
	}
	l.read()
	l.looked = time.Now()
	if l.n != n || l.run.Status != before {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return nil
}

// planOf is the plan of a run, as its workflow was.
func planOf(runs Runs, r *Run) (*dag.Plan, error) {
	text, err := runs.Text(r.ID)
	if err != nil {
		return nil, err
	}
	w, found := dag.Parse(r.File, text)
	if w == nil {
		return nil, fmt.Errorf("web: the workflow of run %s, as it was, is not valid for this flow: %s", r.ID, found[0].String())
	}
	return dag.NewPlan(w)
}

func (l *live) read() {
	l.err = nil
	for e, err := range l.of.runs.Events(l.id, l.n, l.known) {
		var news []run.News
		if err == nil {
			news, err = l.teller.Tell(&e)
		}
		if err != nil {
			l.err = err
			return
		}
		l.n++
		l.known = e.Time
		l.note(&e)
		for i := range news {
			l.push(&news[i])
		}
	}
}

// note keeps what the machine does not: the attempts, one by one.
func (l *live) note(e *run.Event) {
	at := place{e.Task, e.Instance}
	switch e.Kind {
	case run.Started:
		l.start = e.Start
	case run.AttemptStarted:
		l.open[at] = len(l.attempts)
		l.of1[e.Task]++
		l.attempts = append(l.attempts, attempt{place: at, number: e.Attempt, exit: -1, started: e.Time.UnixMilli()})
	case run.AttemptEnded:
		if k, ok := l.open[at]; ok {
			a := &l.attempts[k]
			a.ended, a.failure, a.exit = e.Time.UnixMilli(), e.Failure, e.ExitCode
			delete(l.open, at)
		}
	}
}

func (l *live) push(n *run.News) {
	text, err := json.Marshal(n)
	if err != nil {
		return // of texts and numbers
	}
	l.ring = append(l.ring, item{n.Seq, text})
	l.size += len(text)
	drop := 0
	for size := l.size; len(l.ring)-drop > ringNews || size > ringBytes; drop++ {
		size -= len(l.ring[drop].text)
	}
	if drop > 0 && (drop > len(l.ring)/4 || l.size > 2*ringBytes) { // not one by one
		for k := range drop {
			l.size -= len(l.ring[k].text)
		}
		l.ring = append([]item(nil), l.ring[drop:]...)
	}
}

// over reports whether the run has ended, and all of it has been read.
func (l *live) over() bool {
	return l.teller != nil && l.teller.Machine().Result().Status != run.RunRunning && !l.run.Ended.IsZero()
}

// glance is what a reader of news sees at once.
type glance struct {
	items   []item
	missed  bool // what it wants is no longer kept
	status  string
	over    bool
	changed chan struct{} // closed once there is more
}

// since returns some of the news after one.
func (l *live) since(seq int64, most int) glance {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := glance{status: l.run.Status, over: l.over(), changed: l.changed}
	if last := l.teller.Seq(); seq >= last {
		return g
	}
	if len(l.ring) == 0 || l.ring[0].seq > seq+1 {
		g.missed = true
		return g
	}
	from := int(seq + 1 - l.ring[0].seq)
	g.items = slices.Clone(l.ring[from:min(from+most, len(l.ring))])
	return g
}

// errBusy says that as much is being read as may be at once.
var errBusy = &statusError{503, "many are reading what is long past", "try again soon"}

// replay gives the news from one on, read from the events again, to who wants what is no
// longer kept. It returns the number of the last one.
func (ls *lives) replay(ctx context.Context, l *live, after int64, give func(item) error) (int64, error) {
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	select {
	case ls.olds <- struct{}{}:
		defer func() { <-ls.olds }()
	case <-wait.Done():
		return after, errBusy
	}
	teller, upto := run.NewTeller(l.plan), after
	for e, err := range ls.runs.Events(l.id, 0, time.Time{}) {
		var news []run.News
		if err == nil {
			news, err = teller.Tell(&e)
		}
		if err != nil {
			return upto, err
		}
		for i := range news {
			if news[i].Seq <= after {
				continue
			}
			text, err := json.Marshal(&news[i])
			if err == nil {
				err = give(item{news[i].Seq, text})
			}
			if err != nil {
				return upto, err
			}
			upto = news[i].Seq
		}
	}
	if upto == after {
		return upto, errors.New("web: news are gone")
	}
	return upto, nil
}
