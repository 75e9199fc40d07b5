package futures_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"flow/futures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFailure = errors.New("failure")

// make returns a promise in each state, by name.
func inState(t *testing.T, s futures.State) *futures.Promise[int] {
	t.Helper()
	p := futures.NewPromise[int](t.Context(), "x")
	switch s {
	case futures.Running:
		p.SetRunningOrNotifyCancel()
	case futures.Cancelled:
		p.Future().Cancel()
	case futures.Finished:
		p.Set(1)
	}
	if p.Future().State() != s {
		t.Fatalf("state %v", p.Future().State())
	}
	return p
}

func TestRows1To18Transitions(t *testing.T) {
	for _, tc := range []struct {
		from        futures.State
		cancel      bool
		afterCancel futures.State
		run         bool // SetRunningOrNotifyCancel allows it
		runErr      bool
		keep        bool // Set and Fail are allowed
		abort       bool
	}{
		{futures.Pending, true, futures.Cancelled, true, false, true, true},
		{futures.Running, false, futures.Running, false, true, true, true},
		{futures.Cancelled, true, futures.Cancelled, false, false, false, true},
		{futures.Finished, false, futures.Finished, false, true, false, false},
	} {
		t.Run(tc.from.String(), func(t *testing.T) {
			p := inState(t, tc.from)
			if got := p.Future().Cancel(); got != tc.cancel || p.Future().State() != tc.afterCancel {
				t.Errorf("Cancel: %v, %v", got, p.Future().State())
			}
			p = inState(t, tc.from)
			if run, err := p.SetRunningOrNotifyCancel(); run != tc.run || errors.Is(err, futures.ErrInvalidState) != tc.runErr {
				t.Errorf("SetRunningOrNotifyCancel: %v, %v", run, err)
			}
			for name, keep := range map[string]func(*futures.Promise[int]) error{
				"Set":  func(p *futures.Promise[int]) error { return p.Set(2) },
				"Fail": func(p *futures.Promise[int]) error { return p.Fail(errFailure) },
			} {
				p = inState(t, tc.from)
				err := keep(p)
				if (err == nil) != tc.keep || err != nil && !errors.Is(err, futures.ErrInvalidState) {
					t.Errorf("%s: %v", name, err)
				}
				if err != nil && (!strings.Contains(err.Error(), tc.from.String()) || !strings.Contains(err.Error(), `"x"`)) {
					t.Errorf("%s: text %q", name, err)
				}
				if v, _, _ := p.Future().TryResult(); tc.from == futures.Finished && v != 1 {
					t.Errorf("%s changed the value to %d", name, v)
				}
			}
			p = inState(t, tc.from)
			if got := p.Future().Abort(errFailure); got != tc.abort {
				t.Errorf("Abort: %v", got)
			}
		})
	}
}

func TestRow17FailNeedsAnError(t *testing.T) {
	p := inState(t, futures.Pending)
	if err := p.Fail(nil); !errors.Is(err, futures.ErrInvalidState) || p.Future().State() != futures.Pending {
		t.Fatal(err, p)
	}
	if _, err, ok := futures.Failed[int](nil).TryResult(); !ok || err == nil {
		t.Fatal(err, ok)
	}
}

// oddError is an error whose nil pointer is one too.
type oddError struct{ text string }

func (e *oddError) Error() string { return e.text }

func TestRow18TypedNilErrorIsAFailure(t *testing.T) {
	f := futures.Failed[int]((*oddError)(nil))
	if _, err, _ := f.TryResult(); err == nil {
		t.Fatal("lost")
	}
	if text := (&futures.TaskError{Task: "a", Err: (*oddError)(nil)}).Error(); !strings.Contains(text, `"a"`) {
		t.Fatal(text)
	}
}

func TestRow19StringNeverShowsTheValue(t *testing.T) {
	p := futures.NewPromise[string](t.Context(), "token")
	if s := p.Future().String(); s != `future "token" (pending)` {
		t.Error(s)
	}
	p.Set("secret")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, x := range []any{p, p.Future()} {
			if s := fmt.Sprintf(verb, x); strings.Contains(s, "secret") || !strings.Contains(s, "token") || !strings.Contains(s, "finished") {
				t.Errorf("%s: %s", verb, s)
			}
		}
	}
}

func TestRow20ReadersSeeAWholeResult(t *testing.T) {
	for range 200 {
		p := futures.NewPromise[[2]int](t.Context(), "")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					if v, err, ok := p.Future().TryResult(); ok {
						if v != [2]int{1, 2} || err != nil {
							t.Error(v, err)
						}
						return
					}
					runtime.Gosched()
				}
			})
		}
		wg.Go(func() { p.Set([2]int{1, 2}) })
		wg.Wait()
	}
}

// Exactly one of those who race to end a future does.
func TestEndsOnce(t *testing.T) {
	for range 500 {
		p := futures.NewPromise[int](t.Context(), "")
		var ends, calls atomic.Int32
		p.Future().OnDone(func(*futures.Future[int]) { calls.Add(1) })
		var wg sync.WaitGroup
		wg.Go(func() {
			if p.Set(1) == nil {
				ends.Add(1)
			}
		})
		wg.Go(func() {
			if p.Fail(errFailure) == nil {
				ends.Add(1)
			}
		})
		wg.Go(func() {
			if p.Future().Cancel() {
				ends.Add(1)
			}
		})
		wg.Go(func() {
			if run, _ := p.SetRunningOrNotifyCancel(); run && p.Future().State() == futures.Cancelled {
				t.Error("runs though it is cancelled")
			}
		})
		wg.Wait()
		if ends.Load() != 1 || calls.Load() != 1 {
			t.Fatalf("ended %d times, called back %d times", ends.Load(), calls.Load())
		}
	}
}

func TestRows26To35Result(t *testing.T) {
	background := t.Context()
	over, cancel := context.WithCancelCause(background)
	cancel(errFailure)
	cancelled := inState(t, futures.Cancelled).Future()
	for _, tc := range []struct {
		name       string
		f          *futures.Future[int]
		ctx        context.Context
		value      int
		task, wait error // what the errors are
	}{
		{"value", futures.Resolved(3), background, 3, nil, nil},
		{"row 30: done beats ctx", futures.Resolved(3), over, 3, nil, nil},
		{"error", futures.Failed[int](errFailure), background, 0, errFailure, nil},
		{"row 28: cancelled", cancelled, background, 0, nil, futures.ErrCancelled},
		{"cancelled beats ctx", cancelled, over, 0, nil, futures.ErrCancelled},
		{"row 29: ctx done", inState(t, futures.Running).Future(), over, 0, nil, errFailure},
		{"ctx done: Is ctx.Err too", inState(t, futures.Running).Future(), over, 0, nil, context.Canceled},
		{"nil future", nil, background, 0, errors.ErrUnsupported, nil},
		{"nil context", inState(t, futures.Pending).Future(), nil, 0, nil, errors.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			is := func(err, want error) bool {
				return errors.Is(err, want) || want == errors.ErrUnsupported && err != nil
			}
			v, err := tc.f.Result(tc.ctx)
			if want := errors.Join(tc.task, tc.wait); v != tc.value || want == nil && err != nil || !is(err, tc.task) && !is(err, tc.wait) {
				t.Errorf("Result: %v, %v", v, err)
			}
			if task, wait := tc.f.Err(tc.ctx); !is(task, tc.task) || !is(wait, tc.wait) {
				t.Errorf("Err: %v, %v", task, wait)
			}
		})
	}
}

func TestRow33ATimeoutChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := futures.NewPromise[int](t.Context(), "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Future().Result(ctx)
		wait, ok := errors.AsType[*futures.WaitError](err)
		if !ok || !errors.Is(err, context.DeadlineExceeded) || !wait.Timeout() || wait.Total != 1 || wait.Unfinished != 1 {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { p.Set(5) })
		if v, err := p.Future().Result(t.Context()); v != 5 || err != nil {
			t.Fatal(v, err)
		}
	})
}

func TestRow28CancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := futures.NewPromise[int](t.Context(), "x")
		time.AfterFunc(time.Second, func() { p.Future().Abort(errFailure) })
		if _, err := p.Future().Result(t.Context()); !errors.Is(err, futures.ErrCancelled) || !errors.Is(err, errFailure) {
			t.Fatal(err)
		}
	})
}

func TestWaitErrorIsATimeoutOnlyAfterADeadline(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errFailure)
	_, err := inState(t, futures.Pending).Future().Result(ctx)
	if errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, context.Canceled) || !errors.Is(err, errFailure) {
		t.Fatal(err)
	}
	if text := (&futures.WaitError{Unfinished: 2, Total: 4}).Error(); text != "2 (of 4) futures unfinished" { // row 83
		t.Fatal(text)
	}
}

func TestDone(t *testing.T) {
	for _, s := range []futures.State{futures.Cancelled, futures.Finished} {
		<-inState(t, s).Future().Done()
	}
	p := inState(t, futures.Pending)
	done := p.Future().Done()
	select {
	case <-done:
		t.Fatal("closed before")
	default:
	}
	p.Set(1)
	<-done
	if p.Future().Done() != done {
		t.Error("another channel")
	}
}

func TestPromiseContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
	p := futures.NewPromise[int](ctx, "x")
	cancel() // says who owns it and nothing more
	work := p.Context()
	if work.Err() != nil || work.Value(key{}) != 1 {
		t.Fatal(work.Err())
	}
	p.SetRunningOrNotifyCancel()
	p.Future().Abort(errFailure)
	<-work.Done()
	if context.Cause(work) != errFailure || p.Future().State() != futures.Running {
		t.Fatal(context.Cause(work))
	}
	p.Set(1)
}

// Waits with a promise's own context are its waits, so circles of promises show.
func TestDeadlockOfPromises(t *testing.T) {
	a, b := futures.NewPromise[int](t.Context(), "a"), futures.NewPromise[int](t.Context(), "b")
	var errs [2]error
	var wg sync.WaitGroup
	for i, p := range []*futures.Promise[int]{a, b} {
		other := []*futures.Promise[int]{b, a}[i]
		wg.Go(func() {
			_, err := other.Future().Result(p.Context())
			errs[i] = err
			p.Fail(err)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if !errors.Is(err, futures.ErrDeadlock) {
			t.Error(err)
		}
	}
}

func TestAbandoned(t *testing.T) {
	owner := futures.NewPromise[int](t.Context(), "owner")
	left := futures.NewPromise[string](owner.Context(), "left")
	kept := futures.NewPromise[string](owner.Context(), "kept")
	kept.Set("v")
	owner.Set(1)
	if _, err, ok := left.Future().TryResult(); !ok || err != futures.ErrAbandoned {
		t.Error(err, ok)
	}
	if v, err, _ := kept.Future().TryResult(); v != "v" || err != nil {
		t.Error(v, err)
	}
	late := futures.NewPromise[string](owner.Context(), "late")
	if err := late.Set("v"); err != nil {
		t.Error(err)
	}
}

func TestTryResultAllocatesNothing(t *testing.T) {
	done, pending := futures.Resolved(1), inState(t, futures.Pending).Future()
	if n := testing.AllocsPerRun(100, func() {
		done.TryResult()
		pending.TryResult()
		done.Result(context.Background())
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkResultOfDone(b *testing.B) {
	f := futures.Resolved(1)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Result(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// Who keeps a promise learns why it was aborted, begun or not.
func TestAbortTellsTheCause(t *testing.T) {
	for name, begun := range map[string]bool{"pending": false, "running": true} {
		p := futures.NewPromise[int](context.Background(), name)
		asked := p.Context()
		_ = asked.Done()
		if begun {
			p.SetRunningOrNotifyCancel()
		}
		p.Future().Abort(errFailure)
		<-asked.Done()
		if got := context.Cause(asked); got != errFailure {
			t.Errorf("%s: %v", name, got)
		}
		p = futures.NewPromise[int](context.Background(), name)
		p.Future().Abort(errFailure)
		if begun {
			continue
		}
		late := p.Context()
		<-late.Done()
		if got := context.Cause(late); got != errFailure {
			t.Errorf("%s, asked late: %v", name, got)
		}
	}
}
