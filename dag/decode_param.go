package dag

import (
	"regexp"
	"slices"
	"strings"
)

// paramDraft is a param while it is read.
type paramDraft struct {
	*Param
	required *bool
	dflt     *node // the value of default
	nodes    struct{ typ, enum, pattern, min, max *node }
}

var paramObject = newObject(object[paramDraft]{
	name: "a param", title: "param", doc: "A param in its long form.",
	keys: []key[paramDraft]{
		{name: "type", read: func(d *decoder, n *node, p *paramDraft) { p.nodes.typ = n; p.Type = d.paramType(n) }, shape: `{"enum":["string","int","float","bool","date","duration","list","map"]}`, doc: "Default: that of the default, else string."},
		{name: "default", read: func(d *decoder, n *node, p *paramDraft) { p.dflt = n }, shape: shapeAny, doc: "The value where none is given. May name run."},
		{name: "required", read: func(d *decoder, n *node, p *paramDraft) { b := d.bool(n); p.required = &b }, shape: shapeBool, doc: "Whether a value has to be given. Default: where there is no default."},
		{name: "enum", read: func(d *decoder, n *node, p *paramDraft) { p.nodes.enum = n }, shape: `{"type":"array","minItems":1}`, doc: "The values that are allowed."},
		{name: "pattern", read: func(d *decoder, n *node, p *paramDraft) { p.nodes.pattern = n }, shape: shapeFilled, doc: "A regular expression (RE2) that matches the whole text."},
		{name: "min", read: func(d *decoder, n *node, p *paramDraft) { p.nodes.min = n }, shape: `{"type":["number","string"]}`, doc: "The least value; of a text, list or map the least length."},
		{name: "max", read: func(d *decoder, n *node, p *paramDraft) { p.nodes.max = n }, shape: `{"type":["number","string"]}`, doc: "The greatest value; of a text, list or map the greatest length."},
		{name: "description", read: func(d *decoder, n *node, p *paramDraft) { p.Description, _ = d.text(n) }, shape: shapeText, doc: "What the param means, for people."},
	},
})

func (d *decoder) paramType(n *node) ParamType {
	s, ok := d.text(n)
	if !ok {
		return ParamString
	}
	if i := slices.Index(paramTypeNames[:], s); i >= 0 {
		return ParamType(i)
	}
	hint := d.didYouMean(s, slices.Values(paramTypeNames[:]))
	if other, ok := foreignTypes(s); ok {
		hint = "; write " + other
	}
	d.errorf(n, "type is %s, not %q%s", orList(paramTypeNames[:]), shorten(s, 40), hint)
	return ParamString
}

// foreignTypes are other dialects' names of types.
func foreignTypes(s string) (string, bool) {
	switch strings.ToLower(s) {
	case "str", "text", "choice", "enum":
		return "string", true
	case "integer", "long", "int64":
		return "int", true
	case "number", "double", "float64":
		return "float", true
	case "boolean":
		return "bool", true
	case "array", "sequence":
		return "list", true
	case "object", "dict", "json":
		return "map", true
	case "time", "datetime", "timestamp":
		return "date", true
	}
	return "", false
}

// isLongForm reports whether a param's value is a map with a key of the long form.
func isLongForm(n *node) bool {
	for k := range pairs(n) {
		if _, ok := paramObject.index[k.Value]; ok {
			return true
		}
	}
	return false
}

// declareParams reads names and types; defaults are compiled later.
func (d *decoder) declareParams(n *node) {
	if n == nil {
		return
	}
	d.key = "params"
	d.params = make(map[string]int, len(n.Content)/2)
	for k, v := range d.entries(n) {
		if !isName(k.Value) {
			d.errorf(k, "params: %q is no name: a letter or _ first, then letters, digits and _", shorten(k.Value, 60))
			continue
		}
		if _, ok := d.params[k.Value]; ok {
			continue // a duplicate key, reported
		}
		p := Param{Name: k.Value, Pos: d.place(k)}
		if isLongForm(v) {
			d.longParam(k, v, &p)
		} else {
			p.Type = d.typeOf(v)
			p.Required = isNull(v)
		}
		d.params[p.Name] = len(d.w.Params)
		d.w.Params = append(d.w.Params, p)
	}
}

// param is the param with that name, while the file is read.
func (d *decoder) param(name string) (*Param, bool) {
	i, ok := d.params[name]
	if !ok {
		return nil, false
	}
	return &d.w.Params[i], true
}

func (d *decoder) longParam(k, n *node, p *Param) {
	f := paramDraft{Param: p}
	paramObject.read(d, n, k, &f)
	if f.nodes.typ == nil && f.dflt != nil {
		p.Type = d.typeOf(f.dflt)
	}
	p.Required = f.dflt == nil
	if f.required != nil {
		if p.Required = *f.required; p.Required && f.dflt != nil {
			d.errorf(find(n, "required"), "param %s is required and has a default; it is one or the other", p.Name)
		}
	}
	if e := f.nodes.enum; e != nil {
		d.key = "enum"
		for _, c := range d.list(e) {
			if v, ok := d.paramLiteral(p, c); ok {
				p.Enum = append(p.Enum, v)
			}
		}
		if len(e.Content) == 0 {
			d.errorf(e, "enum is empty; no value would be allowed")
		}
	}
	if e := f.nodes.pattern; e != nil {
		d.key = "pattern"
		d.paramPattern(p, e)
	}
	p.Min, p.Max = d.bound(p, "min", f.nodes.min), d.bound(p, "max", f.nodes.max)
	if p.Min != nil && p.Max != nil && compareParam(p.Min, p.Max) > 0 {
		d.errorf(f.nodes.max, "max is less than min")
	}
	d.key = "params"
}

func (d *decoder) paramPattern(p *Param, n *node) {
	s, ok := d.filled(n)
	if !ok {
		return
	}
	if p.Type != ParamString {
		d.errorf(n, "pattern is of a param of type string, not %s", p.Type)
		return
	}
	re, err := regexp.Compile(`^(?:` + s + `)$`)
	if _, alone := regexp.Compile(s); alone != nil {
		err = alone
	}
	if err != nil {
		d.errorf(n, "pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	p.Pattern = re
}

// bound reads min or max: a value of the param's type, or a length.
func (d *decoder) bound(p *Param, key string, n *node) any {
	if n == nil {
		return nil
	}
	d.key = key
	switch p.Type {
	case ParamBool:
		d.errorf(n, "%s means nothing for a param of type bool", key)
		return nil
	case ParamString, ParamList, ParamMap:
		i, ok := d.int(n, 0, maxInt)
		if !ok {
			return nil
		}
		return i
	}
	v, _ := d.paramLiteral(p, n)
	return v
}

// paramLiteral reads a value of a param's type that stands in the file.
func (d *decoder) paramLiteral(p *Param, n *node) (any, bool) {
	v, err := p.fromFile(d.literal(n))
	if err != nil {
		d.errorf(n, "%s: %v", d.key, err)
		return nil, false
	}
	return v, true
}

// typeOf is the type of a param that takes it from its default.
func (d *decoder) typeOf(n *node) ParamType {
	switch n.Kind {
	case mapKind:
		return ParamMap
	case listKind:
		return ParamList
	}
	switch v := scalarValue(n).(type) {
	case bool:
		return ParamBool
	case int:
		return ParamInt
	case float64:
		return ParamFloat
	case string:
		if _, err := readDate(v); err == nil {
			return ParamDate
		}
	}
	return ParamString
}

// paramDefaults compiles the defaults and checks those that are known.
func (d *decoder) paramDefaults(n *node) {
	if n == nil {
		return
	}
	for k, v := range pairs(n) {
		p, ok := d.param(k.Value)
		if !ok || p.Default != nil {
			continue
		}
		if isLongForm(v) {
			v = find(v, "default")
		} else if isNull(v) {
			continue
		}
		if v == nil {
			continue
		}
		d.key = "default"
		compiled := d.value(v, inParamDefault)
		if compiled == nil {
			continue
		}
		p.Default = compiled
		literal, known := compiled.Literal()
		if !known {
			continue
		}
		value, err := p.fileValue(literal)
		if err != nil {
			d.errorf(v, "default of %s: %v", p.Name, err)
			continue
		}
		p.Default = NewValue(value)
	}
}
