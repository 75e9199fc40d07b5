package layout

import (
	"cmp"
	"slices"
)

// Bounds of the work on crossings.
const (
	maxStarts   = 3  // first orders, each from top and from bottom
	maxSweeps   = 32 // from each of them
	maxStale    = 8  // sweeps without a better order
	orderBudget = 20_000_000
)

// untangle orders the vertices of each layer so that few segments cross: sweeps
// down and up that sort a layer by where its neighbours stand, and exchanges of
// two that stand side by side, as by Gansner, Koutsofios, North and Vo, "A
// technique for drawing directed graphs" (1993). Several first orders are tried,
// and sweeps by weighted median and by barycentre; the best order of all is kept,
// which is never worse than the first ones. Connected parts stay apart.
func (d *drawing) untangle() {
	budget := orderBudget // of segments that are looked at
	var best [][]int32
	least := 0
	for turn := 0; turn < 4*maxStarts && budget > 0 && (best == nil || least > 0); turn++ {
		d.start(turn&2 == 0, turn/4)
		key := median
		if turn&1 != 0 {
			key = barycentre
		}
		if order, crossings := d.sweep(key, &budget); best == nil || crossings < least {
			best, least = order, crossings
		}
	}
	d.restore(best)
}

// start makes a first order: vertices as a walk in depth meets them, from the
// topmost ones downwards or from the lowest ones upwards, so trees have no
// crossings. Mixed differently (0: not), it takes ways in another order.
func (d *drawing) start(fromTop bool, mixed int) {
	from, to := d.up, d.down
	if !fromTop {
		from, to = to, from
	}
	var ends []int32
	for v := range d.layer {
		if len(from[v]) == 0 {
			ends = append(ends, int32(v))
		}
	}
	if mixed > 0 {
		mix(ends, mixed)
	}
	slices.SortStableFunc(ends, func(a, b int32) int { return cmp.Compare(d.part[a], d.part[b]) })
	slices.Reverse(ends) // the stack gives them back in order
	d.layers = make([][]int32, slices.Max(d.layer)+1)
	d.pos = make([]int32, len(d.layer))
	seen := make([]bool, len(d.layer))
	for len(ends) > 0 {
		v := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		k := d.layer[v]
		d.pos[v] = int32(len(d.layers[k]))
		d.layers[k] = append(d.layers[k], v)
		first := len(ends)
		for _, w := range slices.Backward(to[v]) {
			if !seen[w] {
				ends = append(ends, w)
			}
		}
		if mixed > 0 {
			mix(ends[first:], mixed)
		}
	}
	for k := range d.layers {
		d.relist(k)
	}
}

// sweep improves the order by turns downwards and upwards, and returns the best
// that it met, which is the present one if nothing is better. It ends with budget.
func (d *drawing) sweep(key func(near, pos []int32) int64, budget *int) (best [][]int32, least int) {
	best, least = d.copyLayers(), d.crossings(budget)
	stale := 0
	for turn := 0; turn < maxSweeps && stale < maxStale && least > 0 && *budget > 0; turn++ {
		for i := range d.layers {
			if turn%2 == 0 {
				d.sortLayer(i, d.up, key, turn%4 > 1)
			} else {
				d.sortLayer(len(d.layers)-1-i, d.down, key, turn%4 > 1)
			}
		}
		d.exchange(budget)
		stale++
		if now := d.crossings(budget); now < least {
			best, least, stale = d.copyLayers(), now, 0
		}
	}
	return best, least
}

// sortLayer orders a layer by its neighbours on one side. What has none there keeps
// its place. Turned, equal ones change places. Connected parts that do not mix on
// that side will not mix here.
func (d *drawing) sortLayer(k int, near [][]int32, key func(near, pos []int32) int64, turned bool) {
	type keyed struct {
		v   int32
		key int64
	}
	row := d.layers[k]
	var movable []keyed
	for _, v := range row {
		if len(near[v]) > 0 {
			movable = append(movable, keyed{v, key(near[v], d.pos)})
		}
	}
	if turned {
		slices.Reverse(movable)
	}
	slices.SortStableFunc(movable, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	next := 0
	for i, v := range row {
		if len(near[v]) > 0 {
			row[i] = movable[next].v
			next++
		}
	}
	d.relist(k)
}

// relist makes pos and the neighbours' lists true after a layer was ordered.
func (d *drawing) relist(k int) {
	for i, v := range d.layers[k] {
		d.pos[v] = int32(i)
	}
	if k > 0 {
		relink(d.layers[k-1], d.layers[k], d.down, d.up)
	}
	if k+1 < len(d.layers) {
		relink(d.layers[k+1], d.layers[k], d.up, d.down)
	}
}

// relink brings the lists of one layer into the order of the one beside it.
func relink(layer, beside []int32, lists, back [][]int32) {
	for _, v := range layer {
		lists[v] = lists[v][:0]
	}
	for _, w := range beside {
		for _, v := range back[w] {
			lists[v] = append(lists[v], w)
		}
	}
}

func (d *drawing) copyLayers() [][]int32 {
	copied := make([][]int32, len(d.layers))
	for k, row := range d.layers {
		copied[k] = slices.Clone(row)
	}
	return copied
}

func (d *drawing) restore(layers [][]int32) {
	d.layers = layers
	for k := range layers {
		d.relist(k)
	}
}

// fraction is what positions are multiplied by in keys.
const fraction = 1 << 16

// barycentre is the mean of neighbours' positions.
func barycentre(near, pos []int32) int64 {
	sum := int64(0)
	for _, w := range near {
		sum += int64(pos[w])
	}
	return sum * fraction / int64(len(near))
}

// median is that of neighbours' positions; between two middle ones it is nearer to
// the side where they are denser.
func median(near, pos []int32) int64 {
	at := func(i int) int64 { return int64(pos[near[i]]) * fraction }
	m, n := len(near)/2, len(near)
	switch {
	case n%2 == 1:
		return at(m)
	case n == 2:
		return (at(0) + at(1)) / 2
	}
	left, right := (at(m-1)-at(0))/fraction, (at(n-1)-at(m))/fraction
	if left+right == 0 {
		return (at(m-1) + at(m)) / 2
	}
	return (at(m-1)*right + at(m)*left) / (left + right)
}

// mix puts vertices into an order that is different for each turn, but always the
// same.
func mix(vertices []int32, turn int) {
	slices.SortFunc(vertices, func(a, b int32) int {
		h := func(v int32) uint32 {
			x := uint32(v+1) * 0x9e3779b1 * uint32(2*turn+1)
			return (x ^ x>>15) * 0x85ebca6b
		}
		return cmp.Compare(h(a), h(b))
	})
}
