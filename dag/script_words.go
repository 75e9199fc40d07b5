package dag

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// first is the first of some words, "" where there is none.
func first(args []*syntax.Word) string {
	if len(args) == 0 {
		return ""
	}
	s, _ := fixedText(args[0])
	return s
}

func fixedTexts(args []*syntax.Word) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i], _ = fixedText(a)
	}
	return out
}

// fixedText is a word without its quotes. It isn't ok for one with expansions in
// it; then it has what is constant of it.
func fixedText(w *syntax.Word) (s string, ok bool) {
	if w == nil {
		return "", false
	}
	var b strings.Builder
	ok = true
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			unescape(&b, p.Value, "")
		case *syntax.SglQuoted:
			ok = ok && !p.Dollar
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			ok = ok && !p.Dollar
			for _, q := range p.Parts {
				if lit, is := q.(*syntax.Lit); is {
					unescape(&b, lit.Value, "$`\"\\\n")
				} else {
					ok = false
				}
			}
		default:
			ok = false
		}
	}
	return b.String(), ok
}

// unescape takes the backslashes off that escape one of some characters, "" for
// all; one before a newline goes with it.
func unescape(b *strings.Builder, s, escaped string) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (escaped == "" || strings.IndexByte(escaped, s[i+1]) >= 0) {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
}
