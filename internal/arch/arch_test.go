package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// file is one Go source file that is no test.
type file struct {
	dir, name string
	ast       *ast.File
}

// source parses all files. It reads them itself: a
// test that asks `go list` is answered from the test cache when only imports
// have changed.
func source(t *testing.T) []file {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	var files []file
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bench") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{path.Dir(p), path.Base(p), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files found: is the test looking at the right folder?", len(files))
	}
	return files
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said := make(map[string]int)
	for _, f := range source(t) {
		said[f.dir] += 0
		if doc := f.ast.Doc.Text(); doc != "" {
			said[f.dir]++
			if f.dir != "cmd/flow" && !strings.HasPrefix(doc, "Package "+path.Base(f.dir)+" ") {
				t.Errorf("%s/%s: its comment does not begin with Package %s", f.dir, f.name, path.Base(f.dir))
			}
		}
	}
	for dir, n := range said {
		if n != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, n)
		}
	}
}

func TestNoAttic(t *testing.T) {
	for _, f := range source(t) {
		switch path.Base(f.dir) {
		case "util", "utils", "common", "helper", "helpers", "types", "pkg", "misc":
			t.Errorf("%s: a package's name says what it is for", f.dir)
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s/%s has an init function: wiring happens in internal/cli", f.dir, f.name)
			}
		}
	}
}
