//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flow/engine"
)

// planted are the secrets of leaky, by how they come there.
var planted = map[string]string{
	"env":     "env-4f1c9a/+?&'\"é end",
	"file":    "file-line-one-77\nfile-line-two-88",
	"command": "command-5e8d2b",
	"number":  "86753090",
}

// leaky does all that a workflow can do to give its secrets away.
const leaky = `
secrets:
  ENV: { env: PLANTED }
  FILE: { file: secret.txt }
  COMMAND: { command: [cat, printed.txt] }
  NUMBER: { env: PLANTED_NUMBER }
executors:
  thread: { kind: thread }
  py: { runtime: python, workers: 1 }
defaults: { retry: { attempts: 2, delay: 0s } }
env: { E: "${{ secrets.ENV }}", N: "${{ secrets.NUMBER }}" }
tasks:
  out: { run: &leak 'echo "$E"; echo "$f" >&2; cat "$FLOW_INPUTS"; printf "%s" "$E" | base64; printf "user:%s" "$c" | base64 >&2; env; set', inputs: &in { f: "${{ secrets.FILE }}", c: "${{ secrets.COMMAND }}" } }
  inside: { run: *leak, inputs: *in, executor: thread }
  pieces: { run: 'for p in command - 5e8d 2b x; do printf %s $p; /bin/true; done' }
  slow: { run: 'printf command-; /bin/true; exit 1', executor: thread, continue_on_error: true }
  error: { run: 'echo "the secret is $E, you know" >&2; exit 3', continue_on_error: true }
  cut: { run: 'head -c 390 /dev/zero | tr "\0" x >&2; echo "$E" >&2; exit 3', continue_on_error: true }
  file: { run: 'printf "{\"%s\": [%s, \"%s\"]}" "$c" "$N" "$c" > "$FLOW_RESULT"', inputs: *in }
  json: { run: 'echo "[$N, 1]"', result: json }
  lines: { exec: [cat], stdin: "${{ secrets.FILE }}", result: lines }
  read: { expr: 'read_file("secret.txt")' }
  held: { run: 'true', inputs: { text: '${{ read_file("secret.txt") }}' } }
  computed: { expr: 'int(tasks.lines.result[0])', continue_on_error: true }
  missing: { exec: [sh, -c, '"$1/x"', x, "${{ inputs.c }}"], inputs: *in, continue_on_error: true }
  large: { run: 'for i in 0 1 2 3 4 5 6 7 8 9; do head -c 10000 /dev/zero | tr "\0" x; printf %s "$E"; done' }
  call: { call: "m:leak", executor: py, inputs: *in, continue_on_error: true }
  given: { call: "m:give", executor: py, inputs: *in }
  each: { for_each: [1, 2], run: 'echo "$E"' }
  after: { run: 'echo "$x $y"', inputs: { x: "${{ tasks.out.result }}", y: "${{ toJSON(tasks.given.result) }}" } }
finally:
  last: { run: 'echo "$E" >&2' }
outputs: { all: ['${{ tasks.out.result }}', '${{ tasks.file.result }}', '${{ tasks.large.result }}'] }
`

const leakyModule = `
import os, sys
def leak(f, c):
    print("c is", c)
    print(os.environ["E"], file=sys.stderr, flush=True)
    raise ValueError("f was " + f)
def give(f, c):
    return {"deep": [{c: f.split("\n")}], "n": int(os.environ["N"])}
`

// TestSecretsAreNowhere runs leaky and looks for the planted secrets in all that is kept
// and told.
func TestSecretsAreNowhere(t *testing.T) {
	dir := module(t, leakyModule)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.txt", planted["file"]+"\n")
	write("printed.txt", planted["command"]+"\n")
	home := newHome(t)
	environ := append(os.Environ(), "PLANTED="+planted["env"], "PLANTED_NUMBER="+planted["number"])
	e := newEngine(t, engine.History(home), engine.Environ(environ))
	told := &heard{}
	s, err := e.Run(t.Context(), planOf(t, dir, leaky), engine.Options{Watch: told.event, Output: told.output})
	if err != nil || s.Status != "succeeded" {
		t.Fatalf("%v, %+v", err, s)
	}
	told.add("the summary", s)
	var tasks struct {
		Tasks map[string]json.RawMessage `json:"tasks"`
	}
	if text, err := json.Marshal(s); err != nil || json.Unmarshal(text, &tasks) != nil {
		t.Fatalf("%s, %v", text, err)
	}
	for id, want := range map[string]string{
		"out": `"result":"***\n{\"c\":\"***\",\"f\":\"***\"}`, "pieces": `"result":"***x"`, "json": `"result":["***",1]`,
		"file": `"result":{"***":["***","***"]}`, "lines": `"result":["***","***"]`, "read": `"result":"***\n"`,
		"given": `"result":{"deep":[{"***":["***","***"]}],"n":"***"}`, "error": `the secret is ***, you know`,
		"call": `f was ***`, "large": `"ref"`, "cut": "xx***", "each": `"result":["***","***"]`,
	} {
		if text := string(tasks.Tasks[id]); !strings.Contains(text, want) {
			t.Errorf("%s: %.300s lacks %s", id, text, want)
		}
	}
	err = filepath.WalkDir(home.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		told.add(path, string(text))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in TMPDIR: %v, %v", left, err)
	}
	told.check(t)
	if n := strings.Count(told.all(), "***"); n < 60 {
		t.Errorf("only %d *** were told: what leaks was not tried", n)
	}
}

// heard collects what is told of a run.
type heard struct {
	mu     sync.Mutex
	pieces map[string]*bytes.Buffer
}

func (h *heard) event(e engine.Event) {
	h.add("events", e)
	h.add("events", e.Tail)
}

func (h *heard) output(o engine.Output) {
	h.add(fmt.Sprint("output of ", o.Task, o.Instance, o.Attempt, o.Stderr), string(o.Text))
}

func (h *heard) add(where string, v any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pieces == nil {
		h.pieces = make(map[string]*bytes.Buffer)
	}
	if h.pieces[where] == nil {
		h.pieces[where] = new(bytes.Buffer)
	}
	if text, ok := v.(string); ok {
		h.pieces[where].WriteString(text)
		return
	}
	enc := json.NewEncoder(h.pieces[where])
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // of what is JSON
}

func (h *heard) all() string {
	var b strings.Builder
	for _, p := range h.pieces {
		b.Write(p.Bytes())
	}
	return b.String()
}

// check looks for the secrets, their lines, and both in base64.
func (h *heard) check(t *testing.T) {
	t.Helper()
	for kind, secret := range planted {
		for line := range strings.SplitSeq(secret, "\n") {
			quoted, _ := json.Marshal(line)
			for _, code := range []string{
				line, string(bytes.Trim(quoted, `"`)), strings.ReplaceAll(line, "'", `'\''`),
				base64.StdEncoding.EncodeToString([]byte(line))[:len(line)], base64.StdEncoding.EncodeToString([]byte("user:" + line))[8:16],
			} {
				for where, text := range h.pieces {
					if i := strings.Index(text.String(), code); i >= 0 {
						t.Errorf("the secret from %s, as %q, is in %s: …%s…", kind, code, where, text.String()[max(0, i-40):min(text.Len(), i+60)])
					}
				}
			}
		}
	}
}

// What is wrong with a secret is told before anything runs, without its value.
func TestBadSecrets(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"short": "abc\n", "empty": "\n\n", "binary": "ab\xff\xfe12", "large": strings.Repeat("x", 70_000), "good": "good-secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := append(os.Environ(), "EMPTY=", "GOOD=good-secret")
	for source, want := range map[string]string{
		`{ env: NOT_THERE }`:             "w.yaml:1:12: secret S: the environment variable NOT_THERE is not set",
		`{ env: EMPTY }`:                 "secret S: it is empty",
		`{ file: short }`:                "fewer than 4 bytes",
		`{ file: empty }`:                "it is empty",
		`{ file: binary }`:               "not text in UTF-8",
		`{ file: large }`:                "more than 65536 bytes",
		`{ file: nowhere }`:              "nowhere: no such file",
		`{ file: . }`:                    "is a folder",
		`{ command: [no-such-program] }`: "there is no such program in PATH",
		`{ command: [sh, -c, "echo why >&2; exit 4"] }`: "sh: exit status 4: why",
		`{ command: [sh, -c, "echo ab"] }`:              "fewer than 4 bytes",
	} {
		e := newEngine(t, engine.Environ(environ))
		plan := planOf(t, dir, "secrets: { S: "+source+" }\ntasks: { a: { run: 'touch ran; echo \"$x\"', inputs: { x: '${{ secrets.S }}' } } }")
		_, err := e.Start(plan, engine.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Fatalf("%s: the task ran", source)
		}
	}

	e := newEngine(t, engine.Environ(environ))
	unused := planOf(t, dir, "secrets: [NOT_THERE]\ntasks: { a: { run: 'true' }, b: { run: 'true', env: { X: '${{ secrets.NOT_THERE }}' } } }")
	if s, err := e.Run(t.Context(), unused, engine.Options{Only: []string{"a"}}); err != nil || s.Status != "succeeded" {
		t.Errorf("a secret that no task of the run mentions: %v", err)
	}
	plan := planOf(t, dir, "params: { p: x }\nsecrets: [GOOD]\ntasks: { a: { run: 'true', env: { X: '${{ secrets.GOOD }}' } } }")
	if _, err := e.Start(plan, engine.Options{Params: map[string]any{"p": "a good-secret"}}); err == nil || !strings.Contains(err.Error(), "param p holds the value of a secret") {
		t.Error(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	slow := planOf(t, dir, "secrets: { S: { command: [sleep, '1000'] } }\ntasks: { a: { exec: ['true'], stdin: '${{ secrets.S }}' } }")
	if _, err := e.Start(slow, engine.Options{Context: ctx}); err == nil {
		t.Error("it began")
	}
}

// Variables that secrets come from are not passed on, and a task sees only what it
// mentions.
func TestSecretsReachWhoMentionsThem(t *testing.T) {
	e := newEngine(t, engine.Environ(append(os.Environ(), "TOKEN=hunter2hunter2", "SECOND=other-secret")))
	s, err := e.Run(t.Context(), planOf(t, t.TempDir(), `
secrets: [TOKEN, SECOND]
tasks:
  with: { run: 'test "$X" = hunter2hunter2; echo "${TOKEN-unset} ${SECOND-unset}"', env: { X: "${{ secrets.TOKEN }}" } }
  without: { run: 'echo "${X-unset} ${TOKEN-unset} ${SECOND-unset}"' }
outputs: { all: "${{ tasks.with.result }} ${{ tasks.without.result }}" }
`), engine.Options{})
	if err != nil || s.Outputs["all"] != "unset unset unset unset unset" {
		t.Errorf("%v, %+v", err, s)
	}
}
