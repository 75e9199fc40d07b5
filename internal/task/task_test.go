package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"flow/internal/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// named returns n pending nodes t0, t1 and so on.
func named(n int) []*task.Node {
	nodes := make([]*task.Node, n)
	for i := range nodes {
		nodes[i] = new(task.Node)
		nodes[i].InitOwned(context.Background(), fmt.Sprint("t", i))
	}
	return nodes
}

func TestCircle(t *testing.T) {
	type wait struct {
		node    int
		first   bool
		targets []int
	}
	for _, tc := range []struct {
		name  string
		waits []wait // published in this order; the last one closes the circle, or not
		want  string
	}{
		{"self", []wait{{0, false, []int{0}}}, "t0 -> t0"},
		{"two", []wait{{0, false, []int{1}}, {1, false, []int{0}}}, "t1 -> t0 -> t1"},
		{"chain", []wait{{0, false, []int{1}}, {1, false, []int{2}}}, ""},
		{"all: one is stuck", []wait{{0, false, []int{1, 2}}, {2, false, []int{0}}}, "t2 -> t0 -> t2"},
		{"first: one is free", []wait{{0, true, []int{1, 2}}, {2, false, []int{0}}}, ""},
		{"first: both are stuck", []wait{{0, true, []int{1, 2}}, {1, false, []int{0}}, {2, false, []int{0}}}, "t2 -> t0 -> t2"},
		{"first of itself and a free one", []wait{{0, true, []int{0, 1}}}, ""},
		{"first of itself alone", []wait{{0, true, []int{0}}}, "t0 -> t0"},
		{"two firsts that need each other", []wait{{0, true, []int{1}}, {1, true, []int{0, 0}}}, "t1 -> t0 -> t1"},
		{"into another's circle", []wait{{0, false, []int{1}}, {1, false, []int{0}}, {2, false, []int{0}}}, ""},
		{"into another's circle, all", []wait{{0, false, []int{1}}, {1, false, []int{0}}, {2, false, []int{0, 3}}}, ""},
		{"shortest", []wait{{1, false, []int{2}}, {2, false, []int{0}}, {3, false, []int{0}}, {0, false, []int{1, 3}}}, "t0 -> t3 -> t0"},
	} {
		nodes := named(4)
		var got task.Cycle
		for _, w := range tc.waits {
			targets := make([]*task.Node, len(w.targets))
			for i, k := range w.targets {
				targets[i] = nodes[k]
			}
			got = nodes[w.node].WaitFor(w.first, targets...)
		}
		if s := strings.TrimPrefix(got.Error(), "deadlock: "); s != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, s, tc.want)
		}
	}
}

// Random graphs: the last to publish sees a circle exactly if it has become stuck
// by that and can reach itself over others that are.
func TestCircleAgainstReference(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	found := 0
	for range 20_000 {
		n := 1 + r.IntN(7)
		nodes := named(n)
		edges := make([][]int, n)
		firsts := make([]bool, n)
		for _, i := range r.Perm(n)[:1+r.IntN(n)] {
			firsts[i] = r.IntN(3) == 0
			var targets []*task.Node
			for range 1 + r.IntN(3) {
				k := r.IntN(n)
				edges[i] = append(edges[i], k)
				targets = append(targets, nodes[k])
			}
			got := nodes[i].WaitFor(firsts[i], targets...) != nil
			if want := stuckInACircle(edges, firsts, i); got != want {
				t.Fatalf("seed %d: node %d of %v (first %v): got %v", seed, i, edges, firsts, got)
			} else if want {
				found++
			}
		}
	}
	if found == 0 {
		t.Fatal("no circle was ever made: nothing is tested")
	}
}

func stuckInACircle(edges [][]int, firsts []bool, self int) bool {
	alive := make([]bool, len(edges))
	lives := func(k int) bool { return alive[k] }
	dead := func(k int) bool { return !alive[k] }
	for range edges {
		for i, e := range edges {
			alive[i] = len(e) == 0 || firsts[i] && slices.ContainsFunc(e, lives) || !firsts[i] && !slices.ContainsFunc(e, dead)
		}
	}
	if alive[self] {
		return false
	}
	seen := make([]bool, len(edges))
	var reach func(i int)
	reach = func(i int) {
		for _, k := range edges[i] {
			if !alive[k] && !seen[k] {
				seen[k] = true
				reach(k)
			}
		}
	}
	reach(self)
	return seen[self]
}

func TestNoCircleThroughWhatIsDoneOrLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		nodes := named(2)
		waited := make(chan error, 1)
		go func() { waited <- nodes[1].Await(mergedDone{nodes[0].Context(), ctx}) }()
		synctest.Wait()
		if nodes[1].WaitFor(false, nodes[0]) == nil {
			t.Fatal("no circle: nothing is tested")
		}
		nodes[1].WaitFor(false)
		cancel()
		if c := nodes[1].WaitFor(false, nodes[0]); c != nil {
			t.Fatal("a wait that is being left still counts:", c)
		}
		if err := <-waited; err != task.ErrLeft {
			t.Fatal(err)
		}
		nodes[1].Fail(nil)
		if c := nodes[0].WaitFor(false, nodes[1]); c != nil {
			t.Fatal("what is done can be waited for:", c)
		}
	})
}

// mergedDone is a task's context that ends with another one.
type mergedDone struct {
	context.Context
	ends context.Context
}

func (m mergedDone) Done() <-chan struct{} { return m.ends.Done() }
func (m mergedDone) Err() error            { return m.ends.Err() }

// Many waits of one task at once come and go without loss.
func TestSeveralWaitsOfOneTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := named(9)
		self := nodes[8]
		var wg sync.WaitGroup
		for _, n := range nodes[:8] {
			wg.Go(func() {
				if err := n.Await(self.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range 8 {
			n := nodes[(i*3)%8]
			if n.WaitFor(false, self) == nil {
				t.Error(i, "is not waited for")
			}
			n.Fail(nil)
			synctest.Wait()
		}
		wg.Wait()
		if c := nodes[7].WaitFor(false, self); c != nil {
			t.Error(c)
		}
	})
}

// order is a Watcher that notes the order.
type order []int

func (o *order) Notify(w *task.Watch) { *o = append(*o, w.Index) }

func TestWatches(t *testing.T) {
	n := named(1)[0]
	var got order
	ws := make([]task.Watch, 7)
	for i := range ws {
		ws[i] = task.Watch{To: &got, Index: i, Late: i%2 == 0}
		if !n.Watch(&ws[i]) {
			t.Fatal("not registered")
		}
	}
	for _, i := range []int{0, 3, 6} {
		if !n.Unwatch(&ws[i]) || n.Unwatch(&ws[i]) {
			t.Error("unwatch", i)
		}
	}
	n.Watch(&ws[3])
	n.Fail(errors.New("failure"))
	if want := []int{1, 5, 3, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n.Unwatch(&ws[1]) || n.Watch(&ws[0]) {
		t.Error("registered with a settled node")
	}
}

func TestContext(t *testing.T) {
	type key struct{}
	n := new(task.Node)
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "v"))
	n.Init(parent, "x", host{}, false)
	ctx := n.Context()
	if task.From(ctx) != n || ctx.Value(key{}) != "v" || ctx.Err() != nil || fmt.Sprint(ctx) != "task(x)" {
		t.Fatal(ctx)
	}
	derived, stop := context.WithCancel(ctx)
	defer stop()
	if task.From(derived) != n {
		t.Error("a derived context belongs to nobody")
	}
	cause := errors.New("cause")
	cancel(cause)
	<-derived.Done()
	if context.Cause(ctx) != cause || context.Cause(derived) != cause {
		t.Error(context.Cause(ctx), context.Cause(derived))
	}
}

func TestContextOutlivesTheTaskForItsChildren(t *testing.T) {
	var parent, child, detached task.Node
	parent.Init(t.Context(), "parent", host{}, false)
	child.Init(parent.Context(), "child", host{}, false)
	detached.Init(parent.Context(), "detached", host{}, true)
	parent.Fail(nil)
	if err := errors.Join(parent.Context().Err(), child.Context().Err()); err != nil {
		t.Error("ended with the task:", err)
	}
	child.Fail(nil)
	for _, n := range []*task.Node{&parent, &child} {
		<-n.Context().Done()
		if n.Context().Err() != context.Canceled {
			t.Error(n.Context().Err())
		}
	}
	if err := detached.Context().Err(); err != nil {
		t.Error(err)
	}
}

// host runs nothing and has places without end.
type host struct{}

func (host) Name() string           { return "host" }
func (host) Leave(*task.Node) error { return nil }
func (host) Return(context.Context) {}
func (host) Dropped()               {}
func (host) Value(any) any          { return nil }
