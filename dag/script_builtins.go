package dag

import (
	"cmp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// lackingBuiltins are what the shell inside flow doesn't know, or only by name.
const lackingBuiltins = " . source alias unalias bg bind caller compgen complete compopt coproc disown enable fc fg hash help history jobs kill logout newgrp suspend time times ulimit umask whence print "

// callNeeds looks at a command's words.
func (n *needs) callNeeds(args []*syntax.Word) string {
	for len(args) > 0 {
		name, ok := fixedText(args[0])
		switch {
		case !ok && strings.Contains(name, "/"):
			return "" // a program
		case !ok:
			return "a command whose name is a variable"
		}
		rest := args[1:]
		switch option := first(rest); {
		case name == "command" && option == "-v", name == "exec" && len(rest) == 0:
			return ""
		case name == "command" || name == "builtin" || name == "exec":
			if strings.HasPrefix(option, "-") && option != "--" {
				return name + " " + option
			}
			if option == "--" {
				rest = rest[1:]
			}
			args = rest
			continue
		case strings.Contains(lackingBuiltins, " "+name+" "):
			return name
		}
		return n.builtinNeeds(name, rest)
	}
	return ""
}

// builtinNeeds looks at the arguments of a command by its name.
func (n *needs) builtinNeeds(name string, args []*syntax.Word) string {
	option := first(args)
	if !strings.HasPrefix(option, "-") {
		option = ""
	}
	switch name {
	case "eval":
		return n.evalNeeds(args)
	case "trap":
		return n.trapNeeds(args)
	case "set":
		if len(args) == 0 {
			return "set"
		}
		return flagsNeed("set ", fixedTexts(args))
	case "exit":
		if n.trap {
			return "exit in a trap"
		}
	case "return":
		if !slices.ContainsFunc(n.up, func(x syntax.Node) bool { _, ok := x.(*syntax.FuncDecl); return ok }) {
			return "return outside of a function"
		}
	case "cd":
		if option != "" && option != "-" {
			return "cd " + option
		}
	case "wait":
		if len(args) > 0 {
			return strings.TrimRight("wait "+option, " ")
		}
	case "printf":
		if option != "" {
			return "printf " + option
		}
		if format := first(args); odd().MatchString(plainFormats().ReplaceAllString(format, "")) {
			return "printf with such a format"
		}
		return printfNeeds(args)
	case "shift":
		return "shift"
	case "echo":
		return n.echoNeeds(args)
	case "read":
		return n.readNeeds(args)
	case "mapfile", "readarray":
		return optionNeeds(name, args, "td")
	case "unset":
		return optionNeeds(name, args, "vf")
	case "type":
		return optionNeeds(name, args, "pPt")
	case "shopt":
		return shoptNeeds(args)
	case "pushd", "popd", "dirs":
		if o := first(args); o != "" && strings.ContainsAny(o[:1], "+-") {
			return name + " " + o
		}
	case "export", "readonly", "declare", "typeset", "local", "integer":
		return declarationNeeds(name, args, len(args) == 0)
	}
	return ""
}

// The conversions that the shell inside flow knows, and what is left of a format
// that has others.
var (
	plainFormats = lazily(`%[-+ ]?[0-9]*[sbdiuoxc]|%%`)
	odd          = lazily(`%`)
)

func (n *needs) evalNeeds(args []*syntax.Word) string {
	code := make([]string, len(args))
	for i, a := range args {
		var ok bool
		if code[i], ok = fixedText(a); !ok {
			return "eval"
		}
	}
	return n.within(strings.Join(code, " "), "eval", n.trap)
}

// within looks at a constant that is code.
func (n *needs) within(code, by string, trap bool) string {
	if nesting(code) > maxScriptDepth || len(n.up) > maxScriptDepth {
		return by
	}
	f, err := syntax.NewParser(syntax.Variant(n.lang)).Parse(strings.NewReader(code), "")
	if err != nil {
		return by
	}
	inner := needs{lang: n.lang, trap: trap, up: slices.Clone(n.up)}
	inner.walk(f)
	return inner.found
}

// trapNeeds looks at a trap: only that of EXIT, and bash's ERR, in the script's
// own shell are run, and neither can change the exit status.
func (n *needs) trapNeeds(args []*syntax.Word) string {
	switch o := first(args); {
	case o == "--":
		args = args[1:]
	case len(o) > 1 && o[0] == '-':
		return "trap " + o
	}
	signals := args
	if len(args) > 1 {
		signals = args[1:]
	}
	if len(signals) == 0 {
		return "trap"
	}
	for _, s := range signals {
		name, ok := fixedText(s)
		switch {
		case !ok:
			return "trap of a signal that is a variable"
		case name != "EXIT" && (name != "ERR" || n.lang == syntax.LangPOSIX):
			return "trap … " + name
		}
	}
	for _, x := range n.up {
		switch x := x.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.ProcSubst:
			return "trap in a subshell"
		case *syntax.BinaryCmd:
			if x.Op == syntax.Pipe || x.Op == syntax.PipeAll {
				return "trap in a subshell"
			}
		case *syntax.Stmt:
			if x.Background {
				return "trap in a subshell"
			}
		}
	}
	if len(args) == 1 {
		return ""
	}
	action, ok := fixedText(args[0])
	switch {
	case !ok:
		return "trap of an action with variables in it"
	case action == "" || action == "-":
		return ""
	}
	return n.within(action, "trap", true)
}

func (n *needs) readNeeds(args []*syntax.Word) string {
	allowed := "r"
	if n.lang == syntax.LangBash {
		allowed = "rsap"
	}
	return optionNeeds("read", args, allowed)
}

// optionNeeds is the first option that isn't allowed.
func optionNeeds(name string, args []*syntax.Word, allowed string) string {
	for _, a := range args {
		o, _ := fixedText(a)
		if !strings.HasPrefix(o, "-") || o == "-" || o == "--" {
			return ""
		}
		if strings.Trim(o[1:], allowed) != "" {
			return name + " " + o
		}
	}
	return ""
}

func shoptNeeds(args []*syntax.Word) string {
	for i, a := range fixedTexts(args) {
		switch a {
		case "-s", "-u":
			if i > 0 {
				return "shopt " + a
			}
		case "dotglob", "expand_aliases", "extglob", "globstar", "nocaseglob", "nullglob":
		default:
			return "shopt " + cmp.Or(a, "…")
		}
	}
	if len(args) == 0 {
		return "shopt"
	}
	return ""
}

// declarationNeeds looks at the options of export and its like; without names
// they print, which the shell inside flow doesn't.
func declarationNeeds(name string, args []*syntax.Word, bare bool) string {
	if bare {
		return name
	}
	for _, o := range fixedTexts(args) {
		if len(o) > 1 && (o[0] == '-' || o[0] == '+') && o != "--" && (o[0] == '+' || strings.Trim(o[1:], "xraAng") != "") {
			return name + " " + o
		}
	}
	return ""
}

// flagsNeed looks at a shell's flags, as they are given to it or to `set`.
func flagsNeed(by string, flags []string) string {
	for i := 0; i < len(flags); i++ {
		f := flags[i]
		if f == "" || f == "--" || f == "-" || f[0] != '-' && f[0] != '+' {
			return ""
		}
		for _, c := range f[1:] {
			if c != 'o' {
				if !strings.ContainsRune("aefnux", c) {
					return by + f
				}
				continue
			}
			if i++; i == len(flags) {
				return by + f
			}
			switch flags[i] {
			case "allexport", "errexit", "noexec", "noglob", "nounset", "xtrace", "pipefail":
			default:
				return by + f + " " + cmp.Or(flags[i], "…")
			}
		}
	}
	return ""
}
