// Package layout draws directed graphs in layers: every edge leads downwards, few
// edges cross, and long ones run straight. It knows sizes and edges alone, and
// gives back where things are; what they look like is the caller's.
//
// The steps are those of Sugiyama, Tagawa and Toda, "Methods for visual
// understanding of hierarchical system structures" (1981): layers, lines for what
// spans several of them, an order in each layer, coordinates, routes. Each is a
// file of its own, and names its source.
//
// The package is pure, and computes with integers: the same graph has the same
// picture everywhere.
package layout

import (
	"errors"
	"fmt"
)

// Graph is what is to be drawn. Edges may be given more than once.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Node is a box, in pixels. Its band is 0 or more: nodes of a band stand below all
// those of lower bands, and no edge may lead to a lower band. Each band but 0 gets a
// frame.
type Node struct {
	Width, Height int
	Band          int
}

// Edge leads from one node to another, by index.
type Edge struct{ From, To int }

// Picture is where everything is, in pixels from the upper left corner. Nodes and
// frames stand at multiples of [Grid].
type Picture struct {
	Width, Height int
	Nodes         []Point // upper left corners
	// Routes has the way of each edge: from the lower border of a node to the upper
	// border of another. y never decreases. Two points with the same x are connected
	// by a straight line, others by a curve that is vertical at both. Long edges that
	// leave one node, or come to one, may share a part of their ways.
	Routes [][]Point
	Frames []Frame // ascending by band
}

// Point is a place.
type Point struct{ X, Y int }

// Frame is the box around a band. Its title has room in the upper [FrameHead] pixels.
type Frame struct {
	Band          int
	Point         // upper left corner
	Width, Height int
}

// Distances, in pixels.
const (
	Grid      = 4
	Margin    = 16 // around the picture
	FrameHead = 32 // from a frame's upper border to its nodes
	framePad  = 24 // from its other borders
	nodeGap   = 24 // between nodes
	lineGap   = 12 // between lines
	sideGap   = 16 // between a line and a node
	layerGap  = 40 // between layers, at least
)

// maxVertices is how many places of nodes and lines a picture may have: beyond,
// nobody could read it, and memory ends.
const maxVertices = 2_000_000

var (
	// ErrCircle tells that edges lead in a circle.
	ErrCircle = errors.New("layout: edges lead in a circle")
	// ErrTooLarge tells that lines would be too many and too long.
	ErrTooLarge = errors.New("layout: too many long lines")
)

// Layered lays out a graph in layers from top to bottom. A hundred nodes take some
// milliseconds, 1,000 with 3,000 edges a third of a second, 10,000 with 30,000 about
// one: work on what is hard is bounded. The graph is not changed.
//
// Errors are ErrCircle, ErrTooLarge, and edges between nodes that don't exist or
// to a lower band.
func Layered(g *Graph) (*Picture, error) {
	d, err := build(g)
	if err != nil {
		return nil, err
	}
	if d.n > 0 {
		d.untangle()
		d.place()
		d.settle()
	}
	return d.routes(), nil
}

// drawing is a picture in the making. Its vertices are the nodes, by index, then
// the joints of lines: where a line passes a layer that it has no node in. All
// segments lead from a layer to the next.
type drawing struct {
	g      *Graph
	n      int       // how many vertices are nodes
	layer  []int32   // by vertex
	layers [][]int32 // vertices, from left to right
	pos    []int32   // by vertex: its place in its layer
	up     [][]int32 // by vertex: what leads to it, from left to right
	down   [][]int32 // by vertex: what it leads to, from left to right
	// lineUp and lineDown are the next joint of the same line above and below, or -1:
	// such a segment is an inner one and should be vertical.
	lineUp, lineDown []int32
	trunks           []int32 // by edge: the topmost joint of its line, -1: none
	part             []int32 // by vertex: which connected part of the graph it is of
	x                []int   // by vertex: its middle
}

func build(g *Graph) (*drawing, error) {
	for i, e := range g.Edges {
		if min(e.From, e.To) < 0 || max(e.From, e.To) >= len(g.Nodes) {
			return nil, fmt.Errorf("layout: edge %d leads from %d to %d of %d nodes", i, e.From, e.To, len(g.Nodes))
		}
		if g.Nodes[e.From].Band > g.Nodes[e.To].Band {
			return nil, fmt.Errorf("layout: edge %d leads to a lower band", i)
		}
	}
	layer, err := assign(g)
	if err != nil {
		return nil, err
	}
	d := &drawing{g: g, n: len(g.Nodes), layer: layer}
	if err := d.connect(); err != nil {
		return nil, err
	}
	return d, nil
}

// width is how much room a vertex takes from side to side.
func (d *drawing) width(v int32) int {
	if int(v) < d.n {
		return d.g.Nodes[v].Width
	}
	return 0
}

// apart is how far the middles of two neighbours in a layer have to be apart.
func (d *drawing) apart(u, v int32) int {
	gap := nodeGap
	switch a, b := int(u) < d.n, int(v) < d.n; {
	case !a && !b:
		gap = lineGap
	case a != b:
		gap = sideGap
	}
	return snapUp((d.width(u)+d.width(v))/2 + gap)
}

// snapUp and snapDown are the next multiples of [Grid].
func snapUp(x int) int   { return snapDown(x + Grid - 1) }
func snapDown(x int) int { return x &^ (Grid - 1) }
