package dag

import (
	"iter"
	"slices"
	"strings"
)

// object says what keys one kind of map in a workflow file has. The decoder,
// the checks for unknown keys and the JSON Schema all read this one table.
type object[T any] struct {
	name  string // as messages say it: "a task"
	title string // its name among the schema's definitions
	doc   string
	keys  []key[T]
	index map[string]int
	null  bool   // an empty value is an empty map
	also  string // more members of the schema, in JSON
}

// key is one key: how its value is read, what it looks like, what it means.
type key[T any] struct {
	name  string
	read  func(d *decoder, v *node, into *T)
	must  bool
	kinds string // of tasks: the actions that it goes with, by a space; "": all
	shape string // JSON Schema of the value, an object in JSON
	doc   string
}

// maxKeys bounds an object's table, so that a map is read without allocating.
const maxKeys = 40

func newObject[T any](o object[T]) *object[T] {
	if len(o.keys) > maxKeys {
		panic("dag: the table of " + o.name + " is too long")
	}
	o.index = make(map[string]int, len(o.keys))
	for i, k := range o.keys {
		o.index[k.name] = i
	}
	return &o
}

// read fills into from a map, in the order of the table, not of the file: what
// others need stands first. At is where a missing key is reported.
func (o *object[T]) read(d *decoder, n *node, at *node, into *T) bool {
	if n.Kind != mapKind {
		if !isNull(n) || !o.null {
			d.errorf(n, "%s is a map (%s), not %s", o.name, o.some(), nodeKind(n))
			return false
		}
	}
	var keys, values [maxKeys]*node
	var slips [maxKeys]bool // a wrong key stands for it
	for k, v := range pairs(n) {
		if i, ok := o.index[k.Value]; ok {
			keys[i], values[i] = k, v
		} else {
			meant := d.unknownKey(k, o.name, o.names())
			if i, ok := o.index[meant]; ok {
				slips[i] = true
			}
			d.meant = d.meant || isAction(meant)
		}
	}
	outer, outerAt := d.key, d.at
	for i := range o.keys {
		d.key, d.at = o.keys[i].name, keys[i]
		if values[i] != nil {
			o.keys[i].read(d, values[i], into)
		} else if o.keys[i].must && !slips[i] && !d.src.refused[n] {
			d.errorf(at, "%s needs %s", o.name, d.key)
		}
	}
	d.key, d.at = outer, outerAt
	return true
}

func (o *object[T]) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range o.keys {
			if !yield(o.keys[i].name) {
				return
			}
		}
	}
}

// some shows a few of the keys, for a message.
func (o *object[T]) some() string {
	names := slices.Collect(o.names())
	if len(names) > 4 {
		names = append(names[:4], "…")
	}
	return strings.Join(names, ", ")
}

// pairs walks over a map's keys and values; over anything else it is empty.
func pairs(n *node) iter.Seq2[*node, *node] {
	return func(yield func(*node, *node) bool) {
		if n.Kind != mapKind {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// pairCount is how many keys a map has; 0 for what is none.
func pairCount(n *node) int {
	if n == nil || n.Kind != mapKind {
		return 0
	}
	return len(n.Content) / 2
}

// find returns the value of a key of a map, nil where there is none.
func find(n *node, key string) *node {
	if n.Kind != mapKind {
		return nil
	}
	if i := findKey(n.Content, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}
