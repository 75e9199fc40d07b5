package dag

import (
	"slices"
	"strconv"
	"strings"
)

// hole is a ${{ }} in a script.
type hole struct {
	piece
	name string // of its variable; the same expression has the same
	at   int    // in shellDraft.text
	how  placing
	why  string // of refused; else what to warn of
}

// placing is how a variable has to be written.
type placing uint8

const (
	unplaced  placing = iota
	bare              // "${X}"
	inQuotes          // ${X}: quotes are around it, or it is in a heredoc
	inComment         // not at all: the text stays
	refused
)

// shellDraft is a script with a simple ${X} for each hole: what the shell's parser
// gets, to find out what is around each.
type shellDraft struct {
	src   string
	text  string
	holes []hole
	marks []mark
}

// mark says that at offset `to` of the draft stands what is at `from` in the
// source.
type mark struct{ to, from int }

// newDraft makes a draft of a script's pieces; none means that it is literal.
func newDraft(src string, ps []piece) *shellDraft {
	d := &shellDraft{src: src, text: src}
	if ps == nil {
		return d
	}
	prefix := "FLOW_X"
	for strings.Contains(src, prefix) {
		prefix += "_" // the script has such a variable
	}
	var b strings.Builder
	mark1 := func(from int) { d.marks = append(d.marks, mark{b.Len(), from}) }
	known := make(map[string]string)
	for _, x := range ps {
		mark1(x.from)
		if x.kind == literalPiece {
			raw := src[x.from:x.to]
			for at := x.from; ; {
				i := strings.Index(raw, "$${{")
				if i < 0 {
					b.WriteString(raw)
					break
				}
				b.WriteString(raw[:i])
				mark1(at + i + 1)
				b.WriteString("${{")
				raw, at = raw[i+4:], at+i+4
				mark1(at)
			}
			continue
		}
		expr := strings.TrimSpace(src[x.inner.from:x.inner.to])
		name, ok := known[expr]
		if !ok {
			name = prefix + strconv.Itoa(len(known)+1)
			known[expr] = name
		}
		d.holes = append(d.holes, hole{piece: x, name: name, at: b.Len()})
		b.WriteString("${" + name + "}")
	}
	mark1(len(src))
	d.text = b.String()
	return d
}

// source is the place in the source of a place in the draft.
func (d *shellDraft) source(at int) int {
	if len(d.marks) == 0 {
		return min(at, len(d.src))
	}
	i, found := slices.BinarySearchFunc(d.marks, at, func(m mark, at int) int { return m.to - at })
	if !found {
		i--
	}
	m := d.marks[max(i, 0)]
	limit := len(d.src)
	if i+1 < len(d.marks) {
		limit = d.marks[i+1].from
	}
	return min(m.from+at-m.to, limit)
}

// rewrite is the script that runs. Lines keep their numbers: where an
// expression has several, the shell joins as many.
func (d *shellDraft) rewrite() string {
	var b strings.Builder
	done := 0
	for _, h := range d.holes {
		b.WriteString(d.text[done:h.at])
		ref := "${" + h.name + "}"
		done = h.at + len(ref)
		src := d.src[h.from:h.to]
		switch h.how {
		case inComment:
			b.WriteString(strings.ReplaceAll(src, "\n", "\n#"))
			continue
		case bare:
			ref = `"` + ref + `"`
		}
		// In front: behind it, the rest of a line might be a heredoc's delimiter.
		b.WriteString(strings.Repeat("\\\n", strings.Count(src, "\n")) + ref)
	}
	b.WriteString(d.text[done:])
	return b.String()
}

// builtins are commands of shells that are no programs, or needn't be.
const builtins = " . : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd print printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait whence "

// The reasons to refuse a variable.
const (
	asArithmetic = "arithmetic reads a value as code; reckon within the expression instead: ${{ a + b }}"
	asIndex      = "an index is arithmetic, which reads a value as code"
	asPattern    = "within this parameter expansion a value would be read as code; assign it to a variable first"
	asName       = "a value can't be the name of what is assigned to"
	asInteger    = "an integer variable reads its value as code; leave out -i and -n"
	asDelimiter  = "a value can't be a heredoc's delimiter"
	asEscaped    = "the backslash before it keeps the shell from expanding it; a literal ${{ is written $${{"
	asNested     = "shells disagree on quotes within a quoted expansion; leave out the inner ones"
)

// plainBuiltins are builtins that all shells have alike, whatever their arguments.
const plainBuiltins = " : echo false pwd true "

// oneCommand returns the program that a script calls, "" for a builtin, where
// the script is plain enough to be known for right without a parser: one line,
// of words and variables only, and nothing that the shell inside flow lacks.
func oneCommand(text string) (name string, ok bool) {
	text = strings.TrimSuffix(text, "\n")
	for i := range len(text) {
		switch c := text[i]; {
		case c == '$':
			if i+1 == len(text) || text[i+1] != '_' && (text[i+1]|0x20 < 'a' || text[i+1]|0x20 > 'z') {
				return "", false
			}
		case wordByte(c) && c < 0x80 || strings.IndexByte(" ./,:@%+-\"", c) >= 0:
		default:
			return "", false
		}
	}
	word, _, _ := strings.Cut(strings.TrimLeft(text, " "), " ")
	switch {
	case word == "" || strings.ContainsAny(word, `$"`) || strings.Count(text, `"`)%2 == 1 || strings.Contains(reserved, " "+word+" "):
		return "", false
	case strings.Contains(lackingBuiltins, " "+word+" "), mentionsShellVariable(text), word == "echo" && strings.Contains(text, " -"):
		return "", false
	case strings.Contains(builtins, " "+word+" "):
		return "", strings.Contains(plainBuiltins, " "+word+" ")
	}
	return word, true
}

// reserved are words that a shell doesn't take for a command's name, and the
// builtins that call programs.
const reserved = " if then else elif fi for while until do done case esac in function select time coproc exec command "
