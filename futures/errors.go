package futures

import (
	"context"
	"errors"
	"fmt"

	"flow/internal/task"
)

// Errors to compare with errors.Is.
var (
	// ErrCancelled: the future was cancelled. The error Is the cause as well,
	// if one was given.
	ErrCancelled = task.ErrCancelled
	// ErrInvalidState: a promise was kept twice, or after it was cancelled, or
	// in another way that its state does not allow.
	ErrInvalidState = errors.New("futures: invalid state")
	// ErrDeadlock: the wait would never have ended. See DeadlockError.
	ErrDeadlock = errors.New("futures: deadlock")
	// ErrAbandoned: the task that made the promise ended without keeping it.
	ErrAbandoned = task.ErrAbandoned
	// ErrGoexit: the task ended its goroutine with runtime.Goexit.
	ErrGoexit = errors.New("futures: task called runtime.Goexit")
)

var (
	errNilFuture  = errors.New("futures: nil future")
	errNilContext = errors.New("futures: nil context: use context.Background() to wait without a limit")
	errNilFailure = fmt.Errorf("%w: Fail needs an error that is not nil", ErrInvalidState)
)

// DeadlockError says that a wait would have closed a circle of waits. It Is
// ErrDeadlock.
type DeadlockError struct {
	// Cycle names who waits for whom; the last is the first again.
	Cycle []string
}

// Error returns "deadlock: a -> b -> a".
func (e *DeadlockError) Error() string { return task.Cycle(e.Cycle).Error() }

// Unwrap returns ErrDeadlock.
func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// WaitError says that the context ended a wait. The futures are as they were,
// and may be waited for again. It Is both ctx.Err() and context.Cause(ctx), so it
// Is context.DeadlineExceeded only if a deadline passed.
type WaitError struct {
	Unfinished, Total int   // how many futures were waited for, and were not done
	Cause             error // context.Cause of the context

	err error // ctx.Err(), where that is not the cause
}

func newWaitError(ctx context.Context, unfinished, total int) *WaitError {
	e := &WaitError{Unfinished: unfinished, Total: total, Cause: context.Cause(ctx)}
	if err := ctx.Err(); err != e.Cause {
		e.err = err
	}
	return e
}

// Error returns "2 (of 4) futures unfinished".
func (e *WaitError) Error() string {
	return fmt.Sprintf("%d (of %d) futures unfinished", e.Unfinished, e.Total)
}

// Unwrap returns the context's error and its cause.
func (e *WaitError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.err, e.Cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Timeout reports whether a deadline passed.
func (e *WaitError) Timeout() bool { return errors.Is(e, context.DeadlineExceeded) }

// TaskError says which task an error came from. It wraps an error where that
// crosses from a task into one that depends on it.
type TaskError struct {
	Task string // the name of the input that failed
	Err  error
}

// Error implements error.
func (e *TaskError) Error() string { return fmt.Sprintf("task %q: %v", e.Task, e.Err) }

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }

// PanicError is the error of a task that panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // of its goroutine, as debug.Stack formats it
}

// Error returns the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// waitError turns what a wait in package task returned into the error of a wait
// here, for total futures of which unfinished were not done.
func waitError(ctx context.Context, err error, unfinished, total int) error {
	if err == task.ErrLeft {
		return newWaitError(ctx, unfinished, total)
	}
	if cycle, ok := err.(task.Cycle); ok {
		return &DeadlockError{Cycle: cycle}
	}
	return err
}
