package futures_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"flow/futures"
)

// A task may fail with ErrCancelled: then it has failed, and is not cancelled.
func TestRow24AnErrorThatIsErrCancelledIsAFailure(t *testing.T) {
	f := futures.Failed[int](fmt.Errorf("own: %w", futures.ErrCancelled))
	if f.State() != futures.Finished {
		t.Error(f)
	}
	if task, wait := f.Err(t.Context()); !errors.Is(task, futures.ErrCancelled) || wait != nil {
		t.Error(task, wait)
	}
	anys, _, err := futures.Wait(t.Context(), futures.FirstException, futures.NewPromise[int](t.Context(), "").Future(), f)
	if len(anys) != 1 || err != nil {
		t.Error(anys, err)
	}
}

// A task's timeout and the wait's are told apart.
func TestRow35ATaskMayTimeOutItself(t *testing.T) {
	over, cancel := context.WithDeadline(t.Context(), time.Time{}) // row 31: the same as a wait of no time
	defer cancel()
	for name, tc := range map[string]struct {
		f     *futures.Future[int]
		waits bool
	}{
		"the task's": {futures.Failed[int](context.DeadlineExceeded), false},
		"the wait's": {futures.NewPromise[int](t.Context(), "").Future(), true},
	} {
		_, err := tc.f.Result(over)
		wait, is := errors.AsType[*futures.WaitError](err)
		if !errors.Is(err, context.DeadlineExceeded) || is != tc.waits {
			t.Errorf("%s: %v", name, err)
		}
		if is && (!wait.Timeout() || wait.Cause != context.DeadlineExceeded) { // row 231
			t.Errorf("%s: %+v", name, wait)
		}
	}
}

// Who fails gets the error as it is, each time the same: rows 27 and 36.
func TestRow27TheErrorIsTheTasks(t *testing.T) {
	f := futures.Failed[int](io.EOF)
	for range 2 {
		if _, err := f.Result(t.Context()); err != io.EOF {
			t.Error(err)
		}
	}
}

// Rows 230, 231 and 235: what the errors are, and say.
func TestRow230Errors(t *testing.T) {
	cause := errors.New("cause")
	aborted := futures.NewPromise[int](t.Context(), "a").Future()
	aborted.Abort(cause)
	_, cancelled, _ := aborted.TryResult()
	for _, tc := range []struct {
		err  error
		is   []error
		text string
	}{
		{cancelled, []error{futures.ErrCancelled, cause}, "futures: cancelled: cause"},
		{inState(t, futures.Finished).Set(1), []error{futures.ErrInvalidState}, `futures: invalid state: future "x" is finished`},
		{&futures.DeadlockError{Cycle: []string{"a", "b", "a"}}, []error{futures.ErrDeadlock}, "deadlock: a -> b -> a"},
		{&futures.WaitError{Unfinished: 2, Total: 4, Cause: cause}, []error{cause}, "2 (of 4) futures unfinished"},
		{&futures.TaskError{Task: "a", Err: cause}, []error{cause}, `task "a": cause`},
		{&futures.PanicError{Value: cause}, []error{cause}, "panic: cause"},
		{&futures.PanicError{Value: 7}, nil, "panic: 7"},
	} {
		if tc.err.Error() != tc.text {
			t.Errorf("got %q, want %q", tc.err.Error(), tc.text)
		}
		for _, is := range tc.is {
			if !errors.Is(tc.err, is) {
				t.Errorf("%q is not %v", tc.text, is)
			}
		}
		if (&futures.WaitError{Cause: context.Canceled}).Timeout() {
			t.Error("a cancel is a timeout")
		}
	}
}
