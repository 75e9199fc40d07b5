package dag

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Of cards, in pixels and characters.
const (
	cardRow   = 16 // of one line of text
	cardPad   = 12 // left and right; above and below it is cardEnd
	cardEnd   = 8
	sheet     = 4 // how far each sheet of a stack is moved
	iconRoom  = 16
	cellGap   = 8 // between the cards of a grid
	idChars   = 28
	wordChars = 36
)

// card is a box as it is drawn: lines of text on a sheet, on a stack of three
// sheets, or above a grid of cards.
type card struct {
	rows          []textRow
	status        Status // of its icon
	width, height int
	stacked       bool
	title         string
	cells         []card // nil: no grid
	columns       int
	one           bool  // it is of one task:
	index         int32 // its place
}

// textRow is one line of text on a card.
type textRow struct {
	class string // of the style: "id", "count", "word" or "status"
	text  string
}

// dealer makes cards.
type dealer struct {
	p      *Plan
	status []Status // by task; nil: none
	prefix string   // of all long ids: it is left out
}

func newDealer(p *Plan, status []Status) *dealer {
	d := &dealer{p: p, status: status}
	long := 0
	for i := range p.Nodes {
		id := p.Nodes[i].Task.ID
		if len(id) <= idChars {
			continue
		}
		if long++; long == 1 {
			d.prefix = id
		}
		for !strings.HasPrefix(id, d.prefix) {
			d.prefix = d.prefix[:len(d.prefix)-1]
		}
	}
	d.prefix = d.prefix[:1+strings.LastIndexAny(d.prefix, idBreaks)]
	if long < 2 || len(d.prefix) < 8 {
		d.prefix = ""
	}
	return d
}

// name is what is written for an id.
func (d *dealer) name(id string) string {
	if rest, found := strings.CutPrefix(id, d.prefix); found && d.prefix != "" && len(id) > idChars {
		return "…" + rest
	}
	return id
}

// task is the card of one task.
func (d *dealer) task(i int32) card {
	t := d.p.Nodes[i].Task
	c := card{one: true, index: i, stacked: t.Fan != nil, title: t.ID + "\n" + traits(t)}
	for _, line := range idLines(d.name(t.ID)) {
		c.rows = append(c.rows, textRow{"id", line})
	}
	c.rows = append(c.rows, textRow{"word", shorten(traits(t), wordChars)})
	if d.status != nil {
		c.status = d.status[i]
		c.rows = append(c.rows, textRow{"status", c.status.String()})
		c.title += "\n" + c.status.String()
	}
	if t.Description != "" {
		c.title += "\n" + shorten(strings.Join(strings.Fields(t.Description), " "), 300)
	}
	c.measure()
	return c
}

// stack is the card of many tasks that are alike.
func (d *dealer) stack(tasks []int32) card {
	const named = 20 // in the title
	t := d.p.Nodes[tasks[0]].Task
	count := fmt.Sprintf("%d tasks", len(tasks))
	what := traits(t)
	for _, i := range tasks {
		if other := traits(d.p.Nodes[i].Task); other != what { // conditions alone differ
			what, _, _ = strings.Cut(what, " · if ")
			what += " · if …"
			break
		}
	}
	var ids, names []string
	for _, i := range tasks[:min(named, len(tasks))] {
		id := d.p.Nodes[i].Task.ID
		ids, names = append(ids, id), append(names, d.name(id))
	}
	c := card{stacked: true, title: count + " · " + what + "\n" + strings.Join(ids, ", ")}
	if more := len(tasks) - len(ids); more > 0 {
		c.title += fmt.Sprintf(", and %d more", more)
	}
	c.rows = []textRow{{"count", count}, {"id", someIDs(names)}, {"word", shorten(what, wordChars)}}
	if d.status != nil {
		text := ""
		c.status, text = tally(tasks, d.status)
		c.title += "\n" + text
		if parts := strings.SplitN(text, ", ", 3); len(parts) > 2 {
			text = parts[0] + ", " + parts[1] + ", …"
		}
		c.rows = append(c.rows, textRow{"status", text})
	}
	c.measure()
	return c
}

// grid is the card of many tasks that are alike with a card for each.
func (d *dealer) grid(tasks []int32) card {
	c := d.stack(tasks)
	c.stacked, c.rows = false, c.rows[:1]
	width, height := 0, 0
	for _, i := range tasks {
		cell := d.task(i)
		width, height = max(width, cell.width), max(height, cell.height)
		c.cells = append(c.cells, cell)
	}
	// About as wide as a screen is beside its height.
	c.columns = max(1, int(math.Sqrt(float64(len(tasks)*height)/float64(width)*16/9)))
	rows := (len(tasks) + c.columns - 1) / c.columns
	for k := range c.cells {
		c.cells[k].width, c.cells[k].height = width, height
	}
	c.width = c.columns*(width+cellGap) - cellGap + 2*cardPad
	c.height = cardEnd + cardRow + cellGap + rows*(height+cellGap) - cellGap + cardPad
	return c
}

// measure sets a card's size: both are multiples of 8, so that its middle is on the
// grid. Fonts differ; widths are such that text fits with all usual ones.
func (c *card) measure() {
	for _, r := range c.rows {
		width := 0.0
		switch chars := float64(runewidth.StringWidth(r.text)); r.class {
		case "id":
			width = chars * 7.85
		case "count":
			width = chars * 7.6
		case "status":
			width = chars*7.2 + iconRoom
		default:
			width = chars * 6.4
		}
		c.width = max(c.width, int(math.Ceil(width)))
	}
	c.width += 2 * cardPad
	c.height = len(c.rows)*cardRow + 2*cardEnd
	if c.stacked {
		c.width += 2 * sheet
		c.height += 2 * sheet
	}
	c.width = (max(c.width, 80) + 7) &^ 7
}

// idBreaks are characters of an id that a word of it ends with.
const idBreaks = "_-"

// idLines breaks a long id into two lines, at the end of a word if that is
// possible; of one that is longer still, the middle is left out.
func idLines(id string) []string {
	runes := []rune(id)
	n, half := len(runes), len(runes)/2
	if n <= idChars {
		return []string{id}
	}
	if n > 2*idChars {
		return []string{string(runes[:idChars]), "…" + string(runes[n-idChars+1:])}
	}
	cut := 0
	for k := n - idChars; k <= idChars; k++ {
		if strings.ContainsRune(idBreaks, runes[k-1]) && (cut == 0 || k <= half || k-half < half-cut) {
			cut = k
		}
	}
	if cut == 0 {
		cut = half
	}
	return []string{string(runes[:cut]), string(runes[cut:])}
}

// someIDs names as many as there is room for, and at least one.
func someIDs(names []string) string {
	text, chars := "", 0
	for _, name := range names {
		more := utf8.RuneCountInString(name)
		switch {
		case text == "" && more > wordChars-3:
			runes := []rune(name)
			return string(runes[:idChars/2]) + "…" + string(runes[more-idChars/2:]) + ", …"
		case text == "":
			text = name
		case chars+more > wordChars-5:
			return text + ", …"
		default:
			text += ", " + name
		}
		chars = utf8.RuneCountInString(text)
	}
	return text + ", …"
}

// byWeight has statuses in the order in which they matter to who looks at many.
var byWeight = [...]Status{Failed, Cancelled, Retrying, Running, Queued, Pending, Skipped, Succeeded}

// tally tells how many of some tasks have which status, and which matters most.
func tally(tasks []int32, status []Status) (Status, string) {
	var count [len(statusNames)]int
	for _, i := range tasks {
		count[status[i]]++
	}
	worst, text := Succeeded, ""
	for k := len(byWeight) - 1; k >= 0; k-- {
		if n := count[byWeight[k]]; n > 0 {
			worst = byWeight[k]
			text = fmt.Sprintf("%d %s", n, worst) + pick(text == "", "", ", ") + text
		}
	}
	return worst, text
}
