package executor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
)

// unobserved collects what a pool tells of.
type unobserved struct {
	mu   sync.Mutex
	told map[string]error
	more []string // told twice
}

func (u *unobserved) tell(name string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told == nil {
		u.told = make(map[string]error)
	}
	if _, twice := u.told[name]; twice {
		u.more = append(u.more, name)
	}
	u.told[name] = err
}

func (u *unobserved) all() map[string]error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.told)
}

// collect collects garbage until so many have been told of.
func collect(t *testing.T, u *unobserved, n int) map[string]error {
	t.Helper()
	for end := time.Now().Add(patience); len(u.all()) < n; runtime.Gosched() {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("told of %v only", u.all())
		}
	}
	return u.all()
}

func failing(err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return 0, err }
}

func identity[T any](_ context.Context, v T) (T, error) { return v, nil }

func TestRow101UnobservedErrors(t *testing.T) {
	var u unobserved
	p := newPool(t, executor.MaxWorkers(2), executor.OnUnobserved(u.tell))
	plain := newPool(t)
	failure := errors.New("failure")
	fail := func(name string, opts ...executor.TaskOption) *futures.Future[int] {
		f := executor.Submit(context.Background(), p, failing(failure), append(opts, executor.Name(name))...)
		futures.Wait(patient(t), futures.AllCompleted, f) // is not looking
		return f
	}
	func() {
		// Told of, in the end.
		fail("error")
		fail("called back").OnDone(func(*futures.Future[int]) {})
		for range futures.AsCompleted(t.Context(), fail("streamed")) {
		}
		var s futures.Set[int]
		s.Add(fail("in a set"))
		s.Next(t.Context())
		left, cancel := context.WithCancel(t.Context())
		cancel()
		begin := make(chan struct{})
		waited := executor.Submit(t.Context(), p, func(context.Context) (int, error) { <-begin; return 0, failure }, executor.Name("left early"))
		waited.Result(left)
		close(begin)
		executor.Submit(t.Context(), p, func(context.Context) (int, error) { panic(io.EOF) }, executor.Name("panic"))
		executor.Submit(t.Context(), p, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, executor.Name("exit"))
		executor.Submit(t.Context(), p, constant(1), executor.Name("refused"), executor.Weight(3))
		futures.Wait(patient(t), futures.AllCompleted, executor.Then(t.Context(), p, fail("root"), identity[int], executor.Name("dependent")))
		flat := futures.Flatten(executor.Submit(t.Context(), plain, constant(fail("flattened"))))
		futures.Wait(patient(t), futures.AllCompleted, flat)

		// Not told of.
		value(t, executor.Submit(t.Context(), p, constant(1)))
		fail("Result").Result(t.Context())
		fail("Err").Err(t.Context())
		fail("TryResult").TryResult()
		futures.Gather(t.Context(), fail("Gather"))
		result(t, executor.Then(t.Context(), p, fail("input, seen at Then's"), identity[int]))
		result(t, executor.Then(t.Context(), plain, fail("input, seen at another pool's"), identity[int]))
		result(t, futures.Flatten(futures.Resolved(fail("flattened and seen"))))
		executor.Submit(t.Context(), p, constant(1), executor.Name("cancelled"), executor.After(futures.NewPromise[int](t.Context(), "").Future())).Cancel()
	}()
	kept := fail("kept")
	want := []string{"error", "called back", "streamed", "in a set", "left early", "panic", "exit", "refused", "root", "flattened"}
	collect(t, &u, len(want))
	for range 3 {
		runtime.GC()
	}
	told := u.all()
	for _, name := range want {
		if told[name] == nil {
			t.Errorf("not told of %q", name)
		}
		delete(told, name)
	}
	if len(told) != 0 || len(u.more) != 0 {
		t.Errorf("told of %v as well, and twice of %v", told, u.more)
	}
	runtime.KeepAlive(kept)
}

// An input and its dependents are one failure: the input's name is told, once, when
// nobody can look at any of them any more.
func TestRow101OneFailureIsToldOnce(t *testing.T) {
	var u unobserved
	p := newPool(t, executor.OnUnobserved(u.tell))
	last := func() *futures.Future[int] {
		root := executor.Submit(t.Context(), p, failing(io.EOF), executor.Name("root"))
		var last *futures.Future[int]
		for range 3 {
			last = executor.Then(t.Context(), p, executor.Then(t.Context(), p, root, identity[int]), identity[int])
			futures.Wait(patient(t), futures.AllCompleted, last)
		}
		executor.Submit(t.Context(), p, failing(io.EOF), executor.Name("other"))
		return last
	}()
	if told := collect(t, &u, 1); told["other"] == nil {
		t.Errorf("told of %v while somebody may look", told)
	}
	runtime.KeepAlive(last)
	last = nil
	if told := collect(t, &u, 2); told["root"] != io.EOF || len(u.more) > 0 {
		t.Error(told, u.more)
	}
}

func TestRow101AfterATimeoutAndInABrokenPool(t *testing.T) {
	var u unobserved
	end := make(chan struct{})
	failure := errors.New("failure")
	func() {
		p := newPool(t, executor.OnUnobserved(u.tell))
		f := executor.Submit(t.Context(), p, func(context.Context) (int, error) { <-end; return 0, errors.New("late") },
			executor.Name("stray"), executor.Timeout(time.Millisecond))
		futures.Wait(patient(t), futures.AllCompleted, f)
		broken := newPool(t, executor.OnUnobserved(u.tell), executor.Init(func(context.Context) (context.Context, error) { return nil, failure }))
		g := executor.Submit(t.Context(), broken, constant(1), executor.Name("broken"))
		futures.Wait(patient(t), futures.AllCompleted, g)
	}()
	close(end)
	told := collect(t, &u, 2)
	if !errors.Is(told["stray"], context.DeadlineExceeded) || !errors.Is(told["broken"], failure) {
		t.Error(told)
	}
}

// logged collects what is logged until the test ends.
func logged(t *testing.T) func() string {
	var mu sync.Mutex
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return log.String()
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestRow101APanicWhileToldHarmsNobody(t *testing.T) {
	log := logged(t)
	var u unobserved
	p := newPool(t, executor.OnUnobserved(func(name string, err error) {
		defer u.tell(name, err)
		panic("boom")
	}))
	value(t, executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		executor.Submit(ctx, p, failing(io.EOF), executor.Name("x"))
		return 0, nil
	}))
	collect(t, &u, 1)
	for end := time.Now().Add(patience); !strings.Contains(log(), "boom"); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("the log lacks the panic: %s", log())
		}
	}
}

// A task costs one allocation, and with nobody to tell a failure costs no other.
func TestSubmitAllocatesOnce(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1))
	ctx := context.Background()
	const n, overhead = 1000, 20
	fs := make([]*futures.Future[int], n)
	for name, fn := range map[string]func(context.Context) (int, error){"value": constant(1), "error": failing(io.EOF)} {
		allocs := testing.AllocsPerRun(10, func() {
			for i := range fs {
				fs[i] = executor.Submit(ctx, p, fn)
			}
			for _, f := range fs {
				for _, _, ok := f.TryResult(); !ok; _, _, ok = f.TryResult() {
					runtime.Gosched()
				}
			}
		})
		if allocs > n+overhead {
			t.Errorf("%s: %v allocations for %d tasks", name, allocs, n)
		}
	}
}
