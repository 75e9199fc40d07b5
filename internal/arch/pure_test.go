package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure are the packages left of the drivers. They have no clock, no goroutine, no
// disk, no network and no randomness.
var pure = []string{"dag", "internal/cron", "internal/layout", "internal/run", "internal/sim"}

// exceptions are what files of them may import or use all the same.
var exceptions = map[string][]string{
	"dag/parse.go":   {"os"},   // Load reads a file
	"dag/compile.go": {"sync"}, // the memory of compiled expressions is used again
	"dag/expr.go":    {"sync"}, // by all who evaluate at the same time
	"dag/lazily.go":  {"sync"}, // what is made once, whoever asks first
}

// impure are packages, with all below them but harmless, that are, or wait for,
// something outside.
var (
	impure   = []string{"os", "net", "syscall", "golang.org/x/sys", "log", "math/rand", "crypto/rand", "context", "sync"}
	harmless = []string{"net/url", "net/netip"}
)

// impureNames are what is impure of packages that are not so as a whole.
var impureNames = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker", "Local"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// impurities lists what of a file is impure.
func impurities(f *ast.File) []string {
	var found []string
	called := make(map[string]string) // packages by the names that they have in the file
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		for _, p := range impure {
			if (imported == p || strings.HasPrefix(imported, p+"/")) && !slices.Contains(harmless, imported) {
				found = append(found, imported)
			}
		}
		if _, partly := impureNames[imported]; !partly {
			continue
		}
		switch {
		case spec.Name == nil:
			called[imported] = imported
		case spec.Name.Name == ".":
			found = append(found, imported+" by dot")
		default:
			called[spec.Name.Name] = imported
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "go")
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && slices.Contains(impureNames[called[id.Name]], n.Sel.Name) {
				found = append(found, called[id.Name]+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestPure(t *testing.T) {
	needed := make(map[string]bool)
	seen := make(map[string]bool)
	for _, f := range source(t) {
		if !slices.Contains(pure, f.dir) {
			continue
		}
		seen[f.dir] = true
		for _, what := range impurities(f.ast) {
			if slices.Contains(exceptions[f.path()], what) {
				needed[f.path()+" "+what] = true
				continue
			}
			t.Errorf("%s uses %s, but %s is pure", f.path(), what, f.dir)
		}
	}
	for name, all := range exceptions {
		for _, what := range all {
			if !needed[name+" "+what] {
				t.Errorf("%s need not be allowed %s", name, what)
			}
		}
	}
	for _, dir := range pure {
		if !seen[dir] {
			t.Errorf("there is no package %s", dir)
		}
	}
}

// TestImpurities: what TestPure looks with sees what it has to.
func TestImpurities(t *testing.T) {
	for _, c := range []struct{ imports, body, want string }{
		{`"time"`, `_ = time.Now()`, "[time.Now]"},
		{`"time"`, `clock := time.Now; _ = clock`, "[time.Now]"},
		{`clock "time"`, `<-clock.After(clock.Second)`, "[time.After]"},
		{`"time"`, `time.Sleep(1); _ = time.NewTimer(1); _ = time.NewTicker(1)`, "[time.Sleep time.NewTimer time.NewTicker]"},
		{`. "time"`, `_ = Now()`, "[time by dot]"},
		{`"time"`, `var t time.Time; _ = t.After(t); _ = time.UnixMilli(1)`, "[]"},
		{`"fmt"`, `fmt.Println()`, "[fmt.Println]"},
		{`"fmt"`, `_ = fmt.Sprint()`, "[]"},
		{`"math/rand/v2"`, `_ = rand.Int()`, "[math/rand/v2]"},
		{`"os/exec"`, `_ = exec.Command("x")`, "[os/exec]"},
		{`"net/url"`, `_ = url.QueryEscape("x")`, "[]"},
		{`"sync/atomic"`, `var _ atomic.Int32`, "[sync/atomic]"},
		{`"strings"`, `go strings.ToUpper("x")`, "[go]"},
		{`"strings"`, `func() { defer func() { go f() }() }()`, "[go]"},
	} {
		text := "package p\nimport " + c.imports + "\nfunc f() { " + c.body + " }"
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(impurities(f)); got != c.want {
			t.Errorf("%s: %s: got %s, want %s", c.imports, c.body, got, c.want)
		}
	}
}
