package arch

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// table reads a table of docs/architecture.md by the first cell of its head: each
// row's first cell, and the names in its last one. A cell of names has them in
// backquotes with commas between, or is – for none.
func table(t *testing.T, head string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n| "+head+" |")
	if !found {
		t.Fatalf("docs/architecture.md has no table of %s", head)
	}
	rows := make(map[string][]string)
	for k, line := range strings.Split(rest, "\n") {
		if k < 2 { // the rest of its head, and the rule below
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		name, last := names(t, cells[0]), names(t, cells[len(cells)-1])
		if len(name) != 1 || len(cells) != 3 {
			t.Fatalf("docs/architecture.md: %s", line)
		}
		if _, twice := rows[name[0]]; twice {
			t.Errorf("docs/architecture.md: %s twice", name[0])
		}
		rows[name[0]] = last
	}
	if len(rows) == 0 {
		t.Fatalf("docs/architecture.md: the table of %s is empty", head)
	}
	return rows
}

var nameCell = regexp.MustCompile("^`[^`]+`(, `[^`]+`)*$")

func names(t *testing.T, cell string) []string {
	t.Helper()
	cell = strings.TrimSpace(cell)
	if cell == "–" {
		return nil
	}
	if !nameCell.MatchString(cell) {
		t.Fatalf("docs/architecture.md: %q is no list of names", cell)
	}
	return strings.Split(strings.Trim(cell, "`"), "`, `")
}

// imports are the paths that a file imports.
func (f *file) imports(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// TestPackages holds the table of packages: all are in it, and each imports those
// alone that it says.
func TestPackages(t *testing.T) {
	mayImport := table(t, "package")
	seen := make(map[string]bool)
	for _, f := range source(t) {
		seen[f.dir] = true
		allowed, known := mayImport[f.dir]
		if !known {
			t.Errorf("%s: package %s is not in the table of packages in docs/architecture.md", f.name, f.dir)
			continue
		}
		for _, imported := range f.imports(t) {
			if ours, ok := strings.CutPrefix(imported, "flow/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which %s may not", f.path(), ours, f.dir)
			}
		}
	}
	for name, allowed := range mayImport {
		for _, p := range append(allowed, name) {
			if !seen[p] {
				t.Errorf("docs/architecture.md: there is no package %s", p)
			}
		}
	}
}

// TestLibraries holds the table of libraries: all are in it, and are imported by
// the files and packages alone that it says, by each of them.
func TestLibraries(t *testing.T) {
	importedBy := table(t, "library")
	uses := make(map[string][]string) // files and packages by library
	for _, f := range source(t) {
		for _, imported := range f.imports(t) {
			domain, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(domain, ".") {
				continue // the standard library, or ours
			}
			library := ""
			for l := range importedBy {
				if imported == l || strings.HasPrefix(imported, l+"/") {
					library = l
				}
			}
			if library == "" {
				t.Errorf("%s imports %s, which is not in the table of libraries in docs/architecture.md", f.path(), imported)
				continue
			}
			uses[library] = append(uses[library], f.path(), f.dir)
			if places := importedBy[library]; !slices.Contains(places, f.path()) && !slices.Contains(places, f.dir) {
				t.Errorf("%s imports %s, which may be imported by %s only", f.path(), imported, strings.Join(places, ", "))
			}
		}
	}
	for _, library := range slices.Sorted(maps.Keys(importedBy)) {
		for _, place := range importedBy[library] {
			if !slices.Contains(uses[library], place) {
				t.Errorf("docs/architecture.md: %s does not import %s", place, library)
			}
		}
	}
}

// path is where the file is in the module.
func (f *file) path() string { return path.Join(f.dir, f.name) }
