package dag

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// trap is something in a line that YAML reads otherwise than people do.
type trap struct {
	from, to int // bytes of the line
	above    int // 0, or how many lines further up (negative) it is
	tab      bool
	message  string
	mended   string // the line put right; "": can't be
}

// findTrap looks at a line near a syntax error for what may have caused it:
// a value without quotes that needs them, mostly.
func findTrap(line string) (trap, bool) {
	if at := tabbed(line); at >= 0 {
		return trap{from: at, to: at + 1, tab: true, message: "a tab can't indent YAML; use spaces"}, true
	}
	if directive, _, _ := strings.Cut(line, " "); directive == "%YAML" || directive == "%TAG" {
		return trap{to: len(line), message: "a " + directive + " directive has no meaning here; leave the line out", mended: "#" + line[1:]}, true
	}
	if at := strings.Index(line, "-\t"); at >= 0 && strings.Trim(line[:at], " -") == "" {
		return trap{from: at + 1, to: at + 2, message: "a tab can't follow a dash; use a space", mended: line[:at+1] + strings.Replace(line[at+1:], "\t", " ", 1)}, true
	}
	at, key, value := splitLine(line)
	v := stripComment(value)
	if v == "" {
		return trap{}, false
	}
	whole := func(message string) (trap, bool) {
		fixed := quoteYAML(v)
		if key != "" {
			message += ": " + shorten(key+": "+fixed, 70)
		} else {
			message += ": " + shorten(fixed, 70)
		}
		return trap{from: at, to: at + len(v), message: message, mended: line[:at] + fixed + line[at+len(v):]}, true
	}
	switch c := v[0]; c {
	case '@', '`', '%', '!', '*', '&':
		if c == '&' && len(v) > 1 && v[1] != ' ' && v[1] != '&' {
			return trap{}, false
		}
		return whole(fmt.Sprintf("a text that begins with %c needs quotes", c))
	case ']', '}', ',':
		if key != "" {
			return whole(fmt.Sprintf("a text that begins with %c needs quotes", c))
		}
	case '|', '>':
		if strings.Trim(v[1:], "+-0123456789") != "" {
			return whole(fmt.Sprintf("a text that begins with %c needs quotes", c))
		}
	case '"', '\'':
		return quoteTrap(line, at, v)
	case '{', '[':
		if t, ok := flowTrap(line, at, v); ok {
			return t, true
		}
		if end := flowEnd(v); end > 0 && end < len(v) {
			return whole(fmt.Sprintf("a text that begins with %c needs quotes", c))
		}
	case '-', '?':
		if len(v) > 1 && v[1] == ' ' {
			return whole(fmt.Sprintf("a text that begins with %q needs quotes", v[:2]))
		}
	}
	if strings.IndexByte("{[\"'", v[0]) < 0 && (strings.Contains(v, ": ") || strings.HasSuffix(v, ":") && key != "") {
		return whole(`a text with ": " in it needs quotes`)
	}
	return trap{}, false
}

// tabbed is where in the indentation of a line a tab stands, or -1.
func tabbed(line string) int {
	return strings.IndexByte(line[:len(line)-len(strings.TrimLeft(line, " \t"))], '\t')
}

// splitLine finds the value in a line: behind `- `, behind `key: `. At is where
// it begins; value keeps what follows it, comments included.
func splitLine(line string) (at int, key, value string) {
	skip := func() {
		for at < len(line) && line[at] == ' ' {
			at++
		}
	}
	skip()
	for strings.HasPrefix(line[at:], "- ") {
		at += 2
		skip()
	}
	rest := line[at:]
	if rest == "" || rest[0] == '#' || rest[0] == '{' || rest[0] == '[' {
		return at, "", rest
	}
	end := 0
	if rest[0] == '"' || rest[0] == '\'' {
		if end = closingQuote(rest); end == 0 {
			return at, "", rest
		}
	}
	colon := strings.Index(rest[end:], ": ")
	if colon < 0 {
		if strings.HasSuffix(rest, ":") {
			return at + len(rest), rest[:len(rest)-1], ""
		}
		return at, "", rest
	}
	if end > 0 && colon > 0 {
		return at, "", rest
	}
	key = rest[:end+colon]
	at += end + colon + 2
	skip()
	return at, key, strings.TrimRight(line[at:], " \t")
}

// stripComment takes off a ` # comment` that no quote holds.
func stripComment(v string) string {
	if v != "" && v[0] != '"' && v[0] != '\'' {
		if i := strings.Index(v, " #"); i > 0 {
			v = v[:i]
		}
	}
	return strings.TrimRight(v, " \t")
}

// quoteTrap looks at a value that begins with a quote.
func quoteTrap(line string, at int, v string) (trap, bool) {
	end := closingQuote(v)
	if end == 0 {
		t := trap{from: at, to: at + len(v), message: fmt.Sprintf("the quote %c is never closed", v[0]), mended: line[:at] + v + v[:1]}
		if strings.HasSuffix(v, ":") { // a key
			t.mended = line[:at] + v[:len(v)-1] + v[:1] + ":"
		}
		return t, true
	}
	if rest := strings.TrimLeft(v[end:], " "); rest == "" || rest[0] == '#' || rest[0] == ':' || rest[0] == ',' {
		if bad := badEscape(v[:end]); bad >= 0 {
			return trap{from: at + bad, to: at + min(bad+2, len(v)), message: "in double quotes a backslash begins an escape, and there is no " + v[bad:bad+2] + "; write two of them, or use single quotes",
				mended: line[:at] + strings.ReplaceAll(v, `\`, `\\`)}, true
		}
		return trap{}, false
	}
	fixed := quoteYAML(v)
	return trap{from: at + end, to: at + len(v), message: "text goes on behind the closing quote; put all of it in quotes: " + shorten(fixed, 70),
		mended: line[:at] + fixed}, true
}

// badEscape returns where in a double-quoted scalar a backslash begins no
// escape of YAML, or -1.
func badEscape(v string) int {
	if v[0] != '"' {
		return -1
	}
	for i := 1; i+1 < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if strings.IndexByte("0abt\tnvfre \"'/\\N_LPxuU", v[i+1]) < 0 {
			return i
		}
		i++
	}
	return -1
}

// flowTrap looks into { } and [ ] for a value that needs quotes there.
func flowTrap(line string, at int, v string) (trap, bool) {
	start := true // a value may begin here
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' || c == '\'':
			if !start {
				continue
			}
			end := closingQuote(v[i:])
			if end == 0 {
				return trap{from: at + i, to: at + len(v), message: fmt.Sprintf("the quote %c is never closed", c)}, true
			}
			i += end - 1
			start = false
		case c == '{' || c == '[' || c == ',':
			start = !strings.HasPrefix(v[i:], "{{")
			if strings.HasPrefix(v[i:], "{{") {
				return flowQuote(line, at, v, i, v[0])
			}
		case c == ':' && i+1 < len(v) && v[i+1] == ' ':
			start = true
		case c == ' ':
		case strings.HasPrefix(v[i:], "${{"):
			return flowQuote(line, at, v, i, v[0])
		case c == '?', start && strings.IndexByte("@`%*!", c) >= 0:
			return flowQuote(line, at, v, i, v[0])
		default:
			start = false
		}
	}
	return trap{}, false
}

// flowQuote puts quotes around the value at i of a flow map or list, which begins
// with a bracket.
func flowQuote(line string, at int, v string, i int, bracket byte) (trap, bool) {
	from := i
	for from > 0 && strings.IndexByte("{[,}]", v[from-1]) < 0 && !strings.HasSuffix(v[:from], ": ") {
		from--
	}
	from += len(v[from:]) - len(strings.TrimLeft(v[from:], " "))
	end := from
	for end < len(v) && strings.IndexByte(",}]", v[end]) < 0 {
		if strings.HasPrefix(v[end:], "{{") {
			closing := strings.Index(v[end:], "}}")
			if closing < 0 {
				return trap{from: at + from, to: at + len(v), message: "${{ is never closed by }}"}, true
			}
			end += closing + 2
			continue
		}
		end++
	}
	value := strings.TrimRight(v[from:end], " ")
	if value == "" {
		return trap{}, false
	}
	fixed := quoteYAML(value)
	message := fmt.Sprintf("inside of %c a text that begins with %c needs quotes: %s", bracket, value[0], shorten(fixed, 60))
	if strings.Contains(value, "?") {
		message = fmt.Sprintf("inside of %c a text with ? needs quotes: %s", bracket, shorten(fixed, 60))
	}
	if strings.Contains(value, "{{") {
		message = fmt.Sprintf("inside of %c an expression needs quotes: %s", bracket, shorten(fixed, 60))
	}
	return trap{from: at + from, to: at + from + len(value), message: message,
		mended: line[:at] + v[:from] + fixed + v[from+len(value):]}, true
}

// flowEnd returns where the { } or [ ] that v begins with is closed, or 0.
func flowEnd(v string) int {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"', '\'':
			end := closingQuote(v[i:])
			if end == 0 {
				return 0
			}
			i += end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// quoteYAML writes a text as a quoted scalar, in the quotes that it has not.
func quoteYAML(v string) string {
	if !strings.ContainsAny(v, `"\`) {
		return `"` + v + `"`
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

// shorten cuts a text for a message.
func shorten(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// foreignTag reports a tag, most often an expression that begins with `!`.
func (r *resolver) foreignTag(n *node) {
	p := Pos{n.Line, n.Column}
	defer r.src.mute(p.Line)
	line := r.src.line(p.Line)
	rest := r.src.text[r.src.offset(p):]
	rest, _, _ = strings.Cut(rest, "\n")
	rest = strings.TrimRight(rest, "\r ")
	if n.Kind == scalarKind && strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "!!") {
		v, key := rest, ""
		if at, k, _ := splitLine(line); k != "" && strings.HasPrefix(line[at:], rest) {
			key = k + ": "
		} else if end := strings.IndexAny(rest, ",}]"); end > 0 {
			v = rest[:end]
		}
		v = stripComment(v)
		n.Value = v // as it was meant
		r.src.errorAt(p, utf8.RuneCountInString(v), "a text that begins with ! needs quotes, else it is a YAML tag: %s", shorten(key+quoteYAML(v), 70))
		return
	}
	tag, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(tag, "!") { // behind an anchor
		tag = n.Tag
	}
	r.src.errorAt(p, utf8.RuneCountInString(tag), "tag %s has no meaning here; leave it out, or quote the text", tag)
}

// commentTrap reports a text that a ` #` cuts short: what is left of it has
// brackets or quotes that nothing closes.
func (r *resolver) commentTrap(n *node) {
	at := r.src.begin(n)
	rest := r.src.text[at:]
	if !strings.HasPrefix(rest, n.Value) || !unclosed(n.Value) {
		return
	}
	rest = strings.TrimLeft(rest[len(n.Value):], " \t")
	if !strings.HasPrefix(rest, "#") {
		return
	}
	p := r.src.pos(len(r.src.text) - len(rest))
	r.src.errorAt(p, 1, "a # behind a blank begins a comment, and cuts the text off; put the text in quotes")
	r.src.mute(p.Line)
}

// unclosed reports whether a text ends within brackets or quotes.
func unclosed(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '"', '\'':
			end := strings.IndexByte(s[i+1:], s[i])
			if end < 0 {
				return i == 0 || s[i] == '"' || s[i-1] == ' ' // else an apostrophe
			}
			i += end + 1
		}
	}
	return depth > 0
}

// tagFits reports whether a scalar is written as its explicit tag says.
func tagFits(tag, value string) bool {
	switch tag {
	case "!!int":
		return numberKind(value) == wholeNumber
	case "!!float":
		return numberKind(value) != noNumber
	case "!!bool":
		return value == "true" || value == "false"
	}
	return value == "" || value == "~" || value == "null"
}
