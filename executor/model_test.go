package executor_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"flow/executor"
	"flow/futures"
)

// model is a random load: all numbers are drawn before it runs on fake time.
type model struct {
	max   int
	tasks []modelTask
}

type modelTask struct {
	weight, priority int
	work             time.Duration
	timeout          time.Duration
	waits            bool // for a task that it submits
	cancel           bool
}

// Places: never more run than there are; every future ends; all is gone after.
func TestRow149PoolInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := model{max: rapid.IntRange(1, 4).Draw(rt, "max")}
		for range rapid.IntRange(1, 30).Draw(rt, "n") {
			m.tasks = append(m.tasks, modelTask{
				weight:   rapid.IntRange(1, m.max).Draw(rt, "weight"),
				priority: rapid.IntRange(-1, 1).Draw(rt, "priority"),
				work:     time.Duration(rapid.IntRange(0, 3).Draw(rt, "work")) * time.Second,
				timeout:  time.Duration(rapid.IntRange(0, 2).Draw(rt, "timeout")) * time.Second,
				waits:    rapid.Bool().Draw(rt, "waits"),
				cancel:   rapid.IntRange(0, 9).Draw(rt, "cancel") == 0,
			})
		}
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = m.run(t) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func (m model) run(t *testing.T) (problem string) {
	p, _ := executor.NewPool(executor.MaxWorkers(m.max))
	var used, ended atomic.Int64
	busy := func(d time.Duration, weight int) {
		if n := used.Add(int64(weight)); n > int64(m.max) {
			problem = fmt.Sprintf("%d of %d places used", n, m.max)
		}
		time.Sleep(d)
		used.Add(-int64(weight))
	}
	var fs []futures.Any
	for _, mt := range m.tasks {
		opts := []executor.TaskOption{executor.Weight(mt.weight), executor.Priority(mt.priority)}
		if mt.timeout > 0 && !mt.waits {
			opts = append(opts, executor.Timeout(mt.timeout))
			mt.work = min(mt.work, mt.timeout-1) // a stray runs without a place
		}
		f := executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			busy(mt.work, mt.weight)
			if mt.waits {
				_, err := executor.Submit(ctx, p, func(context.Context) (int, error) { busy(mt.work, 1); return 0, nil }).Result(ctx)
				busy(mt.work, mt.weight)
				return 0, err
			}
			return 0, nil
		}, opts...)
		f.OnDone(func(*futures.Future[int]) { ended.Add(1) })
		if mt.cancel {
			f.Cancel()
		}
		fs = append(fs, f)
	}
	if _, _, err := futures.Wait(t.Context(), futures.AllCompleted, fs...); err != nil {
		return err.Error()
	}
	if err := p.Close(); err != nil {
		return err.Error()
	}
	for _, f := range fs {
		if task, _ := f.Err(t.Context()); task != nil {
			return fmt.Sprint(f, task)
		}
	}
	if s := p.Stats(); s.Workers+s.Running+s.Queued+s.Held+s.Blocked+s.Stray != 0 || int(ended.Load()) != len(fs) {
		return fmt.Sprintf("%+v", s)
	}
	return problem
}
