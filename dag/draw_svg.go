package dag

import (
	"bufio"
	_ "embed" // the style
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"flow/internal/layout"
)

// ErrTangle tells that a picture would have more and longer lines than anybody could
// follow.
var ErrTangle = errors.New("dag: draw: too many long lines for a picture")

// manyEdges is from how many lines on a picture leaves out those that follow from
// others.
const manyEdges = 400

// captionHeight is the room for what is said below a picture.
const captionHeight = 24

//go:embed draw.css
var svgStyle string

// DrawSVG writes a picture of a plan as SVG: layers from top to bottom, a card for
// each task, the tasks of `finally` in a frame below. It needs nothing from
// elsewhere, has no script, and follows the reader's choice of light or dark.
// Status is as for [Draw].
//
// More than eight tasks that are alike (with the same traits, after the same tasks,
// before the same tasks), or as many chains of such tasks, are drawn as one stack, and where there are more than 400 lines, those that follow
// from others are left out, which is said below. With all, each task has its card
// and each dependency its line. Of thousands of tasks that may be too many: ErrTangle.
func DrawSVG(w io.Writer, p *Plan, status []Status, all bool) error {
	return drawSVG(w, p, status, all, 0)
}

// DrawInline is [DrawSVG] for a page that has [SVGStyle] among its styles: the picture
// has none of its own, which a strict policy of a page would refuse, and each card of a
// task has the task's place in data-task. Of more than most cards it is ErrTangle.
func DrawInline(w io.Writer, p *Plan, status []Status, most int) error {
	return drawSVG(w, p, status, false, most)
}

// SVGStyle is the style of pictures.
func SVGStyle() string { return svgStyle }

func drawSVG(w io.Writer, p *Plan, status []Status, all bool, most int) error {
	if status != nil && len(status) != len(p.Nodes) {
		return fmt.Errorf("dag: draw: %d statuses for %d tasks", len(status), len(p.Nodes))
	}
	set, edges := boxes(p)
	if most > 0 && len(set) > most {
		return ErrTangle
	}
	left := 0
	if !all && len(edges) > manyEdges {
		drawn := len(edges)
		implied := layout.Implied(len(set), edges)
		k := -1
		edges = slices.DeleteFunc(edges, func(layout.Edge) bool { k++; return implied[k] })
		left = drawn - len(edges)
	}
	g := &layout.Graph{Nodes: make([]layout.Node, len(set)), Edges: edges}
	deal, cards := newDealer(p, status), make([]card, len(set))
	for i, b := range set {
		switch {
		case len(b.tasks) == 1:
			cards[i] = deal.task(b.tasks[0])
		case all:
			cards[i] = deal.grid(b.tasks)
		default:
			cards[i] = deal.stack(b.tasks)
		}
		g.Nodes[i] = layout.Node{Width: cards[i].width, Height: cards[i].height}
		if p.Nodes[b.tasks[0]].Task.Finally {
			g.Nodes[i].Band = 1
		}
	}
	picture, err := layout.Layered(g)
	if errors.Is(err, layout.ErrTooLarge) {
		return ErrTangle
	}
	if err != nil {
		return fmt.Errorf("dag: draw: %w", err)
	}
	s := &svg{Writer: bufio.NewWriter(w), picture: picture, status: status != nil, inline: most > 0}
	s.write(p, cards, left)
	return s.Flush()
}

// svg writes one picture.
type svg struct {
	*bufio.Writer
	picture *layout.Picture
	status  bool
	inline  bool // the page has the style
}

func (s *svg) write(p *Plan, cards []card, left int) {
	width, height := s.picture.Width, s.picture.Height
	caption := ""
	if left > 0 {
		caption = fmt.Sprintf("%d dependencies that follow from others are not drawn", left)
		width = max(width, len(caption)*7+2*layout.Margin)
		height += captionHeight
	}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" class="flow-graph" role="img" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n", width, height, width, height)
	deps := 0
	for i := range p.Nodes {
		deps += len(p.Nodes[i].Deps)
	}
	desc := fmt.Sprintf("Workflow with %d tasks and %d dependencies, from top to bottom.", len(p.Nodes), deps)
	if caption != "" {
		desc += " " + caption + "."
	}
	fmt.Fprintf(s, "<title>%s</title>\n<desc>%s</desc>\n", escape(p.Workflow.Name), desc)
	if !s.inline {
		fmt.Fprintf(s, "<style>\n%s</style>\n", svgStyle)
	}
	fmt.Fprintf(s, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	for _, f := range s.picture.Frames {
		fmt.Fprintf(s, `<rect class="frame" x="%d" y="%d" width="%d" height="%d" rx="8"/>`+"\n", f.X, f.Y, f.Width, f.Height)
	}
	s.lines()
	for _, f := range s.picture.Frames {
		s.text("label", f.X+cardPad, f.Y+20, "finally")
	}
	for i := range cards {
		s.card(&cards[i], s.picture.Nodes[i].X, s.picture.Nodes[i].Y)
	}
	if caption != "" {
		s.text("word", layout.Margin, height-layout.Margin, caption)
	}
	s.WriteString("</svg>\n")
}

// lines draws all edges as two paths, one of lines and one of arrow heads. What
// edges share is drawn once.
func (s *svg) lines() {
	type span struct{ from, to layout.Point }
	drawn := make(map[span]bool)
	heads := make(map[layout.Point]bool)
	var lines, arrows strings.Builder
	for _, route := range s.picture.Routes {
		pen := layout.Point{X: -1}
		for k := 1; k < len(route); k++ {
			from, to := route[k-1], route[k]
			if drawn[span{from, to}] {
				continue
			}
			drawn[span{from, to}] = true
			if pen != from {
				fmt.Fprintf(&lines, "M%d %d", from.X, from.Y)
			}
			pen = to
			if from.X == to.X {
				fmt.Fprintf(&lines, "V%d", to.Y)
			} else {
				middle := (from.Y + to.Y) / 2
				fmt.Fprintf(&lines, "C%d %d %d %d %d %d", from.X, middle, to.X, middle, to.X, to.Y)
			}
		}
		if end := route[len(route)-1]; !heads[end] {
			heads[end] = true
			fmt.Fprintf(&arrows, "M%d %dl-4-7h8z", end.X, end.Y)
		}
	}
	if lines.Len() > 0 {
		fmt.Fprintf(s, `<path class="line" d="%s"/>`+"\n"+`<path class="arrow" d="%s"/>`+"\n", lines.String(), arrows.String())
	}
}

// card draws one card with its upper left corner at x and y.
func (s *svg) card(c *card, x, y int) {
	class := "task"
	if s.status && c.cells == nil {
		class += " " + c.status.String()
	}
	at := ""
	if s.inline && c.one {
		at = fmt.Sprintf(` data-task="%d"`, c.index)
	}
	fmt.Fprintf(s, `<g class="%s"%s><title>%s</title>`, class, at, escape(c.title))
	width, height := c.width, c.height
	if c.stacked {
		width, height = width-2*sheet, height-2*sheet
		for k := 2; k > 0; k-- {
			s.rect("card", x+k*sheet, y+(2-k)*sheet, width, height)
		}
		y += 2 * sheet
	}
	kind := "card"
	if c.cells != nil {
		kind = "grid"
	}
	s.rect(kind, x, y, width, height)
	for k, r := range c.rows {
		left, base := x+cardPad, y+cardEnd+k*cardRow+12
		if r.class == "status" {
			fmt.Fprintf(s, `<path class="icon" d="M%d %d%s"/>`, left, base-10, icons[c.status])
			left += iconRoom
		}
		s.text(r.class, left, base, r.text)
	}
	s.WriteString("</g>\n")
	for k := range c.cells {
		cell := &c.cells[k]
		s.card(cell, x+cardPad+k%c.columns*(cell.width+cellGap), y+cardEnd+cardRow+cellGap+k/c.columns*(cell.height+cellGap))
	}
}

func (s *svg) rect(class string, x, y, width, height int) {
	fmt.Fprintf(s, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="6"/>`, class, x, y, width, height)
}

func (s *svg) text(class string, x, y int, text string) {
	fmt.Fprintf(s, `<text class="%s" x="%d" y="%d">%s</text>`, class, x, y, escape(text))
}

// icons are the shapes of statuses, as paths from the upper left corner of a square
// of 12 pixels: no two are alike without colour.
var icons = [...]string{
	Pending:   "m1 6a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
	Queued:    "m1 6a5 5 0 1 0 10 0a5 5 0 1 0-10 0m5-3v3h3",
	Running:   "m2 1v10l9-5z",
	Retrying:  "m11 6a5 5 0 1 1-2-4m0-2v3h-3",
	Succeeded: "m1 6 4 4 6-8",
	Failed:    "m2 2 8 8m0-8-8 8",
	Skipped:   "m1 2 4 4-4 4m5-8 4 4-4 4",
	Cancelled: "m2 2h8v8h-8z",
}

// escape writes a text so that XML takes nothing in it for its own.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
