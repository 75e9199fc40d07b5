package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the table of docs/architecture.md: which of our packages each of
// them may import. Tests may import more, so only the rest is looked at.
var mayImport = map[string][]string{
	"internal/task":   {},
	"internal/cron":   {},
	"internal/arch":   {},
	"futures":         {"internal/task"},
	"dag":             {"internal/cron"},
	"executor":        {"futures", "internal/task"},
	"internal/run":    {"dag"},
	"internal/sim":    {"dag", "internal/run"},
	"internal/action": {"dag", "executor", "futures"},
	"engine":          {"dag", "executor", "futures", "internal/run", "internal/action"},
	"internal/home":   {},
	"internal/cli":    {"dag", "internal/cron", "internal/home", "internal/run", "internal/sim", "internal/action", "engine"},
	"cmd/flow":        {"internal/cli"},
}

// onlyIn names the files that may import a library which is to stay replaceable,
// per package directory. A package that is not named may not import it at all.
var onlyIn = map[string]map[string]string{
	"gopkg.in/yaml.v3":                {"dag": "parse.go"},
	"github.com/expr-lang/expr":       {"dag": "expr.go"},
	"github.com/robfig/cron/v3":       {"internal/cron": "fields.go"},
	"github.com/spf13/cobra":          {"internal/cli": ""},
	"mvdan.cc/sh/v3":                  {"dag": "script.go", "internal/action": "shell.go"},
	"golang.org/x/term":               {"internal/cli": ""},
	"github.com/mattn/go-runewidth":   {"internal/cli": "", "dag": ""},
	"github.com/oklog/ulid/v2":        {"engine": "", "internal/home": ""},
	"github.com/google/jsonschema-go": {},
}

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

func TestImports(t *testing.T) {
	for _, f := range source(t) {
		allowed, known := mayImport[f.dir]
		if !known {
			t.Errorf("%s: package %s is not in the table of packages: add it here and to docs/architecture.md", f.name, f.dir)
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if ours, ok := strings.CutPrefix(imported, "flow/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s/%s imports %s, which %s may not", f.dir, f.name, ours, f.dir)
			}
			for library, places := range onlyIn {
				if imported != library && !strings.HasPrefix(imported, library+"/") {
					continue
				}
				if only, ok := places[f.dir]; !ok || only != "" && !strings.HasPrefix(f.name, strings.TrimSuffix(only, ".go")) {
					t.Errorf("%s/%s imports %s, which may be imported in %v only", f.dir, f.name, imported, places)
				}
			}
		}
	}
}

// TestPure: what stands left of the drivers has no clock, no goroutines to wait
// for, no disk, no network and no randomness.
func TestPure(t *testing.T) {
	impure := []string{"os", "os/exec", "net", "net/http", "math/rand", "math/rand/v2", "syscall", "context", "sync"}
	allowed := map[string][]string{
		"dag":           {"os", "sync"}, // Load reads a file; caches of compiled programs are shared between goroutines
		"internal/run":  nil,
		"internal/cron": {"sync"},
	}
	for _, f := range source(t) {
		exceptions, pure := allowed[f.dir]
		if !pure {
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if slices.Contains(impure, imported) && !slices.Contains(exceptions, imported) {
				t.Errorf("%s/%s imports %s, but %s is pure", f.dir, f.name, imported, f.dir)
			}
		}
	}
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
