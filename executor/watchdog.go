package executor

import (
	"cmp"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"flow/internal/task"
)

// watchdog notices that its pool gets nowhere. It is a timer that is pending while
// there are tasks, until it has told of the stall. Everything in it is guarded by the
// pool's lock.
type watchdog struct {
	pool  *pool
	timer *time.Timer // nil: never set
	set   bool        // the timer is pending, or its function at work
	told  bool        // of the present stall
	last  time.Time   // when something moved
}

// moved notes that a task has started, ended, begun to wait or gone on. The pool's
// lock is held. The nil watchdog of most pools notes nothing.
func (d *watchdog) moved() {
	if d != nil {
		d.last, d.told = time.Now(), false
		d.arm(d.pool.options.stallAfter)
	}
}

// came notes that there is one more task, which is no progress.
func (d *watchdog) came() {
	if d != nil && !d.set && !d.told {
		d.moved()
	}
}

// arm sets the timer, unless it is set.
func (d *watchdog) arm(after time.Duration) {
	switch {
	case d.set:
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(after, d.look)
	default:
		d.timer.Reset(after)
	}
	d.set = true
}

// stop ends the watch: the pool has ended.
func (d *watchdog) stop() {
	if d != nil && d.timer != nil {
		d.timer.Stop()
	}
}

// look is the timer's function.
func (d *watchdog) look() {
	p := d.pool
	p.mu.Lock()
	quiet, stalled := d.stalled()
	if !stalled {
		p.mu.Unlock()
		return
	}
	stall, goroutines := p.picture(quiet)
	p.mu.Unlock()
	defer d.rest()
	d.tell(stall, goroutines)
}

// stalled reports whether there is a stall to tell of. If it may come to one, the timer
// is set again.
func (d *watchdog) stalled() (quiet time.Duration, yes bool) {
	p := d.pool
	d.set = false
	if len(p.workers) == len(p.idle) && p.queue.len() == 0 && p.held.n == 0 {
		return 0, false
	}
	quiet = time.Since(d.last)
	if left := p.options.stallAfter - quiet; left > 0 {
		d.arm(left)
		return quiet, false
	}
	d.set, d.told = true, true
	return quiet, true
}

// rest goes on watching after a stall was told of, if something has moved by now.
func (d *watchdog) rest() {
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	d.set = false
	if !d.told && !d.pool.over {
		d.arm(d.pool.options.stallAfter)
	}
}

// tell completes the picture and hands it on.
func (d *watchdog) tell(stall Stall, goroutines []int64) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("executor: OnStall panicked", "pool", stall.Pool, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	seen := sightings(goroutines)
	for i, id := range goroutines {
		stall.Tasks[i].Goroutine, stall.Tasks[i].Site = seen[id].reason, seen[id].site
	}
	d.pool.options.onStall(stall)
}

// mostWaiting is how many tasks that have not started a Stall lists at most.
const mostWaiting = 100

// picture describes the pool, and says on which goroutines the first tasks of it run.
func (p *pool) picture(quiet time.Duration) (Stall, []int64) {
	s := Stall{Pool: p.name, Quiet: quiet, Stats: p.stats()}
	var busy []*worker
	for wk := range p.workers {
		if wk.task != nil {
			busy = append(busy, wk)
		}
	}
	slices.SortFunc(busy, func(a, b *worker) int { return cmp.Compare(a.task.number, b.task.number) })
	goroutines := make([]int64, len(busy))
	for i, wk := range busy {
		goroutines[i] = wk.goroutine.Load()
		s.Tasks = append(s.Tasks, wk.task.stalled())
	}
	waiting := p.queue.first(mostWaiting)
	for w := p.held.first; w != nil && len(waiting) < mostWaiting; w = w.next {
		waiting = append(waiting, w)
	}
	for _, w := range waiting {
		s.Tasks = append(s.Tasks, w.stalled())
	}
	return s, goroutines
}

// stalled describes a task that the pool has not ended.
func (w *work) stalled() StalledTask {
	t := StalledTask{Name: w.node.Name()}
	switch w.phase {
	case holding:
		t.State = TaskHeld
	case queued:
		t.State = TaskQueued
	case away:
		t.State = TaskBlocked
	case back:
		t.State = TaskReturning
	case stray:
		t.State = TaskStray
	default:
		t.State = TaskRunning
	}
	for _, n := range w.node.WaitsFor(mostWaiting) {
		t.WaitsFor = append(t.WaitsFor, nameOf(n))
	}
	return t
}

// nameOf is a node's name, or what to call it where it has none.
func nameOf(n *task.Node) string {
	return cmp.Or(n.Name(), "a future without a name")
}
