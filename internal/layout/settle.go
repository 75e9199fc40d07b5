package layout

import "slices"

// Bounds of the work on widths.
const (
	pullBudget = 16_000_000 // vertices and segments that are looked at
	maxPull    = 4_000      // groups that move at once
)

// settling moves vertices sideways. Joints of a line that stand above each other
// stay so: they are one group; all else is a group of its own.
type settling struct {
	*drawing
	sides  [2][]int32 // each vertex's neighbour to the left and to the right, or -1
	groups [][]int32
	of     []int32 // by vertex: its group
	marks  []int32 // by group: the last pull that it was part of
	pulls  int32
	set    []int32 // groups of the present pull
	budget int
}

// settle makes the sum of all segments' widths smaller, which makes the picture
// narrower too: each group in turn is pulled to either side, and takes along what
// stands in its way, and with luck what is right above and below, as far as that
// makes the sum smaller. It finds what network simplex does in most cases (which is
// how Gansner and others place nodes), beginning at a placement that is good
// already, and in bounded time.
func (d *drawing) settle() {
	s := &settling{drawing: d, sides: [2][]int32{d.beside(-1), d.beside(1)}, of: make([]int32, len(d.layer)), budget: pullBudget}
	for v := range int32(len(d.layer)) {
		if u := d.lineUp[v]; u >= 0 && d.x[u] == d.x[v] {
			s.of[v] = s.of[u] // joints of a line are numbered downwards
			s.groups[s.of[u]] = append(s.groups[s.of[u]], v)
			continue
		}
		s.of[v] = int32(len(s.groups))
		s.groups = append(s.groups, []int32{v})
	}
	s.marks = make([]int32, len(s.groups))
	for moved := true; moved && s.budget > 0; {
		moved = false
		for g := range s.groups {
			for _, with := range [4]company{{}, {above: true}, {below: true}, {true, true}} {
				for side := range 2 {
					for s.pull(int32(g), side, with) {
						moved = true
					}
				}
			}
		}
	}
	s.centre()
	d.stack()
}

// company is what goes along with a vertex that is pulled, besides what stands in
// its way: what a straight segment leads to.
type company struct{ above, below bool }

// pull moves a group, and what goes along, to a side if that makes the sum of
// widths smaller: until a segment is vertical, or something else stands in the
// way. It tells whether it did.
func (s *settling) pull(g int32, side int, with company) bool {
	if s.budget <= 0 || !s.gather(g, side, with) {
		return false
	}
	sign := 2*side - 1
	gain, room := 0, 1<<30
	for _, g := range s.set {
		for _, v := range s.groups[g] {
			for _, near := range [2][]int32{s.up[v], s.down[v]} {
				s.budget -= len(near)
				for _, w := range near {
					if s.marks[s.of[w]] == s.pulls {
						continue
					}
					if dx := (s.x[w] - s.x[v]) * sign; dx > 0 {
						gain++
						room = min(room, dx)
					} else {
						gain--
					}
				}
			}
		}
	}
	if gain <= 0 {
		return false
	}
	for _, g := range s.set {
		for _, v := range s.groups[g] {
			if w := s.sides[side][v]; w >= 0 && s.marks[s.of[w]] != s.pulls {
				room = min(room, (s.x[w]-s.x[v])*sign-s.apart(v, w))
			}
		}
	}
	for _, g := range s.set {
		for _, v := range s.groups[g] {
			s.x[v] += sign * room
		}
	}
	return true
}

// gather finds the groups that move with one, and marks them; false: too many.
func (s *settling) gather(g int32, side int, with company) bool {
	sign := 2*side - 1
	s.pulls++
	s.set = s.set[:0]
	add := func(g int32) {
		if s.marks[g] != s.pulls {
			s.marks[g] = s.pulls
			s.set = append(s.set, g)
		}
	}
	straight := func(v int32, near []int32) {
		for _, w := range near {
			if s.x[w] == s.x[v] {
				add(s.of[w])
			}
		}
	}
	add(g)
	for k := 0; k < len(s.set) && k < maxPull; k++ {
		for _, v := range s.groups[s.set[k]] {
			s.budget--
			if w := s.sides[side][v]; w >= 0 && (s.x[w]-s.x[v])*sign <= s.apart(v, w) {
				add(s.of[w])
			}
			if with.above {
				straight(v, s.up[v])
			}
			if with.below {
				straight(v, s.down[v])
			}
		}
	}
	return len(s.set) < maxPull
}

// centre moves nodes that are connected on one side only to the middle of their
// two middle neighbours, between which the sum of widths is the same everywhere.
func (s *settling) centre() {
	for v := range int32(s.n) {
		near := s.up[v]
		if len(near) == 0 {
			near = s.down[v]
		} else if len(s.down[v]) > 0 {
			continue
		}
		if len(near) == 0 {
			continue
		}
		x := snapDown((s.x[near[(len(near)-1)/2]] + s.x[near[len(near)/2]]) >> 1)
		if u := s.sides[0][v]; u >= 0 {
			x = max(x, s.x[u]+s.apart(u, v))
		}
		if w := s.sides[1][v]; w >= 0 {
			x = min(x, s.x[w]-s.apart(v, w))
		}
		s.x[v] = x
	}
}

// stack puts layers that nothing leads to from above, which are those of a band that
// is not connected, below the middle of what is above.
func (d *drawing) stack() {
	for k := 1; k < len(d.layers); k++ {
		if slices.ContainsFunc(d.layers[k], func(v int32) bool { return len(d.up[v]) > 0 }) {
			continue
		}
		middle := func(layers [][]int32) int {
			left, right := 1<<30, -1<<30
			for _, row := range layers {
				left = min(left, d.x[row[0]]-d.width(row[0])/2)
				right = max(right, d.x[row[len(row)-1]]+d.width(row[len(row)-1])/2)
			}
			return (left + right) >> 1
		}
		shift := snapDown(middle(d.layers[:k]) - middle(d.layers[k:]))
		for _, row := range d.layers[k:] {
			for _, v := range row {
				d.x[v] += shift
			}
		}
	}
}

// beside is each vertex's neighbour in its layer on one side, or -1.
func (d *drawing) beside(step int) []int32 {
	side := slices.Repeat([]int32{-1}, len(d.layer))
	for _, row := range d.layers {
		for i, v := range row {
			if k := i + step; k >= 0 && k < len(row) {
				side[v] = row[k]
			}
		}
	}
	return side
}
