// Package examples_test runs the examples as a newcomer does, with flow's command
// line, each in a copy of its folder, and checks what comes out.
package examples_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"flow/internal/cli"
)

// TestMain makes the test binary itself the program flow, first in the PATH.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "sweep" { // the watcher of a flow that was killed
		os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"flow": func() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// place is a copy of the examples, where one test is alone.
type place struct {
	dir string
	env []string // in addition to the environment of the test
}

// newPlace copies the workflows and their data.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"workflows", "data"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	return &place{dir: dir, env: []string{"FLOW_HOME=" + filepath.Join(dir, "home")}}
}

// path is the place's own name for a file, whose name here has forward slashes.
func (p *place) path(name string) string {
	return filepath.Join(p.dir, filepath.FromSlash(name))
}

func (p *place) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(p.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (p *place) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command is flow, about to be started in the place.
func (p *place) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("flow")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

// ended is what a command has left behind.
type ended struct {
	code           int
	stdout, stderr string
}

// flow runs a command to its end.
func (p *place) flow(t *testing.T, args ...string) ended {
	t.Helper()
	cmd := p.command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// summary is the last line of `flow run --json`.
type summary struct {
	Type    string             `json:"type"`
	Status  string             `json:"status"`
	Outputs map[string]any     `json:"outputs"`
	Tasks   map[string]taskEnd `json:"tasks"`
}

type taskEnd struct {
	Status   string          `json:"status"`
	Reason   string          `json:"reason"`
	Attempts int             `json:"attempts"`
	Result   json.RawMessage `json:"result"`
	Error    *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"error"`
	Instances struct {
		Total     int `json:"total"`
		Succeeded int `json:"succeeded"`
	} `json:"instances"`
}

// run runs a workflow and returns its summary beside what the command left.
func (p *place) run(t *testing.T, workflow string, args ...string) (summary, ended) {
	t.Helper()
	end := p.flow(t, append([]string{"run", "--json", "workflows/" + workflow}, args...)...)
	lines := strings.Split(strings.TrimSpace(end.stdout), "\n")
	return readSummary(t, lines[len(lines)-1], end.stderr), end
}

func readSummary(t *testing.T, line, stderr string) summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(line), &s); err != nil || s.Type != "summary" {
		t.Fatalf("the last line is no summary (%v): %s\n%s", err, line, stderr)
	}
	return s
}

// mustRun runs a workflow that has to succeed.
func (p *place) mustRun(t *testing.T, workflow string, args ...string) summary {
	t.Helper()
	s, end := p.run(t, workflow, args...)
	if s.Status != "succeeded" || end.code != 0 {
		for name, task := range s.Tasks {
			if task.Error != nil {
				t.Errorf("%s: %s", name, task.Error.Message)
			}
		}
		t.Fatalf("%s %s: %s, exit code %d\n%s", workflow, args, s.Status, end.code, end.stderr)
	}
	return s
}

// result reads a task's result as a T.
func result[T any](t *testing.T, s summary, task string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(s.Tasks[task].Result, &v); err != nil {
		t.Fatalf("the result of %s: %v: %s", task, err, s.Tasks[task].Result)
	}
	return v
}

// onThreads makes threads the executor of all tasks of a workflow that name none.
func (p *place) onThreads(t *testing.T, workflow string) {
	t.Helper()
	const head = "\ndefaults:\n"
	text := p.read(t, "workflows/"+workflow)
	if !strings.Contains(text, head) {
		text += head
	}
	p.write(t, "workflows/"+workflow, strings.Replace(text, head, head+"  executor: thread\n", 1))
}

// onlyPrograms makes a folder of links to the named programs, which becomes the
// whole PATH of the place: what is not named does not exist there. A name may
// stand for another program: "awk=gawk", "sh=bash". A program that this machine
// does not have skips the test.
func (p *place) onlyPrograms(t *testing.T, names ...string) {
	t.Helper()
	bin := p.path("bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		link, program, other := strings.Cut(name, "=")
		if !other {
			program = link
		}
		target, err := exec.LookPath(program)
		if err != nil {
			t.Skipf("%s is not installed", program)
		}
		if err := os.Symlink(target, filepath.Join(bin, link)); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "PATH="+bin)
}
