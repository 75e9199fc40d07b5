package executor_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flow/executor"
	"flow/futures"
)

// receive and lock are where tasks of these tests hang.
func receive(c <-chan int) int { return <-c }

func lock(mu *sync.Mutex) { mu.Lock() }

func TestOnStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := make(chan executor.Stall, 10)
		p, _ := executor.NewPool(executor.NamePrefix("p"), executor.MaxWorkers(2), executor.OnStall(time.Minute, func(s executor.Stall) { stalls <- s }))
		end := make(chan int)
		started := time.Now()
		promise := futures.NewPromise[int](t.Context(), "promise")
		submit := func(name string, fn func(ctx context.Context) (int, error), opts ...executor.TaskOption) *futures.Future[int] {
			return executor.Submit(t.Context(), p, fn, append(opts, executor.Name(name))...)
		}
		submit("stray", func(context.Context) (int, error) { return receive(end), nil }, executor.Timeout(time.Second))
		submit("waits", func(ctx context.Context) (int, error) { return promise.Future().Result(ctx) })
		time.Sleep(2 * time.Second)
		submit("blocks", func(ctx context.Context) (int, error) {
			return executor.Blocking(ctx, func() (int, error) { return receive(end), nil })
		})
		synctest.Wait()
		a := submit("a", func(context.Context) (int, error) { return receive(end), nil })
		submit("b", func(context.Context) (int, error) { return receive(end), nil })
		submit("first", constant(1), executor.Priority(1))
		submit("second", constant(1))
		submit("held", constant(1), executor.After(a, futures.Resolved(1)))
		submit("light", constant(1), executor.After(promise.Future()))
		stall := <-stalls
		if passed := time.Since(started); passed != time.Minute+2*time.Second || stall.Quiet != time.Minute {
			t.Errorf("told after %s, of %s", passed, stall.Quiet)
		}
		var lines []string
		for line := range strings.SplitSeq(stall.String(), "\n") {
			line, _, _ = strings.Cut(line, " (/")   // the file
			line, _, _ = strings.Cut(line, ".func") // and how functions without a name are called
			lines = append(lines, strings.TrimSpace(line))
		}
		const in = "flow/executor_test."
		want := []string{
			"executor: nothing has moved in p for 1m0s: 2 running, 2 blocked, 1 stray, 2 queued, 2 held",
			"stray: stray (chan receive at " + in + "receive",
			"waits: blocked, waits for promise (select at " + in + "TestOnStall",
			"blocks: blocked (chan receive at " + in + "receive",
			"a: running (chan receive at " + in + "receive",
			"b: running (chan receive at " + in + "receive",
			"first: queued",
			"second: queued",
			"held: held, waits for a",
			"light: held, waits for promise",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("got\n%s", stall)
		}
		if site := stall.Tasks[0].Site; !strings.Contains(site, "stall_test.go:") {
			t.Error(site)
		}

		// Once a stall, whatever else is submitted; again after something moved.
		submit("late", constant(1))
		time.Sleep(time.Hour)
		if len(stalls) != 0 {
			t.Errorf("told again: %v", <-stalls)
		}
		promise.Set(1) // there is no place to go on at
		time.Sleep(time.Hour)
		if len(stalls) != 0 {
			t.Errorf("told again: %v", <-stalls)
		}
		end <- 1
		time.Sleep(time.Hour)
		if len(stalls) != 1 {
			t.Errorf("told %d times after the next stall", len(stalls))
		}
		close(end)
		p.Close()
		time.Sleep(time.Hour)
		if len(stalls) != 1 {
			t.Errorf("told %d times, with nothing to do", len(stalls))
		}
	})
}

// A pool at rest, or at work, is not stalled, and what ended it is forgotten.
func TestOnStallIsQuietOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := executor.NewPool(executor.MaxWorkers(1), executor.OnStall(time.Minute, func(s executor.Stall) { t.Error(s) }))
		defer p.Close()
		for range 20 {
			executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				time.Sleep(59 * time.Second)
				return executor.Submit(ctx, p, func(context.Context) (int, error) { time.Sleep(59 * time.Second); return 0, nil }).Result(ctx)
			}).Result(t.Context())
			time.Sleep(50 * time.Minute)
		}
		executor.Submit(t.Context(), p, constant(1), executor.After(futures.NewPromise[int](t.Context(), "").Future())).Cancel()
		time.Sleep(time.Hour)
	})
}

// locked runs a task into a locked mutex and reports whether the pool tells of that.
func locked(t *testing.T, p *executor.Pool, stalls <-chan executor.Stall) bool {
	var mu sync.Mutex
	mu.Lock()
	f := executor.Submit(t.Context(), p, func(context.Context) (int, error) { lock(&mu); return 0, nil }, executor.Name("task"))
	var s executor.Stall
	select {
	case s = <-stalls:
	case <-time.After(patience):
		t.Fatal("told nothing")
	}
	mu.Unlock()
	value(t, f)
	return len(s.Tasks) == 1 && s.Tasks[0].Goroutine == "sync.Mutex.Lock" && strings.HasPrefix(s.Tasks[0].Site, "flow/executor_test.lock (")
}

// A mutex is nothing that a bubble knows of.
func TestOnStallOfAMutex(t *testing.T) {
	log := logged(t)
	stalls := make(chan executor.Stall, 10)
	told := 0
	p := newPool(t, executor.OnStall(20*time.Millisecond, func(s executor.Stall) {
		stalls <- s
		if told++; told == 1 {
			panic("boom")
		}
		runtime.Goexit()
	}))
	for _, name := range []string{"first", "after a panic", "after an exit"} {
		// On a machine that is busy the task may be called stalled before it has begun.
		for end := time.Now().Add(patience); !locked(t, p, stalls); {
			if time.Now().After(end) {
				t.Fatalf("%s: not told", name)
			}
		}
	}
	if !strings.Contains(log(), "boom") {
		t.Error("the panic is not in the log")
	}
}
