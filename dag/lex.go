package dag

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a part of a text, in bytes.
type span struct{ from, to int }

// piece is a part of a scalar: literal text, or what stands between ${{ and }}.
type piece struct {
	span           // with ${{ and }}
	inner   span   // of an expression: without them
	literal string // of literal text: with $${{ undone
	kind    pieceOf
}

type pieceOf uint8

const (
	literalPiece pieceOf = iota
	exprPiece
	openPiece // a ${{ that nothing closes
)

// pieces splits a scalar. An expression ends at the first }} outside strings
// and braces; $${{ is a literal ${{. It returns nil for a text without either,
// and at most one openPiece, the last.
func pieces(s string) []piece {
	if !strings.Contains(s, "${{") {
		return nil
	}
	var out []piece
	var lit strings.Builder
	from := 0
	flush := func(to int) {
		if to > from {
			out = append(out, piece{span: span{from, to}, literal: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); {
		open := strings.Index(s[i:], "${{")
		if open < 0 {
			lit.WriteString(s[i:])
			break
		}
		open += i
		if open > i && s[open-1] == '$' {
			lit.WriteString(s[i : open-1])
			lit.WriteString("${{")
			i = open + 3
			continue
		}
		lit.WriteString(s[i:open])
		flush(open)
		end := exprEnd(s, open+3)
		if end < 0 {
			return append(out, piece{span: span{open, len(s)}, inner: span{open + 3, len(s)}, kind: openPiece})
		}
		out = append(out, piece{span: span{open, end + 2}, inner: span{open + 3, end}, kind: exprPiece})
		i, from = end+2, end+2
	}
	flush(len(s))
	return out
}

// exprEnd returns where the }} stands that ends the expression from i on, or
// -1. Quotes and braces within a comment mean nothing.
func exprEnd(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch c := s[i]; {
		case c == '}' && depth == 0 && strings.HasPrefix(s[i:], "}}"):
			return i
		case c == '}' && depth > 0:
			depth--
			i++
		case c == '{':
			depth++
			i++
		case c == '\'' || c == '"' || c == '`':
			i = skipString(s, i)
		case strings.HasPrefix(s[i:], "//"):
			i = skipComment(s, i, "\n", "}}")
		case strings.HasPrefix(s[i:], "/*"):
			i = skipComment(s, i, "*/", "}}")
		default:
			i++
		}
	}
	return -1
}

// skipString returns where the string that begins at i is over: behind its
// closing quote, or at the end of s.
func skipString(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote && quote == '`' && i+1 < len(s) && s[i+1] == quote:
			i++ // a doubled backtick is one
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// skipComment returns where the comment that begins at i is over: behind its
// end, or before what stops it all the same, or at the end of s.
func skipComment(s string, i int, end, stop string) int {
	rest := s[i+2:]
	e := strings.Index(rest, end)
	if stop != "" {
		if at := strings.Index(rest, stop); at >= 0 && (e < 0 || at < e) {
			return i + 2 + at
		}
	}
	if e < 0 {
		return len(s)
	}
	return i + 2 + e + len(end)
}

// taskRefs takes the task ids out of an expression: key is its text with a
// number instead of each id, ids are those in order of first mention. Two
// expressions with one key differ in nothing but which tasks they name. It is
// not ok where tasks are mentioned in a way that only the parser understands.
func taskRefs(src string) (key string, ids []string, ok bool) {
	if !strings.Contains(src, "tasks") {
		return src, nil, true
	}
	var b strings.Builder
	done := 0 // what of src is in b
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '\'' || c == '"' || c == '`':
			i = skipString(src, i)
		case strings.HasPrefix(src[i:], "//"):
			i = skipComment(src, i, "\n", "")
		case strings.HasPrefix(src[i:], "/*"):
			i = skipComment(src, i, "*/", "")
		case !wordByte(c):
			i++
		default:
			from := i
			for i < len(src) && wordByte(src[i]) {
				i++
			}
			if src[from:i] != "tasks" {
				continue
			}
			id, to := taskID(src, i)
			if to < 0 || from > 0 && (src[from-1] == '.' || src[from-1] == '#') {
				return "", nil, false
			}
			b.WriteString(src[done:i])
			b.WriteByte(0)
			b.WriteString(strconv.Itoa(slot(&ids, id)))
			b.WriteByte(0)
			done, i = to, to
		}
	}
	b.WriteString(src[done:])
	return b.String(), ids, true
}

// slot returns the place of id in ids, at the end if it is new.
func slot(ids *[]string, id string) int {
	for i, x := range *ids {
		if x == id {
			return i
		}
	}
	*ids = append(*ids, id)
	return len(*ids) - 1
}

// taskID reads `.ID` or `["ID"]` at i and returns where it is over, -1 if there
// is neither.
func taskID(src string, i int) (id string, to int) {
	rest := src[i:]
	if strings.HasPrefix(rest, ".") {
		to := i + 1
		for to < len(src) && wordByte(src[to]) {
			to++
		}
		if to == i+1 || to < len(src) && src[to] == '(' {
			return "", -1
		}
		return src[i+1 : to], to
	}
	if len(rest) > 2 && rest[0] == '[' && (rest[1] == '"' || rest[1] == '\'') {
		end := strings.IndexByte(rest[2:], rest[1])
		if end > 0 && strings.HasPrefix(rest[2+end+1:], "]") && !strings.Contains(rest[2:2+end], `\`) {
			return rest[2 : 2+end], i + 2 + end + 2
		}
	}
	return "", -1
}

// wordByte reports whether c may stand in a name. Letters beyond ASCII count,
// so that a name is never cut within.
func wordByte(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// link is one name of a chain like tasks.a.result, and where it stands in its
// expression, in bytes.
type link struct {
	name string
	span
}

// plainChain reads an expression that is nothing but a name and constant
// fields: a.b["c"].d. It is not ok for anything else, which the parser of expr
// gets.
func plainChain(src string) (chain []link, ok bool) {
	i := len(src) - len(strings.TrimLeft(src, " \t\n"))
	end := len(strings.TrimRight(src, " \t\n"))
	for i < end {
		from := i
		switch {
		case src[i] == '[' && len(chain) > 0:
			name, to := taskID(src[:end], i)
			if to < 0 {
				return nil, false
			}
			chain = append(chain, link{name, span{from + 1, to - 1}})
			i = to
			continue
		case src[i] == '.' && len(chain) > 0:
			i++
			from++
		case len(chain) > 0:
			return nil, false
		}
		for i < end && wordByte(src[i]) && src[i] < 0x80 && src[i] != '$' {
			i++
		}
		if i == from || '0' <= src[from] && src[from] <= '9' {
			return nil, false
		}
		chain = append(chain, link{src[from:i], span{from, i}})
	}
	return chain, len(chain) > 0
}

// runeOffsets maps places in characters, as expr counts, to bytes.
func runeOffsets(s string) func(int) int {
	if utf8.RuneCountInString(s) == len(s) {
		return func(i int) int { return min(i, len(s)) }
	}
	at := make([]int, 0, len(s)+1)
	for i := range s {
		at = append(at, i)
	}
	at = append(at, len(s))
	return func(i int) int { return at[min(i, len(at)-1)] }
}
