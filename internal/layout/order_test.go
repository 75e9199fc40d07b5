package layout

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// countCrossings compares each segment with each.
func countCrossings(d *drawing) int {
	total := 0
	for _, row := range d.layers {
		for i, u := range row {
			for _, v := range row[i+1:] {
				for _, a := range d.down[u] {
					for _, b := range d.down[v] {
						if d.pos[a] > d.pos[b] {
							total++
						}
					}
				}
			}
		}
	}
	return total
}

func budget() *int {
	b := orderBudget
	return &b
}

// TestCrossings: crossings are counted as one by one, an exchange gains what it is
// said to gain, and the order that is kept has no more of them than the first one.
func TestCrossings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, err := build(graphs(24).Draw(t, "graph"))
		if err != nil {
			t.Fatal(err)
		}
		d.start(rapid.Bool().Draw(t, "from top"), rapid.IntRange(0, 3).Draw(t, "mixed"))
		first := d.crossings(budget())
		if want := countCrossings(d); first != want {
			t.Fatalf("%d crossings, counted %d", first, want)
		}
		k := rapid.IntRange(0, len(d.layers)-1).Draw(t, "layer")
		if row := d.layers[k]; len(row) > 1 {
			i := rapid.IntRange(0, len(row)-2).Draw(t, "place")
			gain := d.gain(d.up[row[i]], d.up[row[i+1]]) + d.gain(d.down[row[i]], d.down[row[i+1]])
			row[i], row[i+1] = row[i+1], row[i]
			d.relist(k)
			if now := d.crossings(budget()); now != first-gain {
				t.Fatalf("%d crossings were to become %d less, and are %d", first, gain, now)
			}
		}
		d.start(true, 0)
		first = d.crossings(budget())
		d.untangle()
		if now := d.crossings(budget()); now > first {
			t.Fatalf("%d crossings, at first %d", now, first)
		}
		checkParts(t, d)
	})
}

// checkParts: what is not connected is not mixed.
func checkParts(t *rapid.T, d *drawing) {
	for _, row := range d.layers {
		parts := make([]int32, len(row))
		for i, v := range row {
			parts[i] = d.part[v]
		}
		if !slices.IsSorted(parts) {
			t.Fatalf("parts of a layer: %v", parts)
		}
	}
}

// TestTrees: trees, downwards or upwards, have no crossings.
func TestTrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &Graph{Nodes: make([]Node, rapid.IntRange(2, 40).Draw(t, "nodes"))}
		upwards := rapid.Bool().Draw(t, "upwards")
		for i := 1; i < len(g.Nodes); i++ {
			e := Edge{rapid.IntRange(0, i-1).Draw(t, "parent"), i}
			if upwards {
				e.From, e.To = e.To, e.From
			}
			g.Edges = append(g.Edges, e)
		}
		d, err := build(g)
		if err != nil {
			t.Fatal(err)
		}
		d.untangle()
		if n := d.crossings(budget()); n > 0 {
			t.Fatalf("%d crossings", n)
		}
	})
}

// TestVertical: inner segments of lines are vertical, but for those that had to give
// way to others that they cross; placing and settling keep what stands in a layer
// apart, and settling makes nothing wider.
func TestVertical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, err := build(graphs(24).Draw(t, "graph"))
		if err != nil {
			t.Fatal(err)
		}
		d.untangle()
		d.place()
		before := widths(d)
		for range 2 {
			c := d.conflicts()
			for v, w := range d.lineDown {
				if w < 0 || d.x[v] == d.x[w] {
					continue
				}
				if c.keptDown[v] >= 0 {
					t.Fatalf("joints %d and %d are at %d and %d", v, w, d.x[v], d.x[w])
				}
				if !crossesInner(d, int32(v)) {
					t.Fatalf("joints %d and %d gave way to nothing", v, w)
				}
			}
			for _, row := range d.layers {
				for i := 1; i < len(row); i++ {
					if d.x[row[i]]-d.x[row[i-1]] < d.apart(row[i-1], row[i]) {
						t.Fatalf("%d and %d are at %d and %d", row[i-1], row[i], d.x[row[i-1]], d.x[row[i]])
					}
				}
			}
			d.settle()
		}
		if after := widths(d); after > before {
			t.Fatalf("widths are %d, were %d", after, before)
		}
	})
}

func crossesInner(d *drawing, v int32) bool {
	for _, u := range d.layers[d.layer[v]] {
		if w := d.lineDown[u]; w >= 0 && (d.pos[u] < d.pos[v]) != (d.pos[w] < d.pos[d.lineDown[v]]) && u != v {
			return true
		}
	}
	return false
}

func widths(d *drawing) int {
	sum := 0
	for v := range d.down {
		for _, w := range d.down[v] {
			sum += max(d.x[v]-d.x[w], d.x[w]-d.x[v])
		}
	}
	return sum
}
