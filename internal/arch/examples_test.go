package arch

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shown are the packages that others program against: each function of them has an
// example, whose output is checked.
var shown = []string{"futures", "executor"}

// unshown are functions that need no example, or have none yet.
var unshown = map[string][]string{
	"futures": {"NodeOf", "AsWaitError"}, // the seam to executor: they name internal types
	"executor": {
		"Sweep", "SweepAfter", // for flow itself
	},
}

func TestEveryFunctionHasAnExample(t *testing.T) {
	for _, dir := range shown {
		shown := examples(t, dir)
		for _, f := range source(t) {
			if f.dir != dir {
				continue
			}
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Recv != nil || !fn.Name.IsExported() || slices.Contains(unshown[dir], fn.Name.Name) {
					continue
				}
				if !shown[fn.Name.Name] {
					t.Errorf("%s.%s has no example", dir, fn.Name.Name)
				}
			}
		}
	}
}

// examples returns what the examples of a package are of. One without an output is
// compiled and not run, so it is none.
func examples(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", dir, "*_test.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no tests found: %v", dir, err)
	}
	of := make(map[string]bool)
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range doc.Examples(f) {
			if e.Output == "" && !e.EmptyOutput {
				t.Errorf("%s: %s has no output", name, e.Name)
				continue
			}
			what, _, _ := strings.Cut(e.Name, "_")
			of[what] = true
		}
	}
	return of
}
