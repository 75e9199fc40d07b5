// Command futures measures flow's futures and pools, and other pools for Go, one
// thing at a time. bench/futures.py runs it, many times over, and makes the table.
//
// It is a module of its own so that the other pools are none of flow's dependencies.
//
//	futures peers                     the names of the pools, one a line: name, what it returns
//	futures submit POOL COUNT         so many tasks submitted, then each result
//	futures waits                     tasks that wait for one they submitted, in all ways
//	futures deadlock circle|nested POOL
//	futures calls                     one call of a living Python at a time, in all ways
//
// What it measures it prints as JSON: {"ns": …, "allocs": …} a task; waits and calls
// do for each way, by its name.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "futures:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	switch {
	case slices.Equal(args, []string{"peers"}):
		for _, p := range peers {
			fmt.Printf("%s\t%s\n", p.name, p.gives)
		}
		return nil
	case slices.Equal(args, []string{"waits"}):
		return compare(waits, depth)
	case len(args) == 3 && args[0] == "submit":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		for _, p := range peers {
			if p.name == args[1] {
				return report(p.batch(n), n)
			}
		}
	case len(args) == 3 && args[0] == "deadlock":
		if run := deadlocks[args[2]][args[1]]; run != nil {
			return meet(run)
		}
	case slices.Equal(args, []string{"calls"}):
		return compare(calls, 1)
	}
	return fmt.Errorf("unknown: %s", strings.Join(args, " "))
}

// cost is what some tasks took together.
type cost struct {
	tasks  int
	time   time.Duration
	allocs uint64
}

// add runs batch, of n tasks each, for as long.
func (c *cost) add(batch func() error, n int, long time.Duration) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	var took time.Duration
	for ; took < long; took = time.Since(began) {
		if err := batch(); err != nil {
			return err
		}
		c.tasks += n
	}
	c.time += took
	runtime.ReadMemStats(&after)
	c.allocs += after.Mallocs - before.Mallocs
	return nil
}

// MarshalJSON gives it a task.
func (c *cost) MarshalJSON() ([]byte, error) {
	n := float64(c.tasks)
	return json.Marshal(map[string]float64{"ns": float64(c.time.Nanoseconds()) / n, "allocs": float64(c.allocs) / n})
}

// report runs batch, of n tasks each, for long enough and prints what it cost.
func report(batch func() error, n int) error {
	if err := new(cost).add(batch, n, 100*time.Millisecond); err != nil {
		return err
	}
	c := new(cost)
	if err := c.add(batch, n, 400*time.Millisecond); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// compare runs all ways, batches of n tasks, in turns of some milliseconds each, since
// their differences are smaller than what a shared machine varies by in a second.
func compare(ways []way, n int) error {
	costs := make(map[string]*cost)
	batches := make([]func() error, len(ways))
	for i, w := range ways {
		batches[i] = w.batch()
		costs[w.name] = new(cost)
		if err := new(cost).add(batches[i], n, 30*time.Millisecond); err != nil {
			return err
		}
	}
	for turn := range 12 {
		for i := range ways {
			k := (turn + i) % len(ways)
			if err := costs[ways[k].name].add(batches[k], n, 30*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(costs)
}
