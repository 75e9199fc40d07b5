package examples_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// examples are all workflows, and how the tasks of a run without params
// end; each of the runs succeeds.
var examples = map[string]map[string]string{
	"weather.yaml": {
		"check": "succeeded", "clean": "succeeded", "year": "succeeded", "months": "succeeded",
		"records": "succeeded", "sqlite": "succeeded", "chart": "succeeded", "report": "succeeded",
		"note": "succeeded",
		"load": "", // as there is a sqlite3 or not
	},
	"flights.yaml": {
		"check": "succeeded", "download": "succeeded", "unpack": "succeeded", "files": "succeeded",
		"split": "succeeded", "clean": "succeeded", "delays": "succeeded", "dropped": "succeeded",
		"warn": "skipped", "report": "succeeded",
	},
	"conditions.yaml": {
		"primary": "succeeded", "mirror": "skipped", "process": "succeeded", "alert": "skipped",
		"report": "succeeded",
	},
	"matrix.yaml":     {"compress": "succeeded", "table": "succeeded"},
	"resilience.yaml": {"flaky": "succeeded", "picky": "failed", "hangs": "failed", "late": "failed", "clean_up": "succeeded"},
	"fanout.yaml":     {"list": "succeeded", "collatz": "succeeded", "longest": "succeeded"},
}

// TestExamples: each file is without a finding, can be planned, and runs to its
// end, also with one worker, and on threads.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("workflows/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(examples)), names); diff != "" {
		t.Fatalf("the files of examples/workflows (+) are not those of the table (-):\n%s", diff)
	}
	for name, tasks := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if end := p.flow(t, "validate", "workflows/"+name); end.code != 0 || end.stdout+end.stderr != "" {
				t.Errorf("validate: exit code %d\n%s%s", end.code, end.stdout, end.stderr)
			}
			checkPlan(t, p, name, tasks)
			for _, args := range [][]string{nil, {"--workers", "1"}} {
				checkEnds(t, p.mustRun(t, name, args...), tasks)
			}
			if name != "fanout.yaml" { // which is on threads as it is
				p.onThreads(t, name)
				checkEnds(t, p.mustRun(t, name), tasks)
			}
		})
	}
}

// checkPlan checks that the plan knows all tasks, and has no effect.
func checkPlan(t *testing.T, p *place, name string, tasks map[string]string) {
	t.Helper()
	end := p.flow(t, "plan", "--json", "workflows/"+name)
	var plan struct {
		Order []string `json:"order"`
		Tasks map[string]struct {
			Decision string `json:"decision"`
		} `json:"tasks"`
	}
	if err := json.Unmarshal([]byte(end.stdout), &plan); err != nil || end.code != 0 {
		t.Fatalf("plan: exit code %d, %v\n%s", end.code, err, end.stderr)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(tasks)), slices.Sorted(slices.Values(plan.Order))); diff != "" {
		t.Errorf("the plan's tasks (+) are not those of the table (-):\n%s", diff)
	}
	for task, planned := range plan.Tasks {
		if planned.Decision != "run" && planned.Decision != "unknown" {
			t.Errorf("%s is planned as %q", task, planned.Decision)
		}
	}
	if _, err := os.Stat(p.path("out")); err == nil {
		t.Error("plan has run something")
	}
}

func checkEnds(t *testing.T, s summary, tasks map[string]string) {
	t.Helper()
	for task, want := range tasks {
		if got := s.Tasks[task].Status; got != want && want != "" {
			t.Errorf("%s: %s, want %s", task, got, want)
		}
	}
	if len(s.Tasks) != len(tasks) {
		t.Errorf("%d tasks, want %d", len(s.Tasks), len(tasks))
	}
}

// TestReadme: the index names each example.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range examples {
		if !strings.Contains(string(readme), "](workflows/"+name+")") {
			t.Errorf("README.md has no link to %s", name)
		}
	}
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		primary, mirror string
		code            int
		status, data    string
		tasks           string // primary, mirror, process, alert
	}{
		{"up", "up", 0, "succeeded", "DATA FROM THE PRIMARY", "succeeded skipped succeeded skipped"},
		{"up", "down", 0, "succeeded", "DATA FROM THE PRIMARY", "succeeded skipped succeeded skipped"},
		{"down", "up", 0, "succeeded", "DATA FROM THE MIRROR", "failed succeeded succeeded skipped"},
		{"down", "down", 1, "failed", "", "failed failed skipped succeeded"},
	} {
		t.Run(c.primary+"/"+c.mirror, func(t *testing.T) {
			t.Parallel()
			s, end := newPlace(t).run(t, "conditions.yaml", "-p", "primary="+c.primary, "-p", "mirror="+c.mirror)
			if s.Status != c.status || end.code != c.code {
				t.Errorf("%s, exit code %d; want %s and %d", s.Status, end.code, c.status, c.code)
			}
			var tasks []string
			for _, task := range []string{"primary", "mirror", "process", "alert"} {
				tasks = append(tasks, s.Tasks[task].Status)
			}
			if got := strings.Join(tasks, " "); got != c.tasks {
				t.Errorf("the tasks: %s, want %s", got, c.tasks)
			}
			if data, _ := s.Outputs["data"].(string); data != c.data {
				t.Errorf("data is %q, want %q", data, c.data)
			}
			want := "run " + c.status + " (primary " + s.Tasks["primary"].Status + ", mirror " + s.Tasks["mirror"].Status + ")"
			if s.Outputs["report"] != want {
				t.Errorf("the report is %q, want %q", s.Outputs["report"], want)
			}
		})
	}
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	s := newPlace(t).mustRun(t, "matrix.yaml", "-p", "levels=[1, 9]")
	type combination struct {
		Input   string  `json:"input"`
		Level   int     `json:"level"`
		Percent float64 `json:"percent"`
	}
	table := result[[]combination](t, s, "table")
	var order []string
	for _, c := range table {
		order = append(order, c.Input+" "+strconv.Itoa(c.Level))
	}
	if diff := cmp.Diff([]string{"text 1", "text 9", "zeros 1", "random 1"}, order); diff != "" {
		t.Fatalf("the combinations:\n%s", diff)
	}
	// Text shrinks well, nothing shrinks better than zeros, noise does not at all.
	if !(table[2].Percent < table[1].Percent && table[1].Percent < 50 && table[3].Percent >= 100) {
		t.Errorf("unlikely sizes: %+v", table)
	}
	if best, _ := s.Outputs["best"].(map[string]any); best["input"] != "zeros" {
		t.Errorf("the best is %v", best)
	}
}

// TestResilience: what is tried again, what is not, and that nothing is left of
// the command that hangs.
func TestResilience(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.onlyPrograms(t, "sh", "rm", "touch", "wc", "realsleep=sleep")
	fifo := p.path("fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// A sleep that holds the pipe open for as long as it lives.
	p.write(t, "bin/sleep", "#!/bin/sh\nexec 3>'"+fifo+"'\necho started >&3\nexec realsleep \"$@\"\n")
	if err := os.Chmod(p.path("bin/sleep"), 0o755); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()

	s := p.mustRun(t, "resilience.yaml")
	want := map[string]any{
		"flaky":    "answered at attempt 3",
		"picky":    "1 attempt, exit status 64",
		"hangs":    "timeout",
		"late":     "timeout",
		"attempts": 3.0,
	}
	if diff := cmp.Diff(want, s.Outputs); diff != "" {
		t.Errorf("outputs:\n%s", diff)
	}
	if n := s.Tasks["late"].Attempts; n < 1 || n > 4 {
		t.Errorf("late has made %d attempts within 500ms, 200ms apart", n)
	}

	if err := held.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(held); err != nil || string(text) != "started\n" {
		t.Errorf("the sleep has said %q (%v): it should have been started, and ended with its task", text, err)
	}
}

// TestFanout reads what people see: the lines of the tasks, and the summary.
func TestFanout(t *testing.T) {
	for _, n := range []int{1, 1000, 20000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			if n > 1000 && testing.Short() {
				t.Skip("takes half a minute")
			}
			end := newPlace(t).flow(t, "run", "workflows/fanout.yaml", "-p", "numbers="+strconv.Itoa(n))
			if end.code != 0 || !strings.Contains(end.stdout, "fanout succeeded") {
				t.Fatalf("exit code %d\n%s%s", end.code, end.stdout, end.stderr)
			}
			if n > 1 && !strings.Contains(end.stderr, fmt.Sprintf(" %d instances\n", n)) {
				t.Errorf("no line says that there were %d instances:\n%s", n, end.stderr)
			}
			start, most, total := longestCollatz(n)
			want := fmt.Sprintf(`{"start":%d,"steps":%d,"total":%d}`, start, most, total)
			if !strings.Contains(end.stdout, want) {
				t.Errorf("longest is not %s:\n%s", want, end.stdout)
			}
		})
	}
}

// longestCollatz is what the example computes: which start up to n has the most
// steps, how many, and the steps of all.
func longestCollatz(n int) (start, most, total int) {
	most = -1
	for first := 1; first <= n; first++ {
		steps := 0
		for x := first; x != 1; steps++ {
			if x%2 == 0 {
				x /= 2
			} else {
				x = 3*x + 1
			}
		}
		total += steps
		if steps > most {
			start, most = first, steps
		}
	}
	return start, most, total
}
