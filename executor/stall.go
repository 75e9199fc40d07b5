package executor

import (
	"fmt"
	"strings"
	"time"
)

// OnStall has fn told when the pool gets nowhere: for a time of after, which is more
// than 0, no task has started, ended, begun to wait or gone on, though there are some.
// It is for what ErrDeadlock can't see, since the pool is not told of it: channels,
// mutexes, a Blocking that never returns, a promise that nobody keeps.
//
// A task that simply takes longer than after looks the same from outside. The Stall
// tells one from the other: such a task's goroutine is at work, or in a system call,
// and not in a channel or a lock.
//
// fn is called once for a stall, and again only after something has moved; on a
// goroutine of its own, one call at a time, which Close does not wait for. It may use
// the pool. A panic in it is logged. To make a Stall stops the program for about
// 3 ms a thousand goroutines that it has. Besides, a pool with OnStall reads the clock
// a few times a task; one without pays nothing.
func OnStall(after time.Duration, fn func(Stall)) PoolOption {
	return poolOption(func(o *poolOptions) error {
		switch {
		case after <= 0:
			return fmt.Errorf("OnStall(%s): must be positive", after)
		case fn == nil:
			return fmt.Errorf("OnStall: nil function")
		}
		o.stallAfter, o.onStall = after, fn
		return nil
	})
}

// Stall is a picture of a pool that gets nowhere.
type Stall struct {
	Pool  string
	Quiet time.Duration // for how long nothing has happened
	Stats Stats
	// Tasks are those that have started, then those that are queued, in the order in
	// which they will start, and those that are held, up to 100 of the last two. Within
	// the first and the last they are in the order of coming.
	Tasks []StalledTask
}

// StalledTask is one task of a Stall.
type StalledTask struct {
	Name  string
	State TaskState
	// WaitsFor names the futures that a blocked task waits for, or a held one's inputs
	// that are not done, up to 100.
	WaitsFor []string
	// Goroutine is what the runtime says of the worker that runs the task: "chan
	// receive", "sync.Mutex.Lock", "select", "sleep", "IO wait", "syscall", "running",
	// "runnable". Empty if the task has not started.
	Goroutine string
	// Site is where the task's function is, or waits: the function, the file and the
	// line of the last call that is not of this module, of sync or the like.
	Site string
}

// TaskState is what a pool has a task down for.
type TaskState string

// The states of a task in a Stall.
const (
	TaskRunning   TaskState = "running"   // holds its place, whatever its goroutine does
	TaskBlocked   TaskState = "blocked"   // waits for futures, or in Blocking, with its place given back
	TaskReturning TaskState = "returning" // its wait is over and it wants a place again
	TaskStray     TaskState = "stray"     // its Timeout has passed, its function has not returned
	TaskQueued    TaskState = "queued"    // waits for a place to start
	TaskHeld      TaskState = "held"      // waits for its inputs
)

// String describes the stall, with a line for each task.
func (s Stall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "executor: nothing has moved in %s for %s: %d running, %d blocked, %d stray, %d queued, %d held",
		s.Pool, s.Quiet, s.Stats.Running, s.Stats.Blocked, s.Stats.Stray, s.Stats.Queued, s.Stats.Held)
	for _, t := range s.Tasks {
		b.WriteString("\n\t" + t.String())
	}
	return b.String()
}

// String describes the task in one line.
func (t StalledTask) String() string {
	s := fmt.Sprintf("%s: %s", t.Name, t.State)
	if len(t.WaitsFor) > 0 {
		s += ", waits for " + strings.Join(t.WaitsFor, ", ")
	}
	if t.Goroutine != "" {
		s += fmt.Sprintf(" (%s at %s)", t.Goroutine, t.Site)
	}
	return s
}
