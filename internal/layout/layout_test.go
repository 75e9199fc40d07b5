package layout

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// graphs draws graphs of up to n nodes, in two bands.
func graphs(n int) *rapid.Generator[*Graph] {
	return rapid.Custom(func(t *rapid.T) *Graph {
		g := &Graph{Nodes: make([]Node, rapid.IntRange(1, n).Draw(t, "nodes"))}
		second := rapid.IntRange(0, len(g.Nodes)).Draw(t, "band 0")
		for i := range g.Nodes {
			g.Nodes[i] = Node{Width: rapid.IntRange(1, 300).Draw(t, "width"), Height: rapid.IntRange(1, 100).Draw(t, "height")}
			if i >= second {
				g.Nodes[i].Band = 1
			}
		}
		// Edges lead from lower to higher numbers; the numbers then are mixed.
		for range rapid.IntRange(0, 3*(len(g.Nodes)-1)).Draw(t, "edges") {
			to := rapid.IntRange(1, len(g.Nodes)-1).Draw(t, "to")
			g.Edges = append(g.Edges, Edge{rapid.IntRange(0, to-1).Draw(t, "from"), to})
		}
		number := rapid.Permutation(slices.Collect(count(len(g.Nodes)))).Draw(t, "numbers")
		mixed := &Graph{Nodes: make([]Node, len(g.Nodes))}
		for i, n := range g.Nodes {
			mixed.Nodes[number[i]] = n
		}
		for _, e := range g.Edges {
			mixed.Edges = append(mixed.Edges, Edge{number[e.From], number[e.To]})
		}
		return mixed
	})
}

func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}
}

// TestLayered: in every picture edges lead downwards, from border to border and
// through no other node; no nodes overlap; frames hold their nodes and no others;
// all is inside, on the grid, and the same every time.
func TestLayered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := graphs(24).Draw(t, "graph")
		p, err := Layered(g)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Layered(g)
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("another picture: %s", diff)
		}
		for i := range g.Nodes {
			a := box(g, p, i)
			if a.X < Margin || a.Y < Margin || a.X+a.Width > p.Width-Margin || a.Y+a.Height > p.Height-Margin || a.X%Grid != 0 || a.Y%Grid != 0 {
				t.Fatalf("node %d is at %v of %dx%d", i, a, p.Width, p.Height)
			}
			for k := range i {
				if b := box(g, p, k); a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
					t.Fatalf("nodes %d and %d overlap: %v, %v", i, k, a, b)
				}
			}
			for _, f := range p.Frames {
				inside := a.X > f.X && a.Y >= f.Y+FrameHead && a.X+a.Width < f.X+f.Width && a.Y+a.Height < f.Y+f.Height
				if inside != (f.Band == g.Nodes[i].Band) {
					t.Fatalf("node %d of band %d at %v, frame of band %d at %v", i, g.Nodes[i].Band, a, f.Band, f)
				}
			}
		}
		for i := range g.Edges {
			checkRoute(t, g, p, i)
		}
	})
}

func box(g *Graph, p *Picture, i int) Frame {
	return Frame{Point: p.Nodes[i], Width: g.Nodes[i].Width, Height: g.Nodes[i].Height}
}

func checkRoute(t *rapid.T, g *Graph, p *Picture, i int) {
	route := p.Routes[i]
	from, to := box(g, p, g.Edges[i].From), box(g, p, g.Edges[i].To)
	first, last := route[0], route[len(route)-1]
	if first.Y != from.Y+from.Height || first.X < from.X || first.X > from.X+from.Width {
		t.Fatalf("edge %d begins at %v, its node is %v", i, first, from)
	}
	if last.Y != to.Y || last.X < to.X || last.X > to.X+to.Width || last.Y <= first.Y {
		t.Fatalf("edge %d from %v ends at %v, its node is %v", i, first, last, to)
	}
	for k := 1; k < len(route); k++ {
		a, b := route[k-1], route[k]
		if b.Y < a.Y {
			t.Fatalf("edge %d goes up: %v", i, route)
		}
		for _, f := range p.Frames {
			if a.X != b.X && a.Y < f.Y+FrameHead && f.Y < b.Y {
				t.Fatalf("edge %d is a curve where the frame %v has its title: %v", i, f, route)
			}
		}
		for n := range g.Nodes {
			// A curve may be anywhere between its ends: no node is in these rows.
			o := box(g, p, n)
			if o.Y < b.Y && a.Y < o.Y+o.Height && (a.X != b.X || o.X < a.X && a.X < o.X+o.Width) {
				t.Fatalf("edge %d runs through node %d at %v: %v", i, n, o, route)
			}
		}
	}
}

func TestLayeredRefuses(t *testing.T) {
	two := []Node{{Width: 8, Height: 8, Band: 1}, {Width: 8, Height: 8}}
	for _, edges := range [][]Edge{{{0, 2}}, {{-1, 1}}, {{0, 1}}} {
		if _, err := Layered(&Graph{two, edges}); err == nil {
			t.Errorf("%v: taken", edges)
		}
	}
	if _, err := Layered(&Graph{two[:1], []Edge{{0, 0}}}); !errors.Is(err, ErrCircle) {
		t.Error(err)
	}
	large := &Graph{Nodes: make([]Node, 4000)}
	for i := range 3999 {
		large.Edges = append(large.Edges, Edge{i, i + 1})
		if i < 3000 {
			large.Edges = append(large.Edges, Edge{i, i + 1000})
		}
	}
	if _, err := Layered(large); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if p, err := Layered(&Graph{}); err != nil || p.Width != 2*Margin || p.Height != 2*Margin {
		t.Error(p, err)
	}
}

// TestBandBelow: a band that nothing leads to stands below the middle.
func TestBandBelow(t *testing.T) {
	wide, small := Node{Width: 400, Height: 40}, Node{Width: 80, Height: 40, Band: 1}
	p, err := Layered(&Graph{[]Node{wide, wide, wide, small, small}, []Edge{{0, 1}, {3, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Nodes[3].X+40, p.Width/2; got != want || p.Nodes[4].X != p.Nodes[3].X {
		t.Errorf("it is at %d, the middle at %d: %v", got, want, p.Nodes)
	}
}

// TestLayers: what leads to one thing that is far below stands right above it.
func TestLayers(t *testing.T) {
	layer, err := assign(&Graph{make([]Node, 7), []Edge{{0, 1}, {1, 2}, {2, 3}, {4, 3}, {5, 6}, {6, 3}}})
	if diff := cmp.Diff([]int32{0, 1, 2, 3, 2, 1, 2}, layer); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestShorter: no edge has a length below 1, and all together are never longer
// than with the earliest layers.
func TestShorter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := graphs(24).Draw(t, "graph")
		layer, err := assign(g)
		if err != nil {
			t.Fatal(err)
		}
		n := len(g.Nodes)
		l := &layering{g: g, ins: make([][]int32, n), outs: make([][]int32, n), layer: make([]int32, n), last: make([]int32, n)}
		for _, e := range g.Edges {
			l.outs[e.From] = append(l.outs[e.From], int32(e.To))
			l.ins[e.To] = append(l.ins[e.To], int32(e.From))
		}
		l.sort()
		l.earliest()
		sum, first := int32(0), int32(0)
		for _, e := range g.Edges {
			if layer[e.To] <= layer[e.From] {
				t.Fatalf("%v from layer %d to %d", e, layer[e.From], layer[e.To])
			}
			sum += layer[e.To] - layer[e.From]
			first += l.layer[e.To] - l.layer[e.From]
		}
		if sum > first {
			t.Fatalf("lengths are %d, were %d", sum, first)
		}
		used := make([]bool, slices.Max(layer)+1)
		for _, k := range layer {
			used[k] = true
		}
		if slices.Contains(used, false) {
			t.Fatalf("a layer is empty: %v", layer)
		}
	})
}

// TestImplied compares with a search for ways.
func TestImplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := graphs(16).Draw(t, "graph")
		implied := Implied(len(g.Nodes), g.Edges)
		for i, e := range g.Edges {
			// Is there a way without this edge, and without those like it?
			seen := make([]bool, len(g.Nodes))
			todo := []int{e.From}
			for len(todo) > 0 {
				v := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				for _, o := range g.Edges {
					if o.From == v && o != e && !seen[o.To] {
						seen[o.To] = true
						todo = append(todo, o.To)
					}
				}
			}
			before := slices.Contains(g.Edges[:i], e)
			if want := seen[e.To] || before; implied[i] != want {
				t.Fatalf("%v: got %v, want %v", e, implied[i], want)
			}
		}
	})
}

func TestImpliedOfMany(t *testing.T) {
	const n = 10_000 // more than one round
	var edges []Edge
	for i := range n - 1 {
		edges = append(edges, Edge{i, i + 1})
	}
	edges = append(edges, Edge{0, n - 1}, Edge{5000, 5002}, Edge{4095, 4097})
	for i, implied := range Implied(n, edges) {
		if implied != (i >= n-1) {
			t.Errorf("%v: %v", edges[i], implied)
		}
	}
}

func BenchmarkLayered(b *testing.B) {
	for _, c := range []struct {
		name         string
		nodes, edges int
	}{{"100", 100, 200}, {"1100", 1_100, 3_000}, {"10000", 10_000, 30_000}} {
		g := &Graph{Nodes: slices.Repeat([]Node{{Width: 96, Height: 48}}, c.nodes)}
		random := uint32(1)
		next := func(n int) int {
			random = random*1664525 + 1013904223
			return int(random>>8) % n
		}
		for range c.edges {
			from := next(c.nodes - 1)
			g.Edges = append(g.Edges, Edge{from, from + 1 + next(min(c.nodes-1-from, 500))})
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Layered(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
