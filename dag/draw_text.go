package dag

import (
	"bufio"
	"container/heap"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// maxLanes is how wide a picture may get before a list is more readable.
const maxLanes = 40

// row is one line of the picture: what stands left of a task's name, or of
// nothing.
type row struct {
	lines string
	task  int // -1: none
}

// drawText draws a line for each task, in an order in which they could run that
// is as near to the file's as can be. Lines run downwards to those that depend
// on them: `├─●` takes from a line, `●─╮` and `●─┤` lead into one, `●─╯` ends
// one. Tasks with the same dependants share a line, so that a wide fan-in is as
// readable as a narrow one. A tangle of more than 40 lines becomes a list.
func drawText(w *bufio.Writer, p *Plan, status []Status) {
	c := &canvas{p: p, seen: make(map[string]int)}
	order := fileOrder(p)
	for i := range p.Nodes {
		if len(p.Nodes[i].Outs) > 0 {
			c.seen[outsKey(p.Nodes[i].Outs)]++
		}
	}
	rows := make([]row, 0, len(order))
	for _, i := range order {
		rows = c.place(rows, int(i))
		if len(c.lanes) > maxLanes {
			list(w, p, order, status)
			return
		}
	}
	wide, name, kind := 0, 0, 0
	for _, r := range rows {
		wide = max(wide, runewidth.StringWidth(r.lines))
		if r.task >= 0 {
			name = max(name, len(p.Nodes[r.task].Task.ID))
			kind = max(kind, runewidth.StringWidth(traits(p.Nodes[r.task].Task)))
		}
	}
	for _, r := range rows {
		if r.task < 0 {
			w.WriteString(r.lines + "\n")
			continue
		}
		t := p.Nodes[r.task].Task
		line := runewidth.FillRight(r.lines, wide) + "  " + runewidth.FillRight(t.ID, name) + "  " + traits(t)
		if t.Finally {
			line += " · finally"
		}
		if status != nil {
			line = runewidth.FillRight(line, wide+name+kind+4) + "  " + status[r.task].String()
		}
		w.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// list is the picture of what can't be drawn: each task with what it depends on.
func list(w *bufio.Writer, p *Plan, order []int32, status []Status) {
	for _, i := range order {
		n := &p.Nodes[i]
		fmt.Fprintf(w, "%s  %s", n.Task.ID, traits(n.Task))
		for k, d := range n.Deps {
			switch {
			case k == 0:
				w.WriteString("  ← ")
			case k == 8:
				fmt.Fprintf(w, ", and %d more", len(n.Deps)-k)
			default:
				w.WriteString(", ")
			}
			if k == 8 {
				break
			}
			w.WriteString(p.Nodes[d].Task.ID)
		}
		if status != nil {
			w.WriteString("  " + status[i].String())
		}
		w.WriteByte('\n')
	}
}

// fileOrder is a topological order: of the tasks that could come next, always
// the one that stands first in the file.
func fileOrder(p *Plan) []int32 {
	left := make([]int, len(p.Nodes))
	ready := &indexHeap{}
	for i := range p.Nodes {
		if left[i] = len(p.Nodes[i].Deps); left[i] == 0 {
			heap.Push(ready, int32(i))
		}
	}
	order := make([]int32, 0, len(p.Nodes))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int32)
		order = append(order, i)
		for _, o := range p.Nodes[i].Outs {
			if left[o]--; left[o] == 0 {
				heap.Push(ready, o)
			}
		}
	}
	return order
}

type indexHeap []int32

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.(int32)) }
func (h *indexHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// canvas is the state between two rows.
type canvas struct {
	p     *Plan
	lanes []lane
	seen  map[string]int // how many tasks have these dependants
	last  int            // the lane of the row above's task
}

// lane is one column: a line that leads down to tasks that come later. The
// zero value is a free one.
type lane struct {
	outs []int32 // where it leads: what depends on those whose line it is, ascending
	left int     // how many of them still come
}

func (l *lane) free() bool { return l.left == 0 }

func outsKey(outs []int32) string {
	b := make([]byte, 0, 8*len(outs))
	for _, o := range outs {
		b = append(strconv.AppendInt(b, int64(o), 36), ' ')
	}
	return string(b)
}

// place appends the row of a task, and one before it where a line would else
// not be seen.
func (c *canvas) place(rows []row, i int) []row {
	var from []int // lanes that it takes from
	node := &c.p.Nodes[i]
	for k := range c.lanes {
		if l := &c.lanes[k]; !l.free() {
			if _, takes := slices.BinarySearch(l.outs, int32(i)); takes {
				from = append(from, k)
				l.left--
			}
		}
	}
	at := c.column(from)
	into := c.into(node, at, from)
	if slices.Contains(from, at) && c.last == at && len(rows) > 0 {
		rows = append(rows, row{c.between(from), -1})
	}
	rows = append(rows, row{c.draw(at, from, into), i})
	for _, k := range from {
		if c.lanes[k].free() {
			c.lanes[k] = lane{}
		}
	}
	if into >= 0 && c.lanes[into].free() {
		c.lanes[into] = lane{outs: node.Outs, left: len(node.Outs)}
	}
	c.last = at
	for len(c.lanes) > 0 && c.lanes[len(c.lanes)-1].free() {
		c.lanes = c.lanes[:len(c.lanes)-1]
	}
	return rows
}

// column picks where a task stands: the leftmost lane that is free, or ends at
// it, and is right of all that it takes from and that go on: so a line to the
// left is always one that it takes from.
func (c *canvas) column(from []int) int {
	least := 0
	for _, k := range from {
		if !c.lanes[k].free() {
			least = max(least, k+1)
		}
	}
	for k := least; k < len(c.lanes); k++ {
		if c.lanes[k].free() {
			return k
		}
	}
	c.lanes = append(c.lanes, lane{})
	return len(c.lanes) - 1
}

// into is the lane that a task's own line is: its column's, or to the right
// where several lead to the same tasks; -1 where nothing depends on it. Where a
// line comes in from the right, none leads out there: they would look alike.
func (c *canvas) into(node *Node, at int, from []int) int {
	if len(node.Outs) == 0 {
		return -1
	}
	key := outsKey(node.Outs)
	if len(from) > 0 && from[len(from)-1] > at {
		c.seen[key]--
		return at
	}
	for k := at + 1; k < len(c.lanes); k++ {
		if !c.lanes[k].free() && slices.Equal(c.lanes[k].outs, node.Outs) {
			return k
		}
	}
	if c.seen[key]--; c.seen[key] < 1 {
		return at
	}
	for k := range at {
		if !c.lanes[k].free() && slices.Equal(c.lanes[k].outs, node.Outs) {
			return at // there is one, on the wrong side
		}
	}
	for k := at + 1; k < len(c.lanes); k++ {
		if c.lanes[k].free() && c.lanes[k].outs == nil {
			return k
		}
	}
	c.lanes = append(c.lanes, lane{})
	return len(c.lanes) - 1
}

// between is a row of lines alone.
func (c *canvas) between(from []int) string {
	var b strings.Builder
	for k := range c.lanes {
		if !c.lanes[k].free() || slices.Contains(from, k) {
			b.WriteString("│ ")
		} else {
			b.WriteString("  ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// draw is the row of a task at a lane that takes from some and leads into one.
func (c *canvas) draw(at int, from []int, into int) string {
	low, high := at, max(at, into)
	for _, k := range from {
		low, high = min(low, k), max(high, k)
	}
	var b strings.Builder
	for k := range c.lanes {
		takes := slices.Contains(from, k)
		goesOn := !c.lanes[k].free()
		switch {
		case k == at:
			b.WriteString("●")
		case k == into && goesOn:
			b.WriteString(pick(k == high, "┤", "┼"))
		case k == into:
			b.WriteString(pick(takes, pick(k == high, "┤", "┼"), pick(k == high, "╮", "┬")))
		case takes && goesOn:
			b.WriteString(pick(k == low, "├", "┼"))
		case takes:
			b.WriteString(pick(k == low, "╰", pick(k == high, "╯", "┴")))
		case goesOn:
			b.WriteString("│")
		case k > low && k < high:
			b.WriteString("─")
		default:
			b.WriteString(" ")
		}
		b.WriteString(pick(k >= low && k < high, "─", " "))
	}
	return strings.TrimRight(b.String(), " ")
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
