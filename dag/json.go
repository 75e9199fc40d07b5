package dag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSON bounds, in bytes, the text that an expression may make of a value: as
// results are.
const maxJSON = 64 << 20

var errJSONSize = errors.New("as text it has more than " + strconv.Itoa(maxJSON>>20) + " MiB")

// Text renders a plain value as text: nil is empty, text is itself, lists and
// maps are compact JSON with sorted keys. A value that isn't plain is made so
// first; one that can't be is shown as Go does.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := appendText(nil, v, math.MaxInt)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// appendText appends v as text; an error where b would have more than max
// bytes.
func appendText(b []byte, v any, max int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return b, nil
	case string:
		if len(b)+len(v) > max {
			return nil, errJSONSize
		}
		return append(b, v...), nil
	case bool, int, float64, []any, map[string]any:
		return (&encoder{max: max}).value(b, v)
	}
	p, err := toPlain(v)
	if err != nil {
		return nil, err
	}
	return appendText(b, p, max)
}

// EncodeJSON encodes a plain value: compact, keys sorted, nothing escaped that
// needn't be, whole numbers without exponent. Equal values have equal bytes. A
// value that isn't plain is made so first (see Plain). A *Ref, also within a list
// or a map, is {"ref": its hash, "size": bytes}.
func EncodeJSON(v any) ([]byte, error) {
	b, err := (&encoder{max: math.MaxInt}).value(nil, v)
	if err != nil {
		return nil, fmt.Errorf("dag: encode JSON: %w", err)
	}
	return b, nil
}

// encoder writes JSON. It is our own because encoding/json escapes more than
// JSON asks for, renders 1e21 with an exponent, and takes reflection to sort.
type encoder struct {
	max  int      // bytes
	keys []string // of all maps that are being written, innermost last
}

func (e *encoder) value(b []byte, v any) ([]byte, error) {
	if len(b) > e.max {
		return nil, errJSONSize
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		return appendFloat(b, v)
	case string:
		return appendQuoted(b, v), nil
	case []any:
		return e.list(b, v)
	case map[string]any:
		return e.object(b, v)
	case *Ref:
		b = appendQuoted(append(b, `{"ref":`...), v.Hash)
		return append(strconv.AppendInt(append(b, `,"size":`...), v.Size, 10), '}'), nil
	}
	p, err := toPlain(v)
	if err != nil {
		return nil, err
	}
	return e.value(b, p)
}

func (e *encoder) list(b []byte, l []any) ([]byte, error) {
	b = append(b, '[')
	for i, x := range l {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.value(b, x); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (e *encoder) object(b []byte, m map[string]any) ([]byte, error) {
	from := len(e.keys)
	for k := range m {
		e.keys = append(e.keys, k)
	}
	to := len(e.keys)
	slices.Sort(e.keys[from:to])
	b = append(b, '{')
	for i := from; i < to; i++ {
		if i > from {
			b = append(b, ',')
		}
		b = appendQuoted(b, e.keys[i])
		b = append(b, ':')
		var err error
		if b, err = e.value(b, m[e.keys[i]]); err != nil {
			return nil, err
		}
	}
	e.keys = e.keys[:from]
	return append(b, '}'), nil
}

// appendFloat writes a number as ECMAScript does, but for whole ones, which
// are never written with an exponent.
func appendFloat(b []byte, f float64) ([]byte, error) {
	v, _, err := plainFloat(f)
	if err != nil {
		return nil, err
	}
	if i, ok := v.(int); ok {
		return strconv.AppendInt(b, int64(i), 10), nil
	}
	if math.Abs(f) >= 1e-6 {
		return strconv.AppendFloat(b, f, 'f', -1, 64), nil
	}
	return strconv.AppendFloat(b, f, 'e', -1, 64), nil
}

// appendQuoted writes a JSON string (RFC 8259 §7), with U+FFFD for each byte
// that is not UTF-8.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// DecodeJSON reads exactly one JSON value as a plain value: whole numbers,
// however they are written (1.0, 1e3), are ints, and one beyond 64 bits is an
// error. Of keys that occur twice the last wins. Anything but white space
// after the value is an error.
func DecodeJSON(b []byte) (any, error) {
	v, err := decodeJSON(b)
	if err != nil {
		return nil, fmt.Errorf("dag: decode JSON: %w", err)
	}
	return v, nil
}

func decodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, jsonError(err)
	}
	end := d.InputOffset()
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value: the first ends at byte %d", end)
	}
	return numbers(v)
}

// jsonError says where the input is wrong.
func jsonError(err error) error {
	switch {
	case err == io.EOF:
		return errors.New("no JSON value: it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("incomplete JSON: it ends within a value")
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not valid JSON at byte %d: %w", s.Offset, err)
	}
	return fmt.Errorf("not valid JSON: %w", err)
}

// numbers replaces, in place, each json.Number. The depth of v is bounded by
// encoding/json.
func numbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case []any:
		for i, x := range v {
			if v[i], err = numbers(x); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k, x := range v {
			if v[k], err = numbers(x); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// number reads a JSON number.
func number(s string) (any, error) {
	whole := s
	if i := strings.IndexByte(s, '.'); i >= 0 && strings.Trim(s[i+1:], "0") == "" {
		whole = s[:i] // 9007199254740993.0 is exact as an int only
	}
	if i, err := strconv.Atoi(whole); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !strings.ContainsAny(whole, ".eE") { // a float near it may be within
		return nil, fmt.Errorf("the number %s is beyond 64 bits", short(s))
	}
	v, _, err := plainFloat(f)
	if err != nil {
		return nil, fmt.Errorf("the whole number %s is beyond 64 bits", short(s))
	}
	return v, nil
}

// short is s, cut for a message.
func short(s string) string {
	const n = 40
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n]) + "…"
}
