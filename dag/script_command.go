package dag

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Command returns the words of a script that is nothing but the name of a program
// and literal arguments, quotes taken off; nil for any other. To start that program
// and to have a shell start it is the same, where the shell has no flags but `-eu`.
// `true` and `false` count as programs; other builtins do not.
func (s *Script) Command() []string { return slices.Clone(s.command) }

// commandOf is Command of a tree.
func commandOf(f *syntax.File) []string {
	if len(f.Stmts) != 1 {
		return nil
	}
	stmt := f.Stmts[0]
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || stmt.Negated || stmt.Background || stmt.Coprocess || len(stmt.Redirs) > 0 || len(call.Assigns) > 0 || len(call.Args) == 0 {
		return nil
	}
	words := make([]string, len(call.Args))
	for k, arg := range call.Args {
		if !literal(arg) {
			return nil
		}
		words[k], _ = fixedText(arg)
	}
	return startable(words)
}

// literal reports whether every shell leaves a word as it stands, quotes aside.
func literal(w *syntax.Word) bool {
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			for i := range len(p.Value) {
				if c := p.Value[i]; c >= 0x80 || !wordByte(c) && strings.IndexByte("./,:@%+-=", c) < 0 {
					return false
				}
			}
		case *syntax.SglQuoted:
			if p.Dollar {
				return false
			}
		case *syntax.DblQuoted:
			if p.Dollar || slices.ContainsFunc(p.Parts, func(q syntax.WordPart) bool { _, is := q.(*syntax.Lit); return !is }) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// startable is words, if the first names a program.
func startable(words []string) []string {
	switch name := words[0]; {
	case name == "true" || name == "false":
	case name == "" || strings.Contains(name, "=") || strings.Contains(builtins, " "+name+" ") || strings.Contains(reserved, " "+name+" "):
		return nil
	}
	return words
}

// plainWords is Command of a script that oneCommand knows for right.
func plainWords(text string) []string {
	if strings.Contains(text, "$") {
		return nil
	}
	var words []string
	for text = strings.Trim(text, " \n"); text != ""; text = strings.TrimLeft(text, " ") {
		var word strings.Builder
		quoted, end := false, 0
		for ; end < len(text) && (quoted || text[end] != ' '); end++ {
			if text[end] == '"' {
				quoted = !quoted
				continue
			}
			word.WriteByte(text[end])
		}
		words, text = append(words, word.String()), text[end:]
	}
	return startable(words)
}
