package dag

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// source is the text of one file, the way from places to text and back, and
// what has been found in it so far. It is used by one goroutine.
type source struct {
	file  string
	text  string // UTF-8 without a byte order mark
	lines []int  // the offset where each line begins
	ascii bool   // columns are bytes

	found []Diagnostic
	errs  int          // errors among found
	warns int          // and warnings
	extra int          // findings that were not kept
	muted map[int]bool // lines that had a syntax error: nothing else is said of them
	memo  struct {     // the last place asked for: long lines are asked from left to right
		line, col, offset int
	}
	wide    map[*node]bool // numbers that don't fit into 64 bits
	refused map[*node]bool // what an alias or merge that was refused has left empty: nothing is said of that
	guesses int            // how many names have been compared
	slips   int            // and how many keys
}

func newSource(file, text string) *source {
	s := &source{file: file, text: text, ascii: true, lines: make([]int, 1, 1+strings.Count(text, "\n"))}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			s.lines = append(s.lines, i+1)
		case c == '\r':
			if i+1 == len(text) || text[i+1] != '\n' {
				s.lines = append(s.lines, i+1)
			}
		case c >= utf8.RuneSelf:
			s.ascii = false
			if w := wideBreak(text[i:]); w > 0 {
				s.lines = append(s.lines, i+w)
			}
		}
	}
	return s
}

// wideBreak is the length of the line break outside ASCII that s begins with
// (NEL, LS, PS: YAML 1.1, and so the parser, counts them), or 0.
func wideBreak(s string) int {
	switch {
	case strings.HasPrefix(s, "\u0085"):
		return 2
	case strings.HasPrefix(s, "\u2028"), strings.HasPrefix(s, "\u2029"):
		return 3
	}
	return 0
}

// line returns a line by its number, without its end; "" for one that the file
// doesn't have.
func (s *source) line(number int) string {
	if number < 1 || number > len(s.lines) {
		return ""
	}
	end := len(s.text)
	if number < len(s.lines) {
		end = s.lines[number]
	}
	return strings.TrimRight(s.text[s.lines[number-1]:end], "\r\n\u0085\u2028\u2029")
}

// offset is the way from a place to the text. Places outside are brought in.
func (s *source) offset(p Pos) int {
	if p.Line < 1 {
		return 0
	}
	if p.Line > len(s.lines) {
		return len(s.text)
	}
	at, col := s.lines[p.Line-1], 1
	if s.ascii {
		return min(at+max(p.Col, 1)-1, len(s.text))
	}
	if s.memo.line == p.Line && s.memo.col <= p.Col {
		at, col = s.memo.offset, s.memo.col
	}
	for ; col < p.Col && at < len(s.text); col++ {
		_, w := utf8.DecodeRuneInString(s.text[at:])
		at += w
	}
	s.memo.line, s.memo.col, s.memo.offset = p.Line, col, at
	return at
}

// pos is the way from the text to a place.
func (s *source) pos(offset int) Pos {
	offset = min(max(offset, 0), len(s.text))
	line := sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset })
	from, col := s.lines[line-1], 1
	if s.ascii {
		return Pos{line, offset - from + 1}
	}
	if s.memo.line == line && s.memo.offset <= offset {
		from, col = s.memo.offset, s.memo.col
	}
	col += utf8.RuneCountInString(s.text[from:offset])
	s.memo.line, s.memo.col, s.memo.offset = line, col, offset
	return Pos{line, col}
}

// maxMessage bounds a finding's message, in characters: what stands in it may be
// as large as the file.
const maxMessage = 2000

// bounded takes the middle out of a message that is too long.
func bounded(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	runes := []rune(s)
	if len(runes) <= maxMessage {
		return s
	}
	return string(runes[:maxMessage/2]) + " … " + string(runes[len(runes)-maxMessage/4:])
}

// maxFindings bounds how many errors of a file are kept, and how many warnings:
// what is written by a program may be wrong in each of its lines. The rest is
// counted.
const maxFindings = 5000

// admits says whether a finding about a line is to be kept, and counts it.
func (s *source) admits(line int, warning bool) bool {
	if s.muted[line] {
		return false
	}
	n := &s.errs
	if warning {
		n = &s.warns
	}
	if *n == maxFindings {
		s.extra++
		return false
	}
	*n++
	return true
}

// report keeps a finding, and gives it its file and line.
func (s *source) report(f Diagnostic) {
	if s.admits(f.Pos.Line, f.Warning) {
		s.keep(f)
	}
}

func (s *source) keep(f Diagnostic) {
	f.File = s.file
	f.Message = bounded(f.Message)
	if f.Pos.Line > 0 {
		if f.Pos.Line > len(s.lines) { // where the library takes the end to be
			f.Pos = Pos{len(s.lines), maxFile}
		}
		f.Source = s.line(f.Pos.Line)
		if f.Pos.Col > len(f.Source)+1 {
			f.Pos.Col = utf8.RuneCountInString(f.Source) + 1
		}
		f.Len = max(f.Len, 1)
	}
	s.found = append(s.found, f)
}

// mute says that a line's text is not what was meant: nothing more is said of it.
func (s *source) mute(line int) {
	if s.muted == nil {
		s.muted = make(map[int]bool)
	}
	s.muted[line] = true
}

func (s *source) errorAt(p Pos, length int, format string, args ...any) {
	if s.admits(p.Line, false) { // else the message need not be made
		s.keep(Diagnostic{Pos: p, Len: length, Message: fmt.Sprintf(format, args...)})
	}
}

func (s *source) warnAt(p Pos, length int, format string, args ...any) {
	if s.admits(p.Line, true) {
		s.keep(Diagnostic{Pos: p, Len: length, Warning: true, Message: fmt.Sprintf(format, args...)})
	}
}

// findings returns what was found, by place, each once: what stands behind an
// anchor is read in several places and found as often. A last one, without a
// place, says how many were not kept.
func (s *source) findings() []Diagnostic {
	slices.SortStableFunc(s.found, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col), cmp.Compare(a.Message, b.Message))
	})
	found := slices.Compact(s.found)
	if s.extra > 0 {
		found = append(found, Diagnostic{File: s.file, Warning: s.errs == 0, Message: fmt.Sprintf("%d further findings were only counted; mend these first", s.extra)})
	}
	return found
}

func (s *source) failed() bool {
	return s.errs > 0
}
