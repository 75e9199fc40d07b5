package dag

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// scalarIn parses a file and returns the value of its key `k`.
func scalarIn(t interface{ Fatalf(string, ...any) }, file string) (*node, *source) {
	var doc node
	if err := yaml.Unmarshal([]byte(file), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, file)
	}
	if v := find(doc.Content[0], "k"); v != nil {
		return v, newSource("f", file)
	}
	t.Fatalf("no key k:\n%s", file)
	return nil, nil
}

// TestScalarPlaces finds a letter of a scalar's value in the file, in every
// style that YAML has.
func TestScalarPlaces(t *testing.T) {
	files := map[string]string{
		"plain":                "k: abc X def\n",
		"plain, anchored":      "k: &a   abc X\nj: 1\n",
		"plain, tagged":        "k: !!str   abc X\n",
		"plain, folded":        "k: abc\n  def\n  X ghi\n",
		"plain, blank lines":   "k: abc\n\n\n  X ghi\n",
		"double":               `k: "abc X"` + "\n",
		"double, escapes":      `k: "a\tb\"c\\ \u00e9\x41\U0001F600 X"` + "\n",
		"double, folded":       "k: \"abc\n   def\n\n   X\"\n",
		"double, escaped line": "k: \"abc \\\n   def X\"\n",
		"single":               "k: 'it''s X'\n",
		"single, folded":       "k: 'abc\n   d''ef\n\n   X'\n",
		"literal":              "k: |\n  abc\n    def\n\n  X ghi\n",
		"literal, first line":  "k: |\n\n\n  X ghi\n",
		"literal, indicator":   "k: |2-\n    abc\n  X\n",
		"literal, deep":        "a:\n  b:\n    - 1\nk:\n      |+\n      abc\n      X\n\n",
		"literal, CRLF":        "k: |\r\n  abc\r\n  X\r\n",
		"literal, comment":     "k: | # why\n  abc\n  éX\n",
		"folded":               "k: >\n  abc\n  def\n  X ghi\n",
		"folded, paragraphs":   "k: >-\n  abc\n  def\n\n  X ghi\n",
		"wide":                 "k: 日本語 X\n",
		"wide before":          "日本: 1\nk: 'é日 X'\n",
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			n, src := scalarIn(t, file)
			txt := scalarText(n, src)
			p := txt.at(strings.IndexByte(txt.s, 'X'))
			line := []rune(src.line(p.Line))
			if p.Col < 1 || p.Col > len(line) || line[p.Col-1] != 'X' {
				t.Errorf("X is at %v, which is not it:\n%s", p, file)
			}
		})
	}
}

// TestScalarPlacesHold checks every letter of random texts in random styles.
func TestScalarPlacesHold(t *testing.T) {
	styles := map[string]yaml.Style{
		"plain": 0, "single": yaml.SingleQuotedStyle, "double": yaml.DoubleQuotedStyle, "literal": yaml.LiteralStyle,
	}
	names := slices.Sorted(maps.Keys(styles))
	word := rapid.StringMatching(`[a-zé日"'\\#:{}$]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		style := rapid.SampledFrom(names).Draw(t, "style")
		sep := " "
		if style == "literal" || style == "double" {
			sep = rapid.SampledFrom([]string{" ", "\n", "\n\n", "\n  "}).Draw(t, "separator")
		}
		value := strings.Join(rapid.SliceOfN(word, 1, 20).Draw(t, "words"), sep)
		out, err := yaml.Marshal(&node{Kind: mapKind, Content: []*node{
			{Kind: scalarKind, Value: "é"}, {Kind: scalarKind, Value: "1"},
			{Kind: scalarKind, Value: "k"}, {Kind: scalarKind, Tag: "!!str", Value: value, Style: styles[style]},
		}})
		if err != nil {
			t.Fatal(err)
		}
		n, src := scalarIn(t, string(out))
		txt := scalarText(n, src)
		if txt.s != value {
			t.Fatalf("value %q became %q", value, txt.s)
		}
		for i, r := range txt.s {
			if r == ' ' || r == '\n' {
				continue
			}
			p := txt.at(i)
			line := []rune(src.line(p.Line))
			ok := p.Col >= 1 && p.Col <= len(line)
			if ok && line[p.Col-1] != r {
				// An escape stands for the letter: at its backslash.
				ok = n.Style&doubleQuoted != 0 && line[p.Col-1] == '\\'
			}
			if !ok {
				t.Fatalf("%q of %q (at %d, style %v) is at %v, which is not it:\n%s", r, txt.s, i, n.Style, p, out)
			}
		}
	})
}

// TestOffsetsAndPlaces goes from offsets to places and back.
func TestOffsetsAndPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching("([a-c é日\n]|\r\n|\u2028){0,60}").Draw(t, "text")
		src := newSource("f", text)
		for i := range text {
			p := src.pos(i)
			if got := src.offset(p); got != i {
				t.Fatalf("offset %d of %q is at %v, which is offset %d", i, text, p, got)
			}
		}
		for i := len(text) - 1; i >= 0; i-- { // against the memo
			if c := text[i]; c < 0x80 {
				if got := src.offset(src.pos(i)); got != i {
					t.Fatalf("backwards: offset %d of %q became %d", i, text, got)
				}
			}
		}
		if got := src.offset(Pos{len(src.lines) + 5, 1}); got != len(text) {
			t.Fatalf("a place behind the end is offset %d of %d", got, len(text))
		}
	})
}

// TestLinesAreTheLibrarys: our lines are those that the YAML library counts,
// else every finding behind an odd line break would be off.
func TestLinesAreTheLibrarys(t *testing.T) {
	for _, br := range []string{"\n", "\r\n", "\r", "\u0085", "\u2028", "\u2029"} {
		file := fmt.Sprintf("a: 1%sb: 2%s# c%s%sk: X%s", br, br, br, br, br)
		n, src := scalarIn(t, file)
		if n.Line != 5 || src.line(n.Line) != "k: X" {
			t.Errorf("break %q: the library says line %d, which is %q", br, n.Line, src.line(n.Line))
		}
	}
}
