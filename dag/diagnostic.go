package dag

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Diagnostic is one finding in a workflow file: what, where, and what to do.
type Diagnostic struct {
	File    string
	Pos     Pos
	Len     int    // characters from Pos that it is about; at least 1 where Pos is set
	Warning bool   // else an error
	Message string // lower case, no full stop; what is wrong, and what to do
	Source  string // the line of the file at Pos, without its end; shown above the caret
}

// Bounds of what is printed.
const (
	maxShown = 20  // findings of one file
	maxWidth = 160 // columns of a source line
)

// String is the finding in one line: "file:line:col: message".
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(visible(d.File))
	if d.Pos.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Pos.Line, d.Pos.Col)
	}
	b.WriteString(": ")
	if d.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(visible(d.Message))
	return b.String()
}

// Render is the finding as people see it: String, and where it has a place the
// line of the file, with carets below. It ends with a line break. A line of
// more than 160 columns is shown around the caret; what a terminal would take
// for a command, or turn around, is shown as U+FFFD.
func (d Diagnostic) Render() string {
	if d.Pos.Line < 1 {
		return d.String() + "\n"
	}
	line, indent, carets := d.snippet()
	return fmt.Sprintf("%s\n%5d | %s\n      | %s%s\n", d.String(), d.Pos.Line, line, indent, strings.Repeat("^", carets))
}

// snippet is the line as it is shown, the space before the carets, and how many
// carets there are.
func (d Diagnostic) snippet() (line, indent string, carets int) {
	runes := []rune(visible(d.Source))
	from := min(max(d.Pos.Col-1, 0), len(runes))
	to := min(from+max(d.Len, 1), len(runes))
	first, last := 0, len(runes)
	if width(runes) > maxWidth {
		first, last = window(runes, from, to)
		to = max(min(to, last), from)
	}
	var b strings.Builder
	if first > 0 {
		b.WriteString("…")
		indent = " "
	}
	b.WriteString(string(runes[first:last]))
	if last < len(runes) {
		b.WriteString("…")
	}
	for _, r := range runes[first:from] {
		if r == '\t' {
			indent += "\t"
		} else {
			indent += strings.Repeat(" ", runewidth.RuneWidth(r))
		}
	}
	return b.String(), indent, max(1, width(runes[from:to]))
}

// window picks what of a long line is shown: the place with something before
// it, and what fits behind.
func window(runes []rune, from, to int) (first, last int) {
	room := maxWidth - 2 // for the two dots
	first = from
	before := min(room/3, max(room-width(runes[from:to]), 10))
	for first > 0 && before > 0 {
		first--
		before -= runeWidth(runes[first])
	}
	last = first
	for used := 0; last < len(runes); last++ {
		if used += runeWidth(runes[last]); used > room {
			break
		}
	}
	for used := width(runes[first:last]); first > 0; first-- { // near the line's end
		if used += runeWidth(runes[first-1]); used > room {
			break
		}
	}
	return first, last
}

func width(runes []rune) int {
	n := 0
	for _, r := range runes {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r == '\t' {
		return 1
	}
	return runewidth.RuneWidth(r)
}

// visible replaces what a terminal doesn't show as one character: controls,
// and marks that change the direction of text.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Finding makes an error about a place in the workflow's file, as [Parse] makes
// them: with the file's name and the line, underlined by one character. It is for
// what others find in a workflow that has been loaded. A place that the file
// doesn't have, and any in a workflow built in Go, has no line to show.
func (w *Workflow) Finding(at Pos, format string, args ...any) Diagnostic {
	f := Diagnostic{File: w.File, Pos: at, Message: fmt.Sprintf(format, args...)}
	if at.Line > 0 {
		f.Len = 1
		if w.src != nil {
			f.Source = w.src.line(at.Line)
		}
	}
	return f
}

// WriteDiagnostics prints the findings of one file: at most 20, then how many
// there are besides. Where there are more, errors go before warnings; the
// order stays that of the file.
func WriteDiagnostics(w io.Writer, found []Diagnostic) error {
	shown := found
	var last []Diagnostic
	if len(found) > maxShown {
		if n := len(found) - 1; found[n].Pos.Line == 0 { // of those that were only counted
			found, last = found[:n], found[n:]
		}
		shown = make([]Diagnostic, 0, maxShown)
		warnings := maxShown - min(countErrors(found), maxShown)
		for _, d := range found {
			if d.Warning {
				warnings--
				if warnings < 0 {
					continue
				}
			}
			if shown = append(shown, d); len(shown) == maxShown {
				break
			}
		}
	}
	for _, d := range shown {
		if _, err := io.WriteString(w, d.Render()); err != nil {
			return err
		}
	}
	if more := len(found) - len(shown); more > 0 {
		what := "findings"
		if more == 1 {
			what = "finding"
		}
		if _, err := fmt.Fprintf(w, "%s: %d more %s\n", visible(found[0].File), more, what); err != nil {
			return err
		}
	}
	for _, d := range last {
		if _, err := io.WriteString(w, d.Render()); err != nil {
			return err
		}
	}
	return nil
}

func countErrors(found []Diagnostic) int {
	n := 0
	for _, d := range found {
		if !d.Warning {
			n++
		}
	}
	return n
}
