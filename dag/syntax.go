package dag

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxMended bounds how many syntax errors of one file are found, and
// mendable the size of a file that is parsed again after each.
const (
	maxMended = 20
	mendable  = 1 << 20
)

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

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
	if m := unknownAnchor.FindStringSubmatch(cause); m != nil {
		return s.mendAlias(now, at.Line, m[1])
	}
	line := at.Line
	if context, rest := contextLine(cause); context > 0 {
		cause = rest
		if strings.Contains(cause, "end of stream") {
			line = context
		}
	}
	for number, tries := line, 0; number > 0 && tries < 4; number-- {
		l := now.line(number)
		if strings.TrimSpace(l) == "" {
			continue
		}
		tries++
		t, found := findTrap(l)
		if !found && number == line {
			t, found = now.findLayout(number)
		}
		if found {
			return s.mend(text, now, number, t)
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
		at.Col = utf8.RuneCountInString(l)
	}
	if at.Col > utf8.RuneCountInString(l) || at.Col == 1 {
		at.Col = 1 + utf8.RuneCountInString(l) - utf8.RuneCountInString(strings.TrimLeft(l, " "))
	}
	s.errorAt(at, 1, "this is not YAML: %s; look for a missing quote, colon or bracket, or a wrong indentation, here or above", explain(cause))
}

var contextPrefix = regexp.MustCompile(`^line (\d+): `)

// contextLine takes the line off the library's message.
func contextLine(cause string) (line int, rest string) {
	m := contextPrefix.FindStringSubmatch(cause)
	if m == nil {
		return 1, cause
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

// findLayout finds an error of indentation in a line that is fine by itself.
func (s *source) findLayout(number int) (trap, bool) {
	l := s.line(number)
	body := strings.TrimLeft(l, " ")
	indent := len(l) - len(body)
	above := number - 1
	for above > 0 && strings.TrimSpace(s.line(above)) == "" {
		above--
	}
	if above == 0 {
		return trap{}, false
	}
	before := s.line(above)
	head := strings.TrimLeft(before, " ")
	depth := len(before) - len(head)
	_, key, value := splitLine(before)
	switch {
	case indent <= depth || strings.HasPrefix(head, "#"):
	case key == "" && !strings.HasSuffix(strings.TrimSpace(value), ":") && !strings.HasPrefix(head, "- "):
		word := strings.TrimSpace(head)
		return trap{above: above - number, from: depth, to: depth + len(word), message: word + " needs a colon: " + word + ":",
			mended: before + ":"}, true
	case key != "" && value != "":
		return trap{from: indent, to: indent + max(1, strings.IndexByte(body+":", ':')),
			message: "this line is indented deeper than the one above, which has its value already; give both the same indentation"}, true
	}
	return trap{}, false
}
