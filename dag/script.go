package dag

import (
	"errors"
	"fmt"
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
	needs    string
	command  []string
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
// Go. Whether it parses is not looked at.
func NewScript(text string) *Script {
	return &Script{Text: text, src: text, needs: needsOf(text, syntax.LangBash)}
}

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
		return &Script{Text: t.s, src: t.s}
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
		return &Script{Text: t.s, src: t.s}
	case nesting(d.text) > maxScriptDepth:
		c.fail(t.sub(0, 1), "more than %d brackets within each other", maxScriptDepth)
		return &Script{Text: t.s, src: t.s}
	}
	key := shellKey{lang, d.text}
	known := c.shells.texts[key]
	if known == nil {
		var ok bool
		if known, ok = c.shellText(t, d, lang); ok && len(c.shells.texts) < maxShared {
			c.shells.texts[key] = known
		}
	}
	s := &Script{Text: d.text, src: t.s, programs: known.programs, needs: known.needs, command: known.command}
	if s.needs == "" && len(shell) > 1 {
		s.needs = flagsNeed("", shell[1:])
	}
	if len(d.holes) == 0 {
		if known.literal == nil || known.literal.needs != s.needs {
			known.literal = s
		}
		return known.literal
	}
	done := make(map[string]bool, len(d.holes))
	for i := range d.holes {
		h := &d.holes[i]
		if h.how = inComment; i < len(known.hows) {
			h.how = known.hows[i]
		}
		if i < len(known.warnings) && known.warnings[i] != "" {
			c.warn(t.cut(h.span), "%s", known.warnings[i])
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

// maxShared is how many texts are looked up again: a file with more scripts has
// mostly such as stand in it once.
const maxShared = 10_000

// shellText is what scripts of one draft have in common.
type shellText struct {
	hows     []placing // of its holes
	warnings []string  // of its holes, "" for none
	programs []string
	needs    string
	command  []string
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
		known = &shellText{command: plainWords(d.text)}
		if name != "" {
			known.programs = []string{name}
		}
		return known, true
	}
	f, err := c.shells.parse(d.text, lang)
	if err != nil {
		c.shellError(t, d, err, lang)
		return &shellText{}, false
	}
	known = &shellText{programs: programs(f), needs: scriptNeeds(f, lang)}
	if x := prompt(f); x != nil {
		from, to := d.source(int(x.Pos().Offset())), d.source(int(x.End().Offset()))
		c.fail(t.sub(from, to), asPrompt, x.Param.Value)
		return known, false
	}
	if len(d.holes) == 0 {
		known.command = commandOf(f)
		return known, true
	}
	d.place(f, lang)
	ok = true
	for _, h := range d.holes {
		known.hows = append(known.hows, h.how)
		if h.how == refused {
			ok = false
			c.fail(t.cut(h.span), "%s", h.why)
			h.why = ""
		}
		known.warnings = append(known.warnings, h.why)
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

// dotted is a name with a field in a shell's expansion, which has none.
var dotted = lazily(`\$\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)+)\s*\}`)

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
	for _, m := range dotted().FindAllStringSubmatchIndex(t.s, -1) {
		if m[0] <= at && at <= m[1] {
			at, msg = m[0], msg+fmt.Sprintf("; did you mean ${{ %s }}?", t.s[m[2]:m[3]])
			break
		}
	}
	at = min(at, max(0, len(t.s)-1))
	c.fail(t.sub(at, min(at+1, len(t.s))), "the script doesn't parse: %s", msg)
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
