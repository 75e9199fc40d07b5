package dag

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mustParse parses a file that has no errors.
func mustParse(t testing.TB, file string) *Workflow {
	t.Helper()
	w, found := Parse("dir/orders.yaml", []byte(file))
	if w == nil {
		var b strings.Builder
		_ = WriteDiagnostics(&b, found)
		t.Fatalf("%s\n%s", b.String(), file)
	}
	return w
}

func taskOf(t testing.TB, w *Workflow, id string) *Task {
	t.Helper()
	task, ok := w.Task(id)
	if !ok {
		t.Fatalf("no task %s", id)
	}
	return task
}

func load(t *testing.T, path string) *Workflow {
	t.Helper()
	w, found, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f.Render())
	}
	if w == nil {
		t.FailNow()
	}
	return w
}

func TestLoad(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := Load(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	w := load(t, "testdata/good/orders.yaml")
	if w.Dir != "testdata/good" || w.File != "testdata/good/orders.yaml" || w.Name != "daily-orders" {
		t.Errorf("dir %q, file %q, name %q", w.Dir, w.File, w.Name)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestName(t *testing.T) {
	const text = "tasks: { a: { run: ls } }"
	for file, want := range map[string]string{
		"orders.yaml": "orders", "a/b/daily-load.yml": "daily-load", "_x": "_x", "my flow.yaml": "my-flow", "A1.2.yaml": "A1-2",
		"01-x.yaml": "_01-x", "<stdin>": "stdin", "-a.yaml": "a", "x.y.yaml": "x-y",
		"数据.yaml": "", "é☃.yaml": "", ".yaml": "", "…": "", "": "",
	} {
		w, found := Parse(file, []byte(text))
		switch {
		case want != "" && (w == nil || w.Name != want):
			t.Errorf("%q: %v %v, want %q", file, w, found, want)
		case want == "" && (len(found) != 1 || found[0].Pos != Pos{1, 1} || !strings.Contains(found[0].Message, "give the workflow a name")):
			t.Errorf("%q: %v", file, found)
		}
		if w, found := Parse(file, []byte("name: given\n"+text)); w == nil || w.Name != "given" {
			t.Errorf("%q with a name: %v", file, found)
		}
	}
}

// TestModel reads the whole of a file that has every key.
func TestModel(t *testing.T) {
	w := load(t, "testdata/good/everything.yaml")
	type top struct {
		Description, Owner string
		Tags               []string
		Timeout            time.Duration
		FailFast           bool
		Concurrency        Concurrency
	}
	if diff := cmp.Diff(top{"Every key that there is, for the schema and the parser alike.", "data team", []string{"one", "two"}, 24 * time.Hour, true, Concurrency{2, "replace"}},
		top{w.Description, w.Owner, w.Tags, w.Timeout, w.FailFast, w.Concurrency}); diff != "" {
		t.Error(diff)
	}
	wantExecutors := []Executor{
		{Name: "default", Process: true},
		{Name: "thread"},
		{Name: "io", Workers: 16},
		{Name: "big", Process: true, Workers: 2},
		{Name: "py", Process: true, Workers: 2, Runtime: "python", Path: []string{"lib", "."}, Initializer: "etl:setup", MaxTasksPerWorker: 100, Interpreter: "python3"},
		{Name: "js", Process: true, Runtime: "node", Path: []string{"lib"}, Interpreter: "node"},
	}
	withoutPos := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Pos" }, cmp.Ignore())
	if diff := cmp.Diff(wantExecutors, w.Executors, withoutPos); diff != "" {
		t.Error(diff)
	}
	wantSecrets := []Secret{{Name: "HOOK", Env: "HOOK"}, {Name: "TOKEN", Env: "MY_TOKEN"}, {Name: "DB", File: "secrets/db"}, {Name: "KEY", Command: []string{"pass", "show", "key"}}}
	if diff := cmp.Diff(wantSecrets, w.Secrets, withoutPos); diff != "" {
		t.Error(diff)
	}
	wantTriggers := []Trigger{{File: "inbox/*.csv"}, {Workflow: "upstream", Status: []string{"succeeded", "failed"}}, {Webhook: "hooks/everything", Secret: "HOOK"}}
	if diff := cmp.Diff(wantTriggers, w.Triggers, withoutPos); diff != "" {
		t.Error(diff)
	}
	if len(w.Schedules) != 2 || len(w.Outputs) != 2 || len(w.Tests) != 1 {
		t.Fatalf("%d schedules, %d outputs, %d tests", len(w.Schedules), len(w.Outputs), len(w.Tests))
	}
	s := w.Schedules[1]
	ny, _ := time.LoadLocation("America/New_York")
	if s.Cron != "@every 15m" || s.Timezone != "America/New_York" || !s.Start.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, ny)) || !s.End.Equal(time.Date(2027, 1, 1, 6, 0, 0, 0, ny)) ||
		s.Enabled || s.Overlap != "queue" || s.Catchup != "all" || s.CatchupWindow != 48*time.Hour || s.Jitter != 5*time.Minute || len(s.Params) != 2 {
		t.Errorf("schedule %+v", s)
	}
	if s := w.Schedules[0]; s.Cron != "0 6 * * *" || s.Timezone != "UTC" || !s.Enabled || s.Overlap != "skip" || s.Catchup != "none" || s.CatchupWindow != 24*time.Hour {
		t.Errorf("schedule %+v", s)
	}
}

func TestModelTasks(t *testing.T) {
	w := load(t, "testdata/good/everything.yaml")
	type traits struct {
		Kind, Executor string
		Timeout, Grace time.Duration
		MaxParallel    int
		Deps           []string
	}
	want := map[string]traits{
		"fetch":   {"run", "big", 10 * time.Minute, 5 * time.Second, 0, nil},
		"each":    {"exec", "big", 10 * time.Minute, 5 * time.Second, 4, []string{"fetch"}},
		"literal": {"expr", "thread", 10 * time.Minute, 5 * time.Second, 0, nil},
		"builds":  {"run", "big", 10 * time.Minute, time.Second, 0, nil},
		"clean":   {"call", "py", 10 * time.Minute, 5 * time.Second, 0, []string{"fetch"}},
		"post":    {"http", "thread", 10 * time.Minute, 5 * time.Second, 0, []string{"builds", "clean"}},
		"ask":     {"http", "thread", 10 * time.Minute, 5 * time.Second, 0, nil},
		"store":   {"sql", "thread", 10 * time.Minute, 5 * time.Second, 0, []string{"clean", "post"}},
		"script":  {"sql", "thread", 10 * time.Minute, 5 * time.Second, 0, nil},
		"child":   {"workflow", "", 0, 5 * time.Second, 16, nil},
		"pause":   {"wait", "", 0, 5 * time.Second, 0, nil},
		"until":   {"wait", "", 0, 5 * time.Second, 0, nil},
		"file":    {"wait", "", 0, 5 * time.Second, 0, nil},
		"ready":   {"wait", "", 0, 5 * time.Second, 0, nil},
		"row":     {"wait", "", 0, 5 * time.Second, 0, []string{"pause", "until"}},
		"tidy":    {"run", "big", 0, 5 * time.Second, 0, nil},
		"tell":    {"expr", "thread", 10 * time.Minute, 5 * time.Second, 0, []string{"tidy"}},
	}
	got := make(map[string]traits)
	for i, task := range w.Tasks {
		if task.Index != i {
			t.Errorf("%s has index %d at %d", task.ID, task.Index, i)
		}
		if task.Finally != (task.ID == "tidy" || task.ID == "tell") {
			t.Errorf("%s: finally %v", task.ID, task.Finally)
		}
		var deps []string
		for _, d := range task.Deps {
			deps = append(deps, w.Tasks[d].ID)
		}
		got[task.ID] = traits{task.Action.Kind(), task.Executor, task.Timeout, task.Grace, task.MaxParallel, deps}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestModelOfTasks(t *testing.T) {
	w := load(t, "testdata/good/everything.yaml")
	each := taskOf(t, w, "each")
	each.Retry.If = nil
	if each.Deadline != time.Hour || each.Priority != 5 || each.Retry != (Retry{5, 2 * time.Second, 2, time.Minute, 0.5, nil}) || each.Result.Format != ResultJSON || each.Result.File == nil {
		t.Errorf("each: %+v", each)
	}
	fetch := taskOf(t, w, "fetch")
	if fetch.Retry != (Retry{2, time.Second, 1, 0, 0, nil}) || fetch.Limits != (Limits{3 << 29, 10 * time.Minute, 100, 10}) || fetch.Cache.TTL != 24*time.Hour || fetch.Result.Format != ResultJSON {
		t.Errorf("fetch: %+v", fetch)
	}
	if diff := cmp.Diff([]string{"bash", "-eu"}, fetch.Shell); diff != "" {
		t.Error(diff)
	}
	env := make([]string, len(fetch.Env))
	for i, b := range fetch.Env {
		env[i] = b.Name + "=" + b.Value.String()
	}
	if diff := cmp.Diff([]string{"MODE=0644", "EMPTY=", "REGION=${{ params.region }}", "LANG=de_DE.UTF-8"}, env); diff != "" {
		t.Error(diff)
	}
}

// TestValuesAsWritten: of unquoted values null, true, false and decimal numbers
// are those; everything else is text as written.
func TestValuesAsWritten(t *testing.T) {
	for text, want := range map[string]any{
		"": nil, "~": nil, "null": nil, "true": true, "false": false, "5": 5, "-5": -5, "0": 0, "1.5": 1.5, "1e3": 1000, "-2.5E-1": -0.25,
		"Null": "Null", "TRUE": "TRUE", "yes": "yes", "on": "on", "n": "n", "0644": "0644", "0x1f": "0x1f", "1_000": "1_000", "1:30": "1:30",
		"2026-01-31": "2026-01-31", "1.10": 1.1, "1.": "1.", ".5": ".5", "+5": "+5", ".inf": ".inf", ".nan": ".nan", "1.2.3": "1.2.3",
		`"5"`: "5", `'true'`: "true", `""`: "", `!!str 5`: "5", `!!int 5`: 5, `!!float 1.5`: 1.5, `!!null ""`: nil,
		"[1, a]": []any{1, "a"}, "{ on: yes, 1: 2 }": map[string]any{"on": "yes", "1": 2},
	} {
		w := mustParse(t, "tasks: { a: { run: ls, inputs: { x: "+text+" } } }")
		got, ok := w.Tasks[0].Inputs[0].Value.Literal()
		if plain, err := Plain(got); err != nil || !ok {
			t.Errorf("%s: %v, %v", text, err, ok)
		} else if diff := cmp.Diff(want, plain); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if text == "" || text[0] == '!' || text[0] == '[' || text[0] == '{' {
			continue
		}
		w = mustParse(t, "tasks: { a: { run: ls, env: { X: "+text+" } } }")
		if got, _ := w.Tasks[0].Env[0].Value.Literal(); got != strings.Trim(text, `"'`) {
			t.Errorf("env %s: %#v", text, got)
		}
		w = mustParse(t, "tasks: { a: { exec: [ls, "+text+"] } }")
		if got, _ := w.Tasks[0].Action.(Exec).Argv[1].Literal(); got != strings.Trim(text, `"'`) {
			t.Errorf("exec %s: %#v", text, got)
		}
	}
}

func TestMerge(t *testing.T) {
	w := mustParse(t, `
tasks:
  a: &a
    run: ls
    timeout: 5s
    retry: 3
    env: &env { A: x, B: y }
  b:
    timeout: 6s
    <<: *a
    env: { <<: *env, B: z }
  c:
    <<: [{ run: first }, { run: second, timeout: 7s }]
`)
	a, b, c := w.Tasks[0], w.Tasks[1], w.Tasks[2]
	if a.Timeout != 5*time.Second || b.Timeout != 6*time.Second || b.Retry.Attempts != 3 || c.Timeout != 7*time.Second || c.Action.(Run).Script.Text != "first" {
		t.Errorf("a %+v, b %+v, c %+v", a, b, c)
	}
	if v, _ := b.Env[1].Value.Literal(); len(b.Env) != 2 || b.Env[0].Name != "A" || v != "z" {
		t.Errorf("env %+v", b.Env)
	}
}

// TestEncodings has what no text file can hold.
func TestEncodings(t *testing.T) {
	good := "tasks: { a: { run: ls } }\n"
	if w, found := Parse("x", []byte("\ufeff"+good)); w == nil || len(found) > 0 {
		t.Errorf("a byte order mark: %v", found)
	}
	if w, found := Parse("x", []byte(strings.ReplaceAll("tasks:\n  a:\n    run: |\n      ls\n      pwd\n", "\n", "\r\n"))); w == nil || w.Tasks[0].Action.(Run).Script.Text != "ls\npwd\n" {
		t.Errorf("CRLF: %v", found)
	}
	utf16 := func(s string, big int) string {
		b := make([]byte, 2*len(s))
		for i := range len(s) {
			b[2*i+big] = s[i]
		}
		return string(b)
	}
	for name, c := range map[string]struct{ text, want string }{
		"UTF-16 LE, mark": {"\xff\xfe" + utf16(good, 0), "x: the file is UTF-16"},
		"UTF-16 BE, mark": {"\xfe\xff" + utf16(good, 1), "x: the file is UTF-16"},
		"UTF-16 LE":       {utf16(good, 0), "x: the file is UTF-16"},
		"UTF-16 BE":       {utf16(good, 1), "x: the file is UTF-16"},
		"UTF-32 LE, mark": {"\xff\xfe\x00\x00t\x00\x00\x00", "x: the file is UTF-32"},
		"UTF-32 BE, mark": {"\x00\x00\xfe\xff\x00\x00\x00t", "x: the file is UTF-32"},
		"UTF-32 LE":       {"t\x00\x00\x00a\x00\x00\x00", "x: the file is UTF-32"},
		"Latin-1":         {"name: x\ndescription: caf\xe9\n" + good, "x:2:17: byte 0xE9 is not UTF-8 (in Latin-1 it is 'é'); save the file as UTF-8"},
		"broken UTF-8":    {"name: \x80\n" + good, "x:1:7: byte 0x80 is not UTF-8; save"},
		"NUL":             {"name: a\x00b\n" + good, "x:1:8: a NUL byte is not allowed"},
		"escape":          {"name: \x1b[31m\n" + good, "x:1:7: control character U+001B is not allowed in a file; in double quotes write it as \\x1B"},
		"mark inside":     {"name: a\ufeff\n" + good, "x:1:8: a byte order mark within the text"},
		"too large":       {strings.Repeat("#", maxFile+1), "x: the file has more than 16 MiB"},
	} {
		w, found := Parse("x", []byte(c.text))
		if w != nil || len(found) != 1 || !strings.HasPrefix(found[0].String(), c.want) {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// TestDeep: no depth of nesting is too much for the parser; it is a finding.
func TestDeep(t *testing.T) {
	const n = 200_000
	for name, text := range map[string]string{
		"lists":        "tasks: " + strings.Repeat("[", n),
		"maps":         "tasks: " + strings.Repeat("{a: ", n),
		"closed":       "tasks: " + strings.Repeat("[", n) + strings.Repeat("]", n),
		"dashes":       "tasks:\n" + strings.Repeat("- ", n) + "a",
		"keys":         strings.Repeat("? ", n),
		"9000":         "tasks: {a: {run: ls, inputs: {x: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}}}",
		"by an alias":  "tasks: {a: {run: ls, inputs: {a: &a " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + ", b: " + strings.Repeat("[", 60) + "*a" + strings.Repeat("]", 60) + "}}}",
		"merged":       "tasks: {a: {run: ls, inputs: {a: &a " + strings.Repeat("{x: ", 90) + strings.Repeat("}", 90) + ", b: " + strings.Repeat("{<<: ", 90) + "*a" + strings.Repeat("}", 90) + "}}}",
		"parentheses":  "tasks: {a: {expr: \"" + strings.Repeat("(", n) + "\"}}",
		"parentheses2": "tasks: {a: {expr: \"" + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + "\"}}",
	} {
		t.Run(name, func(t *testing.T) {
			w, found := Parse("x", []byte(text))
			if w != nil || len(found) == 0 {
				t.Fatalf("taken: %v", found)
			}
			if len(name) < 8 && !strings.Contains(found[0].Message, "deep") && name != "keys" {
				t.Errorf("%s", found[0].Render())
			}
			if r := found[0].Render(); len(r) > 2000 {
				t.Errorf("a finding of %d bytes", len(r))
			}
		})
	}
}

// TestBombs: files that grow by aliases cost little and are refused.
func TestBombs(t *testing.T) {
	var laughs, merges strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	merges.WriteString("b0: &b0 { k0: x }\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
		fmt.Fprintf(&merges, "b%d: &b%d { <<: [%s], k%d: x }\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*b%d, ", i-1), 10), ", "), i)
	}
	var long strings.Builder
	long.WriteString("big: &big {")
	for i := range 10_000 {
		fmt.Fprintf(&long, "k%d: 1, ", i)
	}
	long.WriteString("}\ntasks:\n")
	for i := range 10_000 {
		fmt.Fprintf(&long, "  t%d: { <<: *big }\n", i)
	}
	for name, text := range map[string]string{
		"laughs": laughs.String() + "tasks: { a: { run: ls, inputs: { x: *a39 } } }",
		"merges": merges.String() + "tasks: { a: { run: ls, inputs: *b39 } }",
		"long":   long.String(),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			w, found := Parse("x", []byte(text))
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if w != nil {
				t.Fatal("taken")
			}
			told := 0
			for _, f := range found {
				if strings.Contains(f.Message, "aliases expand to more than") {
					told++
				}
			}
			if told != 1 && name != "merges" {
				t.Errorf("told %d times; first of %d: %s", told, len(found), found[0].Render())
			}
		})
	}
}

// TestManyFindings: a file that is wrong everywhere is told in good time.
func TestManyFindings(t *testing.T) {
	var b strings.Builder
	b.WriteString("tasks:\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "  task%d: { runn: ls, needs: [tusk%d], if: tisks.task%d.result }\n", i, i, i)
	}
	start := time.Now()
	_, found := Parse("x", []byte(b.String()))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if n := len(found); n != maxFindings+1 || !strings.Contains(found[n-1].Message, " further findings were only counted") {
		t.Errorf("%d findings, the last: %s", n, found[n-1].Message)
	}
}

// TestOneLine: a file written by a program, all in one line, costs no more.
func TestOneLine(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"description":"é","tasks":{"t0":{"run":"ls"}`)
	for i := 1; i < 20_000; i++ {
		fmt.Fprintf(&b, `,"t%d":{"run":"echo ${{ tasks.t%d.result }}"}`, i, i-1)
	}
	b.WriteString("}}")
	start := time.Now()
	w := mustParse(t, b.String())
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if len(w.Tasks) != 20_000 || len(w.Tasks[19_999].Deps) != 1 {
		t.Errorf("%d tasks", len(w.Tasks))
	}
}

// TestFindingsAreSorted: by place, each once, whatever was found first.
func TestFindingsAreSorted(t *testing.T) {
	_, found := Parse("x", []byte(`
base: &base { timeout: 5 }
tasks:
  a: { <<: *base, run: ls, needs: z }
  b: { <<: *base, run: ls, needs: y }
outputs: { x: "${{ tasks.w.result }}" }
params: { n: { type: integer } }
`))
	var places []string
	for _, f := range found {
		places = append(places, fmt.Sprintf("%d:%d", f.Pos.Line, f.Pos.Col))
	}
	if diff := cmp.Diff([]string{"2:1", "2:24", "4:35", "5:35", "6:26", "7:22"}, places); diff != "" {
		t.Error(diff)
	}
}
