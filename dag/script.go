package dag

import (
	"errors"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Script is a shell script in which each ${{ }} has become a variable that the
// shell expands as data. It is immutable.
//
// Text has the line numbers of the file's script. To run it, Vars have to be in
// the environment, each the text (see Text) of its expression.
type Script struct {
	Text string
	Vars []ScriptVar

	src      string
	programs []string
}

// ScriptVar is a variable of a Script. Its name begins with FLOW_X; no input
// can be called so.
type ScriptVar struct {
	Name string
	Expr *Expr
}

// String is the script as it stands in the file.
func (s *Script) String() string { return s.src }

// Uses is what the script's expressions mention, together.
func (s *Script) Uses() *Uses {
	switch {
	case s == nil || len(s.Vars) == 0:
		return noUses
	case len(s.Vars) == 1:
		return s.Vars[0].Expr.Uses()
	}
	var g gathering
	for _, v := range s.Vars {
		g.add(v.Expr.Uses())
	}
	return &g.Uses
}

// Programs are the programs that the script calls by a literal name, each once,
// in order of mention: without shell builtins and functions of its own. It is
// nil for a shell whose scripts are not parsed.
func (s *Script) Programs() []string { return slices.Clone(s.programs) }

// NewScript makes a script without expressions, for workflows that are built in
// Go. It is not parsed.
func NewScript(text string) *Script { return &Script{Text: text, src: text} }

// Bounds of a script. Linux takes no argument of 128 KiB, and the parser
// recurses.
const (
	maxScript      = 128<<10 - 1
	maxScriptDepth = 500
)

// shellLang is the language of a shell; nil is sh. It is not ok for a shell
// that is none of those whose quoting is known.
func shellLang(shell []string) (lang syntax.LangVariant, ok bool) {
	name := "sh"
	if len(shell) > 0 {
		name = path.Base(shell[0])
	}
	switch name {
	case "sh", "dash":
		return syntax.LangPOSIX, true
	case "bash":
		return syntax.LangBash, true
	case "ksh", "mksh":
		return syntax.LangMirBSDKorn, true
	}
	return 0, false
}

// script compiles a shell script. It never returns nil: what is wrong is
// reported.
func (c *compiler) script(t text, p place, shell []string, task *Task) *Script {
	ps := pieces(t.s)
	if i := slices.IndexFunc(ps, func(x piece) bool { return x.kind == openPiece }); i >= 0 {
		c.unclosed(t, ps[i])
		return NewScript(t.s)
	}
	d := newDraft(t.s, ps)
	lang, ok := shellLang(shell)
	if !ok {
		for _, h := range d.holes {
			c.fail(t.cut(h.span), "with the shell %s a value can't be put into the script as data: make it an input, and read that from the environment", shell[0])
		}
		return &Script{Text: d.text, src: t.s}
	}
	switch {
	case len(d.text) > maxScript:
		c.fail(t.sub(0, 1), "a script of 128 KiB or more can't be passed to a shell; put it into a file")
		return NewScript(t.s)
	case nesting(d.text) > maxScriptDepth:
		c.fail(t.sub(0, 1), "more than %d brackets within each other", maxScriptDepth)
		return NewScript(t.s)
	}
	key := shellKey{lang, d.text}
	known := c.shells.texts[key]
	if known == nil {
		var ok bool
		if known, ok = c.shellText(t, d, lang); ok {
			c.shells.texts[key] = known
		}
	}
	if len(d.holes) == 0 {
		if known.literal == nil {
			known.literal = &Script{Text: d.text, src: t.s, programs: known.programs}
		}
		return known.literal
	}
	s := &Script{src: t.s, programs: known.programs}
	done := make(map[string]bool, len(d.holes))
	for i := range d.holes {
		h := &d.holes[i]
		if h.how = inComment; i < len(known.hows) {
			h.how = known.hows[i]
		}
		if h.how == inComment || done[h.name] {
			continue
		}
		done[h.name] = true
		if e := c.compile(t.cut(h.inner), p, task); e != nil {
			s.Vars = append(s.Vars, ScriptVar{h.name, e})
		}
	}
	s.Text = d.rewrite()
	return s
}

// shellCache is what the compiler knows of scripts. A parser is large, and can be
// used again and again.
type shellCache struct {
	parsers map[syntax.LangVariant]*syntax.Parser
	texts   map[shellKey]*shellText
}

type shellKey struct {
	lang syntax.LangVariant
	text string // of a draft
}

// shellText is what scripts of one draft have in common.
type shellText struct {
	hows     []placing // of its holes
	programs []string
	literal  *Script // where there are no holes, and it is the script itself
}

// parse reads a script. The tree is the caller's.
func (s *shellCache) parse(text string, lang syntax.LangVariant) (*syntax.File, error) {
	if s.parsers == nil {
		s.parsers = make(map[syntax.LangVariant]*syntax.Parser)
	}
	p := s.parsers[lang]
	if p == nil {
		p = syntax.NewParser(syntax.Variant(lang), syntax.KeepComments(true))
		s.parsers[lang] = p
	}
	return p.Parse(strings.NewReader(text), "")
}

// shellText looks at a draft, and reports what is wrong with it; then it isn't
// ok. Of one that does not parse it knows nothing.
func (c *compiler) shellText(t text, d *shellDraft, lang syntax.LangVariant) (known *shellText, ok bool) {
	if name, ok := oneCommand(d.text); ok && len(d.holes) == 0 {
		if name == "" {
			return &shellText{}, true
		}
		return &shellText{programs: []string{name}}, true
	}
	f, err := c.shells.parse(d.text, lang)
	if err != nil {
		c.shellError(t, d, err, lang)
		return &shellText{}, false
	}
	known = &shellText{programs: programs(f)}
	if len(d.holes) == 0 {
		return known, true
	}
	d.place(f, lang)
	ok = true
	for _, h := range d.holes {
		known.hows = append(known.hows, h.how)
		if h.how == refused {
			ok = false
			c.fail(t.cut(h.span), "%s", h.why)
		}
	}
	if !ok {
		return known, false
	}
	f, err = c.shells.parse(d.rewrite(), lang)
	if h := d.verify(f, err, lang); h != nil {
		c.fail(t.cut(h.span), "a value can't stand here as data; make it an input, and write \"$name\"")
		return known, false
	}
	return known, true
}

// shellError reports that a script does not parse.
func (c *compiler) shellError(t text, d *shellDraft, err error, lang syntax.LangVariant) {
	at, msg := 0, err.Error()
	if e, ok := errors.AsType[syntax.ParseError](err); ok {
		at, msg = d.source(int(e.Pos.Offset())), e.Text
	} else if e, ok := errors.AsType[syntax.LangError](err); ok {
		at, msg = d.source(int(e.Pos.Offset())), "not of this shell's language: "+e.Feature
		if lang == syntax.LangPOSIX && slices.Contains(e.Langs, syntax.LangBash) {
			msg += "; bash has it: shell: bash -eu"
		}
	}
	for _, h := range d.holes {
		msg = strings.ReplaceAll(msg, "${"+h.name+"}", "${{ }}")
		rest := strings.TrimLeft(t.s[h.to:], " \t")
		if h.from <= at && at <= len(t.s)-len(rest) && strings.HasPrefix(rest, "()") {
			at, msg = h.from, "a value can't be the name of a function"
		}
	}
	at = min(at, max(0, len(t.s)-1))
	c.fail(t.sub(at, min(at+1, len(t.s))), "the script doesn't parse: %s", msg)
}

// place decides for each hole how its variable is to be written.
func (d *shellDraft) place(f *syntax.File, lang syntax.LangVariant) {
	byAt := make(map[int]*hole, len(d.holes))
	for i := range d.holes {
		byAt[d.holes[i].at] = &d.holes[i]
	}
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
	before := d.text[:h.at]
	if slashes := len(before) - len(strings.TrimRight(before, `\`)); slashes%2 == 1 {
		return refused, "the backslash before it keeps the shell from expanding it; a literal ${{ is written $${{"
	}
	return refused, "the shell would not expand it here, or read it as code; make it an input, and write \"$name\""
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
// written.
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
		if x.Hdoc == w {
			return inQuotes, ""
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
	return how, ""
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
		return max(outer, how), ""
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		if heredoc || lang == syntax.LangMirBSDKorn && outer == inQuotes {
			return refused, asPattern
		}
		return how, "" // quotes belong to the pattern
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
		for _, a := range decl.Args {
			if a.Naked && a.Value != nil {
				if o := a.Value.Lit(); strings.HasPrefix(o, "-") && strings.ContainsAny(o, "in") {
					return refused, asInteger
				}
			}
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
	switch name := x.Args[0].Lit(); name {
	case "export", "readonly", "declare", "typeset", "local", "let":
		// Where these are plain commands to the parser.
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
	return how, ""
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

// programs lists what a script calls.
func programs(f *syntax.File) []string {
	var out []string
	functions := make(map[string]bool)
	syntax.Walk(f, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.FuncDecl:
			if x.Name != nil {
				functions[x.Name.Value] = true
			}
		case *syntax.CallExpr:
			if name := programOf(x.Args); name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return true
	})
	return slices.DeleteFunc(out, func(name string) bool { return functions[name] })
}

// programOf is what a command's words call: behind exec and command, the word
// after their options.
func programOf(args []*syntax.Word) string {
	if len(args) == 0 {
		return ""
	}
	name := args[0].Lit()
	if (name == "exec" || name == "command") && len(args) > 1 && !strings.HasPrefix(args[1].Lit(), "-") {
		return programOf(args[1:])
	}
	if name == "" || strings.ContainsAny(name, `\*?[~`) || strings.Contains(builtins, " "+name+" ") {
		return ""
	}
	return name
}
