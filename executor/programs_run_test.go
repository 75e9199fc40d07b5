package executor_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
)

var (
	errOwn   = errors.New("the task's own error")
	errUnmet = errors.New("the maker of the promise never started")
)

// execution is one run of a program in a pool.
type execution struct {
	*program
	pool     *executor.Pool
	tasks    []*futures.Future[int]
	inner    []*futures.Promise[int]                  // written before made is kept
	made     []*futures.Promise[*futures.Future[int]] // that there is such a promise
	promises []*futures.Future[int]                   // made, flattened
	reported atomic.Bool                              // somebody was told of a deadlock
	wrong    atomic.Pointer[error]
	outside  sync.WaitGroup
}

func (p *program) run(t *testing.T) *execution {
	opts := []executor.PoolOption{executor.MaxWorkers(p.workers)}
	if p.maxBlocked > 0 {
		opts = append(opts, executor.MaxBlocked(p.maxBlocked))
	}
	pool, err := executor.NewPool(opts...)
	if err != nil {
		t.Fatal(err)
	}
	x := &execution{program: p, pool: pool, inner: make([]*futures.Promise[int], len(p.promises))}
	for i, q := range p.promises {
		x.made = append(x.made, futures.NewPromise[*futures.Future[int]](context.Background(), ""))
		x.promises = append(x.promises, futures.Flatten(x.made[i].Future()))
		if q.maker == outsider {
			x.make(context.Background(), i)
		}
	}
	begin := make(chan struct{})
	for i := range p.n {
		x.tasks = append(x.tasks, x.submit(context.Background(), i, begin))
	}
	x.watch()
	close(begin)
	for _, f := range x.tasks {
		result(t, f)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := pool.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	x.outside.Wait()
	return x
}

// make makes promise i.
func (x *execution) make(ctx context.Context, i int) {
	x.inner[i] = futures.NewPromise[int](ctx, fmt.Sprint("p", i))
	x.made[i].Set(x.inner[i].Future())
}

// keep keeps promise i once it is made.
func (x *execution) keep(i int) {
	x.made[i].Future().OnDone(func(f *futures.Future[*futures.Future[int]]) {
		if _, err, _ := f.TryResult(); err == nil {
			x.inner[i].Set(1)
		}
	})
}

// watch sees to the promises of tasks that never start, and of nobody.
func (x *execution) watch() {
	for i, q := range x.program.promises {
		if q.maker >= 0 {
			x.tasks[q.maker].OnDone(func(*futures.Future[int]) { x.made[i].Fail(errUnmet) })
		}
		if q.keeper >= 0 {
			x.tasks[q.keeper].OnDone(func(*futures.Future[int]) { x.keep(i) })
		}
		if q.keeper == outsider {
			x.outside.Go(func() { runtime.Gosched(); x.keep(i) })
		}
	}
}

// submit submits task i.
func (x *execution) submit(ctx context.Context, i int, begin <-chan struct{}) *futures.Future[int] {
	t := x.program.tasks[i]
	var after []futures.Any
	for _, r := range t.after {
		after = append(after, x.tasks[r.i])
	}
	f := executor.Submit(ctx, x.pool, func(ctx context.Context) (int, error) {
		<-begin
		for k, q := range x.program.promises {
			if q.maker == i {
				x.make(ctx, k)
			}
			if q.keeper == i {
				defer x.keep(k)
			}
		}
		for _, o := range t.ops {
			if err := x.do(ctx, o); x.saw(err) != nil && !o.ignore {
				return 0, err
			}
		}
		if t.fails {
			return 0, errOwn
		}
		return 0, nil
	}, executor.Name(fmt.Sprint("t", i)), executor.Weight(t.weight), executor.Priority(t.priority), executor.After(after...))
	f.OnDone(func(f *futures.Future[int]) { _, err, _ := f.TryResult(); x.saw(err) })
	return f
}

func (x *execution) saw(err error) error {
	if errors.Is(err, futures.ErrDeadlock) {
		x.reported.Store(true)
	}
	return err
}

func (x *execution) future(r ref) *futures.Future[int] {
	if r.promise {
		return x.promises[r.i]
	}
	return x.tasks[r.i]
}

// begun is for what has not to wait for the others' submission.
var begun = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// do takes one step of a task.
func (x *execution) do(ctx context.Context, o op) (err error) {
	targets := make([]*futures.Future[int], len(o.targets))
	for i, r := range o.targets {
		targets[i] = x.future(r)
	}
	f := targets[0]
	switch o.how {
	case waitOne:
		_, err = f.Result(ctx)
	case waitThen:
		_, err = executor.Then(ctx, x.pool, f, identity[int]).Result(ctx)
	case waitAfter:
		_, err = executor.Submit(ctx, x.pool, constant(1), executor.After(f, futures.Resolved(1))).Result(ctx)
	case waitFlatten:
		_, err = futures.Flatten(executor.Submit(ctx, x.pool, constant(f))).Result(ctx)
	case waitNest:
		_, err = x.submit(ctx, o.child, begun).Result(ctx)
	case leaveNested:
		x.submit(ctx, o.child, begun)
	case waitShort:
		x.short(ctx, o, f)
	case waitUnseen:
		_, err = executor.Blocking(ctx, func() (int, error) { <-f.Done(); return 0, nil })
	case block:
		c := make(chan struct{})
		x.outside.Go(func() { runtime.Gosched(); close(c) })
		_, err = executor.Blocking(ctx, func() (int, error) { <-c; return 0, nil })
	case shutDown:
		x.shutdown(ctx, o.targets[0].i)
	default:
		err = several(ctx, o.how, targets)
	}
	return err
}

// short waits for f with a context that has ended, or ends by a time or by somebody.
func (x *execution) short(ctx context.Context, o op, f *futures.Future[int]) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Microsecond)
	switch o.targets[0].i % 3 {
	case 0:
		cancel()
	case 1:
		x.outside.Go(func() { runtime.Gosched(); cancel() })
	default:
		defer cancel()
	}
	_, err := f.Result(ctx)
	x.saw(err)
}

// shutdown ends the pool from inside of it.
func (x *execution) shutdown(ctx context.Context, how int) {
	options := [][]executor.ShutdownOption{nil, {executor.NoWait()}, {executor.CancelPending()}, {executor.NoWait(), executor.AbortRunning()}}[how%4]
	err := x.pool.Shutdown(ctx, options...)
	if waits := how%2 == 0; waits != errors.Is(err, futures.ErrDeadlock) || !waits && err != nil {
		err = fmt.Errorf("shutdown from inside: %w", cmp.Or(err, errOwn))
		x.wrong.Store(&err)
	}
}

func several(ctx context.Context, how int, targets []*futures.Future[int]) error {
	anys := make([]futures.Any, len(targets))
	for i, f := range targets {
		anys[i] = f
	}
	switch how {
	case waitGather:
		_, err := futures.Gather(ctx, targets...)
		return err
	case waitAll:
		if _, _, err := futures.Wait(ctx, futures.AllCompleted, anys...); err != nil {
			return err
		}
		for _, f := range targets {
			if _, err, _ := f.TryResult(); err != nil {
				return err
			}
		}
	case waitFirst:
		_, _, err := futures.Wait(ctx, futures.FirstCompleted, anys...)
		return err
	case waitStream:
		for _, err := range futures.AsCompleted(ctx, targets...) {
			return err
		}
	case waitSet:
		var s futures.Set[int]
		s.Add(targets...)
		_, err := s.Next(ctx)
		return err
	}
	return nil
}

// judge compares a run with the reference: what could end has, without an alarm, and
// where something can't end there was one.
func (x *execution) judge() error {
	if err := x.wrong.Load(); err != nil {
		return *err
	}
	patient, hasty := x.refer(true), x.refer(false)
	failures := slices.Contains(patient.failed, true) || slices.Contains(hasty.failed, true)
	failures = failures || slices.ContainsFunc(x.program.promises, func(q ppromise) bool { return q.maker != outsider })
	gathers := x.has(func(o op) bool { return o.how == waitGather })
	reported := x.reported.Load()
	if reported && !patient.stuck() {
		return errors.New("false alarm")
	}
	// What comes of these depends on timing: they may end tasks of a circle before it closes.
	if gathers && failures || x.maxBlocked > 0 || x.has(func(o op) bool { return o.how == shutDown }) {
		return nil
	}
	if hasty.stuck() && !reported {
		return errors.New("a deadlock was missed")
	}
	plain := len(x.program.promises) == 0 && !x.has(func(o op) bool { return o.first() || o.ignore || o.how == waitShort || o.how == waitUnseen })
	for i, f := range x.tasks {
		_, err, _ := f.TryResult()
		known := errors.Is(err, errOwn) || errors.Is(err, futures.ErrAbandoned) || errors.Is(err, errUnmet)
		switch {
		case gathers && reported && errors.Is(err, futures.ErrCancelled): // by a Gather whose first failed
		case patient.ended[i] && !patient.failed[i] && err != nil:
			return fmt.Errorf("task %d can end, and failed: %w", i, err)
		case patient.ended[i] && patient.failed[i] && !known:
			return fmt.Errorf("task %d must fail, and has: %w", i, cmp.Or(err, errUnmet))
		case plain && !hasty.ended[i] && !errors.Is(err, futures.ErrDeadlock) && !(failures && known):
			return fmt.Errorf("task %d can't end, and did: %w", i, cmp.Or(err, errUnmet))
		}
	}
	return nil
}

// count is the number of programs to run, by default as many as take a few seconds.
func count(t *testing.T, variable string, byDefault uint64) uint64 {
	text := os.Getenv(variable)
	if text == "" {
		return byDefault
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Programs of tasks that wait for each other in all ways there are do what a reference
// says: there is no hang, no false alarm, and no deadlock goes unnoticed.
// FLOW_TEST_PROGRAMS says how many, FLOW_TEST_SEED where to begin.
func TestRandomPrograms(t *testing.T) {
	seed := count(t, "FLOW_TEST_SEED", rand.Uint64())
	n := count(t, "FLOW_TEST_PROGRAMS", 20_000)
	var next, stuck, reported atomic.Uint64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for k := next.Add(1); k <= n && !t.Failed(); k = next.Add(1) {
				p := randomProgram(rand.New(rand.NewPCG(seed, k)))
				x := p.run(t)
				if err := x.judge(); err != nil {
					t.Errorf("seed %d, program %d: %v\n%+v", seed, k, err, p)
				}
				if p.refer(false).stuck() {
					stuck.Add(1)
				}
				if x.reported.Load() {
					reported.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d programs, %d with a deadlock, %d reported", n, stuck.Load(), reported.Load())
	if n > 100 && (stuck.Load() < n/20 || stuck.Load() > n*19/20) {
		t.Error("the programs prove little")
	}
}
