package dag

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// FuzzParse: no text makes the parser panic; a workflow comes back exactly if
// there is no error; each finding has a place in the file, and can be shown.
func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/good/*.yaml")
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	archives, _ := filepath.Glob("testdata/findings/*.txtar")
	for _, a := range archives {
		_, sections := readArchive(f, a)
		for _, s := range sections {
			if filepath.Ext(s.name) == ".yaml" {
				f.Add([]byte(s.text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w, found := Parse("f.yaml", text)
		errors := countErrors(found)
		if (w == nil) != (errors > 0) {
			t.Fatalf("workflow %v with %d errors", w != nil, errors)
		}
		lines := newSource("f.yaml", string(text)).lines
		for i, d := range found {
			if d.Message == "" || d.File != "f.yaml" {
				t.Fatalf("finding without message or file: %+v", d)
			}
			if !utf8.ValidString(d.Render()) && utf8.Valid(text) {
				t.Fatalf("not UTF-8: %q", d.Render())
			}
			if d.Pos.Line == 0 {
				continue
			}
			if d.Pos.Line < 1 || d.Pos.Line > len(lines) || d.Pos.Col < 1 || d.Pos.Col > utf8.RuneCountInString(d.Source)+1 || d.Len < 1 {
				t.Fatalf("no place in the file: %+v", d)
			}
			if i > 0 && (found[i-1].Pos.Line > d.Pos.Line || found[i-1].Pos.Line == d.Pos.Line && found[i-1].Pos.Col > d.Pos.Col) {
				t.Fatalf("not sorted: %+v before %+v", found[i-1], d)
			}
		}
		if w == nil {
			return
		}
		if _, err := NewPlan(w); err != nil {
			t.Fatalf("no plan of a checked workflow: %v", err)
		}
	})
}
