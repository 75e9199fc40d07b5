package dag

import "slices"

// Bounds of a file's tree.
const (
	maxNesting  = 100     // of maps and lists in each other
	maxExpanded = 500_000 // nodes that aliases and merge keys add
)

// resolver makes a plain tree of what was parsed: aliases are replaced by what
// they name (shared, not copied), merge keys by the pairs that they bring, and
// what no part of a workflow may have is reported: keys that are no text or
// stand twice, foreign tags, trees too deep or too large.
type resolver struct {
	src      *source
	anchors  map[*node]extent // of nodes with an anchor that have been resolved
	open     map[*node]bool   // of nodes with an anchor that are being resolved
	expanded int
	full     bool // the bound has been reported
}

// extent is how many nodes a tree has, aliases expanded, and how deep it is.
type extent struct{ size, depth int }

// root resolves the whole tree; nil where it is no map.
func (r *resolver) root(n *node) *node {
	r.anchors, r.open = make(map[*node]extent), make(map[*node]bool)
	if n.Kind != mapKind {
		r.src.errorAt(Pos{n.Line, n.Column}, 1, "a workflow file is a map with `tasks`, not %s", nodeKind(n))
		return nil
	}
	r.resolve(n, 0)
	return n
}

func (r *resolver) resolve(n *node, depth int) extent {
	if n.Anchor != "" {
		r.open[n] = true
		defer delete(r.open, n)
	}
	r.checkTag(n)
	e := extent{1, 1}
	switch {
	case n.Kind == scalarKind:
		if n.LineComment != "" && n.Style&quoted == 0 {
			r.commentTrap(n)
		}
		if len(n.Value) > 4 && n.Style&quoted == 0 && isWide(n.Value) {
			if r.src.wide == nil {
				r.src.wide = make(map[*node]bool)
			}
			r.src.wide[n] = true
		}
	case depth >= maxNesting:
		r.src.errorAt(Pos{n.Line, n.Column}, 1, "maps and lists stand more than %d deep in each other", maxNesting)
		n.Content = nil
	default:
		for i, c := range n.Content {
			ce := r.child(n, i, c, depth+1)
			e.size += ce.size
			e.depth = max(e.depth, ce.depth+1)
		}
		if n.Kind == mapKind {
			e.size += r.mapping(n)
		}
	}
	if n.Anchor != "" {
		r.anchors[n] = e
	}
	return e
}

// child resolves the i-th node of n in its place.
func (r *resolver) child(n *node, i int, c *node, depth int) extent {
	if c.Kind != aliasKind {
		return r.resolve(c, depth)
	}
	at := Pos{c.Line, c.Column}
	target := c.Alias
	e := r.anchors[target]
	switch {
	case r.open[target]:
		r.src.errorAt(at, len(c.Value)+1, "*%s stands inside of what it names", c.Value)
	case depth+e.depth > maxNesting+1:
		r.src.errorAt(at, len(c.Value)+1, "with *%s maps and lists stand more than %d deep in each other", c.Value, maxNesting)
	case !r.expand(e.size, at, len(c.Value)+1):
	default:
		n.Content[i] = target
		return e
	}
	n.Content[i] = r.nothing(c)
	return extent{1, 1}
}

// expand counts nodes that an alias adds; false where they are too many.
func (r *resolver) expand(size int, at Pos, length int) bool {
	if r.expanded += size; r.expanded <= maxExpanded {
		return true
	}
	if !r.full {
		r.src.errorAt(at, length, "aliases expand to more than %d values; a few lines that grow so large are refused", maxExpanded)
	}
	r.full = true
	return false
}

// mapping checks the keys of a map whose values are resolved, and replaces
// merge keys. It returns how many nodes came in.
func (r *resolver) mapping(n *node) (added int) {
	merges, bad := false, false
	var seen map[string]*node
	if len(n.Content) > 32 {
		seen = make(map[string]*node, len(n.Content)/2)
	}
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != scalarKind {
			r.badKey(k)
			bad = true
			continue
		}
		var first *node
		if seen != nil {
			if first = seen[k.Value]; first == nil {
				seen[k.Value] = k
			}
		} else if at := findKey(n.Content[:i], k.Value); at >= 0 {
			first = n.Content[at]
		}
		if first != nil {
			r.src.errorAt(Pos{k.Line, k.Column}, r.src.length(k), "%s stands twice in this map, first in line %d", k.Value, first.Line)
		}
		merges = merges || k.Tag == "!!merge"
	}
	if bad {
		n.Content = withoutBadKeys(n.Content)
		r.refuse(n)
	}
	if !merges {
		return 0
	}
	before := len(n.Content)
	r.merge(n)
	return max(0, len(n.Content)-before)
}

func withoutBadKeys(pairs []*node) []*node {
	out := pairs[:0]
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Kind == scalarKind {
			out = append(out, pairs[i], pairs[i+1])
		}
	}
	return out
}

func (r *resolver) badKey(k *node) {
	p := Pos{k.Line, k.Column}
	if r.src.at(p, "{") {
		r.src.errorAt(p, 1, "a key is text, not a map; an expression is written ${{ … }}, in quotes where the value is inside of { }")
		return
	}
	r.src.errorAt(p, 1, "a key is text, not %s; quote it", nodeKind(k))
}

// merge replaces `<<: map` and `<<: [map, …]`: what a map has itself wins, then
// what stands first.
func (r *resolver) merge(n *node) {
	own := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		own[n.Content[i].Value] = true
	}
	out := make([]*node, 0, 2*len(n.Content))
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Tag != "!!merge" {
			out = append(out, k, v)
			continue
		}
		from := []*node{v}
		if v.Kind == listKind {
			from = v.Content
		}
		for _, m := range from {
			if isNull(m) {
				if r.src.refused[m] {
					r.refuse(n)
				}
				continue
			}
			if m.Kind != mapKind {
				r.src.errorAt(Pos{k.Line, k.Column}, 2, "<< merges a map or a list of maps, not %s", nodeKind(m))
				continue
			}
			if !r.expand(len(m.Content), Pos{k.Line, k.Column}, 2) {
				r.refuse(n)
				continue
			}
			for j := 0; j < len(m.Content); j += 2 {
				if mk := m.Content[j]; !own[mk.Value] {
					own[mk.Value] = true
					out = append(out, mk, m.Content[j+1])
				}
			}
		}
	}
	n.Content = slices.Clip(out)
}

// checkTag reports a tag that isn't one of the six that mean something here,
// or that does not fit what it stands before.
func (r *resolver) checkTag(n *node) {
	if n.Style&taggedStyle == 0 {
		// A lone ! is no tag to the library, and is lost: `! failure()` would be failure().
		if n.Kind == scalarKind && n.Style&quoted == 0 && r.src.at(Pos{n.Line, n.Column}, "!") {
			r.foreignTag(n)
		}
		return
	}
	ok := false
	switch n.Tag {
	case "!!str":
		ok = n.Kind == scalarKind
	case "!!int", "!!float", "!!bool", "!!null":
		ok = n.Kind == scalarKind && tagFits(n.Tag, n.Value)
	case "!!map":
		ok = n.Kind == mapKind
	case "!!seq":
		ok = n.Kind == listKind
	}
	if ok {
		return
	}
	r.foreignTag(n)
	n.Style &^= taggedStyle
	n.Tag = "!!str"
}

// nothing stands in for a node that was refused: a null, so that the walk goes on.
func (r *resolver) nothing(n *node) *node {
	null := &node{Kind: scalarKind, Tag: "!!null", Line: n.Line, Column: n.Column}
	r.refuse(null)
	return null
}

// refuse notes that a node lacks what stands in the file.
func (r *resolver) refuse(n *node) {
	if r.src.refused == nil {
		r.src.refused = make(map[*node]bool)
	}
	r.src.refused[n] = true
}

// nodeKind names what a node is, as people call it.
func nodeKind(n *node) string {
	switch n.Kind {
	case mapKind:
		return "a map"
	case listKind:
		return "a list"
	}
	switch v := scalarValue(n).(type) {
	case nil:
		return "nothing"
	case bool:
		return n.Value
	case int, float64:
		return "a number"
	case string:
		if v == "" {
			return "an empty text"
		}
	}
	return "a text"
}

// findKey returns where in the pairs of a map a key stands, or -1.
func findKey(pairs []*node, key string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Kind == scalarKind && pairs[i].Value == key {
			return i
		}
	}
	return -1
}
