package dag

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// node is a piece of a parsed file. This is the only file that knows the YAML
// library, so its successor is one import away.
type node = yaml.Node

// quoted are the styles in which a scalar is text whatever it looks like.
const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalarValue is what a scalar stands for: of unquoted ones null, true, false
// and decimal numbers are those (int where whole, else float64), everything
// else is text as written. YAML's other spellings (`yes`, `0644`, `0x1f`,
// `1_000`, dates) are text: the same letters mean the same in each place.
func scalarValue(n *node) any {
	explicit := n.Style&yaml.TaggedStyle != 0
	if explicit && n.Tag == "!!str" || !explicit && n.Style&quoted != 0 {
		return n.Value
	}
	switch n.Value {
	case "", "~", "null":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	switch numberKind(n.Value) {
	case wholeNumber:
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case fraction:
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}

type numberShape uint8

const (
	noNumber numberShape = iota
	wholeNumber
	fraction
)

// numberKind says whether s is a decimal number as JSON writes them.
func numberKind(s string) numberShape {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	if !digits() || s[first] == '0' && i > first+1 {
		return noNumber
	}
	kind := wholeNumber
	if i < len(s) && s[i] == '.' {
		kind = fraction
		i++
		if !digits() {
			return noNumber
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		kind = fraction
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return noNumber
		}
	}
	if i < len(s) {
		return noNumber
	}
	return kind
}
