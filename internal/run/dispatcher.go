package run

import (
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
	d     *Dispatcher
	heaps []tickets // by pool; the last one is of those that need no place
	inUse int
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
	}
	return nil
}

// Add makes room for a run.
func (d *Dispatcher) Add() *Queue {
	q := &Queue{d: d, heaps: make([]tickets, len(d.pools)+1)}
	d.runs = append(d.runs, q)
	return q
}

// Remove forgets a run and all that it has queued. Its places must have been
// released.
func (d *Dispatcher) Remove(q *Queue) {
	d.runs = slices.DeleteFunc(d.runs, func(r *Queue) bool { return r == q })
}

// Enqueue takes a StartAttempt command. poolName is the Executor of its task;
// "" needs no place.
func (q *Queue) Enqueue(c Command, poolName string) error {
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
// start. The driver applies AttemptStarted; where that is stale (the attempt was
// stopped while it was queued) it releases the ticket at once.
func (d *Dispatcher) Next() (Ticket, bool) {
	full := d.jobs > 0 && d.inUse >= d.jobs
	var best *tickets
	for _, q := range d.runs {
		for k := range q.heaps {
			h := &q.heaps[k]
			if len(*h) == 0 {
				continue
			}
			if k < len(d.pools) && (full || q.inUse >= d.perRun || d.pools[k].inUse >= d.pools[k].size) {
				continue
			}
			if best == nil || (*h)[0].before(&(*best)[0]) {
				best = h
			}
		}
	}
	if best == nil {
		return Ticket{}, false
	}
	t := best.pop()
	if t.pool >= 0 {
		d.inUse++
		t.Run.inUse++
		d.pools[t.pool].inUse++
	}
	return t, true
}

// Release gives a ticket's place back. Once for each ticket that Next returned.
func (d *Dispatcher) Release(t Ticket) {
	if t.pool < 0 {
		return
	}
	d.inUse--
	t.Run.inUse--
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

func (t *Ticket) before(u *Ticket) bool {
	switch {
	case t.rank != u.rank:
		return t.rank.before(u.rank)
	case t.Run == u.Run && t.Task != u.Task:
		return t.Task < u.Task
	case t.Run == u.Run && t.Instance != u.Instance:
		return t.Instance < u.Instance
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
