package dag

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decoder makes a Workflow of a tree of nodes. It reports what it finds wrong
// and goes on with the rest.
type decoder struct {
	src *source
	w   *Workflow
	c   *compiler

	key  string // the key whose value is being read, for messages
	at   *node  // that key's own place
	task *Task  // whose expressions are being compiled; nil: the file's

	ids      map[string]int // tasks by id: place in w.Tasks
	params   map[string]int // by name: place in w.Params
	pools    map[string]int // executors by name: place in w.Executors
	secrets  map[string]bool
	defaults defaults
	env      []Binding // the file's and defaults' merged
	used     []user    // what of d.task has been compiled
	drafts   []draft   // by task
	copied   int       // entries of the file's env, for tasks that add to it
	meant    bool      // a key that d.task doesn't have was a slip of an action's
}

// user is something compiled that mentions tasks.
type user interface{ Uses() *Uses }

// Bounds of the search for what may have been meant: with how many names those of
// a file are compared, and its keys; and the length of a name for which that is
// tried.
const (
	maxGuesses = 2_000_000
	maxSlips   = 200_000
	maxWord    = 100
)

func (d *decoder) place(n *node) Pos { return Pos{n.Line, n.Column} }

func (d *decoder) errorf(n *node, format string, args ...any) {
	if d.src.refused[n] {
		return
	}
	d.src.errorAt(d.src.pos(d.src.begin(n)), d.src.length(n), format, args...)
}

func (d *decoder) warnf(n *node, format string, args ...any) {
	d.src.warnAt(d.src.pos(d.src.begin(n)), d.src.length(n), format, args...)
}

// didYouMean is the end of a message about a name that isn't known: "" where
// none is close.
func (d *decoder) didYouMean(name string, names iter.Seq[string]) string {
	if near := d.guess(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// guess is nearest, within the bound.
func (d *decoder) guess(name string, names iter.Seq[string]) string {
	return guess(&d.src.guesses, maxGuesses, name, names)
}

// slip is guess among the keys of an object. It has a bound of its own: what a key
// was meant to be decides what else is said.
func (d *decoder) slip(name string, names iter.Seq[string]) string {
	return guess(&d.src.slips, maxSlips, name, names)
}

func guess(count *int, bound int, name string, names iter.Seq[string]) string {
	if *count > bound || len(name) > maxWord {
		return ""
	}
	return nearest(name, func(yield func(string) bool) {
		for n := range names {
			*count++
			if !yield(n) {
				return
			}
		}
	})
}

// unknownKey reports a key that an object doesn't have, and returns the one
// that was probably meant, "" where none is likely.
func (d *decoder) unknownKey(k *node, object string, names iter.Seq[string]) string {
	has := func(name string) bool {
		for n := range names {
			if n == name {
				return true
			}
		}
		return false
	}
	name := shorten(k.Value, 60)
	if key, sentence := translate(k.Value, object, has); sentence != "" {
		d.errorf(k, "%s: no such key in %s; %s", name, object, sentence)
		return key
	}
	if near := d.slip(k.Value, names); near != "" {
		d.errorf(k, "%s: no such key in %s; did you mean %q?", name, object, near)
		return near
	}
	if list := atMost(8, names); list != nil {
		d.errorf(k, "%s: no such key in %s; there are %s", name, object, strings.Join(list, ", "))
		return ""
	}
	d.errorf(k, "%s: no such key in %s", name, object)
	return ""
}

// atMost collects the names, nil where there are more than n.
func atMost(n int, names iter.Seq[string]) []string {
	list := make([]string, 0, n)
	for name := range names {
		if len(list) == n {
			return nil
		}
		list = append(list, name)
	}
	return list
}

// text reads a scalar as text, as written, without expressions.
func (d *decoder) text(n *node) (string, bool) {
	if n.Kind != scalarKind || isNull(n) {
		d.errorf(n, "%s is a text, not %s", d.key, nodeKind(n))
		return "", false
	}
	return n.Value, d.constant(n)
}

// constant reports an expression where none may stand.
func (d *decoder) constant(n *node) bool {
	i := strings.Index(n.Value, "${{")
	if i < 0 || i > 0 && n.Value[i-1] == '$' {
		return true
	}
	d.errorf(n, "%s can't hold an expression: it is known before the run begins", d.key)
	return false
}

// filled reads a text that isn't empty.
func (d *decoder) filled(n *node) (string, bool) {
	s, ok := d.text(n)
	if ok && strings.TrimSpace(s) == "" {
		d.errorf(n, "%s is empty", d.key)
		return "", false
	}
	return s, ok
}

// id reads a name that matches [A-Za-z_][A-Za-z0-9_-]*.
func (d *decoder) id(n *node) (string, bool) {
	s, ok := d.text(n)
	if ok && !isID(s) {
		d.errorf(n, "%s: %q is no name: a letter or _ first, then letters, digits, _ and -", d.key, shorten(s, 60))
		return "", false
	}
	if len(s) > maxID {
		d.errorf(n, "%s has at most %d characters: files are named by it", d.key, maxID)
		return "", false
	}
	return s, ok
}

// oneOf reads one of a few words.
func (d *decoder) oneOf(n *node, words ...string) (string, bool) {
	s, ok := d.text(n)
	if ok && !slices.Contains(words, s) {
		d.errorf(n, "%s is %s, not %q%s", d.key, orList(words), shorten(s, 60), d.didYouMean(s, slices.Values(words)))
		return "", false
	}
	return s, ok
}

func (d *decoder) bool(n *node) bool {
	if n.Kind == scalarKind {
		if b, ok := scalarValue(n).(bool); ok {
			return b
		}
		if !d.constant(n) {
			return false
		}
		switch strings.ToLower(n.Value) {
		case "yes", "on", "y", "true":
			d.errorf(n, "%s is true or false, without quotes; write true", d.key)
			return false
		case "no", "off", "n", "false":
			d.errorf(n, "%s is true or false, without quotes; write false", d.key)
			return false
		}
	}
	d.errorf(n, "%s is true or false, not %s", d.key, nodeKind(n))
	return false
}

// int reads a whole number between two bounds.
func (d *decoder) int(n *node, low, high int) (int, bool) {
	if n.Kind == scalarKind {
		if i, ok := scalarValue(n).(int); ok {
			if i < low || i > high {
				if high >= math.MaxInt32 {
					d.errorf(n, "%s is at least %d, not %d", d.key, low, i)
				} else {
					d.errorf(n, "%s is between %d and %d, not %d", d.key, low, high, i)
				}
				return 0, false
			}
			return i, true
		}
		if !d.constant(n) || d.src.wide[n] {
			return 0, false
		}
	}
	d.errorf(n, "%s is a whole number, not %s", d.key, describeNumber(n))
	return 0, false
}

const maxInt = int(^uint(0) >> 1)

// float reads a number between two bounds.
func (d *decoder) float(n *node, low, high float64) (float64, bool) {
	if n.Kind == scalarKind {
		f, ok := scalarValue(n).(float64)
		if i, whole := scalarValue(n).(int); whole {
			f, ok = float64(i), true
		}
		if ok && (f < low || f > high) {
			d.errorf(n, "%s is between %v and %v, not %v", d.key, low, high, f)
			return 0, false
		}
		if ok || !d.constant(n) || d.src.wide[n] {
			return f, ok
		}
	}
	d.errorf(n, "%s is a number, not %s", d.key, describeNumber(n))
	return 0, false
}

func (d *decoder) duration(n *node) (time.Duration, bool) {
	s, ok := d.text(n)
	if !ok {
		return 0, false
	}
	v, err := ParseDuration(s)
	if err != nil {
		d.errorf(n, "%s: %v", d.key, err)
		return 0, false
	}
	return v, true
}

func (d *decoder) size(n *node) (int64, bool) {
	s, ok := d.text(n)
	if !ok {
		return 0, false
	}
	v, err := parseSize(s)
	if err != nil {
		d.errorf(n, "%s: %v", d.key, err)
		return 0, false
	}
	return v, true
}

// each walks over the entries of a list, or over the one value that stands for
// a list of one; nothing is an empty list.
func (d *decoder) each(n *node) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		switch {
		case n.Kind == listKind:
			for _, c := range n.Content {
				if !yield(c) {
					return
				}
			}
		case !isNull(n):
			yield(n)
		}
	}
}

// texts reads a text or a list of texts.
func (d *decoder) texts(n *node) []string {
	var out []string
	for c := range d.each(n) {
		if s, ok := d.filled(c); ok {
			out = append(out, s)
		}
	}
	return out
}

// entries walks over the pairs of a map whose keys are names of the user's;
// nothing is an empty map.
func (d *decoder) entries(n *node) iter.Seq2[*node, *node] {
	if n.Kind != mapKind && !isNull(n) {
		d.errorf(n, "%s is a map from names to values, not %s", d.key, nodeKind(n))
	}
	return pairs(n)
}

// list reports what is no list; nothing is an empty one.
func (d *decoder) list(n *node) []*node {
	if n.Kind == listKind {
		return n.Content
	}
	if !isNull(n) {
		d.errorf(n, "%s is a list, not %s", d.key, nodeKind(n))
	}
	return nil
}

// literal is the plain value of a node without expressions.
func (d *decoder) literal(n *node) any {
	switch n.Kind {
	case mapKind:
		m := make(map[string]any, len(n.Content)/2)
		for k, v := range pairs(n) {
			m[k.Value] = d.literal(v)
		}
		return m
	case listKind:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			l[i] = d.literal(c)
		}
		return l
	}
	d.constant(n)
	return scalarValue(n)
}

// value compiles what may hold expressions.
func (d *decoder) value(n *node, p place) *Value {
	v := d.c.value(n, p, d.task)
	if v != nil && d.task != nil {
		d.used = append(d.used, v)
	}
	return v
}

// expr compiles a scalar that is an expression, bare or wrapped.
func (d *decoder) expr(n *node, p place) *Expr {
	if n.Kind != scalarKind {
		d.errorf(n, "%s is an expression, not %s; if it begins with { or [, quote it", d.key, nodeKind(n))
		return nil
	}
	if strings.TrimSpace(n.Value) == "" || isNull(n) {
		d.errorf(n, "%s is empty; an expression was expected", d.key)
		return nil
	}
	e := d.c.expr(scalarText(n, d.src), p, d.task)
	if e != nil && d.task != nil {
		d.used = append(d.used, e)
	}
	return e
}

// bindings compiles the values of a map.
func (d *decoder) bindings(n *node, p place) []Binding {
	if n.Kind != mapKind {
		d.entries(n)
		return nil
	}
	out := make([]Binding, 0, len(n.Content)/2)
	for k, v := range pairs(n) {
		out = append(out, Binding{Name: k.Value, Pos: d.place(k), Value: d.value(v, p)})
	}
	return out
}

// maxID bounds what files are named by: most filesystems take 255 bytes.
const maxID = 200

// isID reports whether s matches [A-Za-z_][A-Za-z0-9_-]*.
func isID(s string) bool { return isName(strings.ReplaceAll(s, "-", "_")) && s[0] != '-' }

// isName reports whether s matches [A-Za-z_][A-Za-z0-9_]*.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// orList joins words as people do: "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// describeNumber is nodeKind, with the number where it is one.
func describeNumber(n *node) string {
	if n.Kind == scalarKind && utf8.RuneCountInString(n.Value) < 40 && n.Value != "" {
		if n.Style&quoted == 0 && numberKind(n.Value) != noNumber {
			return n.Value
		}
		return "the text " + strconv.Quote(n.Value)
	}
	return nodeKind(n)
}

// textOf is what the compiler asks for the places in a scalar.
func (d *decoder) textOf(n *node) text { return scalarText(n, d.src) }
