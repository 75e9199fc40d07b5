package layout

import "slices"

// Of ports, the places on a node's border where edges end.
const (
	portGap  = 12 // between two, at most
	portEdge = 12 // from the corner
)

// Of the room between layers: a pixel more for so many that an edge goes sideways.
const (
	slope  = 10
	maxGap = 120
)

// routes gives everything its coordinates.
func (d *drawing) routes() *Picture {
	p := &Picture{Width: 2 * Margin, Height: 2 * Margin, Nodes: make([]Point, d.n), Routes: make([][]Point, len(d.g.Edges))}
	if d.n == 0 {
		return p
	}
	d.shift()
	r := &router{drawing: d, Picture: p}
	r.out, r.in = d.ports()
	r.rows()
	for v := range d.n {
		n := &d.g.Nodes[v]
		k := d.layer[v]
		p.Nodes[v] = Point{d.x[v] - snapDown(n.Width/2), r.top[k] + snapDown((r.height[k]-n.Height)/2)}
		p.Width = max(p.Width, p.Nodes[v].X+n.Width+Margin)
	}
	for i := range d.g.Edges {
		p.Routes[i] = r.route(i)
		for _, at := range p.Routes[i] {
			p.Width = max(p.Width, at.X+Margin)
		}
	}
	r.frames()
	p.Width, p.Height = snapUp(p.Width), snapUp(p.Height)
	return p
}

// shift moves all so that the leftmost thing is at the margin.
func (d *drawing) shift() {
	low := 1 << 30
	for k, row := range d.layers {
		v := row[0]
		left := d.x[v] - snapUp(d.width(v)/2)
		if d.band(k) > 0 {
			left -= framePad
		}
		low = min(low, left)
	}
	for v := range d.x {
		d.x[v] += Margin - low
	}
}

// band is that of a layer's nodes.
func (d *drawing) band(k int) int {
	for _, v := range d.layers[k] {
		if int(v) < d.n {
			return d.g.Nodes[v].Band
		}
	}
	return 0 // not reached: no layer is without a node
}

// ports finds, for each vertex, where its segments to what is below it begin and
// where those to what is above it end, from left to right. Those of a joint do at
// it; those of a node as far apart as is nice, and so that segments are vertical
// where there is room.
func (d *drawing) ports() (out, in [][]int) {
	middle := func(w, _ int32) int { return d.x[w] }
	in = d.spread(d.up, middle)
	out = d.spread(d.down, func(w, v int32) int { return in[w][d.index(d.up[w], v)] })
	in = d.spread(d.up, func(w, v int32) int { return out[w][d.index(d.down[w], v)] })
	return out, in
}

// spread places the ports of each vertex on one side, near to where the other ends
// of its segments are.
func (d *drawing) spread(near [][]int32, other func(w, v int32) int) [][]int {
	ports := make([][]int, len(near))
	for v, ends := range near {
		at := make([]int, len(ends))
		ports[v] = at
		x, reach, gap := d.x[v], 0, 0
		if most := d.width(int32(v))/2 - portEdge; most > 0 && len(ends) > 1 {
			reach = min(most, 2*portGap*(len(ends)-1))
			gap = min(portGap, 2*reach/(len(ends)-1))
		} else if most > 0 && len(ends) == 1 {
			if to := other(ends[0], int32(v)); to-x <= portGap && x-to <= portGap {
				x = to
			}
		}
		for i, w := range ends {
			at[i] = min(max(other(w, int32(v)), x-reach), x+reach)
			if i > 0 {
				at[i] = max(at[i], at[i-1]+gap)
			}
		}
		for i := range at {
			at[i] = min(at[i], x+reach-gap*(len(at)-1-i))
		}
	}
	return ports
}

type router struct {
	*drawing
	*Picture
	out, in      [][]int // ports below and above each vertex
	top, height  []int   // of layers
	enter, leave []int   // by layer: where edges from above end to be curves, and those to below begin
}

// rows gives layers their places. They are further apart where edges go far to a
// side.
func (r *router) rows() {
	n := len(r.layers)
	r.top, r.height, r.enter, r.leave = make([]int, n), make([]int, n), make([]int, n), make([]int, n)
	y, band := Margin, 0
	for k, row := range r.layers {
		if k > 0 {
			y += r.gap(k - 1)
		}
		if b := r.band(k); b != band {
			if band > 0 {
				y += framePad
				r.leave[k-1] += framePad
			}
			r.enter[k] = -FrameHead
			y += FrameHead
			band = b
		}
		for _, v := range row {
			if int(v) < r.n {
				r.height[k] = max(r.height[k], snapUp(r.g.Nodes[v].Height))
			}
		}
		r.top[k] = y
		r.enter[k] += y
		y += r.height[k]
		r.leave[k] = y
	}
	if band > 0 {
		y += framePad
	}
	r.Height = y + Margin
}

// gap is the room between a layer and the next.
func (r *router) gap(k int) int {
	far, none := 0, true
	for _, u := range r.layers[k] {
		for i, v := range r.down[u] {
			dx := r.in[v][r.index(r.up[v], u)] - r.out[u][i]
			far, none = max(far, dx, -dx), false
		}
	}
	if none {
		return layerGap / 2 // all above is ready
	}
	return snapUp(min(layerGap+far/slope, maxGap))
}

// route is the way of an edge: from port to port, straight through the layers that
// it passes.
func (r *router) route(i int) []Point {
	var points []Point
	add := func(x, y int) {
		switch n := len(points); {
		case n > 0 && points[n-1] == Point{x, y}:
		case n > 1 && points[n-1].X == x && points[n-2].X == x:
			points[n-1].Y = y // straight on
		default:
			points = append(points, Point{x, y})
		}
	}
	u := int32(-1)
	r.way(i, func(v int32) {
		if u >= 0 {
			from, to := r.out[u][r.index(r.down[u], v)], r.in[v][r.index(r.up[v], u)]
			if int(u) < r.n {
				add(from, r.Nodes[u].Y+r.g.Nodes[u].Height)
			}
			add(from, r.leave[r.layer[u]])
			add(to, r.enter[r.layer[v]])
			if int(v) < r.n {
				add(to, r.Nodes[v].Y)
			}
		}
		u = v
	})
	return points
}

// index finds a vertex in a list of neighbours.
func (d *drawing) index(near []int32, v int32) int {
	i, _ := slices.BinarySearchFunc(near, d.pos[v], func(w int32, p int32) int { return int(d.pos[w] - p) })
	return i
}

// frames makes the boxes around bands.
func (r *router) frames() {
	for k, row := range r.layers {
		band := r.band(k)
		if band == 0 {
			continue
		}
		if n := len(r.Frames); n == 0 || r.Frames[n-1].Band != band {
			r.Frames = append(r.Frames, Frame{Band: band, Point: Point{0, r.top[k] - FrameHead}})
		}
		f := &r.Frames[len(r.Frames)-1]
		first, last := row[0], row[len(row)-1]
		left := snapDown(r.x[first] - r.width(first)/2 - framePad)
		right := snapUp(r.x[last] + r.width(last)/2 + framePad)
		if f.Width > 0 {
			left, right = min(left, f.X), max(right, f.X+f.Width)
		}
		f.X, f.Width = left, right-left
		f.Height = r.top[k] + r.height[k] + framePad - f.Y
		r.Picture.Width = max(r.Picture.Width, right+Margin)
	}
}
