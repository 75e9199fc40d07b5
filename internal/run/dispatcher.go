package run

import (
	"errors"
	"fmt"
	"slices"
)

// Dispatcher hands out the places in pools. It is told what is ready (Enqueue),
// answers what may start now (Next), and is told when a place is free again
// (Release). It may serve several runs, so that pools hold across them.
//
// It is pure, and not safe for concurrent use. Next costs O(log n) in what is
// queued, and a look at each run and pool.
type Dispatcher struct {
	pools  []pool
	byName map[string]int
	runs   []*Queue
	jobs   int // attempts at once, all pools; 0: no limit
	perRun int // attempts of one run at once
	inUse  int
	seq    int64
}

type pool struct {
	name        string
	size, inUse int
}

// DefaultPerRun is how many attempts of one run are handed out at once, unless
// a dispatcher is told otherwise.
const DefaultPerRun = 1000

// Ticket is one attempt in the dispatcher's hands.
type Ticket struct {
	Run                     *Queue
	Task, Instance, Attempt int32

	rank Rank
	seq  int64
	pool int // -1: it needs no place
}

// Queue is one run's part of a dispatcher; Add makes it.
type Queue struct {
	d     *Dispatcher // nil: it was removed
	heaps []tickets   // by pool; the last one is of those that need no place
	held  []int       // places in use, by pool
	inUse int         // all of them
}

// NewDispatcher returns a dispatcher without pools. jobs is how many attempts
// may be at work at once in all pools together, perRun how many of one run; 0
// means no limit, and DefaultPerRun.
func NewDispatcher(jobs, perRun int) *Dispatcher {
	if perRun <= 0 {
		perRun = DefaultPerRun
	}
	return &Dispatcher{byName: make(map[string]int), jobs: jobs, perRun: perRun}
}

// AddPool adds a pool with that many places, at least one. A name twice is an
// error.
func (d *Dispatcher) AddPool(name string, size int) error {
	if _, ok := d.byName[name]; ok || name == "" || size < 1 {
		return fmt.Errorf("run: dispatcher: pool %q with %d places", name, size)
	}
	d.byName[name] = len(d.pools)
	d.pools = append(d.pools, pool{name: name, size: size})
	for _, q := range d.runs {
		q.heaps = slices.Insert(q.heaps, len(q.heaps)-1, nil)
		q.held = append(q.held, 0)
	}
	return nil
}

// Resize changes how many places a pool has, at least one. Where more are taken, none is
// handed out until enough of them are back. A name that there is not is an error.
func (d *Dispatcher) Resize(name string, size int) error {
	k, ok := d.byName[name]
	if !ok || size < 1 {
		return fmt.Errorf("run: dispatcher: pool %q with %d places", name, size)
	}
	d.pools[k].size = size
	return nil
}

// Add makes room for a run.
func (d *Dispatcher) Add() *Queue {
	q := &Queue{d: d, heaps: make([]tickets, len(d.pools)+1), held: make([]int, len(d.pools))}
	d.runs = append(d.runs, q)
	return q
}

// Remove forgets a run and all that it has queued, and gives back the places that
// it still holds: releasing their tickets does nothing any more, and nothing can
// be queued. A second time, it does nothing.
func (d *Dispatcher) Remove(q *Queue) {
	if q.d != d {
		return
	}
	d.runs = slices.DeleteFunc(d.runs, func(r *Queue) bool { return r == q })
	d.inUse -= q.inUse
	for k, n := range q.held {
		d.pools[k].inUse -= n
	}
	*q = Queue{}
}

// Enqueue takes a StartAttempt command. poolName is the Executor of its task;
// "" needs no place.
func (q *Queue) Enqueue(c Command, poolName string) error {
	if q.d == nil {
		return errors.New("run: dispatcher: the run was removed")
	}
	t := Ticket{Run: q, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt, rank: c.Rank, seq: q.d.seq, pool: -1}
	q.d.seq++
	h := &q.heaps[len(q.heaps)-1]
	if poolName != "" {
		k, ok := q.d.byName[poolName]
		if !ok {
			return fmt.Errorf("run: dispatcher: there is no pool %q", poolName)
		}
		t.pool, h = k, &q.heaps[k]
	}
	h.push(t)
	return nil
}

// Next takes the attempt that is to start next, with its place, if any may
// start: of each run the first by rank, file and instance, and of these the first
// by rank, and then the one that has waited for longest. The driver applies
// AttemptStarted; where that is stale (the attempt was stopped while it was
// queued) it releases the ticket at once.
func (d *Dispatcher) Next() (Ticket, bool) {
	var best *tickets
	for _, q := range d.runs {
		h := d.first(q)
		if h != nil && (best == nil || (*h)[0].beforeOther(&(*best)[0])) {
			best = h
		}
	}
	if best == nil {
		return Ticket{}, false
	}
	t := best.pop()
	if t.pool >= 0 {
		d.inUse++
		t.Run.inUse++
		t.Run.held[t.pool]++
		d.pools[t.pool].inUse++
	}
	return t, true
}

// first is the heap with the run's first attempt of those that may start, nil for
// none. It is found before runs are compared: mixed into one comparison, the order
// of the file within a run and that of waiting between runs could go in a circle.
func (d *Dispatcher) first(q *Queue) *tickets {
	full := d.jobs > 0 && d.inUse >= d.jobs || q.inUse >= d.perRun
	var best *tickets
	for k := range q.heaps {
		h := &q.heaps[k]
		if len(*h) == 0 || k < len(d.pools) && (full || d.pools[k].inUse >= d.pools[k].size) {
			continue
		}
		if best == nil || (*h)[0].before(&(*best)[0]) {
			best = h
		}
	}
	return best
}

// Release gives a ticket's place back. Once for each ticket that Next returned.
func (d *Dispatcher) Release(t Ticket) {
	if t.pool < 0 || t.Run.d != d {
		return
	}
	d.inUse--
	t.Run.inUse--
	t.Run.held[t.pool]--
	d.pools[t.pool].inUse--
}

// Queued is how many attempts of a run wait for a place.
func (q *Queue) Queued() int {
	n := 0
	for _, h := range q.heaps {
		n += len(h)
	}
	return n
}

// before orders the attempts of one run.
func (t *Ticket) before(u *Ticket) bool {
	switch {
	case t.rank != u.rank:
		return t.rank.before(u.rank)
	case t.Task != u.Task:
		return t.Task < u.Task
	case t.Instance != u.Instance:
		return t.Instance < u.Instance
	}
	return t.seq < u.seq
}

// beforeOther orders the attempts of different runs.
func (t *Ticket) beforeOther(u *Ticket) bool {
	if t.rank != u.rank {
		return t.rank.before(u.rank)
	}
	return t.seq < u.seq
}

// tickets is a binary heap, the next one to start at its top. It is no
// container/heap, whose interface would cost an allocation a ticket.
type tickets []Ticket

func (h *tickets) push(t Ticket) {
	s := append(*h, t)
	*h = s
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(&s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *tickets) pop() Ticket {
	s := *h
	top := s[0]
	last := len(s) - 1
	s[0], s[last] = s[last], Ticket{}
	s = s[:last]
	*h = s
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if r := down + 1; r < last && s[r].before(&s[down]) {
			down = r
		}
		if !s[down].before(&s[i]) {
			break
		}
		s[i], s[down] = s[down], s[i]
		i = down
	}
	return top
}
