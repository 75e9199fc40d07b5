package dag

import (
	"strings"
	"unicode/utf8"
)

// at reports whether the file goes on with prefix at a place.
func (s *source) at(p Pos, prefix string) bool {
	return strings.HasPrefix(s.text[s.offset(p):], prefix)
}

// begin is the offset of a node itself, behind its anchor and its tag.
func (s *source) begin(n *node) int {
	at := s.offset(Pos{n.Line, n.Column})
	if n.Anchor == "" && n.Style&taggedStyle == 0 {
		return at
	}
	for at < len(s.text) && (s.text[at] == '&' || s.text[at] == '!') {
		for at < len(s.text) && !strings.ContainsRune(" \t\r\n", rune(s.text[at])) {
			at++
		}
		for at < len(s.text) && (s.text[at] == ' ' || s.text[at] == '\t') {
			at++
		}
	}
	return at
}

// length is how many characters of its first line a node is about: a scalar's
// text with its quotes, 1 for what goes on below.
func (s *source) length(n *node) int {
	if n.Kind != scalarKind {
		return 1
	}
	at := s.begin(n)
	rest := s.text[at:]
	switch {
	case n.Style&(literalBlock|foldedBlock) != 0:
		return 1
	case n.Style&(singleQuoted|doubleQuoted) != 0:
		if end := closingQuote(rest); end > 0 {
			return utf8.RuneCountInString(rest[:end])
		}
	case strings.HasPrefix(rest, n.Value):
		return max(1, utf8.RuneCountInString(n.Value))
	}
	line, _, _ := strings.Cut(rest, "\n")
	return max(1, utf8.RuneCountInString(strings.TrimRight(line, " \t\r")))
}

// closingQuote returns the length of the quoted scalar that s begins with, if
// it ends on its line, else 0.
func closingQuote(s string) int {
	line, _, _ := strings.Cut(s, "\n")
	return closingFar(line)
}

// closingFar is closingQuote of one that may end in a line below.
func closingFar(s string) int {
	if s == "" {
		return 0
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] != quote:
		case quote == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// scalarText is a scalar's text and the way from its characters to the file.
// The way is exact in plain and quoted scalars, escapes included, and in
// literal blocks; in folded blocks it is as far as folding can be told.
func scalarText(n *node, src *source) text {
	at := src.begin(n)
	switch {
	case n.Style&literalBlock != 0:
		return text{s: n.Value, at: src.literal(n.Value, src.pos(at).Line)}
	case n.Style&foldedBlock != 0:
		head := src.pos(at).Line
		return text{s: n.Value, at: src.aligned(n, src.offset(Pos{head + 1, 1}))}
	case n.Style&quoted != 0 && src.verbatim(n, at+1):
		return text{s: n.Value, at: func(i int) Pos { return src.pos(at + 1 + i) }}
	case n.Style&quoted != 0:
		return text{s: n.Value, at: src.aligned(n, at+1)}
	case strings.HasPrefix(src.text[at:], n.Value):
		return text{s: n.Value, at: func(i int) Pos { return src.pos(at + i) }}
	}
	return text{s: n.Value, at: src.aligned(n, at)}
}

// verbatim reports whether a quoted scalar's value stands at an offset of the file as
// it is.
func (s *source) verbatim(n *node, at int) bool {
	special := "'\n"
	if n.Style&doubleQuoted != 0 {
		special = "\"\\\n"
	}
	return strings.HasPrefix(s.text[at:], n.Value) && !strings.ContainsAny(n.Value, special)
}

// literal is the way from the bytes of a literal block's value to the file: its
// lines are the file's, less the indentation, which is the same in all of them.
// Asked from left to right, it costs one pass over the value.
func (s *source) literal(value string, head int) func(i int) Pos {
	indent, number := 0, head+1
	for l := range strings.Lines(value) {
		if l = strings.TrimRight(l, "\r\n"); l != "" {
			indent = max(0, len(s.line(number))-len(l))
			break
		}
		number++
	}
	first := Pos{head + 1, 1 + indent}
	done, p := 0, first
	return func(i int) Pos {
		i = min(max(i, 0), len(value))
		if i < done {
			done, p = 0, first
		}
		from := done
		if end := strings.LastIndexByte(value[done:i], '\n'); end >= 0 {
			from += end + 1
			p = Pos{p.Line + strings.Count(value[done:from], "\n"), first.Col}
		}
		p.Col += utf8.RuneCountInString(value[from:i])
		done = i
		return p
	}
}

// aligned is the way from the bytes of a scalar's value to the file, in which the
// value begins at an offset. Asked from left to right, it costs one pass over both.
func (s *source) aligned(n *node, at int) func(i int) Pos {
	first := s.skipFold(at, n.Style&foldedBlock != 0)
	done := 0
	at = first
	return func(i int) Pos {
		i = min(max(i, 0), len(n.Value))
		if i < done {
			done, at = 0, first
		}
		at, done = s.align(n, at, n.Value[done:i]), i
		return s.pos(at)
	}
}

// align walks a part of a scalar's value and the file side by side, from an
// offset in the file, and returns how far that is.
func (s *source) align(n *node, at int, v string) int {
	inner := at // blanks before it don't reach the end of their line
	for len(v) > 0 && at < len(s.text) {
		r, w := utf8.DecodeRuneInString(v)
		switch {
		case n.Style&doubleQuoted != 0 && s.text[at] == '\\':
			at += escapeLength(s.text[at:])
			if strings.HasPrefix(s.text[at-1:], "\n") { // an escaped line break: no character
				at = s.skipFold(at, true)
				continue
			}
		case n.Style&singleQuoted != 0 && s.text[at] == '\'':
			at += 2
		case r == ' ' || r == '\n':
			if s.text[at] == ' ' && at >= inner && !s.blankToEnd(at) {
				inner = at + len(s.text[at:]) - len(strings.TrimLeft(s.text[at:], " "))
			}
			if s.text[at] == ' ' && at < inner {
				at++
				break
			}
			at = s.skipFold(at, true)
			for len(v) > w && v[w] == '\n' {
				w++
			}
		default:
			at += max(1, len(string(r)))
		}
		v = v[w:]
	}
	return at
}

// skipFold goes over blanks that reach the end of a line, the line breaks and
// the next line's indentation: what folding makes one space of.
func (s *source) skipFold(at int, must bool) int {
	if !must && !s.blankToEnd(at) {
		return at
	}
	for at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[at]) >= 0 {
		at++
	}
	return at
}

func (s *source) blankToEnd(at int) bool {
	for ; at < len(s.text); at++ {
		switch s.text[at] {
		case ' ', '\t', '\r':
		case '\n':
			return true
		default:
			return false
		}
	}
	return true
}

// escapeLength is the length of the escape that s begins with.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	n := 2
	switch s[1] {
	case 'x':
		n = 4
	case 'u':
		n = 6
	case 'U':
		n = 10
	case '\r':
		n = 3
	}
	return min(n, len(s))
}
