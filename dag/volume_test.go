package dag

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// treeSize is how many nodes the library makes of a text, the document's aside; 0
// where it does not parse.
func treeSize(text string) int {
	s := newSource("x", text)
	root, err := s.document(text)
	if err != nil || root == nil || len(s.found) > 0 {
		return 0
	}
	n := 0
	var walk func(*yaml.Node)
	walk = func(x *yaml.Node) {
		n++
		for _, c := range x.Content {
			walk(c)
		}
	}
	walk(root)
	return n
}

func estimate(text string) int {
	v := volume{s: text}
	v.exceeds(1 << 40)
	return v.n
}

// TestVolume: the count never says more than there is, lest a good file be
// refused, and not much less than half of it.
func TestVolume(t *testing.T) {
	texts := []string{
		"a: b", "a:\n- b\n- c: d\n  e: f\n", "a:\n-\n-\n-\n", "{a: b, c: [d, e], 'f': \"g\", h: , i}", "[[], {}, [a]]", "? a\n: b\n? [c]\n: d\n", "a: !!str b\nc: &x d\ne: *x\n",
		"a: |\n  b: c\n\n  d: e\nf: g\n", "a:\n  - b: >-\n      c: d\n      - e\n    f: g\n  - |\n    h: i\n  - j\n", "a:\n  |\n  b: c\nd: e\n", "a: 'b: c\n  d: e, ''f'': g'\nh: i\n", "a: \"b\\\" c: d\n\n  e: f\"\n",
		"a: b # c: d\n# e: f\ng: h\n", "a: b\n  c\n  d\ne: http://x:1/y#z\n", "a: [b, # c, d\n  http://x:80/y, {e: f}]\n", "a: b\rc: d\r", "a: b\r\nc: |\r\n  d: e\r\nf: g\r\n", "- - - a\n    - b\n", "a: it's, \"so\": [x\n", "--- \na: b\n...\n",
		strings.Repeat("k: ", 1) + strings.Repeat("[a,", 50) + "b" + strings.Repeat("]", 50), `{"a":"b","c":{"d":[1,2,3]}}`, "a: |2\n   b: c\n  d: e\nf: g\n",
	}
	for _, dir := range []string{"testdata/good/*.yaml", "../examples/workflows/*.yaml"} {
		paths, _ := filepath.Glob(dir)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(b))
		}
	}
	if len(texts) < 25 {
		t.Errorf("%d texts", len(texts))
	}
	for _, text := range texts {
		if got, n := estimate(text), treeSize(text); n > 0 && (got > n || got*5 < n*2-10) {
			t.Errorf("%d of %d:\n%s", got, n, text)
		}
	}
}
