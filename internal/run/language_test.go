package run_test

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flow/dag"
	"flow/internal/run"
)

// sentence is a case for a sentence of the language's reference: a small
// workflow, what its attempts do, and what is to come of it.
type sentence struct {
	id     string // of testdata/language.txt, with /variant where there are several
	file   string // the workflow
	does   string // what attempts do; see world
	events string // what is asked of the run: `cancel at 5s`, `kill at 5s`, `replace at 5s`
	files  map[string]string
	params map[string]any
	only   []string
	info   dag.RunInfo
	cached map[string]string // results of earlier runs, as JSON: by task, a blank, and the key as JSON
	// want has a fact a line: `name = value`, `name ~ part`, `name = -` for a fact
	// that is not there. Of a task or an instance: its status and reason (load),
	// .attempts, .result, .error, .exit_code, .started, .ended, .delays, .states, and
	// .from, the run that it is cached from, .key, that of its cache, and
	// .kept, what of its inputs and env stands in the log. Of an attempt (load,
	// load#2): .at, .inputs, .env, .stdin, .value. order is that of the starts; run,
	// run.at, run.message and outputs are the run's.
	want string
}

// Workflows of several cases, whose tasks differ in what their attempts do.
const (
	oneTask = `
tasks:
  a: { exec: [x] }
`
	taskAndFinally = oneTask + `
finally:
  b: { exec: [x] }
`
	taskAndTwoFinally = taskAndFinally + `
  c: { exec: [x], needs: b }
`
)

func allSentences() []sentence {
	return slices.Concat(taskSentences, fanSentences, retrySentences, cacheSentences, conditionSentences, expressionSentences, endSentences, finallySentences)
}

// TestLanguage holds the sentences of the language about what a run does.
func TestLanguage(t *testing.T) {
	for _, c := range allSentences() {
		t.Run(c.id, func(t *testing.T) {
			for m, name := range modes {
				t.Run(name, func(t *testing.T) { c.check(t, mode(m)) })
			}
		})
	}
}

func (c *sentence) check(t *testing.T, m mode) {
	w := c.run(t, m, nil)
	missed := false
	for line := range strings.Lines(c.want) {
		if line = strings.TrimSpace(line); line != "" && !w.holds(line) {
			missed = true
		}
	}
	if missed {
		t.Logf("%s%s", c.file, facts(w.facts))
	}
}

// run runs the case to its end. watch, if not nil, is shown the machine after each
// event.
func (c *sentence) run(t testing.TB, m mode, watch func(*run.Machine)) *world {
	t.Helper()
	wf, found := dag.Parse("w.yaml", []byte(c.file))
	if wf == nil {
		t.Fatalf("%v\n%s", found, c.file)
	}
	plan, err := dag.NewPlan(wf)
	if err != nil {
		t.Fatal(err)
	}
	info := c.info
	info.ID, info.Workflow, info.Attempt = "r1", wf.Name, 1
	if info.StartedAt.IsZero() {
		info.StartedAt = epoch.In(wf.Zone())
	}
	params, err := wf.ReadParams(c.params, &dag.Scope{Workflow: wf, Run: &info})
	if err != nil {
		t.Fatal(err)
	}
	only, err := plan.Closure(c.only)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, m, plan, c)
	w.watch = watch
	w.live(params, only, info)
	return w
}

var wantLine = regexp.MustCompile(`^(\S+) ([=~]) ?(.*)$`)

// holds looks one fact up.
func (w *world) holds(line string) bool {
	w.t.Helper()
	part := wantLine.FindStringSubmatch(line)
	if part == nil {
		w.t.Fatalf("want: %q", line)
	}
	got, known := w.facts[part[1]]
	if !known {
		got = "-"
	}
	if got == part[3] || part[2] == "~" && strings.Contains(got, part[3]) {
		return true
	}
	w.t.Errorf("%s is %s, want %s %s", part[1], got, part[2], part[3])
	return false
}

func facts(all map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(name + " = " + all[name] + "\n")
	}
	return b.String()
}

// refusal is a case for a sentence about what is checked when a file is read.
type refusal struct {
	id   string
	file string
	want string // a finding a line: `line:column: part of the message`; none: the file is good
}

// TestLanguageChecks holds the sentences of the language about what is told
// before anything runs.
func TestLanguageChecks(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.id, func(t *testing.T) {
			wf, found := dag.Parse("w.yaml", []byte(c.file))
			if c.want == "" {
				if wf == nil || len(found) > 0 {
					t.Errorf("%v\n%s", found, c.file)
				}
				return
			}
			want := strings.Split(strings.TrimSpace(c.want), "\n")
			for k, line := range want {
				place, part, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if k >= len(found) || !strings.HasPrefix(found[k].String(), "w.yaml:"+place+": ") || !strings.Contains(found[k].Message, part) {
					t.Fatalf("%v\nwant %s\n%s", found, line, c.file)
				}
			}
			if len(found) != len(want) {
				t.Errorf("%v\nmore than %d findings\n%s", found, len(want), c.file)
			}
		})
	}
}

// TestEverySentence holds the list of sentences against the cases: each has one,
// here or where the list says.
func TestEverySentence(t *testing.T) {
	list := sentences(t)
	cases := map[string]bool{}
	for _, c := range allSentences() {
		id, _, _ := strings.Cut(c.id, "/")
		cases[id] = true
	}
	for _, c := range refusals {
		id, _, _ := strings.Cut(c.id, "/")
		cases[id] = true
	}
	for id := range cases {
		if _, ok := list[id]; !ok {
			t.Errorf("%s is not in the list of sentences", id)
		}
	}
	elsewhere := map[string]string{"here": tests(t, "."), "engine": tests(t, "../../engine")}
	for id, at := range list {
		switch {
		case at == "later":
		case at == "" && !cases[id]:
			t.Errorf("%s has no case", id)
		case at != "" && !regexp.MustCompile(`"`+regexp.QuoteMeta(id)+`["/]`).MatchString(elsewhere[at]):
			t.Errorf("%s has no case in %s", id, at)
		}
	}
}

// tests is the text of all tests in a folder.
func tests(t *testing.T, folder string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// sentences reads the list: an id a line, where its cases are if not here (in
// brackets), and the sentence.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/language.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := map[string]string{}
	entry := regexp.MustCompile(`^([0-9]\.\S+)(?: \[(.+?)\])?: .`)
	in := bufio.NewScanner(f)
	for in.Scan() {
		line := in.Text()
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") {
			continue
		}
		part := entry.FindStringSubmatch(line)
		if part == nil {
			t.Fatalf("language.txt: %q", line)
		}
		if _, twice := list[part[1]]; twice {
			t.Errorf("language.txt: %s twice", part[1])
		}
		list[part[1]] = part[2]
	}
	return list
}
