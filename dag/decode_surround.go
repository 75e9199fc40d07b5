package dag

import (
	"math"
	"strings"
)

const shapeRetry = `{"oneOf":[{"type":"integer","minimum":1},{"$ref":"#/$defs/retry"}]}`

var retryObject = newObject(object[Retry]{
	name: "retry", title: "retry", doc: "When a failed attempt is followed by another. The delay before attempt n+1 is min(max_delay, delay × backoff^(n−1)).",
	keys: []key[Retry]{
		{name: "attempts", must: true, read: func(d *decoder, n *node, r *Retry) { r.Attempts, _ = d.int(n, 1, math.MaxInt32) }, shape: shapeCount, doc: "Attempts in all."},
		{name: "delay", read: func(d *decoder, n *node, r *Retry) { r.Delay, _ = d.duration(n) }, shape: shapeDuration, doc: "Before the second attempt. Default: 1s."},
		{name: "backoff", read: func(d *decoder, n *node, r *Retry) { r.Backoff, _ = d.float(n, 1, 1000) }, shape: `{"type":"number","minimum":1,"maximum":1000}`, doc: "The factor from one delay to the next. Default: 1."},
		{name: "max_delay", read: func(d *decoder, n *node, r *Retry) { r.MaxDelay = d.every(n) }, shape: shapeDuration, doc: "The longest delay. Default: no limit."},
		{name: "jitter", read: func(d *decoder, n *node, r *Retry) { r.Jitter, _ = d.float(n, 0, 1) }, shape: `{"type":"number","minimum":0,"maximum":1}`, doc: "The fraction of a delay that is left to chance. Default: 0."},
		{name: "if", read: func(d *decoder, n *node, r *Retry) { r.If = d.expr(n, inRetryIf) }, shape: shapeExpr, doc: "An expression over `error`: only where it is true is there another attempt."},
	},
})

var limitsObject = newObject(object[Limits]{
	name: "limits", title: "limits", doc: "Resource limits of a command's process.",
	keys: []key[Limits]{
		{name: "memory", read: func(d *decoder, n *node, l *Limits) { l.Memory = d.someSize(n) }, shape: shapeSize, doc: "Bytes of address space."},
		{name: "cpu_time", read: func(d *decoder, n *node, l *Limits) { l.CPUTime = d.every(n) }, shape: shapeDuration, doc: "Time on a processor."},
		{name: "open_files", read: func(d *decoder, n *node, l *Limits) { l.OpenFiles = d.count(n) }, shape: shapeCount, doc: "Open files at once."},
		{name: "processes", read: func(d *decoder, n *node, l *Limits) { l.Processes = d.count(n) }, shape: shapeCount, doc: "Processes of the user at once."},
	},
})

var cacheObject = newObject(object[Cache]{
	name: "cache", title: "cache", doc: "Reuse the result of an earlier success with the same key and the same definition of the task.",
	keys: []key[Cache]{
		{name: "key", must: true, read: func(d *decoder, n *node, c *Cache) { c.Key = d.cacheKey(n) }, shape: `{"type":["string","number","boolean","array"]}`, doc: "An expression, or a list of them."},
		{name: "ttl", read: func(d *decoder, n *node, c *Cache) { c.TTL = d.every(n) }, shape: shapeDuration, doc: "How long a result may be reused. Default: for ever."},
	},
})

var resultObject = newObject(object[Result]{
	name: "result", title: "result", doc: "Where the result comes from, and how it is read.",
	keys: []key[Result]{
		{name: "file", read: func(d *decoder, n *node, r *Result) { r.File = d.filledValue(n, inResultFile) }, shape: shapeFilled, doc: "A file that the command writes, relative to its folder. Default: standard output."},
		{name: "format", read: func(d *decoder, n *node, r *Result) { r.Format = d.format(n) }, shape: `{"enum":["text","json","lines","none"]}`, doc: "Default: text."},
	},
})

// retry reads the short and the long form.
func (d *decoder) retry(n *node) Retry {
	r := Retry{Attempts: 1, Delay: defaultDelay, Backoff: 1}
	if n.Kind == mapKind {
		retryObject.read(d, n, d.at, &r)
	} else {
		r.Attempts, _ = d.int(n, 1, math.MaxInt32)
	}
	return r
}

func (d *decoder) count(n *node) int64 {
	i, _ := d.int(n, 1, maxInt)
	return int64(i)
}

func (d *decoder) someSize(n *node) int64 {
	v, ok := d.size(n)
	if ok && v == 0 {
		d.errorf(n, "%s is %s; it has to be more", d.key, n.Value)
	}
	return v
}

func (d *decoder) cacheKey(n *node) *Value {
	if n.Kind == mapKind || isNull(n) || n.Kind == listKind && len(n.Content) == 0 {
		d.errorf(n, "key is an expression or a list of them, not %s", nodeKind(n))
		return nil
	}
	return d.value(n, inCacheKey)
}

func (d *decoder) format(n *node) ResultFormat {
	s, _ := d.oneOf(n, "text", "json", "lines", "none")
	switch s {
	case "json":
		return ResultJSON
	case "lines":
		return ResultLines
	case "none":
		return ResultNone
	}
	return ResultText
}

func readResult(d *decoder, n *node, t *draft) {
	if n.Kind == mapKind {
		resultObject.read(d, n, d.at, &t.Result)
		return
	}
	t.Result.Format = d.format(n)
}

// maxInstances bounds a fan-out.
const maxInstances = 100_000

func readForEach(d *decoder, n *node, t *draft) {
	if n.Kind == scalarKind && !strings.Contains(n.Value, "${{") {
		if s, ok := scalarValue(n).(string); ok && s != "" {
			d.errorf(n, "for_each is a list, a map or an expression, not a text; an expression is written %s", shorten("${{ "+s+" }}", 60))
		} else {
			d.errorf(n, "for_each is a list, a map or an expression, not %s", nodeKind(n))
		}
		return
	}
	if c := len(n.Content); n.Kind == listKind && c > maxInstances || n.Kind == mapKind && c/2 > maxInstances {
		d.errorf(n, "for_each has more than %d items", maxInstances)
	}
	t.Fan = &Fan{Each: d.value(n, inForEach)}
}

func readMatrix(d *decoder, n *node, t *draft) {
	if t.Fan != nil {
		d.errorf(d.at, "a task has for_each or matrix, not both")
		return
	}
	if n.Kind != mapKind {
		d.errorf(n, "matrix is a map from names to lists, not %s", nodeKind(n))
		return
	}
	f := &Fan{}
	product, given := 1, false
	for k, v := range pairs(n) {
		given = given || k.Value != "exclude"
		switch {
		case k.Value == "include":
			f.Include = d.combinations(k, v, nil)
		case k.Value == "exclude":
			f.Exclude = d.combinations(k, v, n)
		case !isID(k.Value):
			d.errorf(k, "matrix: %q is no name: a letter or _ first, then letters, digits, _ and -", shorten(k.Value, 60))
		case v.Kind == listKind:
			product = min(product*max(len(v.Content), 1), 2*maxInstances)
			f.Matrix = append(f.Matrix, Binding{Name: k.Value, Pos: d.place(k), Value: d.value(v, inMatrix)})
		case v.Kind == scalarKind && strings.Contains(v.Value, "${{"):
			f.Matrix = append(f.Matrix, Binding{Name: k.Value, Pos: d.place(k), Value: d.value(v, inMatrix)})
		default:
			d.errorf(v, "matrix: %s is a list or an expression, not %s", k.Value, nodeKind(v))
		}
	}
	if product > maxInstances {
		d.errorf(d.at, "matrix has more than %d combinations", maxInstances)
	}
	if !given {
		d.errorf(d.at, "matrix has no lists")
	}
	t.Fan = f
}

// combinations reads include and exclude: a list of maps. Of, where not nil, is
// the matrix that has the names that they may have.
func (d *decoder) combinations(key, n, of *node) *Value {
	if n.Kind == scalarKind && strings.Contains(n.Value, "${{") {
		return d.value(n, inMatrix)
	}
	if n.Kind != listKind {
		d.errorf(n, "%s is a list of maps, not %s", key.Value, nodeKind(n))
		return nil
	}
	for _, c := range n.Content {
		if c.Kind == scalarKind && strings.Contains(c.Value, "${{") {
			continue
		}
		if c.Kind != mapKind {
			d.errorf(c, "%s is a list of maps, as { os: linux }, not of %s", key.Value, nodeKind(c))
			continue
		}
		for k := range pairs(c) {
			if of != nil && find(of, k.Value) == nil {
				d.errorf(k, "exclude: %s is no list of this matrix%s", shorten(k.Value, 60), d.didYouMean(k.Value, keyNames(of)))
			}
		}
	}
	return d.value(n, inMatrix)
}

// keyNames walks over the keys of a map.
func keyNames(n *node) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range pairs(n) {
			if !yield(k.Value) {
				return
			}
		}
	}
}
