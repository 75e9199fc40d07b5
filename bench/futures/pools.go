package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"flow/executor"
	"flow/futures"
)

const workers = 2

// A peer is one way to have workers run tasks, each of which returns its number.
type peer struct {
	name  string
	gives string                       // how the caller comes by the results
	batch func(tasks int) func() error // prepares, and returns what runs one batch
}

const (
	each     = "a result each"
	together = "results together"
	none     = "no result"
)

var peers = []peer{
	{"flow", each, flowBatch},
	{"pond results", each, pondResults},
	{"ants + channels", each, antsChannels},
	{"channels alone", each, channels},
	{"conc results", together, concResults},
	{"ants", none, antsBatch},
	{"pond", none, pondBatch},
	{"conc", none, concBatch},
	{"errgroup", none, errgroupBatch},
}

// check fails for an answer that is not its task's number.
func check(i, v int, err error) error {
	if err == nil && v != i {
		err = fmt.Errorf("task %d returned %d", i, v)
	}
	return err
}

func flowBatch(tasks int) func() error {
	p, err := executor.NewPool(executor.MaxWorkers(workers))
	fs := make([]*futures.Future[int], tasks)
	ctx := context.Background()
	return func() error {
		if err != nil {
			return err
		}
		for i := range fs {
			fs[i] = executor.Submit(ctx, p, func(context.Context) (int, error) { return i, nil })
		}
		for i, f := range fs {
			v, err := f.Result(ctx)
			if err := check(i, v, err); err != nil {
				return err
			}
		}
		return nil
	}
}

func pondResults(tasks int) func() error {
	p := pond.NewResultPool[int](workers)
	fs := make([]pond.ResultTask[int], tasks)
	return func() error {
		for i := range fs {
			fs[i] = p.SubmitErr(func() (int, error) { return i, nil })
		}
		for i, f := range fs {
			v, err := f.Wait()
			if err := check(i, v, err); err != nil {
				return err
			}
		}
		return nil
	}
}

// antsChannels is what has to be written around ants to get results.
func antsChannels(tasks int) func() error {
	p, err := ants.NewPool(workers)
	fs := make([]chan int, tasks)
	return func() error {
		if err != nil {
			return err
		}
		for i := range fs {
			f := make(chan int, 1)
			fs[i] = f
			if err := p.Submit(func() { f <- i }); err != nil {
				return err
			}
		}
		return receive(fs)
	}
}

// channels is a pool by hand: goroutines that take functions from a channel with
// room for all of them.
func channels(tasks int) func() error {
	queue := make(chan func(), tasks)
	for range workers {
		go func() {
			for fn := range queue {
				fn()
			}
		}()
	}
	fs := make([]chan int, tasks)
	return func() error {
		for i := range fs {
			f := make(chan int, 1)
			fs[i] = f
			queue <- func() { f <- i }
		}
		return receive(fs)
	}
}

func receive(fs []chan int) error {
	for i, f := range fs {
		if err := check(i, <-f, nil); err != nil {
			return err
		}
	}
	return nil
}

// concResults makes a pool for every batch: conc's are for one use.
func concResults(tasks int) func() error {
	return func() error {
		p := pool.NewWithResults[int]().WithErrors().WithMaxGoroutines(workers)
		for i := range tasks {
			p.Go(func() (int, error) { return i, nil })
		}
		vs, err := p.Wait()
		sum := 0
		for _, v := range vs { // in any order
			sum += v
		}
		return check(tasks*(tasks-1)/2, sum, err)
	}
}

func antsBatch(tasks int) func() error {
	p, err := ants.NewPool(workers)
	out := make([]int, tasks)
	return func() error {
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		wg.Add(tasks)
		for i := range out {
			if err := p.Submit(func() { out[i] = i; wg.Done() }); err != nil {
				return err
			}
		}
		wg.Wait()
		return take(out)
	}
}

func pondBatch(tasks int) func() error {
	p := pond.NewPool(workers)
	out := make([]int, tasks)
	return func() error {
		var wg sync.WaitGroup
		wg.Add(tasks)
		for i := range out {
			if err := p.Go(func() { out[i] = i; wg.Done() }); err != nil {
				return err
			}
		}
		wg.Wait()
		return take(out)
	}
}

func concBatch(tasks int) func() error {
	out := make([]int, tasks)
	return func() error {
		p := pool.New().WithMaxGoroutines(workers)
		for i := range out {
			p.Go(func() { out[i] = i })
		}
		p.Wait()
		return take(out)
	}
}

func errgroupBatch(tasks int) func() error {
	out := make([]int, tasks)
	return func() error {
		var g errgroup.Group
		g.SetLimit(workers)
		for i := range out {
			g.Go(func() error { out[i] = i; return nil })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		return take(out)
	}
}

// take reads and clears what the tasks have stored.
func take(out []int) error {
	for i, v := range out {
		if err := check(i, v, nil); err != nil {
			return err
		}
		out[i] = -1
	}
	return nil
}
