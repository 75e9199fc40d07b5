package executor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

// numbers counts from 0 up to n, and how many were taken; n below 0 is no end.
func numbers(n int, taken *atomic.Int64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i != n; i++ {
			if taken != nil {
				taken.Add(1)
			}
			if !yield(i) {
				return
			}
		}
	}
}

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// pairs are results as texts, errors behind a "!".
func pairs[T any](seq iter.Seq2[T, error]) []string {
	var out []string
	for v, err := range seq {
		if err != nil {
			out = append(out, "!"+err.Error())
			continue
		}
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// Rows 102, 107, 109, 116, 117, 118, 121, 124.
func TestMapOrderAndErrors(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(3))
	odd := errors.New("odd")
	fn := func(_ context.Context, n int) (int, error) {
		switch {
		case n == 4:
			panic("four")
		case n%3 == 1:
			return 0, odd
		}
		runtime.Gosched()
		return n * n, nil
	}
	var want []string
	for n := range 10 {
		switch {
		case n == 4:
			want = append(want, "!panic: four")
		case n%3 == 1:
			want = append(want, "!odd")
		default:
			want = append(want, fmt.Sprint(n*n))
		}
	}
	for _, opts := range [][]executor.MapOption{
		nil,
		{executor.Buffer(1)},
		{executor.Buffer(2)},
		{executor.Buffer(100)},
		{executor.Chunk(1)},
		{executor.Chunk(3)},
		{executor.Chunk(4), executor.Buffer(4)},
		{executor.Chunk(50), executor.Buffer(6)},
		{executor.Chunk(40)},
	} {
		got := pairs(executor.Map(t.Context(), p, fn, numbers(10, nil), opts...))
		for i := range got {
			if strings.HasPrefix(got[i], "!") && strings.Contains(got[i], "four") {
				got[i] = "!panic: four"
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d options: %q, not %q", len(opts), got, want)
		}
		if got := pairs(executor.Map(t.Context(), p, fn, numbers(0, nil), opts...)); len(got) > 0 {
			t.Errorf("of nothing: %q", got)
		}
	}
}

// Rows 104, 105, 114, 119, 123: so many are submitted at the call, and never more than
// that are not yielded.
func TestMapBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(2))
		defer p.Shutdown(context.Background())
		for _, tc := range []struct {
			opts        []executor.MapOption
			want, limit int64
		}{
			{nil, 4, 4},
			{[]executor.MapOption{executor.Buffer(1)}, 1, 1},
			{[]executor.MapOption{executor.Buffer(7)}, 7, 7},
			{[]executor.MapOption{executor.Buffer(7), executor.Chunk(3)}, 6, 7},
			{[]executor.MapOption{executor.Buffer(2), executor.Chunk(30)}, 2, 2},
		} {
			var taken, ran atomic.Int64
			results := executor.Map(t.Context(), p, func(context.Context, int) (int, error) {
				return int(ran.Add(1)), nil
			}, numbers(-1, &taken), tc.opts...)
			synctest.Wait()
			if taken.Load() != tc.want || ran.Load() != tc.want {
				t.Errorf("%d taken and %d run before anybody asked, not %d", taken.Load(), ran.Load(), tc.want)
			}
			yielded := int64(0)
			for range results {
				yielded++
				synctest.Wait()
				if out := taken.Load() - yielded + 1; out > tc.limit {
					t.Fatalf("%d are submitted and not yielded, more than %d", out, tc.limit)
				}
				if yielded == 20 {
					break
				}
			}
		}
	})
}

// Rows 112 and 113: who leaves the loop cancels what has not started, and aborts what
// has if they say so.
func TestMapBreak(t *testing.T) {
	for _, abort := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := executor.NewPool(executor.MaxWorkers(2))
			var ended, started atomic.Int64
			opts := []executor.MapOption{executor.Buffer(10)}
			if abort {
				opts = append(opts, executor.AbortOnBreak())
			}
			stopped := 0
			input := func(yield func(int) bool) {
				defer func() { stopped++ }()
				numbers(-1, nil)(yield)
			}
			for range executor.Map(t.Context(), p, func(ctx context.Context, n int) (int, error) {
				started.Add(1)
				if n == 0 {
					return 0, nil
				}
				select {
				case <-ctx.Done():
					ended.Add(1)
				case <-time.After(time.Hour):
				}
				return n, nil
			}, input, opts...) {
				synctest.Wait()
				break
			}
			synctest.Wait()
			if want := map[bool]int64{false: 0, true: 2}[abort]; ended.Load() != want || started.Load() != 3 || stopped != 1 {
				t.Errorf("%d ended, not %d; %d started; input stopped %d times", ended.Load(), want, started.Load(), stopped)
			}
			if err := p.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Rows 110 and 111.
func TestMapTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1))
		defer p.Shutdown(context.Background())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		results := executor.Map(ctx, p, func(_ context.Context, n int) (int, error) {
			time.Sleep(2 * time.Second)
			return n, nil
		}, numbers(-1, nil), executor.Buffer(3))
		time.Sleep(time.Second) // the time counts from the call
		var got []int
		var last error
		for v, err := range results {
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		var wait *futures.WaitError
		if !slices.Equal(got, []int{0, 1}) || !errors.As(last, &wait) || !errors.Is(last, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("%v, %v after %v", got, last, time.Since(began))
		}
		if again := pairs(results); len(again) > 0 {
			t.Errorf("it goes on: %q", again)
		}
	})
}

// Rows 125 and 126.
func TestMapAndShutdown(t *testing.T) {
	p, err := executor.NewPool(executor.MaxWorkers(1))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for v, err := range executor.Map(t.Context(), p, double, numbers(-1, nil), executor.Buffer(2)) {
		if err != nil {
			got = append(got, fmt.Sprint("! ", errors.Is(err, executor.ErrShutdown)))
			continue
		}
		got = append(got, fmt.Sprint(v))
		if v == 6 {
			p.Shutdown(t.Context())
		}
	}
	if want := []string{"0", "2", "4", "6", "8", "! true"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	other := newPool(t)
	ofItsOwn := func(context.Context, int) (int, error) { return 0, executor.ErrShutdown }
	if got := pairs(executor.Map(t.Context(), other, ofItsOwn, numbers(200, nil))); len(got) != 200 {
		t.Errorf("an error that fn returns ends the results: %d of 200", len(got))
	}
	for _, chunk := range []int{1, 5} {
		if got := pairs(executor.Map(t.Context(), p, double, numbers(10, nil), executor.Chunk(chunk))); len(got) != 1 || !strings.Contains(got[0], "shut down") {
			t.Errorf("%q", got)
		}
	}
	if got := pairs(executor.Map(t.Context(), p, double, numbers(0, nil))); len(got) > 0 {
		t.Errorf("of nothing: %q", got)
	}
}

// Row 115: what has been yielded is the caller's alone.
func TestMapKeepsNothing(t *testing.T) {
	p := newPool(t)
	gone := make(chan struct{})
	first := true
	for v := range executor.Map(t.Context(), p, func(context.Context, int) (*[1 << 16]byte, error) {
		return new([1 << 16]byte), nil
	}, numbers(4, nil), executor.Chunk(4)) {
		if first {
			first = false
			runtime.AddCleanup(v, func(c chan struct{}) { close(c) }, gone)
			continue
		}
		for deadline := time.Now().Add(patience); ; { // three are still to come
			runtime.GC()
			select {
			case <-gone:
				return
			default:
			}
			if time.Now().After(deadline) {
				t.Fatal("it is kept")
			}
		}
	}
	t.Error("nothing has come")
}

// Rows 117 and 120, and arguments that are nil.
func TestMapBadArguments(t *testing.T) {
	p := newPool(t)
	var none context.Context
	for want, seq := range map[string]iter.Seq2[int, error]{
		"Buffer(0)":    executor.Map(t.Context(), p, double, numbers(3, nil), executor.Buffer(0)),
		"Chunk(-1)":    executor.Map(t.Context(), p, double, numbers(3, nil), executor.Chunk(-1)),
		"nil option":   executor.Map(t.Context(), p, double, numbers(3, nil), nil),
		"nil context":  executor.Map(none, p, double, numbers(3, nil)),
		"nil executor": executor.Map(t.Context(), nil, double, numbers(3, nil)),
		"nil function": executor.Map[int, int](t.Context(), p, nil, numbers(3, nil)),
		"nil input":    executor.Map(t.Context(), p, double, nil),
	} {
		if got := pairs(seq); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", want, got)
		}
	}
}

// A Map within a task of the same pool finds workers, however many wait.
func TestMapWithinATask(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		sum := 0
		for v, err := range executor.Map(ctx, p, double, numbers(50, nil), executor.Chunk(2)) {
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	if v, err := result(t, f); v != 50*49 || err != nil {
		t.Error(v, err)
	}
}

// An input that panics panics for who asks, and a Map that nobody ranges over leaves
// nothing behind: no input that hangs, no goroutine.
func TestMapInput(t *testing.T) {
	p := newPool(t)
	func() {
		defer func() {
			if recover() != "input" {
				t.Error("no panic")
			}
		}()
		executor.Map(t.Context(), p, double, func(yield func(int) bool) { yield(1); panic("input") })
	}()
	stopped := make(chan struct{})
	executor.Map(t.Context(), p, double, func(yield func(int) bool) {
		defer close(stopped)
		numbers(-1, nil)(yield)
	})
	for deadline := time.Now().Add(patience); ; {
		runtime.GC()
		select {
		case <-stopped:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the input hangs")
		}
	}
}

// Goexit in a chunk ends the task: results before it are lost with it, none is made up.
func TestMapGoexit(t *testing.T) {
	p := newPool(t)
	for _, chunk := range []int{1, 3} {
		n := 0
		for _, err := range executor.Map(t.Context(), p, func(context.Context, int) (int, error) {
			runtime.Goexit()
			return 0, nil
		}, numbers(3, nil), executor.Chunk(chunk)) {
			if n++; !errors.Is(err, futures.ErrGoexit) {
				t.Error(err)
			}
		}
		if n != 3 {
			t.Errorf("%d results", n)
		}
	}
}
