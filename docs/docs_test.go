// Package docs_test keeps the documents true: every YAML block is checked as flow
// checks a file, every key of the language stands in its reference and the other
// way round, and so do the command line's commands and flags.
package docs_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flow/dag"
)

// block is a fenced block of a document.
type block struct {
	file string
	line int
	info string // what stands behind the fence
	text string
}

// documents are all Markdown files of the repository, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := os.DirFS("..")
	docs := make(map[string]string)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".md") {
			text, err := fs.ReadFile(root, name)
			docs[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// blocks are the fenced blocks of all documents, in order.
func blocks(t *testing.T) []block {
	t.Helper()
	docs := documents(t)
	var found []block
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		var open *block
		indent := ""
		for k, line := range strings.Split(docs[name], "\n") {
			bare := strings.TrimLeft(line, " ")
			info, fence := strings.CutPrefix(bare, "```")
			switch {
			case fence && open == nil:
				indent = line[:len(line)-len(bare)]
				open = &block{file: name, line: k + 1, info: info}
			case fence:
				found = append(found, *open)
				open = nil
			case open != nil:
				open.text += strings.TrimPrefix(line, indent) + "\n"
			}
		}
		if open != nil {
			t.Errorf("%s:%d: a block without an end", name, open.line)
		}
	}
	return found
}

// workflow is the file that a block of YAML stands for: all of it, entries of
// `tasks`, or keys beside `tasks`.
func (b block) workflow() string {
	switch b.info {
	case "yaml task":
		params := ""
		if strings.Contains(b.text, "params.who") {
			params = "params: { who: world }\n"
		}
		return params + "tasks:\n  " + strings.ReplaceAll(strings.TrimRight(b.text, "\n"), "\n", "\n  ") + "\n"
	case "yaml file":
		return b.text + "tasks: { a: { run: ls } }\n"
	}
	return b.text
}

func render(t *testing.T, found []dag.Diagnostic) string {
	t.Helper()
	var b bytes.Buffer
	if err := dag.WriteDiagnostics(&b, found); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestYAML(t *testing.T) {
	all := blocks(t)
	checked := 0
	for k, b := range all {
		if b.info != "yaml" && !strings.HasPrefix(b.info, "yaml ") {
			continue
		}
		checked++
		name := "orders.yaml"
		w, found := dag.Parse(name, []byte(b.workflow()))
		switch b.info {
		case "yaml", "yaml task", "yaml file":
			if len(found) > 0 {
				t.Errorf("%s:%d:\n%s", b.file, b.line, render(t, found))
				continue
			}
			if _, err := dag.NewPlan(w); err != nil {
				t.Errorf("%s:%d: %v", b.file, b.line, err)
			}
		case "yaml error":
			if w != nil {
				t.Errorf("%s:%d: it should be wrong", b.file, b.line)
			}
			if k+1 < len(all) && all[k+1].info == "findings" {
				if got := render(t, found); got != all[k+1].text {
					t.Errorf("%s:%d: the findings are\n%s", all[k+1].file, all[k+1].line, got)
				}
			}
		default:
			t.Errorf("%s:%d: what is %q?", b.file, b.line, b.info)
		}
	}
	if checked < 10 {
		t.Errorf("only %d blocks of YAML were found", checked)
	}
}

// TestExpressions evaluates the lines of `expr` blocks: expression → value.
func TestExpressions(t *testing.T) {
	lines := 0
	for _, b := range blocks(t) {
		if b.info != "expr" {
			continue
		}
		for line := range strings.Lines(b.text) {
			source, want, ok := strings.Cut(strings.TrimSpace(line), "→")
			if !ok {
				t.Errorf("%s:%d: %q says no value", b.file, b.line, line)
				continue
			}
			lines++
			source, want = strings.TrimSpace(source), strings.TrimSpace(want)
			if got := evaluate(t, source); got != compact(t, want) {
				t.Errorf("%s:%d: %s is %s, not %s", b.file, b.line, source, got, want)
			}
		}
	}
	if lines == 0 {
		t.Error("no expression was found")
	}
}

// evaluate is an expression's value as JSON.
func evaluate(t *testing.T, source string) string {
	t.Helper()
	quoted, err := json.Marshal(source)
	if err != nil {
		t.Fatal(err)
	}
	w, found := dag.Parse("x.yaml", []byte("tasks: { x: { expr: "+string(quoted)+" } }\n"))
	if w == nil {
		return render(t, found)
	}
	v, err := w.Tasks[0].Action.(dag.Compute).Expr.Eval(&dag.Scope{Workflow: w, Task: w.Tasks[0], Run: &dag.RunInfo{}})
	if err != nil {
		return err.Error()
	}
	text, err := dag.EncodeJSON(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b.String()
}

var (
	tableOf  = regexp.MustCompile(`(?m)^<!-- keys: (\w+) -->\n((?:\|.*\n)+)`)
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// TestKeys: the reference has every key of the language, and no other.
func TestKeys(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(dag.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"workflow": slices.Sorted(maps.Keys(schema.Properties))}
	for name, def := range schema.Defs {
		if len(def.Properties) > 0 {
			want[name] = slices.Sorted(maps.Keys(def.Properties))
		}
	}
	got := make(map[string][]string)
	for _, m := range tableOf.FindAllStringSubmatch(documents(t)["docs/language.md"], -1) {
		for line := range strings.Lines(m[2]) {
			for _, key := range codeSpan.FindAllStringSubmatch(strings.SplitN(line, "|", 3)[1], -1) {
				got[m[1]] = append(got[m[1]], key[1])
			}
		}
	}
	for name, keys := range want {
		for _, key := range keys {
			if !slices.Contains(got[name], key) {
				t.Errorf("language.md: %s has the key %s, which no table has", name, key)
			}
		}
	}
	for name, keys := range got {
		for _, key := range keys {
			if !slices.Contains(want[name], key) && !inHead(name, key) {
				t.Errorf("language.md: a table says that %s has a key %s", name, key)
			}
		}
	}
}

// inHead reports whether a word of a table's first column is no key: the key that
// the table is about, in its head, or a value in place of the long form.
func inHead(table, word string) bool {
	return word == table || table == "trigger" && word == "on" || table == "result" && slices.Contains([]string{"text", "json", "lines", "none"}, word)
}

// TestLinks: what a document links to within the repository is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	for name, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := name
			if m[1] != "" {
				if strings.Contains(m[1], "://") {
					continue
				}
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: there is no %s", name, target)
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(t, target), m[2]) {
				t.Errorf("%s: %s has no heading %s", name, target, m[2])
			}
		}
	}
}

// anchors are the fragments that a document's headings have on the web.
func anchors(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	var found []string
	for line := range strings.Lines(string(text)) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			plain := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			found = append(found, "#"+strings.ReplaceAll(plain, " ", "-"))
		}
	}
	return found
}

// TestPicture: the run that the README shows has the tasks and the outputs of the
// main example.
func TestPicture(t *testing.T) {
	const name = "examples/workflows/weather.yaml"
	w, found, err := dag.Load(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil || w == nil {
		t.Fatalf("%v\n%s", err, render(t, found))
	}
	var wantTasks, wantOutputs []string
	for _, task := range w.Tasks {
		wantTasks = append(wantTasks, task.ID)
	}
	for _, o := range w.Outputs {
		wantOutputs = append(wantOutputs, o.Name)
	}
	shown := blocks(t)
	k := slices.IndexFunc(shown, func(b block) bool { return strings.HasPrefix(b.text, "$ flow run "+name+"\n") })
	if k < 0 {
		t.Fatal("no document shows a run of the main example")
	}
	var tasks, outputs []string
	for line := range strings.Lines(shown[k].text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "  ✓ "):
			tasks = append(tasks, words[1])
		case strings.HasPrefix(line, "  "):
			outputs = append(outputs, words[0])
		}
	}
	slices.Sort(tasks)
	slices.Sort(wantTasks)
	if !slices.Equal(tasks, wantTasks) || !slices.Equal(outputs, wantOutputs) {
		t.Errorf("%s:%d shows the tasks %v and the outputs %v; the example has %v and %v",
			shown[k].file, shown[k].line, tasks, outputs, wantTasks, wantOutputs)
	}
}
