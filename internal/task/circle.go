package task

// Circle reports whether n, having published what it waits for, is part of a
// circle of waits that nothing can resolve, and names one.
//
// Every task publishes before it looks, so the last to publish sees the whole
// circle: one member always reports it, and the others fail by cascade. A
// waiter may leave while another looks, because its context ended; therefore
// what was found is looked at a second time. Each edge was then the same
// (published waits are never reused) at both looks, so there was an instant
// between them at which all were there: no false alarm.
//
// A chain of single waits, which is nearly all there is, costs a few loads a
// link and no allocation. It takes no lock.
func Circle(n *Node) Cycle {
	for {
		found, simple := chain(n)
		if simple && !found {
			return nil
		}
		g := explore(n)
		g.spread()
		path := g.path()
		if path == nil {
			return nil
		}
		if g.holds() {
			return path
		}
	}
}

// chain follows single waits from self. It reports whether they lead back to
// self; simple is false where they branch, and nothing is known. A circle that
// self only leads into is for its members to report (the two-speed walk is R. P.
// Brent's, 1980).
func chain(self *Node) (found, simple bool) {
	cur, mark := self, self
	for steps, power := 0, 1; ; steps++ {
		w := waiting(cur)
		if w == nil {
			return false, true
		}
		if w.next != nil || w.target == nil {
			return false, false
		}
		cur = w.target
		if cur == self {
			return true, true
		}
		if cur == mark {
			return false, true
		}
		if steps == power {
			mark, power, steps = cur, power*2, 0
		}
	}
}

// waiting returns what n waits for, or nil if n may still go on by itself.
func waiting(n *Node) *Wait {
	if n.State().Done() {
		return nil
	}
	head := n.waits.Load()
	for w := head; w != nil; w = w.next {
		if !w.over() {
			return head
		}
	}
	return nil
}

// graph is what can be reached from one node over waits, as seen once. Vertex 0
// is where the search began.
type graph struct {
	nodes []*Node
	seen  []*Wait // what each waited for; nil: it may go on
	index map[*Node]int
	needs []need
	of    [][]int // the needs of each vertex
	alive []bool
}

// need is one wait of a vertex.
type need struct {
	wait    *Wait
	owner   int
	targets []int
	missing int // how many targets must be able to end before it can
}

// explore collects the graph from self, breadth first. A vertex that may go on
// by itself has no needs.
func explore(self *Node) *graph {
	g := &graph{index: make(map[*Node]int)}
	g.add(self)
	for v := 0; v < len(g.nodes); v++ {
		for w := g.seen[v]; w != nil; w = w.next {
			if !w.over() {
				g.expand(v, w)
			}
		}
	}
	return g
}

func (g *graph) add(n *Node) int {
	if v, ok := g.index[n]; ok {
		return v
	}
	v := len(g.nodes)
	g.index[n] = v
	g.nodes = append(g.nodes, n)
	g.seen = append(g.seen, waiting(n))
	g.of = append(g.of, nil)
	return v
}

// expand adds the wait w of vertex v, unless it is sure to end: a target of
// all-waits that may go on matters not, and one of a first-wait is enough.
func (g *graph) expand(v int, w *Wait) {
	var targets []int
	ends := false
	w.each(func(t *Node) bool {
		if waiting(t) == nil {
			ends = w.First
			return !ends
		}
		targets = append(targets, g.add(t))
		return true
	})
	if ends || len(targets) == 0 {
		return
	}
	missing := len(targets)
	if w.First {
		missing = 1
	}
	g.of[v] = append(g.of[v], len(g.needs))
	g.needs = append(g.needs, need{w, v, targets, missing})
}

// spread finds who can end: the least set with those that need nothing, and
// those whose needs can all be met from it. It takes time linear in the edges.
func (g *graph) spread() {
	users := make([][]int, len(g.nodes)) // the needs that a vertex is a target of
	for i, nd := range g.needs {
		for _, t := range nd.targets {
			users[t] = append(users[t], i)
		}
	}
	unmet := make([]int, len(g.nodes))
	g.alive = make([]bool, len(g.nodes))
	var work []int
	for v := range g.nodes {
		if unmet[v] = len(g.of[v]); unmet[v] == 0 {
			g.alive[v] = true
			work = append(work, v)
		}
	}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, i := range users[v] {
			nd := &g.needs[i]
			if nd.missing--; nd.missing != 0 {
				continue
			}
			if unmet[nd.owner]--; unmet[nd.owner] == 0 {
				g.alive[nd.owner] = true
				work = append(work, nd.owner)
			}
		}
	}
}

// path returns the names along a shortest way from vertex 0 back to itself over
// vertices that can't end; nil if there is none. Whoever made the last of the
// stuck ones stuck always has one: what it reaches was not stuck before.
func (g *graph) path() Cycle {
	if g.alive[0] {
		return nil
	}
	from := make([]int, len(g.nodes))
	for i := range from {
		from[i] = -1
	}
	for queue := []int{0}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		for _, i := range g.of[v] {
			for _, t := range g.needs[i].targets {
				if t == 0 {
					return g.names(from, v)
				}
				if !g.alive[t] && from[t] < 0 {
					from[t] = v
					queue = append(queue, t)
				}
			}
		}
	}
	return nil
}

// names lists the way from vertex 0 to last, and vertex 0 again.
func (g *graph) names(from []int, last int) Cycle {
	names := Cycle{g.nodes[0].Name()}
	for v := last; v > 0; v = from[v] {
		names = append(names, g.nodes[v].Name())
	}
	names = append(names, g.nodes[0].Name())
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return names
}

// holds looks again whether all that can't end still waits for the same.
func (g *graph) holds() bool {
	for v, n := range g.nodes {
		if g.alive[v] {
			continue
		}
		if waiting(n) != g.seen[v] {
			return false
		}
		for _, i := range g.of[v] {
			if g.needs[i].wait.over() {
				return false
			}
		}
	}
	return true
}
