package dag

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// node is a piece of a parsed file. This is the only file that knows the YAML
// library, so its successor is one import away.
type node = yaml.Node

// The kinds and styles of nodes that other files ask for.
const (
	scalarKind = yaml.ScalarNode
	mapKind    = yaml.MappingNode
	listKind   = yaml.SequenceNode
	aliasKind  = yaml.AliasNode

	singleQuoted = yaml.SingleQuotedStyle
	doubleQuoted = yaml.DoubleQuotedStyle
	literalBlock = yaml.LiteralStyle
	foldedBlock  = yaml.FoldedStyle
	flowStyle    = yaml.FlowStyle
	taggedStyle  = yaml.TaggedStyle
)

// quoted are the styles in which a scalar is text whatever it looks like.
const quoted = singleQuoted | doubleQuoted | literalBlock | foldedBlock

// maxFile bounds a workflow file, in bytes.
const maxFile = 16 << 20

// Load reads and parses one workflow file. Findings are as [Parse] returns
// them; the error tells of a file that can't be read at all.
func Load(path string) (*Workflow, []Diagnostic, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dag: load: %w", err)
	}
	defer f.Close()
	var b strings.Builder
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.Grow(int(min(info.Size(), maxFile)) + 1)
	}
	if _, err := io.Copy(&b, io.LimitReader(f, maxFile+1)); err != nil {
		return nil, nil, fmt.Errorf("dag: load: %w", err)
	}
	w, found := parse(path, b.String())
	return w, found, nil
}

// Parse reads a workflow from the text of a file. File is the name that stands
// in findings; its folder is what relative paths start from, its base without the
// ending, made an id, the workflow's name where the text gives none; that no id can
// be made of it is an error then.
//
// It returns all findings, by place, not the first one only. With an error
// among them the workflow is nil; warnings alone leave it whole. The text is
// kept as long as the workflow, for [Workflow.Finding]. Time and memory are linear
// in the size of the text, and aliases are expanded within a bound.
func Parse(file string, src []byte) (*Workflow, []Diagnostic) {
	return parse(file, string(src))
}

func parse(file, text string) (*Workflow, []Diagnostic) {
	if len(text) > maxFile {
		return nil, []Diagnostic{{File: file, Message: fmt.Sprintf(
			"the file has more than %d MiB; split it, or read its data at run time", maxFile>>20)}}
	}
	src := newSource(file, strings.TrimPrefix(text, "\ufeff"))
	if !src.checkEncoding() || !src.checkVolume() {
		return nil, src.findings()
	}
	root := src.tree()
	if root == nil {
		return nil, src.findings()
	}
	w := &Workflow{File: file, Dir: filepath.Dir(file)}
	d := &decoder{src: src, w: w}
	d.workflow(root)
	if src.failed() {
		return nil, src.findings()
	}
	w.src = &source{file: src.file, text: src.text, lines: src.lines, ascii: src.ascii}
	return w, src.findings()
}

// tree parses the text into nodes without aliases, merge keys and foreign tags;
// nil where that is not to be had.
//
// The library stops at its first error. Where the cause is one of YAML's traps,
// which are mended by quotes, the text is mended in memory and parsed again, so
// that the findings behind it are found too.
func (s *source) tree() *node {
	text := s.text
	for range maxMended {
		root, err := s.document(text)
		if err == nil {
			if root == nil {
				s.errorAt(Pos{1, 1}, 1, "the file is empty: a workflow has at least `tasks`")
				return nil
			}
			r := &resolver{src: s}
			return r.root(root)
		}
		mended, ok := s.syntaxError(text, err)
		if !ok {
			return nil
		}
		text = mended
	}
	return nil
}

// document parses the first document and looks that there is no second one.
func (s *source) document(text string) (root *node, err error) {
	defer func() {
		// The library panics on some inputs that its own recover doesn't know.
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("yaml: the parser failed: %v", r)
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(text))
	var doc, second node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		at, ok := s.secondDocument(doc.Content[0])
		if !ok && err != nil {
			return nil, err
		}
		if !ok {
			at = Pos{max(second.Line, 1), 1}
		}
		s.errorAt(at, 3, "a second document begins here; a file holds one workflow: use a file for each")
	}
	return doc.Content[0], nil
}

// secondDocument finds what ends the first of two documents: a line `---` or `...`.
func (s *source) secondDocument(first *node) (at Pos, ok bool) {
	for n := first.Line + 1; n <= len(s.lines); n++ {
		if l := s.line(n); strings.HasPrefix(l, "---") || strings.HasPrefix(l, "...") {
			return Pos{n, 1}, true
		}
	}
	return Pos{}, false
}

// consumed is how far the library reads before it fails: within a few
// characters of the place that its messages don't name (they have a line, often
// that of where a block began, and no column). The text is handed to it
// character by character.
func consumed(text string) int {
	r := &dripping{text: text}
	func() {
		defer func() { _ = recover() }()
		var doc node
		_ = yaml.NewDecoder(r).Decode(&doc)
	}()
	return r.at
}

type dripping struct {
	text string
	at   int
}

func (r *dripping) Read(p []byte) (int, error) {
	if r.at >= len(r.text) {
		return 0, io.EOF
	}
	p[0] = r.text[r.at]
	r.at++
	return 1, nil
}

// scalarValue is what a scalar stands for: of unquoted ones null, true, false
// and decimal numbers are those (int where whole, else float64), everything
// else is text as written. YAML's other spellings (`yes`, `0644`, `0x1f`,
// `1_000`, dates) are text: the same letters mean the same in each place.
func scalarValue(n *node) any {
	if isText(n) {
		return n.Value
	}
	switch n.Value {
	case "", "~", "null":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	switch numberKind(n.Value) {
	case wholeNumber:
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case fraction:
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}

// isText reports whether a scalar is text whatever it looks like.
func isText(n *node) bool {
	if n.Style&taggedStyle != 0 {
		return n.Tag == "!!str"
	}
	return n.Style&quoted != 0
}

// isNull reports whether a node is nothing: scalarValue is nil.
func isNull(n *node) bool {
	if n.Kind != scalarKind || isText(n) {
		return false
	}
	return n.Value == "" || n.Value == "~" || n.Value == "null"
}

// isWide reports whether s is a decimal number that no int or float64 holds.
func isWide(s string) bool {
	switch numberKind(s) {
	case wholeNumber:
		_, err := strconv.Atoi(s)
		return err != nil
	case fraction:
		_, err := strconv.ParseFloat(s, 64)
		return err != nil
	}
	return false
}

type numberShape uint8

const (
	noNumber numberShape = iota
	wholeNumber
	fraction
)

// numberKind says whether s is a decimal number as JSON writes them.
func numberKind(s string) numberShape {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	if !digits() || s[first] == '0' && i > first+1 {
		return noNumber
	}
	kind := wholeNumber
	if i < len(s) && s[i] == '.' {
		kind = fraction
		i++
		if !digits() {
			return noNumber
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		kind = fraction
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return noNumber
		}
	}
	if i < len(s) {
		return noNumber
	}
	return kind
}
