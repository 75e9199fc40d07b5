package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoBlocksOfFuturesAreExamples: each Go block of futures.md is the body of an
// example of package executor, whose output is tested there, and the other way round.
func TestGoBlocksOfFuturesAreExamples(t *testing.T) {
	bodies := exampleBodies(t, filepath.Join("..", "executor", "example_docs_test.go"))
	for _, b := range blocks(t) {
		if b.file != "docs/futures.md" || b.info != "go" {
			continue
		}
		if name, ok := bodies[b.text]; ok {
			delete(bodies, b.text)
			t.Logf("line %d is %s", b.line, name)
			continue
		}
		t.Errorf("%s:%d: no example of executor/example_docs_test.go has this body:\n%s", b.file, b.line, b.text)
	}
	for _, name := range bodies {
		t.Errorf("executor/example_docs_test.go: %s is not in docs/futures.md", name)
	}
}

// exampleBodies returns the names of a file's examples by their bodies, with one tab less.
func exampleBodies(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	bodies := make(map[string]string)
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		body := text[set.Position(fn.Body.Lbrace).Offset+2 : set.Position(fn.Body.Rbrace).Offset]
		bodies[strings.TrimPrefix(strings.ReplaceAll("\n"+string(body), "\n\t", "\n"), "\n")] = fn.Name.Name
	}
	return bodies
}
