package dag

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// place decides for each hole how its variable is to be written.
func (d *shellDraft) place(f *syntax.File, lang syntax.LangVariant) {
	byAt := make(map[int]*hole, len(d.holes))
	for i := range d.holes {
		byAt[d.holes[i].at] = &d.holes[i]
	}
	numbers := integers(f)
	var up []syntax.Node // the nodes around
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			up = up[:len(up)-1]
			return true
		}
		switch x := n.(type) {
		case *syntax.ParamExp:
			if h := byAt[int(x.Pos().Offset())]; h != nil && x.Param != nil && x.Param.Value == h.name {
				h.how, h.why = placed(up, lang)
				name := assignedTo(up, numbers)
				switch {
				case h.how == refused:
				case isRead(name):
					h.how, h.why = refused, strings.ReplaceAll(asOwn, "%s", name)
				case name != "":
					h.how, h.why = refused, asInteger
				case d.escaped(h): // within backquotes, which take a backslash off
					h.how, h.why = refused, asEscaped
				}
			}
		case *syntax.Comment:
			d.within(x, func(h *hole) { h.how = inComment })
		case *syntax.SglQuoted:
			d.within(x, func(h *hole) {
				h.how, h.why = refused, "within single quotes the shell doesn't expand it; end them before it, and begin them again after it"
			})
		case *syntax.Redirect:
			if x.Hdoc != nil && hasQuotes(x.Word) {
				d.within(x.Hdoc, func(h *hole) {
					h.how, h.why = refused, "in a heredoc whose delimiter is quoted the shell doesn't expand it; take the quotes off, or use stdin"
				})
			}
		}
		up = append(up, n)
		return true
	})
	for i := range d.holes {
		if h := &d.holes[i]; h.how == unplaced {
			h.how, h.why = d.unexpanded(h)
		}
	}
}

// within calls f for each hole in the text of a node.
func (d *shellDraft) within(n syntax.Node, f func(*hole)) {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	i, _ := slices.BinarySearchFunc(d.holes, from, func(h hole, at int) int { return h.at - at })
	for ; i < len(d.holes) && d.holes[i].at < to; i++ {
		f(&d.holes[i])
	}
}

// unexpanded says why the shell doesn't see a variable in a hole.
func (d *shellDraft) unexpanded(h *hole) (placing, string) {
	if d.escaped(h) {
		return refused, asEscaped
	}
	return refused, "the shell would not expand it here, or read it as code; make it an input, and write \"$name\""
}

// escaped reports whether a backslash stands before a hole.
func (d *shellDraft) escaped(h *hole) bool {
	before := d.text[:h.at]
	return (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1
}

// hasQuotes reports whether a heredoc's delimiter is quoted.
func hasQuotes(w *syntax.Word) bool {
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.SglQuoted, *syntax.DblQuoted:
			return true
		case *syntax.Lit:
			if strings.Contains(p.Value, `\`) {
				return true
			}
		}
	}
	return false
}

// placed says how a variable among some nodes, the nearest last, is to be
// written, and why it is refused; or, where it isn't, what to warn of.
func placed(up []syntax.Node, lang syntax.LangVariant) (placing, string) {
	i := len(up) - 1
	how := bare
	if _, ok := up[i].(*syntax.DblQuoted); ok {
		how = inQuotes
		i--
	}
	w, ok := up[i].(*syntax.Word)
	if !ok || i == 0 {
		return refused, asPattern
	}
	why := ""
	switch x := up[i-1].(type) {
	case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.BinaryArithm, *syntax.UnaryArithm, *syntax.ParenArithm, *syntax.CStyleLoop, *syntax.LetClause:
		return refused, asArithmetic
	case *syntax.ParamExp:
		return expanded(x, w, up[:i-1], how, lang)
	case *syntax.Assign:
		return assigned(x, w, up[:i-1], how)
	case *syntax.ArrayElem:
		if x.Value != w {
			return refused, asIndex
		}
	case *syntax.Redirect:
		if x.Hdoc == w || x.Op == syntax.WordHdoc {
			if st, ok := up[i-2].(*syntax.Stmt); ok {
				why = inputOf(st)
			}
		}
		if x.Hdoc == w {
			return inQuotes, why
		}
		if x.Op == syntax.Hdoc || x.Op == syntax.DashHdoc {
			return refused, asDelimiter
		}
	case *syntax.CallExpr:
		return called(x, w, how, lang)
	case *syntax.BinaryTest:
		if syntax.TsEql <= x.Op && x.Op <= syntax.TsGtr {
			return refused, asArithmetic
		}
	case *syntax.UnaryTest:
		if x.Op == syntax.TsVarSet || x.Op == syntax.TsRefVar {
			return refused, asIndex
		}
	case *syntax.TestClause, *syntax.ParenTest, *syntax.CaseClause, *syntax.CaseItem, *syntax.WordIter:
	default:
		return refused, asPattern
	}
	return how, why
}

// expanded places a variable in the word of another's expansion: ${v:-word}.
func expanded(x *syntax.ParamExp, w *syntax.Word, up []syntax.Node, how placing, lang syntax.LangVariant) (placing, string) {
	if x.Exp == nil || x.Exp.Word != w {
		return refused, asPattern
	}
	outer, why := placed(up, lang)
	if outer == refused {
		return refused, why
	}
	_, heredoc := up[len(up)-1].(*syntax.Word)
	heredoc = heredoc && outer == inQuotes
	switch x.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AlternateUnset, syntax.AlternateUnsetOrNull,
		syntax.AssignUnset, syntax.AssignUnsetOrNull, syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		if outer == inQuotes && how == inQuotes {
			return refused, asNested
		}
		return max(outer, how), why
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		if heredoc || lang == syntax.LangMirBSDKorn && outer == inQuotes {
			return refused, asPattern
		}
		return how, why // quotes belong to the pattern
	}
	return refused, asPattern
}

// assigned places a variable in an assignment.
func assigned(x *syntax.Assign, w *syntax.Word, up []syntax.Node, how placing) (placing, string) {
	switch {
	case x.Value != w:
		return refused, asIndex
	case x.Naked:
		return refused, asName
	}
	if decl, ok := up[len(up)-1].(*syntax.DeclClause); ok {
		if declaresInteger(decl) {
			return refused, asInteger
		}
	}
	return how, ""
}

// called places a variable in a command's word.
func called(x *syntax.CallExpr, w *syntax.Word, how placing, lang syntax.LangVariant) (placing, string) {
	i := slices.Index(x.Args, w)
	if i == 0 {
		// a${{ x }}=1: no shell takes it for an assignment, and nobody means a command.
		for k, p := range w.Parts {
			if lit, ok := p.(*syntax.Lit); ok && k > 0 && (strings.HasPrefix(lit.Value, "=") || strings.HasPrefix(lit.Value, "+=")) {
				return refused, asName
			}
		}
		return how, ""
	}
	code, why := readAsCode(x.Args, i)
	if code == refused {
		return refused, why
	}
	switch name := x.Args[0].Lit(); name {
	case "export", "readonly", "declare", "typeset", "local", "let":
		// Where these are plain commands to the parser.
		if o := first(x.Args[1:]); strings.HasPrefix(o, "-") && strings.ContainsAny(o, "in") {
			return refused, asInteger
		}
		if lit, ok := w.Parts[0].(*syntax.Lit); !ok || !strings.Contains(lit.Value, "=") {
			return refused, asName
		}
	case "test", "[":
		if lang == syntax.LangMirBSDKorn && nextTo(x.Args, i, "-eq", "-ne", "-lt", "-le", "-gt", "-ge") {
			return refused, asArithmetic
		}
		if lang != syntax.LangPOSIX && x.Args[i-1].Lit() == "-v" {
			return refused, asIndex
		}
	}
	return how, why
}

// nextTo reports whether one of ops is beside the i-th word.
func nextTo(args []*syntax.Word, i int, ops ...string) bool {
	return slices.Contains(ops, args[i-1].Lit()) || i+1 < len(args) && slices.Contains(ops, args[i+1].Lit())
}

// verify looks at what the parser makes of the rewritten script, and returns a
// hole whose variable doesn't stand in it as data. There is none; it is looked
// for all the same, for a value must not become code.
func (d *shellDraft) verify(f *syntax.File, err error, lang syntax.LangVariant) *hole {
	seen := make(map[string]int)
	if err == nil {
		var up []syntax.Node
		syntax.Walk(f, func(n syntax.Node) bool {
			if n == nil {
				up = up[:len(up)-1]
				return true
			}
			if x, ok := n.(*syntax.ParamExp); ok && x.Param != nil {
				if how, _ := placed(up, lang); how == inQuotes {
					seen[x.Param.Value]++
				}
			}
			up = append(up, n)
			return true
		})
	}
	for i := range d.holes {
		h := &d.holes[i]
		if h.how != bare && h.how != inQuotes {
			continue
		}
		if seen[h.name]--; seen[h.name] < 0 {
			return h
		}
	}
	return nil
}
