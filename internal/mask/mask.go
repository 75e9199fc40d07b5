// Package mask replaces secrets by *** in whatever is kept or shown: text, values, and
// streams, in which a secret may come in pieces. It masks each secret as it is, each line
// of one with several, and both as other programs write them: in base64, wherever in a
// longer text it was encoded, URL-encoded, and quoted.
//
// Where secrets overlap, all that belongs to any of them is masked, as one ***.
package mask

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"strconv"
)

// Least is how long a secret is at least, in bytes, without the blanks around it: of a
// shorter one too much else would be masked.
const Least = 4

const stars = "***"

// Mask knows the secrets of a run. A nil *Mask masks nothing. It is read only.
type Mask struct {
	long   int                 // length of the longest pattern
	begin  map[uint32][]string // patterns by their first four bytes
	seen   [1 << 13]uint64     // which hashes of four bytes occur in begin
	short  map[string]bool     // the first one, two and three bytes of patterns
	number bool                // one may occur in a number
}

// New returns what masks these secrets; nil where there are none. Those shorter than Least
// are passed over.
func New(secrets ...string) *Mask {
	all := make(map[string]bool)
	for _, s := range secrets {
		for _, p := range patterns(s) {
			all[p] = true
		}
	}
	if len(all) == 0 {
		return nil
	}
	m := &Mask{begin: make(map[uint32][]string), short: make(map[string]bool)}
	for _, p := range slices.Sorted(maps.Keys(all)) {
		key := binary.LittleEndian.Uint32([]byte(p))
		m.begin[key] = append(m.begin[key], p)
		h := hash(key)
		m.seen[h>>6] |= 1 << (h & 63)
		for n := 1; n < 4; n++ {
			m.short[p[:n]] = true
		}
		m.long = max(m.long, len(p))
		if _, err := strconv.ParseFloat(p, 64); err == nil {
			m.number = true
		}
	}
	return m
}

// hash is of 19 bits (Fibonacci hashing).
func hash(key uint32) uint32 { return bits.RotateLeft32(key*0x9E3779B1, 19) & (1<<19 - 1) }

// matches calls found with where each pattern stands in b, in order of their beginnings.
// Its cost is a multiplication and a look into 64 KiB a byte, where there are none.
func (m *Mask) matches(b []byte, found func(from, to int)) {
	for i := 0; i+4 <= len(b); i++ {
		key := binary.LittleEndian.Uint32(b[i:])
		h := hash(key)
		if m.seen[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		longest := 0
		for _, p := range m.begin[key] {
			if len(p) > longest && len(p) <= len(b)-i && string(b[i:i+len(p)]) == p {
				longest = len(p)
			}
		}
		if longest > 0 {
			found(i, i+longest)
		}
	}
}

// open returns where in b a pattern may begin that goes on behind it; len(b): nowhere.
func (m *Mask) open(b []byte) int {
	for i := max(0, len(b)-m.long+1); i < len(b); i++ {
		rest := b[i:]
		if len(rest) < 4 {
			if m.short[string(rest)] {
				return i
			}
			continue
		}
		for _, p := range m.begin[binary.LittleEndian.Uint32(rest)] {
			if len(p) > len(rest) && p[:len(rest)] == string(rest) {
				return i
			}
		}
	}
	return len(b)
}

// filter is the state of masking a text that comes in pieces.
type filter struct {
	mask   *Mask
	held   []byte // not passed on yet: a secret may begin here
	hidden int    // so much of held belongs to a secret whose *** was passed on
	masked bool   // what was passed on last is a ***
}

// pass takes more text, and appends to out what can be passed on of it; all: there is no
// more.
func (f *filter) pass(out, more []byte, all bool) []byte {
	b := more
	if len(f.held) > 0 {
		b = append(f.held, more...)
	}
	keep := len(b)
	if !all {
		keep = f.mask.open(b)
	}
	done := f.hidden // b up to here was passed on
	f.mask.matches(b, func(from, to int) {
		switch {
		case from >= keep:
		case from > done || !f.masked:
			out = append(append(out, b[done:from]...), stars...)
			f.masked, done = true, to
		case to > done:
			done = to
		}
	})
	if done < keep {
		out = append(out, b[done:keep]...)
		f.masked, done = false, keep
	}
	f.held = append(f.held[:0], b[keep:]...)
	f.hidden = done - keep
	return out
}

// Text returns a text with its secrets masked.
func (m *Mask) Text(s string) string {
	if m == nil || len(s) < Least {
		return s
	}
	masked, _ := m.text(s)
	return masked
}

func (m *Mask) text(s string) (string, bool) {
	b := []byte(s)
	has := false
	m.matches(b, func(int, int) { has = true })
	if !has {
		return s, false
	}
	f := filter{mask: m}
	return string(f.pass(nil, b, true)), true
}

// Bytes returns a text with its secrets masked: b itself where it has none.
func (m *Mask) Bytes(b []byte) []byte {
	if m == nil || len(b) < Least {
		return b
	}
	f := filter{mask: m}
	if out := f.pass(make([]byte, 0, len(b)), b, true); !bytes.Equal(out, b) {
		return out
	}
	return b
}

// Value returns a plain value with the secrets masked in its texts, in the keys of its
// maps, and in its numbers, which become texts. v is not changed, and shared where it has
// no secret.
func (m *Mask) Value(v any) any {
	if m == nil {
		return v
	}
	masked, _ := m.value(v)
	return masked
}

func (m *Mask) value(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		return m.text(v)
	case int:
		return m.digits(v, strconv.Itoa(v))
	case float64:
		return m.digits(v, strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		return m.list(v)
	case map[string]any:
		return m.fields(v)
	}
	return v, false
}

func (m *Mask) digits(v any, text string) (any, bool) {
	if !m.number {
		return v, false
	}
	if masked, has := m.text(text); has {
		return masked, true
	}
	return v, false
}

func (m *Mask) list(v []any) (any, bool) {
	var out []any
	for i, e := range v {
		if masked, has := m.value(e); has {
			if out == nil {
				out = slices.Clone(v)
			}
			out[i] = masked
		}
	}
	if out == nil {
		return v, false
	}
	return out, true
}

func (m *Mask) fields(v map[string]any) (any, bool) {
	out := make(map[string]any, len(v))
	changed := false
	for _, k := range slices.Sorted(maps.Keys(v)) { // of keys that become the same, the last stays
		key, a := m.text(k)
		e, b := m.value(v[k])
		out[key] = e
		changed = changed || a || b
	}
	if !changed {
		return v, false
	}
	return out, true
}
