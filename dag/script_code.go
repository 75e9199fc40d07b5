package dag

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The reasons to refuse, or to warn of, a value in a word that a command reads as
// code.
const (
	asTrap    = `a trap's action is read as code; assign the value to a variable first, and let the trap name that: f=${{ … }}; trap 'rm -f "$f"' EXIT`
	asAlias   = `an alias is read as code; make it a function: n() { cmd "$v"; }`
	asSet     = "the name of a variable is read as code (an index is arithmetic, which runs commands); write the name out"
	asOption  = "a format that begins with a value may be an option, which is read as code; write printf '%s' ${{ … }}, or printf -- ${{ … }}"
	asEval    = `the value is read as code by eval; assign it to a variable first, and let eval name that: v=${{ … }}; eval 'cmd "$v"'`
	asCommand = `the value is read as code by %[1]s -c; pass it as an argument: %[1]s -c 'cmd "$1"' %[1]s ${{ … }}`
	asInput   = `the value is read as code by %[1]s; pass it as an argument: %[1]s -s ${{ … }} <<'E', with "$1" in the script`
	asWords   = "%s reads its words as code; leave the value out"
	asOwn     = "%s is read as code by a shell, as arithmetic or as a prompt; take a variable of another name"
	asPrompt  = "${%[1]s@P} reads the value of %[1]s as code; leave out @P"
)

// readAsCode looks at the i-th word of a command, which has a value in it, and
// says why the command reads it as code, or nothing. What a builtin would run is
// refused; what the script itself hands to eval or to another shell may be meant,
// and is warned of: then the placing is bare.
//
// The rules are the same for all shells: `sh` may be any of them.
func readAsCode(args []*syntax.Word, i int) (placing, string) {
	for from := 0; from < i; from++ {
		if shell, ok := shellName(args[from]); ok && isCommandOf(args, from, i) {
			return bare, strings.ReplaceAll(asCommand, "%[1]s", shell)
		}
	}
	name, from := builtinOf(args)
	args, i = args[from:], i-from
	if i < 1 {
		return bare, ""
	}
	before, _ := fixedText(args[i-1])
	if !strings.HasPrefix(before, "-") || i == 1 {
		before = ""
	}
	switch name {
	case "eval":
		return bare, asEval
	case "alias":
		return refused, asAlias
	case "trap":
		if i == 1 || i == 2 && before == "--" || i == 2 && first(args[1:]) == "--" {
			return refused, asTrap
		}
	case "unset", "integer":
		return refused, asSet
	case "let":
		return refused, asArithmetic
	case "wait":
		if strings.HasPrefix(before, "-") && strings.HasSuffix(before, "p") || i == 1 && !beginsFixed(args[1]) && len(args) > 2 {
			return refused, asSet
		}
	case "compgen", "complete", "compopt", "bind", "enable", "fc":
		return refused, strings.ReplaceAll(asWords, "%s", name)
	case "getopts":
		if i == 2 {
			return refused, asSet
		}
	case "read":
		return valueOf(before, "pditnNu")
	case "mapfile", "readarray":
		return valueOf(before, "dnOsuc")
	case "printf":
		if before == "-v" {
			return refused, asSet
		}
		if first(args[1:]) == "-v" && i > 2 {
			if target, _ := fixedText(args[2]); isRead(target) {
				return refused, strings.ReplaceAll(asOwn, "%s", target)
			}
		}
		if i == 1 && len(args) > 2 && !beginsFixed(args[1]) {
			return refused, asOption
		}
	}
	return bare, ""
}

// valueOf refuses a word unless it is the value of one of some options.
func valueOf(before, options string) (placing, string) {
	if len(before) > 1 && strings.IndexByte(options, before[len(before)-1]) >= 0 {
		return bare, ""
	}
	return refused, asSet
}

// beginsFixed reports whether a word begins with a text that can't be an option.
func beginsFixed(w *syntax.Word) bool {
	parts := w.Parts
	if q, ok := parts[0].(*syntax.DblQuoted); ok && len(q.Parts) > 0 {
		parts = q.Parts
	}
	switch p := parts[0].(type) {
	case *syntax.Lit:
		return !strings.HasPrefix(p.Value, "-")
	case *syntax.SglQuoted:
		return p.Value != "" && p.Value[0] != '-'
	}
	return false
}

// builtinOf is the builtin that a command calls, and where its name stands: behind
// `command` and `builtin`.
func builtinOf(args []*syntax.Word) (name string, at int) {
	for at < len(args) {
		name, _ = fixedText(args[at])
		if name != "command" && name != "builtin" {
			return name, at
		}
		for at++; at < len(args) && strings.HasPrefix(first(args[at:]), "-"); at++ {
		}
	}
	return "", 0
}

// shellName is the shell that a word names.
func shellName(w *syntax.Word) (name string, ok bool) {
	name, ok = fixedText(w)
	switch name = path.Base(name); name {
	case "sh", "bash", "dash", "ksh", "mksh", "zsh":
		return name, ok
	}
	return "", false
}

// isCommandOf reports whether the i-th word is what the shell at from is given
// with -c.
func isCommandOf(args []*syntax.Word, from, i int) bool {
	command := false
	at := from + 1
	for ; at < i; at++ {
		o := first(args[at:])
		if len(o) < 2 || o[0] != '-' && o[0] != '+' {
			break
		}
		if !strings.HasPrefix(o, "--") {
			command = command || o[0] == '-' && strings.Contains(o, "c")
			if strings.HasSuffix(o, "o") {
				at++
			}
		}
	}
	return command && at == i
}

// inputOf warns of a value in a heredoc that is a shell's script.
func inputOf(st *syntax.Stmt) string {
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	shell, ok := shellName(call.Args[0])
	if !ok {
		return ""
	}
	for i, a := range call.Args[1:] {
		switch o, fixed := fixedText(a); {
		case fixed && o == "-s":
			return strings.ReplaceAll(asInput, "%[1]s", shell)
		case !fixed || o == "" || o == "-" || o[0] != '-' || isCommandOf(call.Args, 0, i+2):
			return "" // its script is another
		}
	}
	return strings.ReplaceAll(asInput, "%[1]s", shell)
}

// readVariables are a shell's own variables whose values it reads as code: integers,
// which are arithmetic, and what it expands or runs as a prompt or at its start.
const readVariables = " RANDOM SRANDOM SECONDS OPTIND HISTCMD HISTSIZE LINENO BASHPID BASH_SUBSHELL BASH_MONOSECONDS EPOCHSECONDS EPOCHREALTIME PPID UID EUID GID EGID GROUPS PGRP TMOUT COLUMNS LINES USER_ID KSHUID KSHEUID KSHGID KSHEGID PS0 PS1 PS2 PS3 PS4 PROMPT_COMMAND BASH_ENV ENV "

func isRead(name string) bool { return name != "" && strings.Contains(readVariables, " "+name+" ") }

// integers are the variables that a script declares to be integers, or names of
// others: what is assigned to them is read as arithmetic, which runs commands.
func integers(f *syntax.File) map[string]bool {
	var names map[string]bool
	syntax.Walk(f, func(n syntax.Node) bool {
		x, ok := n.(*syntax.DeclClause)
		if !ok || !declaresInteger(x) {
			return true
		}
		for _, a := range x.Args {
			if a.Name != nil {
				if names == nil {
					names = make(map[string]bool)
				}
				names[a.Name.Value] = true
			}
		}
		return true
	})
	return names
}

// declaresInteger reports whether a declaration has -i or -n.
func declaresInteger(x *syntax.DeclClause) bool {
	for _, a := range x.Args {
		if a.Naked && a.Value != nil {
			if o, _ := fixedText(a.Value); strings.HasPrefix(o, "-") && strings.ContainsAny(o, "in") {
				return true
			}
		}
	}
	return x.Variant.Value == "nameref"
}

// assignedTo is the variable that a value among some nodes, the nearest last, is
// assigned to, if that is one of names or a shell reads its value as code; else "".
func assignedTo(up []syntax.Node, names map[string]bool) string {
	those := func(name string) string {
		if names[name] || isRead(name) {
			return name
		}
		return ""
	}
	for i := len(up) - 1; i >= 0; i-- {
		switch x := up[i].(type) {
		case *syntax.DblQuoted, *syntax.Word, *syntax.ArrayElem, *syntax.ArrayExpr:
		case *syntax.Assign:
			if x.Name == nil {
				return ""
			}
			return those(x.Name.Value)
		case *syntax.WordIter:
			return those(x.Name.Value)
		case *syntax.ParamExp:
			if x.Param != nil && x.Exp != nil && (x.Exp.Op == syntax.AssignUnset || x.Exp.Op == syntax.AssignUnsetOrNull) {
				if name := those(x.Param.Value); name != "" {
					return name
				}
			}
		case *syntax.CallExpr: // export name=value, where that is a plain command to the parser
			return those(nameOfAssignment(up[i+1]))
		case *syntax.Redirect:
			return readInto(up[:i], those)
		default:
			return ""
		}
	}
	return ""
}

// nameOfAssignment is the name in a word name=value, "" in any other.
func nameOfAssignment(n syntax.Node) string {
	w, ok := n.(*syntax.Word)
	if !ok {
		return ""
	}
	lit, ok := w.Parts[0].(*syntax.Lit)
	if !ok {
		return ""
	}
	name, _, found := strings.Cut(lit.Value, "=")
	if !found {
		return ""
	}
	return name
}

// readInto is the first of those variables that a read names whose input a value
// is part of; up are the nodes around the redirect.
func readInto(up []syntax.Node, those func(string) string) string {
	st, ok := up[len(up)-1].(*syntax.Stmt)
	if !ok {
		return ""
	}
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok {
		return ""
	}
	name, from := builtinOf(call.Args)
	if name != "read" {
		return ""
	}
	for _, a := range call.Args[from+1:] {
		if found := those(a.Lit()); found != "" {
			return found
		}
	}
	return ""
}

// prompt finds a ${x@P}, which runs the commands in the value of x.
func prompt(f *syntax.File) *syntax.ParamExp {
	var found *syntax.ParamExp
	syntax.Walk(f, func(n syntax.Node) bool {
		if x, ok := n.(*syntax.ParamExp); ok && x.Param != nil && x.Exp != nil && x.Exp.Op == syntax.OtherParamOps && x.Exp.Word != nil && x.Exp.Word.Lit() == "P" {
			found = x
		}
		return found == nil
	})
	return found
}
