package dag

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"pgregory.net/rapid"
)

func TestRender(t *testing.T) {
	for _, c := range []struct {
		d    Diagnostic
		want string
	}{
		{Diagnostic{File: "a.yaml", Message: "the file is UTF-16"}, "a.yaml: the file is UTF-16\n"},
		{Diagnostic{File: "orders.yaml", Pos: Pos{14, 22}, Len: 3, Message: `tasks.lod: no such task; did you mean "load"?`, Source: `    expr: "sum(tasks.lod.result, .loaded)"`}, `orders.yaml:14:22: tasks.lod: no such task; did you mean "load"?
   14 |     expr: "sum(tasks.lod.result, .loaded)"
      |                      ^^^
`},
		{Diagnostic{File: "a.yaml", Pos: Pos{1, 1}, Len: 1, Warning: true, Message: "m", Source: "x"}, "a.yaml:1:1: warning: m\n    1 | x\n      | ^\n"},
		{Diagnostic{File: "a", Pos: Pos{123456, 3}, Len: 2, Message: "m", Source: "日本ab"}, "a:123456:3: m\n123456 | 日本ab\n      |     ^^\n"},
		{Diagnostic{File: "a", Pos: Pos{1, 2}, Len: 50, Message: "m", Source: "\tab"}, "a:1:2: m\n    1 | \tab\n      | \t^^\n"},
		{Diagnostic{File: "a", Pos: Pos{1, 9}, Len: 0, Message: "m", Source: "ab"}, "a:1:9: m\n    1 | ab\n      |   ^\n"},
		{Diagnostic{File: "a\x1b[2J", Pos: Pos{1, 3}, Len: 1, Message: "m\u202e", Source: "a\x1bb\u2066"}, "a\ufffd[2J:1:3: m\ufffd\n    1 | a\ufffdb\ufffd\n      |   ^\n"},
	} {
		if got := c.d.Render(); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestFinding(t *testing.T) {
	w, found := Parse("a.yaml", []byte("# é\ntasks:\n  a: { run: ls }\n"))
	if w == nil {
		t.Fatal(found)
	}
	want := "a.yaml:3:3: task a: no\n    3 |   a: { run: ls }\n      |   ^\n"
	if got := w.Finding(w.Tasks[0].Pos, "task %s: no", "a").Render(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := w.Finding(Pos{}, "all of it").Render(); got != "a.yaml: all of it\n" {
		t.Error(got)
	}
	if got := w.Finding(Pos{99, 1}, "nowhere").Source; got != "" {
		t.Error(got)
	}
	if got := (&Workflow{File: "b"}).Finding(Pos{1, 2}, "built in Go").String(); got != "b:1:2: built in Go" {
		t.Error(got)
	}
}

// TestLongLines: whatever the line and the place, what is shown fits, and the
// caret stands below its character.
func TestLongLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.StringOfN(rapid.RuneFrom([]rune("ab 日é")), 100, 600, -1).Draw(t, "line")
		runes := []rune(source)
		col := rapid.IntRange(1, len(runes)).Draw(t, "column")
		runes[col-1] = 'X'
		d := Diagnostic{File: "f", Pos: Pos{1, col}, Len: rapid.IntRange(1, 300).Draw(t, "length"), Source: string(runes)}
		line, indent, carets := d.snippet()
		if w := runewidth.StringWidth(line); w > maxWidth {
			t.Fatalf("%d columns: %s", w, line)
		}
		before, _, ok := strings.Cut(line, "X")
		if !ok || runewidth.StringWidth(before) != len(indent) {
			t.Fatalf("X is not above the caret:\n%s\n%s^", line, indent)
		}
		if len(indent)+carets > maxWidth {
			t.Fatalf("carets reach column %d", len(indent)+carets)
		}
	})
}

func TestWriteDiagnostics(t *testing.T) {
	at := func(line int, warning bool) Diagnostic {
		return Diagnostic{File: "f", Pos: Pos{line, 1}, Len: 1, Warning: warning, Message: "m", Source: "x"}
	}
	var found []Diagnostic
	for i := 1; i <= 30; i++ {
		found = append(found, at(i, i%2 == 0 && i < 29)) // 16 errors, 14 warnings
	}
	var b bytes.Buffer
	if err := WriteDiagnostics(&b, found); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 61 || lines[60] != "f: 10 more findings" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if n := strings.Count(b.String(), "warning"); n != 4 {
		t.Errorf("%d warnings; errors go first", n)
	}
	if !strings.HasPrefix(lines[57], "f:30:1: m") {
		t.Errorf("the last shown is %s", lines[57])
	}
	b.Reset()
	if err := WriteDiagnostics(&b, found[:21]); err != nil || !strings.HasSuffix(b.String(), "f: 1 more finding\n") {
		t.Error(b.String())
	}
	b.Reset()
	if err := WriteDiagnostics(&b, nil); err != nil || b.Len() > 0 {
		t.Error(b.String())
	}
}

// TestFindingsAreBounded: errors are not lost behind warnings, and what is not kept
// is counted.
func TestFindingsAreBounded(t *testing.T) {
	n := maxFindings + 1000
	_, found := Parse("f.yaml", []byte(oneTask+manyLines(n, "k#: 1")))
	if len(found) != maxFindings+1 {
		t.Fatalf("%d findings, not %d", len(found), maxFindings+1)
	}
	if got, want := found[maxFindings].String(), "f.yaml: 1000 further findings were only counted; mend these first"; got != want {
		t.Errorf("the last finding is %q, not %q", got, want)
	}
	var b strings.Builder
	if err := WriteDiagnostics(&b, found); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("f.yaml: %d more findings\nf.yaml: 1000 further findings were only counted; mend these first\n", maxFindings-maxShown)
	if !strings.HasSuffix(b.String(), want) {
		t.Errorf("printed:\n%s\nwant at the end:\n%s", b.String()[max(0, b.Len()-300):], want)
	}

	src := newSource("f.yaml", strings.Repeat("x\n", n))
	for i := range n {
		src.warnAt(Pos{i + 1, 1}, 1, "odd")
	}
	src.errorAt(Pos{n, 1}, 1, "wrong")
	if found := src.findings(); !src.failed() || !slices.ContainsFunc(found, func(d Diagnostic) bool { return !d.Warning && d.Message == "wrong" }) {
		t.Error("an error was lost behind warnings")
	}
}
