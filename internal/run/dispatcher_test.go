package run

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// dispatching is a dispatcher beside a model of it: lists that are searched.
type dispatching struct {
	t       *rapid.T
	d       *Dispatcher
	jobs    int
	perRun  int
	pools   []int // sizes; pool k is called p<k>
	runs    []*modelRun
	removed []*modelRun
	seq     int64
	turns   int
}

type modelRun struct {
	q      *Queue
	queued []Ticket
	held   []Ticket
	turn   map[int]int // by pool: it had its last place, or began to wait, in the order of these
}

// inOrder is the order of attempts within a run.
func inOrder(a, b Ticket) int {
	return cmp.Or(byRank(a, b), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.seq, b.seq))
}

func byRank(a, b Ticket) int {
	return cmp.Or(cmp.Compare(b.rank.Priority, a.rank.Priority), cmp.Compare(b.rank.Path, a.rank.Path))
}

// used are the places in use: in a pool, or in all for -1; of one run, or of all
// for nil.
func (m *dispatching) used(pool int, of *modelRun) int {
	n := 0
	for _, r := range m.runs {
		for _, t := range r.held {
			if (of == nil || of == r) && t.pool >= 0 && (pool < 0 || pool == t.pool) {
				n++
			}
		}
	}
	return n
}

func (m *dispatching) mayStart(r *modelRun, t Ticket) bool {
	return t.pool < 0 || (m.jobs == 0 || m.used(-1, nil) < m.jobs) &&
		m.used(-1, r) < m.perRun && m.used(t.pool, nil) < m.pools[t.pool]
}

// want is the attempt that is to start next.
func (m *dispatching) want() (of *modelRun, best Ticket) {
	for _, r := range m.runs {
		can := slices.DeleteFunc(slices.Clone(r.queued), func(t Ticket) bool { return !m.mayStart(r, t) })
		if len(can) == 0 {
			continue
		}
		t := slices.MinFunc(can, inOrder)
		if of == nil || cmp.Or(cmp.Compare(best.rank.Priority, t.rank.Priority),
			cmp.Compare(m.held(r, t.pool), m.held(of, best.pool)), cmp.Compare(r.turn[t.pool], of.turn[best.pool])) < 0 {
			of, best = r, t
		}
	}
	return of, best
}

// held is how many places of a pool a run has; what needs none has none.
func (m *dispatching) held(r *modelRun, pool int) int {
	if pool < 0 {
		return 0
	}
	return m.used(pool, r)
}

func (m *dispatching) turn(r *modelRun, pool int) {
	m.turns++
	if r.turn == nil {
		r.turn = make(map[int]int)
	}
	r.turn[pool] = m.turns
}

func (m *dispatching) next() bool {
	r, want := m.want()
	got, ok := m.d.Next()
	if ok != (r != nil) || ok && got != want {
		m.t.Fatalf("next is %+v (%t), want %+v (%t)", got, ok, want, r != nil)
	}
	if ok {
		r.queued = slices.DeleteFunc(r.queued, func(t Ticket) bool { return t == got })
		r.held = append(r.held, got)
		m.turn(r, got.pool)
	}
	return ok
}

func (m *dispatching) enqueue(r *modelRun) {
	draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(m.t, name) }
	c := Command{Kind: StartAttempt, Task: int32(draw("task", 3)), Instance: int32(draw("instance", 2)), Attempt: 1,
		Rank: Rank{Priority: int32(draw("priority", 1)), Path: int64(draw("path", 2))}}
	pool := draw("pool", len(m.pools)) - 1
	name := ""
	if pool >= 0 {
		name = fmt.Sprint("p", pool)
	}
	if err := r.q.Enqueue(c, name); err != nil {
		m.t.Fatal(err)
	}
	if !slices.ContainsFunc(r.queued, func(t Ticket) bool { return t.pool == pool }) {
		m.turn(r, pool)
	}
	r.queued = append(r.queued, Ticket{Run: r.q, Task: c.Task, Instance: c.Instance, Attempt: 1, rank: c.Rank, seq: m.seq, pool: pool})
	m.seq++
}

func (m *dispatching) release(r *modelRun) {
	k := rapid.IntRange(0, len(r.held)-1).Draw(m.t, "ticket")
	m.d.Release(r.held[k])
	r.held = slices.Delete(r.held, k, k+1)
}

func (m *dispatching) remove(k int) {
	r := m.runs[k]
	m.d.Remove(r.q)
	m.runs = slices.Delete(m.runs, k, k+1)
	m.removed = append(m.removed, r)
}

// dead does to a removed run what does nothing any more.
func (m *dispatching) dead(r *modelRun) {
	m.d.Remove(r.q)
	if len(r.held) > 0 {
		m.release(r)
	}
	if r.q.Enqueue(Command{Kind: StartAttempt}, "") == nil || r.q.Queued() != 0 {
		m.t.Fatal("a run that was removed can queue something")
	}
}

func (m *dispatching) addPool() {
	size := rapid.IntRange(1, 3).Draw(m.t, "size")
	if err := m.d.AddPool(fmt.Sprint("p", len(m.pools)), size); err != nil {
		m.t.Fatal(err)
	}
	m.pools = append(m.pools, size)
}

func (m *dispatching) resize() {
	k := rapid.IntRange(0, len(m.pools)-1).Draw(m.t, "pool")
	m.pools[k] = rapid.IntRange(1, 3).Draw(m.t, "size")
	if err := m.d.Resize(fmt.Sprint("p", k), m.pools[k]); err != nil {
		m.t.Fatal(err)
	}
}

func (m *dispatching) step() {
	k := rapid.IntRange(0, 19).Draw(m.t, "step")
	if k == 0 && len(m.pools) < 4 {
		m.addPool()
		return
	}
	if k == 4 && rapid.Bool().Draw(m.t, "resize") {
		m.resize()
		return
	}
	if k == 1 && len(m.removed) > 0 {
		m.dead(rapid.SampledFrom(m.removed).Draw(m.t, "removed"))
		return
	}
	if k == 2 && len(m.runs) < 4 || len(m.runs) == 0 {
		m.runs = append(m.runs, &modelRun{q: m.d.Add()})
		return
	}
	at := rapid.IntRange(0, len(m.runs)-1).Draw(m.t, "run")
	switch r := m.runs[at]; {
	case k == 3:
		m.remove(at)
	case k < 10:
		m.enqueue(r)
	case k < 13 && len(r.held) > 0:
		m.release(r)
	default:
		m.next()
	}
}

// compare holds the dispatcher's counts against the model's.
func (m *dispatching) compare() {
	if m.d.inUse != m.used(-1, nil) || m.jobs > 0 && m.d.inUse > m.jobs {
		m.t.Fatalf("%d places are in use, tickets hold %d, jobs is %d", m.d.inUse, m.used(-1, nil), m.jobs)
	}
	for k, p := range m.d.pools {
		if p.inUse != m.used(k, nil) { // it may have more than its size, which has changed
			m.t.Fatalf("%d places of pool %d are in use, tickets hold %d, it has %d", p.inUse, k, m.used(k, nil), m.pools[k])
		}
	}
	for _, r := range m.runs {
		if r.q.inUse != m.used(-1, r) || r.q.inUse > m.perRun || r.q.Queued() != len(r.queued) {
			m.t.Fatalf("a run has %d places and %d queued, want %d (at most %d) and %d",
				r.q.inUse, r.q.Queued(), m.used(-1, r), m.perRun, len(r.queued))
		}
	}
}

// TestDispatcher: places in use are those of the tickets of living runs, never
// more than there are; what starts is the first of what may; and when all is
// given back, all that is queued can be had.
func TestDispatcher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &dispatching{t: t, jobs: rapid.IntRange(0, 4).Draw(t, "jobs"), perRun: rapid.IntRange(1, 3).Draw(t, "per run")}
		m.d = NewDispatcher(m.jobs, m.perRun)
		for range rapid.IntRange(1, 3).Draw(t, "pools") {
			m.addPool()
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			m.step()
			m.compare()
		}
		left := 0
		for _, r := range m.runs {
			left += len(r.queued)
		}
		for ; left >= 0; left-- {
			for _, r := range m.runs {
				for len(r.held) > 0 {
					m.release(r)
				}
			}
			if m.next() != (left > 0) {
				t.Fatalf("with all places free and %d attempts queued: none, or one too many", left)
			}
			m.compare()
		}
	})
}

func TestDispatcherRefuses(t *testing.T) {
	d := NewDispatcher(0, 0)
	if err := d.AddPool("p", 1); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"p": 1, "": 1, "none": 0} {
		if d.AddPool(name, size) == nil {
			t.Errorf("pool %q with %d places was added", name, size)
		}
	}
	if q := d.Add(); q.Enqueue(Command{Kind: StartAttempt}, "none") == nil || q.Queued() != 0 {
		t.Error("an attempt waits for a pool that there is none of")
	}
}

// TestDispatcherOfManyRuns: what Next costs, and what a run holds, does not grow with the
// runs and pools that there are.
func TestDispatcherOfManyRuns(t *testing.T) {
	const runs, pools, places = 10_000, 1_000, 2
	d := NewDispatcher(0, 0)
	for k := range pools {
		if err := d.AddPool(fmt.Sprint("p", k), places); err != nil {
			t.Fatal(err)
		}
	}
	before := heaped()
	all := make([]*Queue, runs)
	for k := range all {
		all[k] = d.Add()
		if err := all[k].Enqueue(Command{Kind: StartAttempt, Attempt: 1}, fmt.Sprint("p", k%pools)); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heaped() - before) / runs; each > 1000 {
		t.Errorf("%d bytes a run", each)
	}
	began, next := time.Now(), 0
	for t, ok := d.Next(); ok; t, ok = d.Next() {
		if next++; next > pools*places {
			break
		}
		if t.Run != all[next-1] {
			break // not the one that has waited for longest
		}
	}
	if took := time.Since(began); next != pools*places || took > 10*time.Second { // with a look at each it would be a minute
		t.Errorf("%d places were handed out in their order, in %s", next, took)
	}
	runtime.KeepAlive(all)
}

// A run is served in its turn, however many come after it whose way is longer.
func TestNoRunWaitsForEver(t *testing.T) {
	d := NewDispatcher(0, 0)
	if err := d.AddPool("p", 1); err != nil {
		t.Fatal(err)
	}
	enqueue := func(path int64, n int) *Queue {
		q := d.Add()
		for i := range n {
			if err := q.Enqueue(Command{Kind: StartAttempt, Task: int32(i), Instance: -1, Attempt: 1, Rank: Rank{Path: path}}, "p"); err != nil {
				t.Fatal(err)
			}
		}
		return q
	}
	wide, short := enqueue(1000, 50), enqueue(1, 1)
	served := make(map[*Queue]int)
	for turn := range 60 {
		enqueue(1000, 1) // another long one comes each time
		ticket, ok := d.Next()
		if !ok {
			t.Fatal("there is a place")
		}
		served[ticket.Run]++
		if d.Release(ticket); turn == 3 && served[short] != 1 {
			t.Error("the short one was not served in its turn")
		}
	}
	if served[wide] < 5 {
		t.Errorf("the wide one was served %d times", served[wide])
	}
}
