package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// style knows whether to use colour. Colour is never the only signal.
type style struct{ colour bool }

// newStyle follows NO_COLOR, CLICOLOR_FORCE and CLICOLOR (https://no-color.org,
// https://bixense.com/clicolors).
func newStyle(w io.Writer) style {
	if os.Getenv("NO_COLOR") != "" {
		return style{}
	}
	if f := os.Getenv("CLICOLOR_FORCE"); f != "" && f != "0" {
		return style{true}
	}
	if os.Getenv("CLICOLOR") == "0" || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	_, tty := terminal(w)
	return style{tty}
}

// terminal reports whether a stream is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func (s style) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(t string) string  { return s.paint("1", t) }
func (s style) faint(t string) string { return s.paint("2", t) }

// status paints a text as a task or run of that status is painted.
func (s style) status(status, text string) string {
	switch status {
	case "succeeded":
		return s.paint("32", text)
	case "failed":
		return s.paint("31", text)
	case "cancelled":
		return s.paint("33", text)
	case "running", "retrying":
		return s.paint("36", text)
	}
	return s.faint(text)
}

// mark is the sign of a status.
func mark(status string) string {
	switch status {
	case "succeeded":
		return "✓"
	case "failed":
		return "✗"
	case "cancelled":
		return "■"
	case "skipped":
		return "○"
	}
	return "•"
}

// duration shows a time span: 340ms, 1.2s, 1m03s, 2h05m.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 59950*time.Millisecond:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', 1, 64) + "s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// fit cuts text to a width in columns and makes control characters harmless.
func fit(text string, width int) string {
	return runewidth.Truncate(oneLine(text), max(width, 1), "…")
}

// pad fills text up to a width in columns.
func pad(text string, width int) string {
	used := len(text)
	if !plain(text) {
		used = runewidth.StringWidth(text)
	}
	return text + blanks(width-used)
}

// plain reports whether each byte of text is one column, as almost always.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// blanks returns n of them, none for less than 1.
func blanks(n int) string {
	const some = "                                "
	if n <= len(some) {
		return some[:max(n, 0)]
	}
	return strings.Repeat(" ", n)
}

// oneLine makes text that comes from a task safe to show: on one line, and
// without control characters that a terminal would obey.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, strings.TrimSpace(text))
}

// count is "1 task", "3 tasks".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
