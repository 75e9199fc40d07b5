package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"flow/executor"
	"flow/futures"
)

// deadlocks are the two cases, for each pool. "circle": on two workers, two tasks
// wait for each other. "nested": on one worker, a task waits for one it submits.
// Each returns what there is to say if it comes to an end. waiting is called as
// the last thing before what may hang.
var deadlocks = map[string]map[string]func(waiting func()) string{
	"flow":         {"circle": flowCircle, "nested": flowNested},
	"pond results": {"circle": pondCircle, "nested": pondNested},
	"ants":         {"circle": byChannels(antsGo(2)), "nested": nestedByChannels(antsGo(1))},
	"conc":         {"circle": byChannels(concGo(2)), "nested": nestedByChannels(concGo(1))},
	"errgroup":     {"circle": byChannels(errgroupGo(2)), "nested": nestedByChannels(errgroupGo(1))},
}

// meet runs one case in a program in which something else lives, as in nearly every
// real one: without that, Go's runtime sees that all goroutines sleep and ends
// the whole process.
func meet(run func(waiting func()) string) error {
	go func() {
		for range time.Tick(10 * time.Millisecond) {
		}
	}()
	fmt.Println(strings.ReplaceAll(run(func() { fmt.Println("waiting") }), "\n", " "))
	return nil
}

func flowCircle(waiting func()) string {
	p, err := executor.NewPool(executor.MaxWorkers(2), executor.NamePrefix("p"))
	if err != nil {
		return err.Error()
	}
	ctx := context.Background()
	second := make(chan *futures.Future[int], 1)
	a := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return (<-second).Result(ctx) }, executor.Name("a"))
	b := executor.Submit(ctx, p, func(ctx context.Context) (int, error) { return a.Result(ctx) }, executor.Name("b"))
	waiting()
	second <- b
	_, err = a.Result(ctx)
	return fmt.Sprint("error: ", err)
}

func flowNested(waiting func()) string {
	p, err := executor.NewPool(executor.MaxWorkers(1))
	if err != nil {
		return err.Error()
	}
	ctx := context.Background()
	v, err := executor.Submit(ctx, p, func(ctx context.Context) (int, error) {
		waiting()
		return executor.Submit(ctx, p, func(context.Context) (int, error) { return 42, nil }).Result(ctx)
	}).Result(ctx)
	return answer(v, err)
}

func pondCircle(waiting func()) string {
	p := pond.NewResultPool[int](2)
	second := make(chan pond.ResultTask[int], 1)
	a := p.SubmitErr(func() (int, error) { return (<-second).Wait() })
	b := p.SubmitErr(func() (int, error) { return a.Wait() })
	waiting()
	second <- b
	return answer(a.Wait())
}

func pondNested(waiting func()) string {
	p := pond.NewResultPool[int](1)
	return answer(p.SubmitErr(func() (int, error) {
		waiting()
		return p.SubmitErr(func() (int, error) { return 42, nil }).Wait()
	}).Wait())
}

func answer(v int, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint("answers ", v)
}

// byChannels is the circle for a pool whose tasks return nothing.
func byChannels(submit func(func())) func(waiting func()) string {
	return func(waiting func()) string {
		a, b := make(chan int, 1), make(chan int, 1)
		waiting()
		submit(func() { a <- <-b })
		submit(func() { b <- <-a })
		return answer(<-a, nil)
	}
}

func nestedByChannels(submit func(func())) func(waiting func()) string {
	return func(waiting func()) string {
		outer := make(chan int, 1)
		submit(func() {
			inner := make(chan int, 1)
			waiting()
			submit(func() { inner <- 42 })
			outer <- <-inner
		})
		return answer(<-outer, nil)
	}
}

func antsGo(workers int) func(func()) {
	p, err := ants.NewPool(workers)
	if err != nil {
		panic(err)
	}
	return func(fn func()) {
		if err := p.Submit(fn); err != nil {
			panic(err)
		}
	}
}

func concGo(workers int) func(func()) { return pool.New().WithMaxGoroutines(workers).Go }

func errgroupGo(workers int) func(func()) {
	var g errgroup.Group
	g.SetLimit(workers)
	return func(fn func()) { g.Go(func() error { fn(); return nil }) }
}
