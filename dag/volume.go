package dag

import "strings"

// maxValues bounds the keys and values of a file. The tree that the YAML library
// makes of them takes some 200 bytes each, and it can't be told to stop.
const maxValues = 1_000_000

// checkVolume looks, before a tree is made of it, whether a file has more keys and
// values than maxValues.
func (s *source) checkVolume() bool {
	if len(s.text) <= maxValues {
		return true
	}
	v := volume{s: s.text}
	at, over := v.exceeds(maxValues)
	if over {
		s.errorAt(s.pos(at), 1, "from here on the file has more than %d keys and values; leave data in a file of its own, and read that at run time", maxValues)
	}
	return !over
}

// volume counts the keys and values in a text without parsing it: about half of
// them at worst, and never more than there are, but for lines of a plain text that
// begin with a bracket. Text in quotes, block scalars and comments is gone over.
type volume struct {
	s     string
	at    int
	n     int
	limit int  // where it ends
	depth int  // of [ and {
	start bool // a value may begin here
	known bool // and has been counted
	inner int  // the column that the text of a block scalar is right of
}

// exceeds counts up to a limit, and says where that is passed.
func (v *volume) exceeds(limit int) (at int, over bool) {
	v.limit = limit
	for v.at < len(v.s) && v.n <= limit {
		if v.depth == 0 {
			v.start, v.known = true, false
		}
		v.line()
	}
	return min(v.at, len(v.s)), v.n > limit
}

// line goes to the beginning of the next line, or further where a value goes on.
func (v *volume) line() {
	first := v.at
	v.inner = -1
	for v.at < len(v.s) && v.n <= v.limit {
		c := v.s[v.at]
		switch {
		case c == '\n' || c == '\r':
			v.at++
			return
		case c == ' ' || c == '\t':
			v.at++
			continue
		case c == '#' && (v.at == first || v.s[v.at-1] == ' ' || v.s[v.at-1] == '\t'):
			v.skipLine()
			return
		case v.start && (c == '&' || c == '!'):
			v.skipWord()
			continue
		case c == ':' && (v.blank(v.at+1) || v.depth > 0 && v.at > 0 && v.s[v.at-1] == '"'):
			v.colon()
			continue
		}
		if v.depth > 0 {
			v.flow(c)
		} else if v.block(c, v.at-first) {
			return
		}
	}
}

// colon is behind a key, whose value it counts; of a block, the key too, which
// isn't known for one before.
func (v *volume) colon() {
	v.n++
	if v.depth == 0 {
		v.n++
	}
	v.start, v.known = true, true
	v.at++
}

// flow looks at a character within [ or {.
func (v *volume) flow(c byte) {
	switch {
	case c == ',':
		v.start, v.known = true, false
		v.at++
	case c == ']' || c == '}':
		v.depth--
		v.start = false
		v.at++
	case c == '[' || c == '{':
		v.open()
	case v.start:
		v.value(c)
	default:
		v.at++
	}
}

// block looks at a character outside of brackets. It is true where the line is
// behind it: a block scalar.
func (v *volume) block(c byte, column int) bool {
	switch {
	case !v.start:
		v.at++
	case (c == '-' || c == '?') && v.blank(v.at+1):
		if c == '-' {
			v.n++
		}
		v.known, v.inner = true, column
		v.at++
	case c == '[' || c == '{':
		v.open()
	case c == '|' || c == '>':
		if v.inner < 0 {
			v.inner = column - 1
		}
		v.skipBlock()
		return true
	default:
		v.inner, v.known = column, true // what is no key is counted already, or goes on
		v.value(c)
	}
	return false
}

func (v *volume) open() {
	if !v.known {
		v.n++
	}
	v.depth++
	v.start, v.known = true, false
	v.at++
}

// value goes over a text in quotes, or to the second character of any other.
func (v *volume) value(c byte) {
	if !v.known {
		v.n++
	}
	v.start = false
	v.at++
	if c != '"' && c != '\'' {
		return
	}
	for v.at < len(v.s) {
		switch d := v.s[v.at]; {
		case d == c && c == '\'' && strings.HasPrefix(v.s[v.at+1:], "'"):
			v.at++
		case d == c:
			v.at++
			return
		case d == '\\' && c == '"':
			v.at++
		}
		v.at++
	}
}

// skipBlock goes over a block scalar: lines that are empty, or indented deeper.
func (v *volume) skipBlock() {
	for v.skipLine(); v.at < len(v.s); v.skipLine() {
		rest := strings.TrimLeft(v.s[v.at:min(len(v.s), v.at+v.inner+2)], " ")
		indent := min(len(v.s), v.at+v.inner+2) - v.at - len(rest)
		if indent <= v.inner && rest != "" && rest[0] != '\n' && rest[0] != '\r' {
			return
		}
	}
}

func (v *volume) skipLine() {
	if i := strings.IndexAny(v.s[min(v.at, len(v.s)):], "\r\n"); i >= 0 {
		v.at += i + 1
	} else {
		v.at = len(v.s)
	}
}

func (v *volume) skipWord() {
	for v.at < len(v.s) && !v.blank(v.at) {
		v.at++
	}
	if v.at < len(v.s) && v.s[v.at] == ' ' {
		v.at++
	}
}

func (v *volume) blank(at int) bool {
	return at >= len(v.s) || v.s[at] == ' ' || v.s[at] == '\t' || v.s[at] == '\n' || v.s[at] == '\r'
}
