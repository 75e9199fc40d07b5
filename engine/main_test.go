//go:build unix

package engine_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flow/dag"
	"flow/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what should never be waited for: a test that takes so long has
// found a hang.
const patience = 2 * time.Minute

// executors are the two built-in ones, of kind process and of kind thread.
var executors = []string{"default", "thread"}

func newEngine(t testing.TB, opts ...engine.Option) *engine.Engine {
	t.Helper()
	e := engine.New(opts...)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// planOf plans a workflow whose file stands in that folder.
func planOf(t testing.TB, dir, file string) *dag.Plan {
	t.Helper()
	w, found := dag.Parse(filepath.Join(dir, "w.yaml"), []byte(file))
	if w == nil {
		t.Fatalf("%v\n%s", found, file)
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(t testing.TB, e *engine.Engine, p *dag.Plan, o engine.Options) *engine.Run {
	t.Helper()
	r, err := e.Start(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wait(t testing.TB, r *engine.Run) *engine.Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := r.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logs takes what attempts print, and signals when a text has come.
type logs struct {
	mu    sync.Mutex
	text  map[string]*strings.Builder // by task.stdout, task.stderr
	await string
	come  chan struct{}
}

func newLogs(await string) *logs {
	return &logs{text: make(map[string]*strings.Builder), await: await, come: make(chan struct{})}
}

func (l *logs) take(o engine.Output) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := o.Task + ".stdout"
	if o.Stderr {
		name = o.Task + ".stderr"
	}
	if l.text[name] == nil {
		l.text[name] = new(strings.Builder)
	}
	if l.text[name].Len() < 64<<10 {
		l.text[name].Write(o.Text)
	}
	if l.await != "" && strings.Contains(l.text[name].String(), l.await) {
		l.await = ""
		close(l.come)
	}
}

// wait returns when the text that is awaited has come.
func (l *logs) wait(t testing.TB) {
	t.Helper()
	select {
	case <-l.come:
	case <-time.After(patience):
		t.Fatal("it never printed that it is ready")
	}
}

// factsOf lists how a run ended: run, outputs, and of each task its status and
// reason, .result, .error, .exit_code, .attempts, .stdout and .stderr.
func factsOf(t testing.TB, s *engine.Summary, l *logs) map[string]string {
	t.Helper()
	text := func(v any) string {
		b, err := dag.EncodeJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	facts := map[string]string{
		"run": strings.TrimSpace(s.Status + " " + s.Reason), "run.message": s.Message, "outputs": text(s.Outputs),
	}
	for _, x := range s.Tasks {
		facts[x.ID] = strings.TrimSpace(x.Status + " " + x.Reason)
		facts[x.ID+".attempts"] = strconv.Itoa(x.Attempts)
		if x.Result != nil {
			b, err := x.Result.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			facts[x.ID+".result"] = string(b)
		}
		if x.Error != nil {
			facts[x.ID+".error"] = x.Error.Message
		}
		if x.ExitCode != nil {
			facts[x.ID+".exit_code"] = strconv.Itoa(*x.ExitCode)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, b := range l.text {
		facts[name] = strconv.Quote(b.String())
	}
	return facts
}

var wantLine = regexp.MustCompile(`^(\S+) ([=~]) ?(.*)$`)

// hold checks facts: a line `name = value`, `name ~ part` or `name = -` each.
func hold(t testing.TB, facts map[string]string, want string) {
	t.Helper()
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		part := wantLine.FindStringSubmatch(line)
		if part == nil {
			t.Fatalf("want: %q", line)
		}
		got, known := facts[part[1]]
		if !known {
			got = "-"
		}
		if got != part[3] && (part[2] != "~" || !strings.Contains(got, part[3])) {
			t.Errorf("%s is %.400s, want %s %s", part[1], got, part[2], part[3])
		}
	}
	if t.Failed() {
		for _, name := range slices.Sorted(maps.Keys(facts)) {
			t.Logf("%s = %.200s", name, facts[name])
		}
	}
}

func writeFile(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
