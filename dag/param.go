package dag

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParamType is the declared type of a param.
type ParamType uint8

// The types of params, and the plain values that they have in expressions.
const (
	ParamString   ParamType = iota // string
	ParamInt                       // int
	ParamFloat                     // float64
	ParamBool                      // bool
	ParamDate                      // string, "YYYY-MM-DD"
	ParamDuration                  // seconds, int or float64
	ParamList                      // []any
	ParamMap                       // map[string]any
)

var paramTypeNames = [...]string{"string", "int", "float", "bool", "date", "duration", "list", "map"}

// String returns the type as it stands in a file.
func (t ParamType) String() string { return paramTypeNames[t] }

// Param is one declared param; §4 of the language reference.
type Param struct {
	Name        string
	Pos         Pos
	Description string
	Type        ParamType
	Required    bool
	Default     *Value // nil: none, and null where none is given
	Enum        []any  // nil: any; plain values of Type
	Pattern     *regexp.Regexp
	// Min and Max are nil, or a plain value of Type: for text, lists and maps
	// an int that bounds their length (in characters, in entries).
	Min, Max any
}

// Param returns the declared param with that name, and whether there is one.
func (w *Workflow) Param(name string) (*Param, bool) {
	i := slices.IndexFunc(w.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return &w.Params[i], true
}

// ReadParams makes the params of a run of what was given: text is read by the
// declared type, other plain values must have it, what is missing comes from
// the defaults, evaluated in the scope (they name `run` only). The answer has
// an entry for every declared param; one that is neither required nor has a
// default is nil. The maps and lists of given are shared, not copied.
//
// The error joins all problems, each a *ParamError, those of unknown names
// first, then by place in the file.
func (w *Workflow) ReadParams(given map[string]any, s *Scope) (map[string]any, error) {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := w.Param(name); !ok {
			hint := "the workflow has no params"
			if len(w.Params) > 0 {
				hint = "there are " + shorten(strings.Join(slices.Collect(w.paramNames), ", "), 200)
			}
			if near := nearest(name, w.paramNames); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			problems = append(problems, &ParamError{Name: name, Message: "no such param; " + hint})
		}
	}
	out := make(map[string]any, len(w.Params))
	for i := range w.Params {
		p := &w.Params[i]
		v, ok := given[p.Name]
		var err error
		if ok {
			v, err = p.Read(v)
		} else {
			v, err = p.fallback(s)
		}
		if err != nil {
			problems = append(problems, &ParamError{Name: p.Name, Message: err.Error()})
		}
		out[p.Name] = v
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return out, nil
}

// ParamError is one problem with one param of a run.
type ParamError struct{ Name, Message string }

func (e *ParamError) Error() string { return "param " + e.Name + ": " + e.Message }

func (w *Workflow) paramNames(yield func(string) bool) {
	for i := range w.Params {
		if !yield(w.Params[i].Name) {
			return
		}
	}
}

// fallback is the value where none was given.
func (p *Param) fallback(s *Scope) (any, error) {
	if p.Default == nil {
		if p.Required {
			return nil, fmt.Errorf("is required (%s); give it with --param %s=…", p.Type, p.Name)
		}
		return nil, nil
	}
	v, err := p.Default.Eval(s)
	if err != nil {
		return nil, fmt.Errorf("default: %w", err)
	}
	if _, text := v.(string); p.Type == ParamString && !text && v != nil {
		v = Text(v)
	}
	if v, err = p.Read(v); err != nil {
		return nil, fmt.Errorf("default: %w", err)
	}
	return v, nil
}

// Read makes a value of the param's type of what was given, and checks it
// against enum, pattern, min and max. Text is read by the type: bools are true
// or false, lists and maps JSON, durations as in a workflow file, dates
// YYYY-MM-DD; a whole RFC 3339 time is cut to its date.
func (p *Param) Read(given any) (any, error) {
	v, err := p.convert(given)
	if err != nil {
		return nil, err
	}
	if err := p.allowed(v); err != nil {
		return nil, err
	}
	return v, nil
}

// fromFile is convert for what stands in a workflow file, where a number
// without a unit is no duration and quoted digits are no number.
func (p *Param) fromFile(v any) (any, error) {
	switch v := v.(type) {
	case string:
		switch p.Type {
		case ParamInt, ParamFloat, ParamBool, ParamList, ParamMap:
			if _, err := p.fromText(v); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("in quotes it is a text, not of type %s; write it without", p.Type)
		}
	case int, float64:
		if p.Type == ParamDuration {
			return nil, fmt.Errorf("%s has no unit; write %ss or %sm", Text(v), Text(v), Text(v))
		}
	}
	return p.convert(v)
}

// fileValue is Read for what stands in a workflow file.
func (p *Param) fileValue(v any) (any, error) {
	v, err := p.fromFile(v)
	if err == nil {
		err = p.allowed(v)
	}
	return v, err
}

func (p *Param) convert(given any) (any, error) {
	v, err := toPlain(given)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok {
		return p.fromText(s)
	}
	ok := false
	switch p.Type {
	case ParamInt:
		_, ok = v.(int)
	case ParamFloat:
		if i, whole := v.(int); whole {
			return float64(i), nil
		}
		_, ok = v.(float64)
	case ParamDuration:
		i, whole := v.(int)
		f, fraction := v.(float64)
		if whole && i < 0 || fraction && f < 0 {
			return nil, errors.New("a duration is not negative")
		}
		ok = whole || fraction
	case ParamBool:
		_, ok = v.(bool)
	case ParamList:
		_, ok = v.([]any)
	case ParamMap:
		_, ok = v.(map[string]any)
	}
	if !ok {
		return nil, fmt.Errorf("must be of type %s, not %s", p.Type, TypeName(v))
	}
	return v, nil
}

func (p *Param) fromText(s string) (any, error) {
	wrong := fmt.Errorf("%q is no %s", shorten(s, 60), p.Type)
	switch p.Type {
	case ParamString:
		return s, nil
	case ParamInt:
		if numberKind(s) == wholeNumber {
			if i, err := strconv.Atoi(s); err == nil {
				return i, nil
			}
			return nil, fmt.Errorf("%s does not fit into 64 bits", shorten(s, 60))
		}
		return nil, wrong
	case ParamFloat:
		if f, err := strconv.ParseFloat(s, 64); err == nil && numberKind(s) != noNumber && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, wrong
	case ParamBool:
		if s == "true" || s == "false" {
			return s == "true", nil
		}
		return nil, fmt.Errorf("%w; write true or false", wrong)
	case ParamDate:
		return readDate(s)
	case ParamDuration:
		d, err := ParseDuration(s)
		if err != nil {
			return nil, err
		}
		return Plain(d.Seconds())
	}
	v, err := decodeJSON([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("%w: %w; a %s is written as JSON", wrong, err, p.Type)
	}
	_, list := v.([]any)
	_, object := v.(map[string]any)
	if p.Type == ParamList && !list || p.Type == ParamMap && !object {
		return nil, wrong
	}
	return v, nil
}

// readDate reads YYYY-MM-DD, or the date of an RFC 3339 time.
func readDate(s string) (any, error) {
	if _, err := time.Parse(time.DateOnly, s); err == nil {
		return s, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.Format(time.DateOnly), nil
	}
	return nil, fmt.Errorf("%q is no date; write one as 2026-01-31", shorten(s, 60))
}

// allowed checks a value of the right type against what the declaration bounds.
func (p *Param) allowed(v any) error {
	if p.Enum != nil && !slices.ContainsFunc(p.Enum, func(e any) bool { return reflect.DeepEqual(e, v) }) {
		words := make([]string, len(p.Enum))
		for i, e := range p.Enum {
			words[i] = Text(e)
		}
		hint := ""
		if near := nearest(Text(v), slices.Values(words)); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("%q is not one of %s%s", shorten(Text(v), 60), shorten(strings.Join(words, ", "), 200), hint)
	}
	if s, ok := v.(string); ok && p.Pattern != nil && !p.Pattern.MatchString(s) {
		return fmt.Errorf("%q does not match the pattern %s", shorten(s, 60), strings.TrimSuffix(strings.TrimPrefix(p.Pattern.String(), "^(?:"), ")$"))
	}
	size, what := v, ""
	switch v := v.(type) {
	case string:
		if p.Type == ParamString {
			size, what = utf8.RuneCountInString(v), " characters"
		}
	case []any:
		size, what = len(v), " entries"
	case map[string]any:
		size, what = len(v), " entries"
	}
	shown := shorten(Text(size), 60) + what
	if p.Type == ParamDuration {
		what, shown = "s", shown+"s"
	}
	if p.Min != nil && compareParam(size, p.Min) < 0 {
		return fmt.Errorf("%s is below the least, %s%s", shown, Text(p.Min), what)
	}
	if p.Max != nil && compareParam(size, p.Max) > 0 {
		return fmt.Errorf("%s is above the greatest, %s%s", shown, Text(p.Max), what)
	}
	return nil
}

// compareParam orders two numbers or two texts; int and float64 may be mixed.
func compareParam(a, b any) int {
	if s, ok := a.(string); ok {
		t, _ := b.(string)
		return cmp.Compare(s, t)
	}
	i, whole := a.(int)
	j, whole2 := b.(int)
	if whole && whole2 {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(asFloat(a), asFloat(b))
}

func asFloat(v any) float64 {
	if i, ok := v.(int); ok {
		return float64(i)
	}
	f, _ := v.(float64)
	return f
}
