// Package ansi reads what terminals obey: of a line that a program has printed it makes
// parts that look the same, for a page. Colours are kept, all other orders are shown as
// what they are, something that can't be shown.
package ansi

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is a part of a line that looks the same: its classes, and its text. The classes are
// f0 to f15 and k0 to k15 for the colour of the text and of its background, and b (bold),
// d (faint), i (italic), u (underlined), s (struck out) and inv (inverted).
type Span struct {
	Class string `json:"c,omitzero"`
	Text  string `json:"t"`
}

// look is how text is to look: of what a terminal knows, colours and the like.
type look struct {
	front, back                           int // 1 to 16; 0: none
	bold, faint, italic, under, inv, gone bool
}

func (l *look) class() string {
	var c []string
	front, back := l.front, l.back
	if l.inv {
		front, back = back, front
		if front == 0 && back == 0 {
			c = append(c, "inv")
		}
	}
	if front > 0 {
		c = append(c, "f"+strconv.Itoa(front-1))
	}
	if back > 0 {
		c = append(c, "k"+strconv.Itoa(back-1))
	}
	for _, f := range []struct {
		on   bool
		name string
	}{{l.bold, "b"}, {l.faint, "d"}, {l.italic, "i"}, {l.under, "u"}, {l.gone, "s"}} {
		if f.on {
			c = append(c, f.name)
		}
	}
	return strings.Join(c, " ")
}

// MaxLine is how much of a line is shown, in bytes.
const MaxLine = 16 << 10

// Spans reads a line as a terminal would, but obeys its colours only: every other order,
// and what turns the direction of text around, is shown as U+FFFD. It begins without
// colours, whatever the line before it did.
func Spans(line string) []Span {
	line = strings.TrimSuffix(line, "\r")
	more := 0
	if len(line) > MaxLine {
		cut := MaxLine
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		line, more = line[:cut], len(line)-cut
	}
	var all []Span
	var text strings.Builder
	var l look
	flush := func() {
		if text.Len() > 0 {
			all = append(all, Span{l.class(), text.String()})
			text.Reset()
		}
	}
	for len(line) > 0 {
		if line[0] == 0x1b {
			n, orders := escape(line)
			line = line[n:]
			if orders == nil {
				text.WriteRune(unicode.ReplacementChar)
				continue
			}
			next := l
			next.obey(orders)
			if next != l {
				flush()
				l = next
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		line = line[n:]
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			r = unicode.ReplacementChar
		}
		text.WriteRune(r)
	}
	flush()
	if more > 0 {
		all = append(all, Span{"d", " … " + strconv.Itoa(more) + " bytes more"})
	}
	return all
}

// escape measures the escape sequence that a line begins with, and reads the numbers of
// one that is about colours; nil: it is another one.
func escape(line string) (n int, orders []int) {
	if len(line) < 2 {
		return 1, nil
	}
	switch line[1] {
	case '[':
		for n = 2; n < len(line); n++ {
			if c := line[n]; c >= 0x40 && c <= 0x7e {
				if c != 'm' {
					return n + 1, nil
				}
				return n + 1, numbers(line[2:n])
			}
			if line[n] < 0x20 {
				break
			}
		}
		return n, nil
	case ']', 'P', 'X', '^', '_': // up to its end
		for n = 2; n < len(line); n++ {
			if line[n] == 0x07 {
				return n + 1, nil
			}
			if line[n] == 0x1b && n+1 < len(line) && line[n+1] == '\\' {
				return n + 2, nil
			}
		}
		return n, nil
	}
	return 1, nil
}

// numbers reads "1;31"; nil: it is not of that form.
func numbers(text string) []int {
	all := []int{}
	for part := range strings.SplitSeq(strings.ReplaceAll(text, ":", ";"), ";") {
		if part == "" {
			part = "0"
		}
		k, err := strconv.Atoi(part)
		if err != nil || k < 0 {
			return nil
		}
		all = append(all, k)
	}
	return all
}

func (l *look) obey(orders []int) {
	for k := 0; k < len(orders); k++ {
		switch o := orders[k]; {
		case o == 0:
			*l = look{}
		case o == 1:
			l.bold = true
		case o == 2:
			l.faint = true
		case o == 3:
			l.italic = true
		case o == 4:
			l.under = true
		case o == 7:
			l.inv = true
		case o == 9:
			l.gone = true
		case o == 22:
			l.bold, l.faint = false, false
		case o == 23:
			l.italic = false
		case o == 24:
			l.under = false
		case o == 27:
			l.inv = false
		case o == 29:
			l.gone = false
		case o >= 30 && o <= 37:
			l.front = o - 30 + 1
		case o >= 90 && o <= 97:
			l.front = o - 90 + 9
		case o >= 40 && o <= 47:
			l.back = o - 40 + 1
		case o >= 100 && o <= 107:
			l.back = o - 100 + 9
		case o == 39:
			l.front = 0
		case o == 49:
			l.back = 0
		case o == 38 || o == 48:
			c, used := wide(orders[k+1:])
			k += used
			if o == 38 {
				l.front = c
			} else {
				l.back = c
			}
		}
	}
}

// wide reads a colour of 256, or of all, and gives the nearest of the 16.
func wide(orders []int) (colour, used int) {
	switch {
	case len(orders) >= 2 && orders[0] == 5:
		n := orders[1]
		switch {
		case n < 16:
			return n + 1, 2
		case n < 232:
			n -= 16
			return nearest(n/36*51, n/6%6*51, n%6*51), 2
		case n < 256:
			v := (n-232)*10 + 8
			return nearest(v, v, v), 2
		}
		return 0, 2
	case len(orders) >= 4 && orders[0] == 2:
		return nearest(orders[1], orders[2], orders[3]), 4
	}
	return 0, len(orders)
}

func nearest(r, g, b int) int {
	most := max(r, g, b)
	if most < 64 {
		return 1
	}
	c := 0
	for k, v := range []int{r, g, b} {
		if v*2 > most {
			c |= 1 << k
		}
	}
	if most > 180 {
		c += 8
	}
	return c + 1
}
