package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Values travel as JSON in one blob; bytes, and texts of longText bytes and more, as
// blobs of their own, for which an object of one member stands: {"$flow:bytes": 1} is
// blob 1. So no object of a user may have a member whose name begins like that.
const (
	reserved    = "$flow:"
	bytesMember = reserved + "bytes"
	textMember  = reserved + "text"
	longText    = 4096
)

// EncodeError says which part of a value can't be sent.
type EncodeError struct {
	Path string // a JSON pointer: "" is the whole value, "/rows/3" an element
	Err  error
}

// Error implements error.
func (e *EncodeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("can't be encoded: %v", e.Err)
	}
	return fmt.Sprintf("%s can't be encoded: %v", e.Path, e.Err)
}

// Unwrap returns Err.
func (e *EncodeError) Unwrap() error { return e.Err }

// encoder encodes values. It is kept because its options are dear to make.
type encoder struct {
	plain   bool     // JSON alone: bytes are refused
	blobs   [][]byte // but the first, which is JSON
	options json.Options
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.options = json.JoinOptions(jsonv1.FormatDurationAsNano(true), json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(e.bytes), json.MarshalToFunc(e.text))))
	return e
}}

// Encode returns the blobs of one value. A plain one is JSON alone: bytes are refused.
func Encode(v any, plain bool) ([][]byte, error) {
	blobs, err := encode(v, plain, make([][]byte, 1, 2))
	if err != nil {
		return nil, err
	}
	return blobs, nil
}

// encode puts JSON into the first of blobs, and what it refers to behind the others.
func encode(v any, plain bool, blobs [][]byte) ([][]byte, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.plain, e.blobs = plain, blobs
	b, err := e.encode(v)
	blobs, e.blobs = e.blobs, nil
	if err == nil {
		blobs[0] = b
	}
	return blobs, err
}

// Encoder encodes a list. The zero value is ready.
type Encoder struct {
	Plain bool // as of Encode

	blobs [][]byte // the first is of no use before the end
	json  []byte
	n     int
}

// Add adds an element to the list. One that can't be encoded leaves no trace.
func (e *Encoder) Add(v any) error {
	if e.blobs == nil {
		e.blobs = make([][]byte, 1)
	}
	blobs, err := encode(v, e.Plain, e.blobs)
	if err != nil {
		return err
	}
	e.blobs = blobs
	if e.n++; e.n > 1 {
		e.json = append(e.json, ',')
	}
	e.json = append(e.json, e.blobs[0]...)
	return nil
}

// Len is how many elements the list has.
func (e *Encoder) Len() int { return e.n }

// List returns the blobs of the list.
func (e *Encoder) List() [][]byte {
	list := make([]byte, 0, len(e.json)+2)
	list = append(append(append(list, '['), e.json...), ']')
	if e.blobs == nil {
		return [][]byte{list}
	}
	e.blobs[0] = list
	return e.blobs
}

func (e *encoder) encode(v any) ([]byte, error) {
	before := len(e.blobs)
	b, err := json.Marshal(v, e.options)
	if err != nil {
		return nil, encodeError(err)
	}
	if bytes.Contains(b, []byte(`"`+reserved)) {
		if err := checkReserved(b, len(e.blobs)-before); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (e *encoder) bytes(enc *jsontext.Encoder, b []byte) error {
	if e.plain {
		return errors.New("bytes are no JSON: make a text of them, or a list of numbers")
	}
	return e.refer(enc, bytesMember, bytes.Clone(b)) // the caller may change it before it is sent
}

func (e *encoder) text(enc *jsontext.Encoder, s string) error {
	if e.plain || len(s) < longText || !utf8.ValidString(s) || isName(enc) {
		return errors.ErrUnsupported
	}
	return e.refer(enc, textMember, []byte(s))
}

// isName reports whether the next token is the name of a member.
func isName(enc *jsontext.Encoder) bool {
	kind, n := enc.StackIndex(enc.StackDepth())
	return kind == '{' && n%2 == 0
}

func (e *encoder) refer(enc *jsontext.Encoder, member string, b []byte) error {
	e.blobs = append(e.blobs, b)
	for _, t := range []jsontext.Token{jsontext.BeginObject, jsontext.String(member), jsontext.Int(int64(len(e.blobs) - 1)), jsontext.EndObject} {
		if err := enc.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}

// checkReserved refuses JSON that has a member with a reserved name besides ours.
func checkReserved(b []byte, ours int) error {
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	var last jsontext.Pointer
	for found := 0; ; {
		t, err := dec.ReadToken()
		if err != nil { // the end: it was written a moment ago
			return nil
		}
		kind, n := dec.StackIndex(dec.StackDepth())
		if t.Kind() != '"' || kind != '{' || n%2 == 0 || !strings.HasPrefix(t.String(), reserved) {
			continue
		}
		last = dec.StackPointer()
		if found++; found > ours {
			return &EncodeError{Path: string(last), Err: fmt.Errorf("names of members that begin with %s are reserved", reserved)}
		}
	}
}

// encodeError tells the place of an error of package json.
func encodeError(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		cause := e.Err
		if cause == nil {
			cause = fmt.Errorf("a %s is no JSON", e.GoType)
		}
		return &EncodeError{Path: string(e.JSONPointer), Err: cause}
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &EncodeError{Path: string(e.JSONPointer), Err: e.Err}
	}
	return &EncodeError{Err: err}
}

// DecodeError says which part of a value that was received does not fit.
type DecodeError struct {
	Path string // as in EncodeError
	Err  error
}

// Error implements error.
func (e *DecodeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("can't be decoded: %v", e.Err)
	}
	return fmt.Sprintf("%s can't be decoded: %v", e.Path, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

var errNoValue = &DecodeError{Err: errors.New("there is no value")}

// Decode decodes the value that blobs hold into what out points to.
func Decode(blobs [][]byte, out any) error {
	if len(blobs) == 0 {
		return errNoValue
	}
	return decode(blobs[0], blobs, out)
}

// Elements returns the JSON of each element of the list that blobs hold.
func Elements(blobs [][]byte) ([]jsontext.Value, error) {
	if len(blobs) == 0 {
		return nil, errNoValue
	}
	var list []jsontext.Value
	if err := json.Unmarshal(blobs[0], &list); err != nil {
		return nil, decodeError(err)
	}
	return list, nil
}

// DecodeElement decodes one of Elements.
func DecodeElement(element jsontext.Value, blobs [][]byte, out any) error {
	return decode(element, blobs, out)
}

func decode(b []byte, blobs [][]byte, out any) error {
	if raw, ok := out.(*[]byte); ok && len(blobs) == 1 && len(b) > 0 && b[0] == 'n' {
		*raw = nil
		return nil
	}
	opts := []json.Options{jsonv1.FormatDurationAsNano(true)}
	if len(blobs) > 1 {
		d := decoder{blobs}
		opts = append(opts, json.WithUnmarshalers(json.JoinUnmarshalers(
			json.UnmarshalFromFunc(d.bytes), json.UnmarshalFromFunc(d.text), json.UnmarshalFromFunc(d.any))))
	}
	if err := json.Unmarshal(b, out, opts...); err != nil {
		return decodeError(err)
	}
	return nil
}

func decodeError(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		cause := e.Err
		if cause == nil && e.GoType != nil {
			cause = fmt.Errorf("a JSON %s is no %s", e.JSONKind, e.GoType)
		}
		if cause == nil {
			cause = err
		}
		return &DecodeError{Path: string(e.JSONPointer), Err: cause}
	}
	return &DecodeError{Err: err}
}

// decoder puts blobs where objects stand for them.
type decoder struct{ blobs [][]byte }

func (d decoder) bytes(dec *jsontext.Decoder, to *[]byte) error {
	b, err := d.referred(dec, bytesMember)
	if err == nil {
		*to = b
	}
	return err
}

func (d decoder) text(dec *jsontext.Decoder, to *string) error {
	b, err := d.referred(dec, textMember)
	if err == nil {
		*to = string(b)
	}
	return err
}

// referred reads an object that stands for a blob. ErrUnsupported: it is no object.
func (d decoder) referred(dec *jsontext.Decoder, member string) ([]byte, error) {
	if dec.PeekKind() != '{' {
		return nil, errors.ErrUnsupported
	}
	v, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	var object map[string]int
	if json.Unmarshal(v, &object) == nil && len(object) == 1 {
		if k, ok := object[member]; ok {
			return d.blob(k)
		}
	}
	return nil, fmt.Errorf("an object is no %s", strings.TrimPrefix(member, reserved))
}

func (d decoder) blob(k int) ([]byte, error) {
	if k < 1 || k >= len(d.blobs) {
		return nil, fmt.Errorf("there is no blob %d", k)
	}
	return d.blobs[k], nil
}

func (d decoder) any(dec *jsontext.Decoder, to *any) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(v, &tree); err != nil {
		return err
	}
	*to, err = d.put(tree)
	return err
}

// put replaces what stands for blobs in a tree of plain values.
func (d decoder) put(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = d.put(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if b, member := d.standsFor(v); member != "" {
			k, ok := b.(float64)
			if !ok {
				return nil, fmt.Errorf("%s is no number", member)
			}
			blob, err := d.blob(int(k))
			if member == textMember {
				return string(blob), err
			}
			return blob, err
		}
		for name := range v {
			if v[name], err = d.put(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func (d decoder) standsFor(v map[string]any) (number any, member string) {
	if len(v) != 1 {
		return nil, ""
	}
	for _, member := range []string{bytesMember, textMember} {
		if n, ok := v[member]; ok {
			return n, member
		}
	}
	return nil, ""
}
