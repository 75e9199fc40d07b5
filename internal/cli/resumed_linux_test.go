package cli

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"flow/internal/proctest"
	"flow/internal/run"
	"flow/internal/store"
)

// graph is a workflow of tasks that tell a file of theirs when they begin and end.
type graph struct {
	name string
	deps [][]int
}

// graphs are one of layers, and those of FLOW_TEST_GRAPHS: JSON files with
// {"tasks": [{"id", "parents": […]}]}, parents first.
func graphs(t *testing.T) []graph {
	t.Helper()
	layers := graph{name: "layers", deps: make([][]int, 60)}
	for i := 6; i < 60; i++ {
		layers.deps[i] = []int{i - 6, i - 5 - i%2}
	}
	all := []graph{layers}
	files, err := filepath.Glob(filepath.Join(os.Getenv("FLOW_TEST_GRAPHS"), "*.json"))
	if err != nil || os.Getenv("FLOW_TEST_GRAPHS") == "" {
		return all
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct {
			Tasks []struct {
				ID      string   `json:"id"`
				Parents []string `json:"parents"`
			} `json:"tasks"`
		}
		if err := json.Unmarshal(text, &recorded); err != nil {
			t.Fatal(err)
		}
		g, index := graph{name: strings.TrimSuffix(filepath.Base(file), ".json")}, make(map[string]int)
		for i, task := range recorded.Tasks {
			index[task.ID] = i
			var deps []int
			for _, p := range task.Parents {
				deps = append(deps, index[p])
			}
			g.deps = append(g.deps, deps)
		}
		all = append(all, g)
	}
	return all
}

func (g *graph) workflow(mark string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nexecutors: { default: { kind: process, workers: 8 } }\ntasks:\n", g.name)
	for i, deps := range g.deps {
		needs := make([]string, len(deps))
		for k, d := range deps {
			needs[k] = "t" + strconv.Itoa(d)
		}
		fmt.Fprintf(&b, "  t%d: { run: 'echo \"begin %d $FLOW_ATTEMPT\" >> side; sleep 0.0%d; : %s; echo \"end %d $FLOW_ATTEMPT\" >> side; echo %d', needs: [%s] }\n",
			i, i, 1+i%7, mark, i, i, strings.Join(needs, ", "))
	}
	b.WriteString("finally: { tidy: { run: 'echo tidied >> side' } }\noutputs: { last: '${{ tasks.t0.result }}' }\n")
	return b.String()
}

// A flow that is killed at any instant costs nothing: no recorded success runs again, no
// attempt has the number of another, all that a task builds on has ended before it
// begins, nothing is left running, and the run ends as it would have. FLOW_TEST_KILLS
// says how often.
func TestResumeAfterKill(t *testing.T) {
	kills := 12
	if more, err := strconv.Atoi(os.Getenv("FLOW_TEST_KILLS")); err == nil {
		kills = more
	}
	all := graphs(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for done, k := 0, 0; done < kills; k++ {
		done += killAndResume(t, &all[k%len(all)], r)
	}
}

// killAndResume runs a graph to its end, and kills flow on the way some three times.
func killAndResume(t *testing.T, g *graph, r *rand.Rand) (kills int) {
	t.Helper()
	dir := t.TempDir()
	mark := fmt.Sprintf("9%08d", r.IntN(100_000_000))
	file := filepath.Join(dir, "w.yaml")
	if err := os.WriteFile(file, []byte(g.workflow(mark)), 0o600); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	const average = 300 * time.Millisecond
	command := []string{"run", file}
	for {
		flow := exec.Command("flow", append(command, "--home", home, "--json")...)
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		flow.Stdout, flow.Stderr = out, out
		if err := flow.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(r.ExpFloat64()*float64(average)), func() { flow.Process.Kill() })
		err = flow.Wait()
		timer.Stop()
		out.Close()
		if err == nil {
			break
		}
		if flow.ProcessState.ExitCode() != -1 {
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("%s: %v: %s", g.name, command, text)
		}
		kills++
		command = []string{"resume", "last"}
		if !store.Exists(home) || !begun(t, home) {
			command = []string{"run", file} // it had no run yet
		}
	}
	for deadline := time.Now().Add(time.Minute); len(proctest.Marked(t, mark)) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", proctest.Marked(t, mark))
		}
	}
	checkSide(t, g, filepath.Join(dir, "side"))
	checkEvents(t, g, home)
	return kills
}

func begun(t *testing.T, home string) bool {
	t.Helper()
	h, err := store.Open(home, "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, err = h.Find("last")
	return err == nil
}

// checkSide reads what the tasks themselves have told.
func checkSide(t *testing.T, g *graph, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ended, began := make([]int, len(g.deps)), make(map[string]bool)
	tidied := 0
	for line := range strings.Lines(string(text)) {
		var what string
		var task, attempt int
		if strings.TrimSpace(line) == "tidied" {
			tidied++
			continue
		}
		if n, err := fmt.Sscan(line, &what, &task, &attempt); n != 3 {
			t.Fatalf("%q: %v", line, err)
		}
		if what == "end" {
			ended[task]++
			continue
		}
		if began[line] {
			t.Errorf("%s: two attempts of one number: %s", g.name, line)
		}
		began[line] = true
		for _, d := range g.deps[task] {
			if ended[d] == 0 {
				t.Errorf("%s: t%d began before t%d had ended", g.name, task, d)
			}
		}
	}
	for task, n := range ended {
		if n == 0 {
			t.Errorf("%s: t%d never ended", g.name, task)
		}
	}
	if tidied == 0 {
		t.Errorf("%s: finally did not run", g.name)
	}
}

// checkEvents reads what was recorded.
func checkEvents(t *testing.T, g *graph, home string) {
	t.Helper()
	h, err := store.Open(home, "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	rec, err := h.Find("last")
	if err != nil || rec.Status != "succeeded" || rec.Ended.IsZero() {
		t.Fatalf("%+v, %v", rec, err)
	}
	succeeded, begun := make([]bool, len(g.deps)+1), make([]int32, len(g.deps)+1)
	var last time.Time
	for e, err := range h.Events(&rec) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Time.Before(last) {
			t.Errorf("%s: time goes back", g.name)
		}
		last = e.Time
		switch {
		case e.Kind == run.AttemptStarted && succeeded[e.Task]:
			t.Errorf("%s: task %d ran again after its success", g.name, e.Task)
		case e.Kind == run.AttemptStarted:
			if begun[e.Task]++; begun[e.Task] != e.Attempt {
				t.Errorf("%s: task %d: attempt %d is the %d.", g.name, e.Task, e.Attempt, begun[e.Task])
			}
		case e.Kind == run.AttemptEnded && e.Failure == nil:
			if succeeded[e.Task] {
				t.Errorf("%s: task %d succeeded twice", g.name, e.Task)
			}
			succeeded[e.Task] = true
		case e.Kind == run.AttemptEnded && !e.EngineLost:
			t.Errorf("%s: task %d failed: %+v", g.name, e.Task, e.Failure)
		}
	}
	for i, ok := range succeeded {
		if !ok {
			t.Errorf("%s: no success of task %d is recorded", g.name, i)
		}
	}
	folded, err := standing(t.Output(), h, &rec)
	if err != nil || folded.Status != "succeeded" {
		t.Errorf("%s: the fold of its events: %+v, %v", g.name, folded, err)
	}
	stored, err := h.Summary(&rec)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(folded); err != nil || string(again) != string(stored) {
		at := 0
		for at < min(len(again), len(stored)) && again[at] == stored[at] {
			at++
		}
		t.Errorf("%s: the summary and the fold differ at byte %d: %.200s … %.200s", g.name, at, stored[max(0, at-50):], again[max(0, at-50):])
	}
}
