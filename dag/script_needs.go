package dag

import (
	"cmp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// NeedsShell is the first thing in a script that the shell inside flow lacks or
// has otherwise, as people write it ("$$", "trap … TERM", "3>"), or "". A script
// that needs such a thing has to be given to the real shell. It is found when the
// script is made, so that asking costs nothing.
//
// It errs on the side of the real shell: a command whose name only the run knows,
// a sourced file and an eval of more than a constant may hide anything. Nothing is
// found in the language of a shell that isn't parsed.
func (s *Script) NeedsShell() string { return s.needs }

// scriptNeeds is NeedsShell of a tree.
func scriptNeeds(f *syntax.File, lang syntax.LangVariant) string {
	n := needs{lang: lang}
	n.walk(f)
	return n.found
}

// needsOf is scriptNeeds of a text that may be code: "" where it doesn't parse.
func needsOf(text string, lang syntax.LangVariant) string {
	if len(text) > maxScript || nesting(text) > maxScriptDepth {
		return ""
	}
	f, err := syntax.NewParser(syntax.Variant(lang)).Parse(strings.NewReader(text), "")
	if err != nil {
		return ""
	}
	return scriptNeeds(f, lang)
}

// needs looks for what the shell inside flow lacks.
type needs struct {
	lang  syntax.LangVariant
	trap  bool // what is looked at is a trap's action
	found string
	up    []syntax.Node // the nodes around
}

func (n *needs) walk(root syntax.Node) {
	syntax.Walk(root, func(x syntax.Node) bool {
		if x == nil {
			n.up = n.up[:len(n.up)-1]
			return true
		}
		if n.found == "" {
			n.found = n.look(x)
		}
		if n.found != "" {
			return false
		}
		n.up = append(n.up, x)
		return true
	})
}

// look is what a node needs, the nodes in it aside.
func (n *needs) look(x syntax.Node) string {
	switch x := x.(type) {
	case *syntax.Stmt:
		if x.Coprocess {
			return "|&"
		}
	case *syntax.Redirect:
		return redirectNeeds(x)
	case *syntax.ParamExp:
		return cmp.Or(expansionNeeds(x), n.quotingNeeds(x))
	case *syntax.DblQuoted:
		return quotedNeeds(x)
	case *syntax.BinaryArithm:
		return arithmeticNeeds(x)
	case *syntax.Assign:
		return n.assignNeeds(x)
	case *syntax.Subshell:
		return n.subshellNeeds(x)
	case *syntax.BinaryCmd:
		return pipelineNeeds(x)
	case *syntax.ForClause:
		return endNeeds(x.Do)
	case *syntax.IfClause:
		return endNeeds(x.Then)
	case *syntax.Block:
		return endNeeds(x.Stmts)
	case *syntax.CaseItem:
		return endNeeds(x.Stmts)
	case *syntax.Word:
		return n.wordNeeds(x)
	case *syntax.CoprocClause:
		return "coproc"
	case *syntax.TimeClause:
		return "time"
	case *syntax.FuncDecl:
		if x.Name == nil {
			return "a function without a name"
		}
	case *syntax.DeclClause:
		var words []*syntax.Word
		for _, a := range x.Args {
			if a.Naked && a.Value != nil {
				words = append(words, a.Value)
			}
		}
		return declarationNeeds(x.Variant.Value, words, len(x.Args) == 0)
	case *syntax.CallExpr:
		return n.callNeeds(x.Args)
	}
	return ""
}

// redirectNeeds looks at the descriptors of a redirect: there are 0, 1 and 2.
func redirectNeeds(r *syntax.Redirect) string {
	fd := ""
	if r.N != nil {
		fd = r.N.Value
	}
	op := r.Op.String()
	whole := fd + op
	switch r.Op {
	case syntax.RdrIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		if r.Op == syntax.DashHdoc && !unquoted(r.Hdoc) {
			return whole + " with variables in it" // a line of nothing but an empty one is lost
		}
		if fd != "" && fd != "0" {
			return whole
		}
	case syntax.RdrOut, syntax.AppOut:
		if fd != "" && fd != "1" && fd != "2" {
			return whole
		}
	case syntax.RdrAll, syntax.AppAll:
	case syntax.DplOut:
		if to, ok := fixedText(r.Word); !ok || to != "1" && to != "2" && to != "-" || fd != "" && fd != "1" && fd != "2" {
			return whole + to
		}
	case syntax.DplIn:
		if to, ok := fixedText(r.Word); !ok || to != "-" || fd != "" && fd != "0" {
			return whole + to
		}
	default:
		return whole
	}
	return ""
}

// shellVariables are variables that a shell sets by itself, and the shell inside
// flow doesn't, or to something that is flow's.
const shellVariables = " $ ! 0 _ PPID BASHPID BASH BASH_VERSION BASH_VERSINFO BASH_SOURCE BASH_LINENO BASH_SUBSHELL BASH_COMMAND BASH_ARGC BASH_ARGV BASH_ARGV0 BASHOPTS SHELLOPTS KSH_VERSION PIPESTATUS FUNCNAME SECONDS EPOCHSECONDS EPOCHREALTIME HOSTNAME HOSTTYPE MACHTYPE OSTYPE SHLVL GROUPS EUID USER_ID KSHUID KSHEGID KSHGID KSHEUID PGRP TMOUT HISTCMD COPROC "

func isShellVariable(name string) bool { return strings.Contains(shellVariables, " "+name+" ") }

// mentionsShellVariable looks at a text in which every variable is a $name.
func mentionsShellVariable(text string) bool {
	_, rest, found := strings.Cut(text, "$")
	for found {
		var from string
		from, rest, found = strings.Cut(rest, "$")
		end := 0
		for end < len(from) && wordByte(from[end]) {
			end++
		}
		if isShellVariable(from[:end]) {
			return true
		}
	}
	return false
}

func expansionNeeds(x *syntax.ParamExp) string {
	switch {
	case x.Param == nil || x.Flags != nil:
		return "${(…)}"
	case isShellVariable(x.Param.Value):
		return "$" + x.Param.Value
	case x.Width:
		return "${%" + x.Param.Value + "}"
	case x.Exp != nil && x.Exp.Op == syntax.OtherParamOps && x.Exp.Word != nil:
		if how := x.Exp.Word.Lit(); how == "" || !strings.Contains("QEULu", how) {
			return "${" + x.Param.Value + "@" + how + "}"
		}
	}
	return ""
}

// quotingNeeds looks for quotes in the word of an expansion: the shell inside flow
// loses them where that is a pattern, and where the expansion itself has none. A
// value of the workflow is always quoted there.
func (n *needs) quotingNeeds(x *syntax.ParamExp) string {
	whole := "${" + x.Param.Value
	if x.Repl != nil && !unquoted(x.Repl.Orig) {
		return whole + "/…}"
	}
	if x.Exp == nil || unquoted(x.Exp.Word) {
		return ""
	}
	whole += x.Exp.Op.String() + "…}"
	switch x.Exp.Op {
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return whole
	}
	if len(n.up) < 2 {
		return whole
	}
	if _, ok := n.up[len(n.up)-1].(*syntax.Word); !ok {
		return "" // in quotes
	}
	switch up := n.up[len(n.up)-2].(type) {
	case *syntax.Assign:
		return ""
	case *syntax.Redirect:
		if up.Hdoc == n.up[len(n.up)-1] {
			return ""
		}
	}
	return whole
}

// unquoted reports whether a word is a text without quotes, or none.
func unquoted(w *syntax.Word) bool {
	if w == nil {
		return true
	}
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); !ok || strings.Contains(lit.Value, `\`) {
			return false
		}
	}
	return true
}

// wordNeeds looks for what POSIX takes literally and the shell inside flow, being
// a bash, expands; and for a shell's variable in arithmetic, where it has no $.
func (n *needs) wordNeeds(w *syntax.Word) string {
	if len(n.up) > 0 {
		switch n.up[len(n.up)-1].(type) {
		case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.BinaryArithm, *syntax.UnaryArithm, *syntax.ParenArithm, *syntax.LetClause, *syntax.CStyleLoop:
			if name := w.Lit(); isName(name) && isShellVariable(name) {
				return name
			}
		}
	}
	if n.lang != syntax.LangPOSIX {
		return ""
	}
	for i, p := range w.Parts[1:] {
		lit, ok := w.Parts[i].(*syntax.Lit)
		if !ok || !strings.HasSuffix(lit.Value, "$") {
			continue
		}
		switch p.(type) {
		case *syntax.SglQuoted:
			return "$'…'"
		case *syntax.DblQuoted:
			return `$"…"`
		}
	}
	split := syntax.Word{Parts: slices.Clone(w.Parts)}
	syntax.SplitBraces(&split)
	for _, p := range split.Parts {
		if _, ok := p.(*syntax.BraceExp); ok {
			return "{…}"
		}
	}
	return ""
}
