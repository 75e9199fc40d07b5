package dag

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// function is one that expressions may call, in place of expr's of that name
// or beside them.
//
// Ours differ from expr's where the language asks for it: maps are walked in
// the order of their keys, text is made by the language's rules, whole numbers
// are checked for overflow, and nothing depends on the machine's clock or zone.
type function struct {
	name  string
	types []any // pointers to functions: what arguments it takes
	call  func(f *frame, args []any) (any, error)
	files bool // reads files
}

// functions are all of ours.
func functions() []function {
	return []function{
		{name: "string", types: []any{new(func(any) string)}, call: toText},
		{name: "toJSON", types: []any{new(func(any) string)}, call: toJSON},
		{name: "fromJSON", types: []any{new(func(string) any)}, call: fromJSON},
		{name: "int", types: []any{new(func(any) int)}, call: toInt},
		{name: "abs", types: []any{new(func(any) any)}, call: absolute},
		{name: "keys", types: []any{new(func(any) []any)}, call: keysOf},
		{name: "values", types: []any{new(func(any) []any)}, call: valuesOf},
		{name: "toPairs", types: []any{new(func(any) []any)}, call: toPairs},
		{name: "fromPairs", types: []any{new(func(any) map[string]any)}, call: fromPairs},
		{name: "uniq", types: []any{new(func(any) []any)}, call: uniq},
		{name: "flatten", types: []any{new(func(any) []any)}, call: flatten},
		{name: "repeat", types: []any{new(func(string, int) string)}, call: repeat},
		{name: "replace", types: []any{new(func(string, string, string) string), new(func(string, string, string, int) string)}, call: replace},
		{name: "duration", types: []any{new(func(string) time.Duration)}, call: toDuration},
		{name: "date", types: []any{new(func(string) time.Time), new(func(string, string) time.Time),
			new(func(string, string, string) time.Time)}, call: toDate},
		{name: "timezone", types: []any{new(func(string) *time.Location)}, call: toZone},
		{name: "read_file", types: []any{new(func(string) string)}, call: readFile, files: true},
		{name: "hash_files", types: []any{new(func(string, ...string) string)}, call: hashFiles, files: true},
	}
}

// signatures are the types of pointers to functions.
func signatures(fs []any) []reflect.Type {
	ts := make([]reflect.Type, len(fs))
	for i, f := range fs {
		ts[i] = reflect.TypeOf(f).Elem()
	}
	return ts
}

// methods are those of times, durations, months and weekdays that an
// expression may call. Local, which depends on the machine, is not one.
var methods = []string{"Add", "AddDate", "After", "Before", "Compare", "Day", "Equal", "Format", "Hour", "Hours",
	"In", "IsZero", "Microseconds", "Milliseconds", "Minute", "Minutes", "Month", "Nanosecond", "Nanoseconds", "Round",
	"Second", "Seconds", "String", "Sub", "Truncate", "UTC", "Unix", "UnixMilli", "Weekday", "Year", "YearDay", "Abs"}

// size is how much work it is to go through v (see maxWork).
func size(v any) int {
	const element, bytes = 4, 2
	switch v := v.(type) {
	case string:
		return len(v)/bytes + 1
	case []any:
		return element*len(v) + 1
	case map[string]any:
		return element*len(v) + 1
	case nil, int, float64, bool:
		return 1
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return element*r.Len() + 1
	}
	return 1
}

// constant are functions of expr that take no longer for larger arguments.
var constant = []string{"len", "type", "first", "last", "get", "take"}

// loop looks at what a function with a predicate is to go through. A loop
// within another is charged for, its start included, for that takes memory.
func loop(f *frame, v any, inner bool) error {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Array:
		if !inner {
			return nil
		}
		const start = 64
		return f.charge(r.Len() + start)
	case reflect.Map:
		return errors.New("a map can't be gone through as it is; take values(…), keys(…) or toPairs(…) of it")
	}
	return fmt.Errorf("a list is wanted, and this is %s", describe(v))
}

// listOf is v as a list of any values.
func listOf(v any) ([]any, error) {
	if l, ok := v.([]any); ok {
		return l, nil
	}
	r := reflect.ValueOf(v)
	if k := r.Kind(); k != reflect.Slice && k != reflect.Array {
		return nil, fmt.Errorf("a list is wanted, and this is %s", describe(v))
	}
	l := make([]any, r.Len())
	for i := range l {
		l[i] = r.Index(i).Interface()
	}
	return l, nil
}

// mapOf is v as a map, and its keys in order.
func mapOf(f *frame, v any) (map[string]any, []string, error) {
	if err := f.charge(size(v)); err != nil {
		return nil, nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		if reflect.ValueOf(v).Kind() != reflect.Map {
			return nil, nil, fmt.Errorf("a map is wanted, and this is %s", describe(v))
		}
		p, err := toPlain(v) // of groupBy: its keys become text
		if err != nil {
			return nil, nil, err
		}
		m = p.(map[string]any)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return m, keys, nil
}

func keysOf(f *frame, a []any) (any, error) {
	_, keys, err := mapOf(f, a[0])
	l := make([]any, len(keys))
	for i, k := range keys {
		l[i] = k
	}
	return l, err
}

func valuesOf(f *frame, a []any) (any, error) {
	m, keys, err := mapOf(f, a[0])
	l := make([]any, len(keys))
	for i, k := range keys {
		l[i] = m[k]
	}
	return l, err
}

func toPairs(f *frame, a []any) (any, error) {
	m, keys, err := mapOf(f, a[0])
	l := make([]any, len(keys))
	for i, k := range keys {
		l[i] = []any{k, m[k]}
	}
	return l, err
}

func fromPairs(f *frame, a []any) (any, error) {
	l, err := listOf(a[0])
	if err == nil {
		err = f.charge(size(l))
	}
	if err != nil {
		return nil, err
	}
	m := make(map[string]any, len(l))
	for i, x := range l {
		pair, err := listOf(x)
		if err != nil || len(pair) != 2 {
			return nil, fmt.Errorf("fromPairs: element %d is not a list of a key and a value", i)
		}
		if pair[0] == nil {
			return nil, fmt.Errorf("fromPairs: the key of element %d is null", i)
		}
		m[Text(pair[0])] = pair[1]
	}
	return m, nil
}

// uniq keeps the first of equal elements. Unlike expr's it doesn't compare each
// with each: equal is what is the same as JSON.
func uniq(f *frame, a []any) (any, error) {
	l, err := listOf(a[0])
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(l))
	out := []any{}
	for _, x := range l {
		k, err := (&encoder{max: maxJSON}).value(nil, x)
		if err == nil {
			err = f.charge(len(k)/2 + 1)
		}
		if err != nil {
			return nil, err
		}
		if !seen[string(k)] {
			seen[string(k)] = true
			out = append(out, x)
		}
	}
	return out, nil
}

func flatten(f *frame, a []any) (any, error) {
	if _, err := listOf(a[0]); err != nil {
		return nil, err
	}
	out := []any{}
	var walk func(v any, depth int) error
	walk = func(v any, depth int) error {
		if err := f.charge(4); err != nil || depth > maxDepth {
			return errors.Join(err, errWork)
		}
		if k := reflect.ValueOf(v).Kind(); k != reflect.Slice && k != reflect.Array {
			out = append(out, v)
			return nil
		}
		l, err := listOf(v)
		for _, x := range l {
			if err := walk(x, depth+1); err != nil {
				return err
			}
		}
		return err
	}
	if err := walk(a[0], 0); err != nil {
		return nil, errWork
	}
	return out, nil
}

func toText(f *frame, a []any) (any, error) {
	b, err := appendText(nil, a[0], maxJSON)
	if err == nil {
		err = f.charge(len(b) / 2)
	}
	return string(b), err
}

func toJSON(f *frame, a []any) (any, error) {
	b, err := (&encoder{max: maxJSON}).value(nil, a[0])
	if err == nil {
		err = f.charge(len(b) / 2)
	}
	return string(b), err
}

func fromJSON(f *frame, a []any) (any, error) {
	s, err := textArg("fromJSON", a[0])
	if err != nil {
		return nil, err
	}
	if err := f.charge(len(s)); err != nil {
		return nil, err
	}
	return decodeJSON([]byte(s))
}

// textArg is an argument that has to be text.
func textArg(fn string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s wants text, and this is %s", fn, describe(v))
	}
	return s, nil
}

// toInt cuts a float towards zero, and reads decimal text.
func toInt(_ *frame, a []any) (any, error) {
	switch v := a[0].(type) {
	case int:
		return v, nil
	case float64:
		n, _, err := plainFloat(math.Trunc(v))
		if err != nil {
			return nil, fmt.Errorf("int(%v): %w", v, err)
		}
		return n, nil
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n, nil
		}
		return nil, fmt.Errorf("int(%q): not a whole number of 64 bits", short(v))
	}
	p, err := toPlain(a[0])
	if i, ok := p.(int); ok && err == nil {
		return i, nil
	}
	return nil, fmt.Errorf("int wants a number or text, and this is %s", describe(a[0]))
}

func absolute(_ *frame, a []any) (any, error) {
	switch v := a[0].(type) {
	case int:
		if v == math.MinInt64 {
			return nil, errResult
		}
		return max(v, -v), nil
	case float64:
		return math.Abs(v), nil
	case time.Duration:
		return v.Abs(), nil
	}
	return nil, fmt.Errorf("abs wants a number, and this is %s", describe(a[0]))
}

func repeat(f *frame, a []any) (any, error) {
	s, err := textArg("repeat", a[0])
	if err != nil {
		return nil, err
	}
	n, ok := a[1].(int)
	if !ok || n < 0 {
		return nil, fmt.Errorf("repeat(…, %v): a whole number that is not negative is wanted", a[1])
	}
	if len(s) > 0 && n > 2*maxWork/len(s) || f.charge(len(s)*n/2) != nil {
		return nil, errWork
	}
	return strings.Repeat(s, n), nil
}

func replace(f *frame, a []any) (any, error) {
	s, err := textArg("replace", a[0])
	from, err1 := textArg("replace", a[1])
	to, err2 := textArg("replace", a[2])
	if err := errors.Join(err, err1, err2); err != nil {
		return nil, err
	}
	n := -1
	if len(a) == 4 {
		var ok bool
		if n, ok = a[3].(int); !ok {
			return nil, fmt.Errorf("replace: the fourth argument is a whole number, and this is %s", describe(a[3]))
		}
	}
	count := strings.Count(s, from)
	if n >= 0 {
		count = min(count, n)
	}
	if len(to) > 0 && count > 2*maxWork/len(to) || f.charge((len(s)+count*len(to))/2) != nil {
		return nil, errWork
	}
	return strings.Replace(s, from, to, n), nil
}

func toDuration(_ *frame, a []any) (any, error) {
	s, err := textArg("duration", a[0])
	if err != nil {
		return nil, err
	}
	magnitude, negative := strings.CutPrefix(s, "-")
	d, err := ParseDuration(magnitude)
	if err != nil {
		return nil, fmt.Errorf("duration(%q): not a duration such as 90s, 1h30m or 2d", short(s))
	}
	if negative {
		d = -d
	}
	return d, nil
}

// toZone refuses "Local", which depends on the machine.
func toZone(_ *frame, a []any) (any, error) {
	s, err := textArg("timezone", a[0])
	if err != nil {
		return nil, err
	}
	return zoneNamed(s)
}

func zoneNamed(s string) (*time.Location, error) {
	loc, err := time.LoadLocation(s)
	if err != nil || s == "Local" || s == "" {
		return nil, fmt.Errorf("timezone(%q): no such zone; names are IANA's, such as Europe/Berlin", short(s))
	}
	return loc, nil
}

// dateLayouts are what date understands without being told.
var dateLayouts = []string{time.RFC3339, "2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "15:04:05",
	time.RFC1123Z, time.RFC822Z}

// toDate reads a time: by a layout of Go's, and where the text names no zone in
// the one given, else in the run's. Zones by abbreviation (CET) are left out of
// what it understands by itself: what they mean depends on the machine.
func toDate(f *frame, a []any) (any, error) {
	s, err := textArg("date", a[0])
	if err != nil {
		return nil, err
	}
	layouts, zone := dateLayouts, f.zone()
	if len(a) > 1 {
		l, err := textArg("date", a[1])
		if err != nil {
			return nil, err
		}
		layouts = []string{l}
	}
	if len(a) > 2 {
		name, err := textArg("date", a[2])
		if err == nil {
			zone, err = zoneNamed(name)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, zone); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("date(%q): not a time of the form %s", short(s), strings.Join(layouts[:min(2, len(layouts))], " or "))
}

func readFile(f *frame, a []any) (any, error) {
	path, err := textArg("read_file", a[0])
	if err != nil {
		return nil, err
	}
	if f.scope.Host == nil {
		return nil, ErrNeedsHost
	}
	return f.scope.Host.ReadFile(path)
}

func hashFiles(f *frame, a []any) (any, error) {
	globs := make([]string, len(a))
	for i, g := range a {
		var err error
		if globs[i], err = textArg("hash_files", g); err != nil {
			return nil, err
		}
	}
	if f.scope.Host == nil {
		return nil, ErrNeedsHost
	}
	return f.scope.Host.HashFiles(globs)
}
