package dag

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxMended bounds how many syntax errors of one file are found, and
// mendable the size of a file that is parsed again after each.
const (
	maxMended = 20
	mendable  = 256 << 10
)

var unknownAnchor = lazily(`unknown anchor '(.*)' referenced`)

// syntaxError reports what kept the YAML library from parsing text, which is
// the file's, with lines mended before. Where the cause is a known trap it
// returns the text with that line mended too.
func (s *source) syntaxError(text string, err error) (mended string, ok bool) {
	now := s
	if text != s.text {
		now = newSource(s.file, text)
	}
	cause := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(cause, "exceeded max depth") {
		s.errorAt(s.pos(consumed(text)), 1, "maps and lists stand more than %d deep in each other", maxNesting)
		return "", false
	}
	at := now.pos(consumed(text))
	if m := unknownAnchor().FindStringSubmatch(cause); m != nil {
		return s.mendAlias(now, at.Line, m[1])
	}
	line := at.Line
	context, cause := contextLine(cause)
	switch {
	case context > 0 && strings.Contains(cause, "end of stream"):
		line = context
	case strings.Contains(cause, "expected ',' or"):
		if t, number, ok := now.findOpen(context, line); ok {
			return s.mend(text, now, number, t)
		}
	}
	if t, number, ok := now.findQuote(line); ok {
		return s.mend(text, now, number, t)
	}
	for number, tries := line, 0; number > 0 && tries < 4; number-- {
		l := now.line(number)
		if strings.TrimSpace(l) == "" && (number < line || !strings.Contains(l, "\t")) {
			continue
		}
		tries++
		t, found := findTrap(l)
		if !found {
			t, found = now.findLayout(number)
		}
		if found {
			for t.tab && number > 1 && tabbed(now.line(number-1)) >= 0 {
				number-- // the first of them
				t, _ = findTrap(now.line(number))
			}
			return s.mend(text, now, number, t)
		}
	}
	for number := line; number >= max(1, line-1); number-- {
		if now.longKey(number) {
			s.errorAt(Pos{number, 1 + indentOf(now.line(number))}, 1, "a key has at most %d characters", maxKey)
			return "", false
		}
	}
	s.hopeless(now, at, line, cause)
	return "", false
}

// mend reports a trap and puts its line right.
func (s *source) mend(text string, now *source, number int, t trap) (string, bool) {
	number += t.above
	s.errorAt(Pos{number, 1 + utf8.RuneCountInString(now.line(number)[:t.from])}, utf8.RuneCountInString(now.line(number)[t.from:t.to]), "%s", t.message)
	s.mute(number)
	if t.mended == "" || len(text) > mendable {
		return "", false
	}
	from := now.lines[number-1]
	return text[:from] + t.mended + text[from+len(now.line(number)):], true
}

// mendAlias reports an alias without an anchor, most often a cron expression
// or a glob without quotes.
func (s *source) mendAlias(now *source, line int, name string) (string, bool) {
	for number := line; number > 0 && number > line-3; number-- {
		l := now.line(number)
		at := strings.Index(l, "*"+name)
		if at < 0 {
			continue
		}
		mended := l[:at] + quoteYAML(l[at:at+1+len(name)]) + l[at+1+len(name):]
		return s.mend(now.text, now, number, trap{from: at, to: at + 1 + len(name), mended: mended,
			message: "*" + name + " is an alias, and no &" + name + " stands before it; if it is text, quote it"})
	}
	s.errorAt(Pos{line, 1}, 1, "*%s is an alias, and no &%s stands before it; if it is text, quote it", name, name)
	return "", false
}

// hopeless reports an error whose cause isn't known.
func (s *source) hopeless(now *source, at Pos, line int, cause string) {
	if line != at.Line {
		at = Pos{line, 1}
	}
	l := now.line(at.Line)
	if strings.TrimSpace(l) == "" { // at the end, or behind it
		for at.Line > 1 && strings.TrimSpace(now.line(at.Line)) == "" {
			at.Line--
		}
		l = now.line(at.Line)
		at.Col = max(1, utf8.RuneCountInString(l))
	}
	if at.Col > utf8.RuneCountInString(l) || at.Col == 1 {
		at.Col = 1 + utf8.RuneCountInString(l) - utf8.RuneCountInString(strings.TrimLeft(l, " "))
	}
	s.errorAt(at, 1, "this is not YAML: %s; look for a missing quote, colon or bracket, or a wrong indentation, here or above", explain(cause))
}

var contextPrefix = lazily(`^line (\d+): `)

// contextLine takes the line off the library's message.
func contextLine(cause string) (line int, rest string) {
	m := contextPrefix().FindStringSubmatch(cause)
	if m == nil {
		return 0, cause
	}
	for _, c := range m[1] {
		line = min(10*line+int(c-'0'), maxFile)
	}
	return line, cause[len(m[0]):]
}

// explain says what the library means.
func explain(cause string) string {
	switch {
	case strings.Contains(cause, "mapping values are not allowed"):
		return "a `key: value` can't begin here"
	case strings.Contains(cause, "expected node content"):
		return "a value was expected"
	case strings.Contains(cause, "cannot start any token"):
		return "no text without quotes begins with this character"
	case strings.Contains(cause, "did not find expected key"):
		return "a key was expected, indented as its neighbours"
	case strings.Contains(cause, "expected '-' indicator"):
		return "a list goes on with `- `, and here it doesn't"
	case strings.Contains(cause, "could not find expected ':'"):
		return "a key without a colon"
	case strings.Contains(cause, "expected ',' or"):
		return "a { or [ is not closed, or a comma is missing"
	case strings.Contains(cause, "unknown escape character"):
		return "in double quotes, a backslash begins an escape; use single quotes, or write two"
	case strings.Contains(cause, "end of stream"):
		return "the file ends before a quote is closed"
	}
	return cause
}

// findOpen finds the { or [ that is never closed: in the line in which the
// library says it begins, or in the last one before the error that has one.
func (s *source) findOpen(context, last int) (t trap, number int, ok bool) {
	for number := last; number > 0 && number >= context && number > last-20; number-- {
		l := s.line(number)
		at, _, value := splitLine(l)
		if value == "" || value[0] != '{' && value[0] != '[' || flowEnd(value) > 0 {
			continue
		}
		if t, ok := flowTrap(l, at, value); ok {
			return t, number, true
		}
		for inner := number + 1; inner <= last; inner++ {
			if t, ok := expressionTrap(s.line(inner), value[0]); ok {
				return t, inner, true
			}
		}
		t := trap{from: at, to: at + 1, message: "the " + value[:1] + " is never closed"}
		if next := s.line(number + 1); indentOf(next) <= indentOf(l) || strings.TrimSpace(next) == "" {
			t.mended = l[:at] + closeFlow(stripComment(value))
		}
		return t, number, true
	}
	return trap{}, 0, false
}

// expressionTrap looks at a line that goes on with what a bracket above began, for
// an expression without quotes.
func expressionTrap(line string, bracket byte) (trap, bool) {
	at, _, value := splitLine(line)
	i := strings.Index(value, "{{")
	if i < 0 || blankOrComment(line) || strings.ContainsAny(value[:i], "\"'#") {
		return trap{}, false
	}
	return flowQuote(line, at, value, i, bracket)
}

// findQuote finds a quote above an error that is closed only near it, in another
// line, where more text follows: most likely the end of its own line was meant.
func (s *source) findQuote(last int) (t trap, number int, ok bool) {
	for number := last; number > 0 && number > last-1000; number-- {
		l := s.line(number)
		at, _, value := splitLine(l)
		if value == "" || value[0] != '"' && value[0] != '\'' || closingQuote(value) > 0 {
			continue
		}
		from := s.lines[number-1] + at
		end := closingFar(s.text[from:])
		if end == 0 {
			return trap{}, 0, false
		}
		closed := s.pos(from + end)
		rest := strings.TrimLeft(s.text[from+end:s.lines[closed.Line-1]+len(s.line(closed.Line))], " \t")
		if closed.Line < last-3 || closed.Line > last || rest == "" || strings.IndexByte("#,:]}", rest[0]) >= 0 {
			return trap{}, 0, false
		}
		t := trap{from: at, to: len(l), mended: l + value[:1],
			message: fmt.Sprintf("the quote %c is closed only in line %d, where more text follows; close it here", value[0], closed.Line)}
		if strings.HasSuffix(value, ":") {
			t.mended = l[:len(l)-1] + value[:1] + ":"
		}
		return t, number, true
	}
	return trap{}, 0, false
}

// maxKey is how long a key may be that stands in the line of its colon; YAML 1.1, §7.
const maxKey = 1024

// longKey reports whether what begins a line is too long to be a key.
func (s *source) longKey(number int) bool {
	l := strings.TrimLeft(s.line(number), " ")
	end := strings.Index(l, ": ")
	if end < 0 {
		end = strings.LastIndexByte(l, ':')
	}
	return end > maxKey && utf8.RuneCountInString(l[:end]) > maxKey
}

// closeFlow adds the brackets that v lacks.
func closeFlow(v string) string {
	var open []byte
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"', '\'':
			if end := closingQuote(v[i:]); end > 0 {
				i += end - 1
			}
		case '{':
			open = append(open, '}')
		case '[':
			open = append(open, ']')
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	slices.Reverse(open)
	return v + string(open)
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// findLayout finds an error of indentation in a line that is fine by itself.
func (s *source) findLayout(number int) (trap, bool) {
	l := s.line(number)
	_, key, _ := splitLine(l)
	above := number - 1
	for above > 0 && blankOrComment(s.line(above)) {
		above--
	}
	if above == 0 || key == "" {
		return trap{}, false
	}
	before := s.line(above)
	indent, depth := indentOf(l), indentOf(before)
	_, keyAbove, value := splitLine(before)
	whole := trap{from: indent, to: indent + max(1, strings.IndexByte(l[indent:]+":", ':'))}
	switch {
	case indent > depth && keyAbove == "" && isName(strings.ReplaceAll(value, "-", "_")):
		return trap{above: above - number, from: depth, to: len(before), message: value + " needs a colon: " + value + ":", mended: before + ":"}, true
	case indent == depth && keyAbove == "" && isName(firstWord(value)):
		word := firstWord(value)
		rest := strings.TrimLeft(value[len(word):], " ")
		return trap{above: above - number, from: depth, to: depth + len(word), message: word + " needs a colon: " + shorten(word+": "+rest, 60),
			mended: before[:depth] + word + ": " + rest}, true
	case indent > depth && keyAbove != "" && value != "" && strings.IndexByte("|>{[&", value[0]) < 0 && !strings.HasPrefix(before[depth:], "- "):
		whole.message = fmt.Sprintf("%s is indented deeper than %s above, which has its value; give both the same indentation", key, keyAbove)
		whole.mended = before[:depth] + l[indent:]
		return whole, true
	case indent < depth && !s.fits(number, indent):
		whole.message = fmt.Sprintf("%s is indented by %d, which fits nothing above: line %d is indented by %d", key, indent, above, depth)
		whole.mended = before[:depth] + l[indent:]
		return whole, true
	}
	return trap{}, false
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func blankOrComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// fits reports whether a block that is open above a line has that indentation.
func (s *source) fits(number, indent int) bool {
	for number--; number > 0; number-- {
		l := s.line(number)
		if blankOrComment(l) {
			continue
		}
		switch depth := indentOf(l); {
		case depth == indent:
			return true
		case depth < indent:
			rest := l[depth:] // of a list, what stands behind the dash
			for strings.HasPrefix(rest, "- ") {
				rest = strings.TrimLeft(rest[1:], " ")
				if len(l)-len(rest) == indent {
					return true
				}
			}
			return false
		}
	}
	return false
}
