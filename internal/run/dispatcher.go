package run

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
)

// Dispatcher hands out the places in pools. It is told what is ready (Enqueue),
// answers what may start now (Next), and is told when a place is free again
// (Release). It may serve several runs, so that pools hold across them.
//
// It is pure, and not safe for concurrent use. A call costs O(log n) in what is
// queued and in the runs and pools that have something queued. Only where a run has
// attempts in several pools is more looked at: its first in each of them, and where
// the order between runs and that within one differ, the first ones of other runs.
type Dispatcher struct {
	pools  []*pool
	byName map[string]int
	free   pool // of attempts that need no place: never full
	open   openPools
	aside  []*lane // filled anew by each Next
	jobs   int     // attempts at once, all pools; 0: no limit
	perRun int     // attempts of one run at once
	inUse  int
	seq    int64
	turns  int64
}

type pool struct {
	name        string
	size, inUse int
	heads       heads
	at          int // in Dispatcher.open; -1: it is full, or nothing may start in it
}

// lane is what a run has in a pool.
type lane struct {
	run     *Queue
	pool    *pool
	number  int // of the pool; -1: it is free
	tickets tickets
	held    int   // places in use
	turn    int64 // it had its last one, or began to wait, in the order of these
	at      int   // in pool.heads; -1: nothing is queued, or its run may have no more places
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
	lanes []*lane     // of the pools that it has had something in, by number
	inUse int         // places, in all of them
}

// NewDispatcher returns a dispatcher without pools. jobs is how many attempts
// may be at work at once in all pools together, perRun how many of one run; 0
// means no limit, and DefaultPerRun.
func NewDispatcher(jobs, perRun int) *Dispatcher {
	if perRun <= 0 {
		perRun = DefaultPerRun
	}
	return &Dispatcher{byName: make(map[string]int), free: pool{size: 1, at: -1}, jobs: jobs, perRun: perRun}
}

// AddPool adds a pool with that many places, at least one. A name twice is an
// error.
func (d *Dispatcher) AddPool(name string, size int) error {
	if _, ok := d.byName[name]; ok || name == "" || size < 1 {
		return fmt.Errorf("run: dispatcher: pool %q with %d places", name, size)
	}
	d.byName[name] = len(d.pools)
	d.pools = append(d.pools, &pool{name: name, size: size, at: -1})
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
	d.sort(d.pools[k])
	return nil
}

// Add makes room for a run.
func (d *Dispatcher) Add() *Queue { return &Queue{d: d} }

// Remove forgets a run and all that it has queued, and gives back the places that
// it still holds: releasing their tickets does nothing any more, and nothing can
// be queued. A second time, it does nothing.
func (d *Dispatcher) Remove(q *Queue) {
	if q.d != d {
		return
	}
	d.inUse -= q.inUse
	for _, l := range q.lanes {
		l.tickets = nil
		l.pool.inUse -= l.held
		d.line(l)
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
	if poolName != "" {
		k, ok := q.d.byName[poolName]
		if !ok {
			return fmt.Errorf("run: dispatcher: there is no pool %q", poolName)
		}
		t.pool = k
	}
	l := q.lane(t.pool)
	if len(l.tickets) == 0 {
		q.d.turn(l)
	}
	if l.tickets.push(t); l.tickets[0].seq == t.seq {
		q.d.line(l)
	}
	return nil
}

// lane is the queue's part of a pool, by its number.
func (q *Queue) lane(number int) *lane {
	if len(q.lanes) == 1 && q.lanes[0].number == number { // as in most runs
		return q.lanes[0]
	}
	i, ok := slices.BinarySearchFunc(q.lanes, number, func(l *lane, n int) int { return l.number - n })
	if !ok {
		p := &q.d.free
		if number >= 0 {
			p = q.d.pools[number]
		}
		q.lanes = slices.Insert(q.lanes, i, &lane{run: q, pool: p, number: number, at: -1})
	}
	return q.lanes[i]
}

// Next takes the attempt that is to start next, with its place, if any may
// start: of each run the first by rank, file and instance, and of these the first by
// priority, then that of the run with the fewest places in its pool, then that whose
// turn is longest ago: so no run waits for ever, however long the way of others. The
// driver applies
// AttemptStarted; where that is stale (the attempt was stopped while it was
// queued) it releases the ticket at once.
func (d *Dispatcher) Next() (Ticket, bool) {
	l := d.first()
	if l == nil {
		return Ticket{}, false
	}
	t := l.tickets.pop()
	q := l.run
	d.turn(l)
	if l.number < 0 {
		d.line(l)
		return t, true
	}
	d.inUse++
	q.inUse++
	l.held++
	l.pool.inUse++
	d.took(l, q.inUse == d.perRun)
	return t, true
}

// turn puts a lane behind all others that have as many places.
func (d *Dispatcher) turn(l *lane) {
	d.turns++
	l.turn = d.turns
}

// Release gives a ticket's place back. Once for each ticket that Next returned.
func (d *Dispatcher) Release(t Ticket) {
	q := t.Run
	if t.pool < 0 || q.d != d {
		return
	}
	l := q.lane(t.pool)
	d.inUse--
	q.inUse--
	l.held--
	l.pool.inUse--
	d.took(l, q.inUse == d.perRun-1)
}

// took mends the order after a place was taken or given back, and with that, if all, the
// run may have no more of them, or may again.
func (d *Dispatcher) took(l *lane, all bool) {
	d.line(l) // first: the heaps hold again then
	if !all {
		return
	}
	for _, other := range l.run.lanes {
		if other != l {
			d.line(other)
		}
	}
}

// first is the lane whose head starts next, nil for none. It goes through the heads that
// may start in the order between runs, until one is also the first within its run. Mixed
// into one comparison, that order and this could go in a circle.
func (d *Dispatcher) first() *lane {
	if d.jobs > 0 && d.inUse >= d.jobs { // what needs no place is in one lane of each run
		if len(d.free.heads) == 0 {
			return nil
		}
		return d.free.heads[0]
	}
	d.aside = d.aside[:0]
	var l *lane
	for len(d.open) > 0 {
		l = d.open[0].heads[0]
		if l.leads() {
			break
		}
		d.aside = append(d.aside, l)
		heap.Remove(&l.pool.heads, l.at)
		d.sort(l.pool)
	}
	for _, other := range d.aside {
		d.line(other)
	}
	clear(d.aside)
	return l
}

// leads reports whether a lane's head is the first of those of its run that may start.
func (l *lane) leads() bool {
	for _, other := range l.run.lanes {
		if other != l && other.at >= 0 && other.pool.at >= 0 && other.tickets[0].before(&l.tickets[0]) {
			return false
		}
	}
	return true
}

// line puts a lane where it belongs after something of it has changed, and its pool.
func (d *Dispatcher) line(l *lane) {
	h := &l.pool.heads
	may := len(l.tickets) > 0 && (l.number < 0 || l.run.inUse < d.perRun)
	switch {
	case may && l.at >= 0:
		if len(*h) > 1 {
			heap.Fix(h, l.at)
		}
	case may:
		heap.Push(h, l)
	case l.at >= 0:
		heap.Remove(h, l.at)
	}
	d.sort(l.pool)
}

// sort puts a pool where it belongs after something of it has changed.
func (d *Dispatcher) sort(p *pool) {
	may := len(p.heads) > 0 && p.inUse < p.size
	switch {
	case may && p.at >= 0:
		if len(d.open) > 1 {
			heap.Fix(&d.open, p.at)
		}
	case may:
		heap.Push(&d.open, p)
	case p.at >= 0:
		heap.Remove(&d.open, p.at)
	}
}

// Queued is how many attempts of a run wait for a place.
func (q *Queue) Queued() int {
	n := 0
	for _, l := range q.lanes {
		n += len(l.tickets)
	}
	return n
}

// heads are the lanes of a pool from which an attempt may start once there is a place, by
// the order between runs: a heap.
type heads []*lane

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return h[i].before(h[j]) }
func (h heads) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *heads) Push(x any) {
	l := x.(*lane)
	l.at = len(*h)
	*h = append(*h, l)
}

func (h *heads) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h, l.at = (*h)[:last], -1
	return l
}

// openPools are the pools in which an attempt may start now, by the first of their heads: a
// heap.
type openPools []*pool

func (o openPools) Len() int { return len(o) }
func (o openPools) Less(i, j int) bool {
	return o[i].heads[0].before(o[j].heads[0])
}
func (o openPools) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].at, o[j].at = i, j
}

func (o *openPools) Push(x any) {
	p := x.(*pool)
	p.at = len(*o)
	*o = append(*o, p)
}

func (o *openPools) Pop() any {
	last := len(*o) - 1
	p := (*o)[last]
	(*o)[last] = nil
	*o, p.at = (*o)[:last], -1
	return p
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

// before orders what different runs have in pools.
func (l *lane) before(m *lane) bool {
	switch p, q := l.tickets[0].rank.Priority, m.tickets[0].rank.Priority; {
	case p != q:
		return p > q
	case l.held != m.held:
		return l.held < m.held
	}
	return l.turn < m.turn
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
