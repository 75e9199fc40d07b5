package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Errors to compare with errors.Is.
var (
	// ErrShutdown: the pool takes no more tasks, or ended this one.
	ErrShutdown = errors.New("executor: pool is shut down")
	// ErrBrokenPool: the pool can't run anything any more. See BrokenError.
	ErrBrokenPool = errors.New("executor: pool is broken")
	// ErrQueueFull: the queue has reached its limit, and rejects.
	ErrQueueFull = errors.New("executor: queue is full")
	// ErrSaturated: more tasks than MaxBlocked would wait at once.
	ErrSaturated = errors.New("executor: too many tasks wait")
)

// BrokenError says what broke a pool, or the worker that ran one task. It Is
// ErrBrokenPool only if the pool as a whole is broken, and Is the cause.
type BrokenError struct {
	Pool, Worker, Task string
	PID                int       // of a worker process
	ExitCode           int       // of a worker process; -1 if a signal ended it
	Signal             os.Signal // that ended a worker process
	OOM                bool      // it ran out of memory
	MaxRSS             int64     // bytes
	StderrTail         string    // the end of what it wrote
	Cause              error

	pool  bool // the pool itself is broken
	fresh bool // it was a process that was not ready yet
}

// Error says what ended, how, and the last line that it wrote to stderr.
func (e *BrokenError) Error() string {
	var b strings.Builder
	b.WriteString("executor: ")
	if e.pool {
		fmt.Fprintf(&b, "pool %s is broken", e.Pool)
	}
	if e.pool && e.PID != 0 {
		b.WriteString(": ")
	}
	if !e.pool || e.PID != 0 {
		fmt.Fprintf(&b, "worker %s", e.Worker)
	}
	switch {
	case e.PID == 0: // a goroutine, or a process that never was
		if !e.pool {
			b.WriteString(" is broken")
		}
	case e.OOM:
		fmt.Fprintf(&b, " (pid %d) was killed by the system, which had run out of memory", e.PID)
	case e.Signal != nil:
		fmt.Fprintf(&b, " (pid %d) was ended by a signal: %v", e.PID, e.Signal)
	default:
		fmt.Fprintf(&b, " (pid %d) ended with exit code %d", e.PID, e.ExitCode)
	}
	if e.fresh {
		b.WriteString(" before it was ready")
	} else if e.Task != "" && e.PID != 0 {
		fmt.Fprintf(&b, " in the middle of %s", e.Task)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	} else if line := tellingLine(e.StderrTail); line != "" {
		fmt.Fprintf(&b, ": %s", line)
	}
	return b.String()
}

// tellingLine is the line of a worker's last words that says most: that of a panic of Go,
// which has its stack below, else the last one with anything in it.
func tellingLine(s string) string {
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// Is reports whether target is ErrBrokenPool and the pool itself is broken.
func (e *BrokenError) Is(target error) bool { return e.pool && target == ErrBrokenPool }

// Unwrap returns the cause.
func (e *BrokenError) Unwrap() error { return e.Cause }

// ShutdownError says that the context ended a Shutdown before the tasks did. It
// Is both ctx.Err() and context.Cause(ctx).
type ShutdownError struct {
	Running []string // names of the tasks that have started and not returned

	pool    string
	waiting int // tasks that have not started
	causes  []error
}

func newShutdownError(ctx context.Context, p *pool) *ShutdownError {
	running, waiting := p.unfinished()
	return &ShutdownError{
		Running: running, pool: p.name, waiting: waiting,
		causes: []error{ctx.Err(), context.Cause(ctx)},
	}
}

// Error implements error.
func (e *ShutdownError) Error() string {
	const most = 5
	names := e.Running
	if len(names) > most {
		names = append(append([]string(nil), names[:most]...), "…")
	}
	return fmt.Sprintf("executor: shutdown of %s: %d tasks still run (%s), %d not started",
		e.pool, len(e.Running), strings.Join(names, ", "), e.waiting)
}

// Unwrap returns what ended the wait.
func (e *ShutdownError) Unwrap() []error { return e.causes }
