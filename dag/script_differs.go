package dag

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// This file knows what the shell inside flow has, but otherwise than POSIX has it.

// arithmeticNeeds looks at divisions: a division by zero ends a script, but not the
// shell inside flow.
func arithmeticNeeds(x *syntax.BinaryArithm) string {
	switch x.Op {
	case syntax.Quo, syntax.Rem, syntax.QuoAssgn, syntax.RemAssgn:
		if w, ok := x.Y.(*syntax.Word); !ok || !nonZero().MatchString(w.Lit()) {
			return "a division by what may be 0"
		}
	}
	return ""
}

var nonZero = lazily(`^[1-9][0-9]*$`)

// quotedNeeds looks for "a$@": the arguments and a text in one pair of quotes.
func quotedNeeds(x *syntax.DblQuoted) string {
	if len(x.Parts) < 2 {
		return ""
	}
	for _, p := range x.Parts {
		if p, ok := p.(*syntax.ParamExp); ok && p.Param != nil && p.Param.Value == "@" {
			return `"…$@…"`
		}
	}
	return ""
}

// assignNeeds looks for IFS: the shell inside flow takes words apart otherwise.
func (n *needs) assignNeeds(x *syntax.Assign) string {
	if x.Name == nil || x.Name.Value != "IFS" {
		return ""
	}
	if len(n.up) > 0 && (x.Value == nil || len(x.Value.Parts) == 0) {
		if call, ok := n.up[len(n.up)-1].(*syntax.CallExpr); ok && len(call.Args) > 0 && call.Args[0].Lit() == "read" {
			return ""
		}
	}
	return "IFS"
}

// subshellNeeds looks whether a subshell is a condition: there `-e` does not count,
// but for the shell inside flow it does.
func (n *needs) subshellNeeds(x syntax.Node) string {
	const found = "(…) as a condition"
	child := x
	for i := len(n.up) - 1; i >= 0; i-- {
		switch up := n.up[i].(type) {
		case *syntax.Stmt:
			if up.Negated {
				return found
			}
		case *syntax.BinaryCmd:
			if (up.Op == syntax.AndStmt || up.Op == syntax.OrStmt) && child == up.X {
				return found
			}
		case *syntax.IfClause:
			if oneOf(child, up.Cond) {
				return found
			}
		case *syntax.WhileClause:
			if oneOf(child, up.Cond) {
				return found
			}
		case *syntax.FuncDecl, *syntax.CmdSubst:
			return ""
		}
		child = n.up[i]
	}
	return ""
}

// endNeeds looks at the last command of a list within a compound one: where a && b
// fails there, or ! a, the shell inside flow takes the whole for a failure that `-e`
// counts.
func endNeeds(list []*syntax.Stmt) string {
	if len(list) == 0 {
		return ""
	}
	last := list[len(list)-1]
	if and, ok := last.Cmd.(*syntax.BinaryCmd); last.Negated || ok && and.Op == syntax.AndStmt {
		return "a && b or ! a at the end of a compound command"
	}
	return ""
}

func oneOf(x syntax.Node, list []*syntax.Stmt) bool {
	for _, s := range list {
		if x == s {
			return true
		}
	}
	return false
}

// pipelineNeeds looks at the end of a pipeline: what it assigns stays in the shell
// inside flow.
func pipelineNeeds(x *syntax.BinaryCmd) string {
	if x.Op != syntax.Pipe && x.Op != syntax.PipeAll {
		return ""
	}
	if _, simple := x.Y.Cmd.(*syntax.CallExpr); simple {
		return ""
	}
	found := ""
	syntax.Walk(x.Y, func(y syntax.Node) bool {
		if a, ok := y.(*syntax.Assign); ok && a.Name != nil && a.Name.Value != "IFS" {
			found = "an assignment at the end of a pipeline"
		}
		return found == ""
	})
	return found
}

// printfNeeds looks at conversions of what may be no number, and at %b.
func printfNeeds(args []*syntax.Word) string {
	convs := conversion().FindAllString(first(args), -1)
	convs = slices.DeleteFunc(convs, func(c string) bool { return c[len(c)-1] == '%' })
	places := len(convs)
	for place, c := range convs {
		switch kind := c[len(c)-1]; {
		case kind == 's':
		case kind == 'b' || kind == 'c':
			return "printf %" + string(kind)
		default:
			// The format is used again for what is left of the words.
			for k := place + 1; k < len(args); k += places {
				if text, ok := fixedText(args[k]); !ok || !plainInteger().MatchString(text) {
					return "printf %" + string(kind)
				}
			}
		}
	}
	return ""
}

var (
	conversion   = lazily(`%[-+ #0]*[0-9]*(?:\.[0-9]*)?[a-zA-Z%]`)
	plainInteger = lazily(`^(?:0|-?[1-9][0-9]{0,17})$`)
)

// echoNeeds looks at what shells print differently.
func (n *needs) echoNeeds(args []*syntax.Word) string {
	if n.lang != syntax.LangPOSIX {
		return ""
	}
	if o := first(args); strings.HasPrefix(o, "-") && o != "-" && o != "-n" {
		return "echo " + o
	}
	for _, text := range fixedTexts(args) {
		if strings.Contains(text, `\`) {
			return `echo of a \`
		}
	}
	return ""
}
