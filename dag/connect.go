package dag

import (
	"fmt"
	"slices"
	"strings"
)

// maxCircle bounds how many tasks of a circle are shown: the first and the last.
const maxCircle = 20

// connect fills every task's Deps with what it needs and what its expressions
// mention, and reports circles.
func (d *decoder) connect() {
	if good := d.checkDefaults(); !d.dependencies() || !good {
		return
	}
	for _, circle := range circles(d.w.Tasks) {
		var b strings.Builder
		for i, t := range circle {
			if left := len(circle) - maxCircle; left > 0 && maxCircle/2 <= i && i < maxCircle/2+left {
				if i == maxCircle/2 {
					fmt.Fprintf(&b, "… and %d more … → ", left)
				}
				continue
			}
			fmt.Fprintf(&b, "%s (line %d) → ", t.ID, t.Pos.Line)
		}
		first := circle[0]
		d.errorf(d.drafts[first.Index].id, "tasks wait for each other in a circle: %s%s; one of them must not depend on the next", b.String(), first.ID)
	}
}

// checkDefaults reports what of a task the defaults mention: they are the same
// for all tasks. (The compiler looks at env by itself.) False where it did.
func (d *decoder) checkDefaults() bool {
	good := true
	check := func(n *node, u *Uses) {
		if len(u.Tasks) > 0 || u.Fan {
			d.errorf(n, "the file's env and defaults may name params, run and secrets only")
			good = false
		}
	}
	if v := d.defaults.dir; v != nil {
		check(find(d.defaults.n, "dir"), v.Uses())
	}
	if e := d.defaults.retry.If; e != nil {
		check(find(find(d.defaults.n, "retry"), "if"), e.Uses())
	}
	return good
}

// dependencies fills Deps and Secrets. False where a task of `tasks` mentions one of
// `finally`, which is reported.
func (d *decoder) dependencies() bool {
	ok := true
	var deps []int
	for i := range d.drafts {
		t := &d.drafts[i]
		deps = append(deps[:0], t.Needs...)
		for _, u := range t.deps {
			deps = append(deps, u.Uses().Tasks...)
		}
		slices.Sort(deps)
		deps = slices.Compact(deps)
		if len(deps) > 0 {
			t.Deps = slices.Clone(deps)
		}
		if !t.Finally && len(deps) > 0 && d.w.Tasks[deps[len(deps)-1]].Finally {
			ok = false
			if !d.src.failed() {
				d.errorf(t.id, "task %s mentions %s of finally, which runs when all tasks have ended", t.ID, d.w.Tasks[deps[len(deps)-1]].ID)
			}
		}
		if len(d.w.Secrets) > 0 {
			t.Secrets = t.mentioned()
		}
		t.deps = nil
	}
	return ok
}

// mentioned are the secrets that a task names, each once, sorted.
func (t *draft) mentioned() []string {
	var names []string
	for _, u := range t.deps {
		names = append(names, u.Uses().Secrets...)
	}
	for i := range t.Env { // what the file and its defaults add to it is not the task's own
		names = append(names, t.Env[i].Value.Uses().Secrets...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// circles finds, among tasks that depend on each other in circles, one circle
// for each group whose members all reach each other (Tarjan's strongly
// connected components, without recursion): the shortest through the group's
// first task, each task depending on the next, the last on the first.
func circles(tasks []*Task) [][]*Task {
	var out [][]*Task
	for _, group := range components(tasks) {
		slices.Sort(group)
		first := group[0]
		if len(group) == 1 && !slices.Contains(tasks[first].Deps, first) {
			continue
		}
		out = append(out, shortest(tasks, group))
	}
	slices.SortFunc(out, func(a, b []*Task) int { return a[0].Index - b[0].Index })
	return out
}

// components are the strongly connected components of the graph of Deps.
func components(tasks []*Task) [][]int {
	n := len(tasks)
	number := make([]int, n) // in order of discovery, from 1
	low := make([]int, n)
	on := make([]bool, n)
	next := make([]int, n) // which of Deps comes next
	var stack, path []int
	var out [][]int
	count := 0
	for root := range n {
		if number[root] > 0 {
			continue
		}
		path = append(path[:0], root)
		for len(path) > 0 {
			v := path[len(path)-1]
			if number[v] == 0 {
				count++
				number[v], low[v], on[v] = count, count, true
				stack = append(stack, v)
			}
			if next[v] < len(tasks[v].Deps) {
				u := tasks[v].Deps[next[v]]
				next[v]++
				if number[u] == 0 {
					path = append(path, u)
				} else if on[u] {
					low[v] = min(low[v], number[u])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				above := path[len(path)-1]
				low[above] = min(low[above], low[v])
			}
			if low[v] != number[v] {
				continue
			}
			from := len(stack) - 1
			for stack[from] != v {
				from--
			}
			for _, u := range stack[from:] {
				on[u] = false
			}
			if from < len(stack)-1 || slices.Contains(tasks[v].Deps, v) {
				out = append(out, slices.Clone(stack[from:]))
			}
			stack = stack[:from]
		}
	}
	return out
}

// shortest is the shortest circle through the first task of a group, found
// breadth first.
func shortest(tasks []*Task, group []int) []*Task {
	first := group[0]
	member := make(map[int]bool, len(group))
	for _, v := range group {
		member[v] = true
	}
	from := map[int]int{} // by which task each was reached
	queue := []int{first}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, u := range tasks[v].Deps {
			if u == first {
				circle := []*Task{tasks[v]}
				for v != first {
					v = from[v]
					circle = append(circle, tasks[v])
				}
				slices.Reverse(circle)
				return circle
			}
			if _, seen := from[u]; !seen && member[u] {
				from[u] = v
				queue = append(queue, u)
			}
		}
	}
	return []*Task{tasks[first]}
}
