package cli

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flow/internal/store"
)

// servant is a `flow serve` of a folder.
type servant struct {
	t         *testing.T
	dir, home string
	cmd       *exec.Cmd
	log       *serveLog
	address   string
	token     string
	ended     chan struct{}
}

// serveLog is what a service prints.
type serveLog struct {
	mu   sync.Mutex
	text []byte
}

func (l *serveLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *serveLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

func newServant(t *testing.T, files map[string]string) *servant {
	t.Helper()
	s := &servant{t: t, dir: t.TempDir(), home: filepath.Join(t.TempDir(), "home")}
	for name, text := range files {
		s.write(name, text)
	}
	return s
}

func (s *servant) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path+".part", []byte(text), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// begin starts the service, and does not wait until it serves.
func (s *servant) begin(args ...string) *servant {
	s.t.Helper()
	s.log, s.ended = new(serveLog), make(chan struct{})
	s.cmd = exec.Command("flow", append([]string{"serve", s.dir, "--home", s.home, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, s.ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

var servingAt = regexp.MustCompile(` serving .*address=(\S+)`)

// serve starts the service, and waits until it serves.
func (s *servant) serve(args ...string) *servant {
	s.t.Helper()
	s.begin(args...)
	s.serves()
	return s
}

func (s *servant) serves() {
	s.t.Helper()
	s.until("it serves", func() bool {
		m := servingAt.FindStringSubmatch(s.log.String())
		if m == nil {
			return false
		}
		s.address = m[1]
		code, _ := s.ask(http.MethodGet, "/api/v1/ready", nil)
		return code == http.StatusOK
	})
}

// end ends the service, and waits for that.
func (s *servant) end(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	<-s.ended
}

func (s *servant) until(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.ended:
			s.t.Fatalf("%s: the service has ended: %s", what, s.log)
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("never: %s\n%s", what, s.log)
		}
	}
}

// ask asks the API, and returns the status and the answer.
func (s *servant) ask(method, path string, in any, header ...string) (int, map[string]any) {
	s.t.Helper()
	body, isText := in.(string)
	if !isText && in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = string(text)
	}
	req, err := http.NewRequest(method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	var out map[string]any
	_ = json.Unmarshal(text, &out)
	return resp.StatusCode, out
}

// start starts a run by the API, and returns its id.
func (s *servant) start(workflow string, params map[string]any, header ...string) string {
	s.t.Helper()
	code, out := s.ask(http.MethodPost, "/api/v1/runs", map[string]any{"workflow": workflow, "params": params}, header...)
	id, _ := out["run"].(string)
	if code >= 300 || id == "" {
		s.t.Fatalf("%d %v", code, out)
	}
	return id
}

// status is that of a run; "": there is none.
func (s *servant) status(id string) string {
	s.t.Helper()
	_, out := s.ask(http.MethodGet, "/api/v1/runs/"+id, nil)
	status, _ := out["status"].(string)
	return status
}

// ends waits for the end of a run.
func (s *servant) ends(id, status string) {
	s.t.Helper()
	s.until("run "+id+" is "+status, func() bool { return s.status(id) == status })
}

// rows are the ledger's, the newest first.
func (s *servant) rows(workflow string) []store.Row {
	s.t.Helper()
	h, err := store.OpenToRead(s.home)
	if err != nil {
		s.t.Fatal(err)
	}
	defer h.Close()
	rows, err := h.Ledger(store.LedgerFilter{Workflow: workflow})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

func (s *servant) flow(args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command("flow", append(args, "--home", s.home)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

const greeting = `name: greet
params: { who: { type: string, default: world }, n: { type: int, default: 1 } }
tasks: { a: { run: 'echo hello $WHO $N >> out', env: { WHO: '${{ params.who }}', N: '${{ params.n }}' } } }
`

// Runs that people start: with params, once for a key, refused with the reason.
func TestServeStart(t *testing.T) {
	s := newServant(t, map[string]string{"greet.yaml": greeting}).serve()
	s.ends(s.start("greet", map[string]any{"who": "you", "n": 7}), "succeeded")
	if out := readFile(t, filepath.Join(s.dir, "out")); out != "hello you 7\n" {
		t.Errorf("%q", out)
	}
	first := s.start("greet", nil, "Idempotency-Key", "k1")
	s.end(syscall.SIGKILL)
	s.serve()
	if again := s.start("greet", nil, "Idempotency-Key", "k1"); again != first {
		t.Errorf("%s is not %s", again, first)
	}
	if other := s.start("greet", nil, "Idempotency-Key", "k2"); other == first {
		t.Error("another key is another run")
	}
	if code, out := s.ask(http.MethodPost, "/api/v1/runs", map[string]any{"workflow": "greet", "params": map[string]any{"n": 2}}, "Idempotency-Key", "k1"); code != http.StatusConflict {
		t.Errorf("%d %v", code, out)
	}
	for _, c := range []struct {
		in   any
		code int
		says string
	}{
		{map[string]any{"workflow": "nothing"}, http.StatusNotFound, "nothing"},
		{map[string]any{"workflow": "greet", "params": map[string]any{"n": "many"}}, http.StatusBadRequest, "n"},
		{map[string]any{"workflow": "greet", "only": []string{"b"}}, http.StatusBadRequest, "b"},
		{map[string]any{"workflow": "greet", "from": []string{"b"}}, http.StatusBadRequest, "b"},
	} {
		code, out := s.ask(http.MethodPost, "/api/v1/runs", c.in)
		if text := fmt.Sprint(out); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%v: %d %s", c.in, code, text)
		}
	}
}

// Files that come, change, break and go, while the service runs and while it does not.
func TestServeFolder(t *testing.T) {
	s := newServant(t, map[string]string{"greet.yaml": greeting}).serve()
	s.write("late.yaml", "name: late\ntasks: { a: { run: 'echo one >> out' } }\n")
	has := func(name, field string, want any) func() bool {
		return func() bool {
			_, out := s.ask(http.MethodGet, "/api/v1/workflows/"+name, nil)
			return out != nil && fmt.Sprint(out[field]) == fmt.Sprint(want)
		}
	}
	s.until("late is there", has("late", "usable", true))
	s.write("late.yaml", "name: late\ntasks: { a: { run: 'echo two' } ")
	s.until("late is broken", func() bool {
		_, out := s.ask(http.MethodGet, "/api/v1/workflows/late", nil)
		return out["broken"] != nil
	})
	s.ends(s.start("late", nil), "succeeded")
	s.end(syscall.SIGTERM)
	s.serve()
	s.ends(s.start("late", nil), "succeeded") // still the last good version
	if out := readFile(t, filepath.Join(s.dir, "out")); out != "one\none\n" {
		t.Errorf("%q", out)
	}
	if !strings.Contains(s.log.String(), "last good version stays in force") {
		t.Errorf("%s", s.log)
	}
	if err := os.Remove(filepath.Join(s.dir, "late.yaml")); err != nil {
		t.Fatal(err)
	}
	s.until("late is gone", func() bool {
		code, _ := s.ask(http.MethodGet, "/api/v1/workflows/late", nil)
		return code == http.StatusNotFound
	})
}

// A file that comes, the end of another workflow, and requests that are signed.
func TestServeTriggers(t *testing.T) {
	s := newServant(t, map[string]string{
		"load.yaml": `name: load
params: { file: { type: string } }
on: [{ file: 'in/**/*.csv' }]
tasks: { a: { run: 'echo load "$(basename "$F")" >> out', env: { F: '${{ params.file }}' } } }
`,
		"after.yaml": `name: after
params: { upstream: { type: string } }
on: [{ workflow: load, status: [succeeded] }]
tasks: { a: { run: 'echo after $U >> out', env: { U: '${{ params.upstream }}' } } }
`,
		"hook.yaml": `name: hook
params: { ref: { type: string, default: none } }
secrets: { key: { env: HOOK_KEY } }
on: [{ webhook: deploy, secret: key }]
tasks: { a: { run: 'echo hook $REF >> out', env: { REF: '${{ params.ref }}' } } }
`,
	})
	t.Setenv("HOOK_KEY", "it is a secret")
	s.serve()
	s.write("in/deep/a.csv", "1")
	s.until("both have run", func() bool { return strings.Contains(readFile(t, filepath.Join(s.dir, "out")), "after ") })
	load := s.rows("load")
	if len(load) != 1 || load[0].Trigger != "file" || !strings.Contains(load[0].What, "in/deep/a.csv ") {
		t.Fatalf("%+v", load)
	}
	if out := readFile(t, filepath.Join(s.dir, "out")); out != "load a.csv\nafter "+load[0].Run+"\n" {
		t.Errorf("%q", out)
	}
	body := `{"ref": "main", "other": [1, 2]}`
	sign := func(key string) string {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(m.Sum(nil))
	}
	for _, c := range []struct {
		header []string
		path   string
		code   int
	}{
		{nil, "/hooks/deploy", http.StatusForbidden},
		{[]string{"X-Hub-Signature-256", sign("wrong")}, "/hooks/deploy", http.StatusForbidden},
		{[]string{"X-Hub-Signature-256", sign("it is a secret")}, "/hooks/nothing", http.StatusNotFound},
	} {
		if code, out := s.ask(http.MethodPost, c.path, body, c.header...); code != c.code {
			t.Errorf("%v: %d %v", c, code, out)
		}
	}
	var runs []string
	for range 2 { // it is sent again, since the sender doubts that it came
		code, out := s.ask(http.MethodPost, "/hooks/deploy", body, "X-Hub-Signature-256", sign("it is a secret"), "X-GitHub-Delivery", "d1")
		if code >= 300 {
			t.Fatalf("%d %v", code, out)
		}
		runs = append(runs, fmt.Sprint(out["run"]))
	}
	if runs[0] != runs[1] {
		t.Errorf("%v", runs)
	}
	s.ends(runs[0], "succeeded")
	if out := readFile(t, filepath.Join(s.dir, "out")); strings.Count(out, "hook main\n") != 1 {
		t.Errorf("%q", out)
	}
}

const waiting = `name: waits
concurrency: { max_runs: 1, on_limit: %s }
tasks: { a: { run: 'until [ -e go ]; do sleep 0.02; done; echo ran >> out' } }
`

// concurrency holds for runs of the service, as for those of `flow run`.
func TestServeConcurrency(t *testing.T) {
	for _, limit := range []string{"queue", "skip", "replace"} {
		t.Run(limit, func(t *testing.T) {
			s := newServant(t, map[string]string{"waits.yaml": fmt.Sprintf(waiting, limit)}).serve()
			first := s.start("waits", nil)
			s.ends(first, "running")
			code, out := s.ask(http.MethodPost, "/api/v1/runs", map[string]any{"workflow": "waits"})
			second := fmt.Sprint(out["run"])
			switch limit {
			case "queue":
				if _, told := s.ask(http.MethodGet, "/api/v1/runs/"+second, nil); code >= 300 || !strings.Contains(fmt.Sprint(told), "waits for its turn") {
					t.Errorf("%d %v; %v", code, out, told)
				}
				third := s.start("waits", nil)
				if told, code := s.flow("cancel", third); code != 0 || !strings.Contains(told, "will not begin") {
					t.Errorf("%d %s", code, told)
				}
				s.write("go", "")
				s.ends(second, "succeeded")
				if rows := s.rows("waits"); rows[0].Fate != "skipped" || !strings.Contains(rows[0].Note, "cancelled") {
					t.Errorf("%+v", rows[0])
				}
			case "skip":
				if code != http.StatusConflict || !strings.Contains(fmt.Sprint(out), first) {
					t.Errorf("%d %v", code, out)
				}
				if told, code := s.flow("run", filepath.Join(s.dir, "waits.yaml")); code != exitFailed || !strings.Contains(told, first) {
					t.Errorf("%d %s", code, told)
				}
				s.write("go", "")
			case "replace":
				s.ends(first, "cancelled")
				s.ends(second, "running")
				var wait sync.WaitGroup
				wait.Go(func() { s.flow("run", filepath.Join(s.dir, "waits.yaml")) })
				s.ends(second, "cancelled") // another process asks for its place
				s.write("go", "")
				wait.Wait()
			}
		})
	}
}

// SIGTERM lets what runs end, for as long as it may; what has not ended goes on with the
// next service, with what had succeeded.
func TestServeDrain(t *testing.T) {
	s := newServant(t, map[string]string{"long.yaml": `name: long
tasks:
  once: { run: 'echo once >> out' }
  wait: { run: 'until [ -e go ]; do sleep 0.02; done; echo waited >> out', needs: [once] }
`}).serve("--drain", "100ms")
	id := s.start("long", nil)
	s.until("it waits", func() bool { return strings.Contains(readFile(t, filepath.Join(s.dir, "out")), "once") })
	s.end(syscall.SIGTERM)
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%d: %s", code, s.log)
	}
	if told, _ := s.flow("show", id); !strings.Contains(told, "interrupted") {
		t.Errorf("%s", told)
	}
	s.serve("--drain", "1m")
	s.ends(id, "running")
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.until("it drains", func() bool { return strings.Contains(s.log.String(), " draining ") })
	s.write("go", "") // now it has the time
	<-s.ended
	if out := readFile(t, filepath.Join(s.dir, "out")); out != "once\nwaited\n" {
		t.Errorf("%q: %s", out, s.log)
	}
}

// A second service of a home stands by, and takes over when the first is gone, with its
// runs.
func TestServeStandby(t *testing.T) {
	s := newServant(t, map[string]string{"long.yaml": `name: long
schedule: [{ cron: '@every 1s', catchup: all }]
concurrency: { max_runs: 1, on_limit: skip }
tasks: { wait: { run: 'until [ -e go ]; do sleep 0.02; done' } }
`}).serve()
	var first string
	s.until("a run has begun", func() bool {
		rows := s.rows("long")
		for i := range rows {
			if rows[i].Run != "" && s.status(rows[i].Run) == "running" {
				first = rows[i].Run
			}
		}
		return first != ""
	})
	second := &servant{t: t, dir: s.dir, home: s.home}
	second.begin()
	second.until("it stands by", func() bool { return strings.Contains(second.log.String(), "standing by") })
	s.end(syscall.SIGKILL)
	gone := time.Now()
	second.serves()
	if took := time.Since(gone); took > 20*time.Second {
		t.Errorf("it took over after %s", took)
	}
	second.ends(first, "running")
	second.write("go", "")
	second.ends(first, "succeeded")
}

// A service that is told to end gives its place to the one that stands by, at the same
// address, while its own runs still go on.
func TestServeHandover(t *testing.T) {
	s := newServant(t, map[string]string{
		"long.yaml": "name: long\ntasks: { wait: { run: 'until [ -e go ]; do sleep 0.02; done' } }\n",
		"tick.yaml": "name: tick\nschedule: [{ cron: '@every 1s', overlap: allow, catchup: none }]\ntasks: { a: { run: 'true' } }\n",
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	ln.Close()
	s.serve("--listen", at, "--drain", "1m")
	first := s.start("long", nil)
	s.ends(first, "running")
	second := (&servant{t: t, dir: s.dir, home: s.home}).begin("--listen", at, "--drain", "1s")
	second.until("it stands by", func() bool { return strings.Contains(second.log.String(), "standing by") })
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	second.serves()
	fired := len(second.rows("tick"))
	second.until("it fires", func() bool { return len(second.rows("tick")) > fired+1 })
	second.ends(first, "running")
	second.write("go", "")
	second.ends(first, "succeeded")
	<-s.ended
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%d: %s", code, s.log)
	}
	for _, r := range second.rows("tick") {
		if r.Fate != "fired" && r.Fate != "caught_up" {
			t.Errorf("%+v", r)
		}
	}
}

// A run that is interrupted can be cancelled: it is gone on with, and ends in order.
func TestServeCancelInterrupted(t *testing.T) {
	s := newServant(t, map[string]string{"waits.yaml": `name: waits
concurrency: { max_runs: 1, on_limit: queue }
tasks: { a: { run: 'until [ -e go ]; do sleep 0.02; done; echo ran >> out' } }
finally: { z: { run: 'echo tidied >> out' } }
`}).serve()
	first := s.start("waits", nil)
	s.ends(first, "running")
	s.end(syscall.SIGKILL)
	cmd := exec.Command("flow", "run", filepath.Join(s.dir, "waits.yaml"), "--home", s.home) // takes its place meanwhile
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.serves()
	if code, out := s.ask(http.MethodPost, "/api/v1/runs/"+first+"/cancel", nil); code != http.StatusAccepted {
		t.Fatalf("%d %v", code, out)
	}
	s.write("go", "")
	_ = cmd.Wait()
	s.ends(first, "cancelled")
	if out := readFile(t, filepath.Join(s.dir, "out")); strings.Count(out, "tidied") != 2 || strings.Count(out, "ran") != 1 {
		t.Errorf("%q", out)
	}
}

// Tokens let in, those that only read do not more, and none lets nobody in.
func TestServeTokens(t *testing.T) {
	s := newServant(t, map[string]string{"greet.yaml": greeting})
	tokens := filepath.Join(s.dir, "tokens")
	make := func(args ...string) string {
		out, err := exec.Command("flow", append([]string{"token", "--tokens", tokens}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	full, read, past := make("ci", "--expires", "90d"), make("wall", "--read-only"), make("old", "--expires", "1ms")
	if text := readFile(t, tokens); strings.Contains(text, full) || strings.Count(text, "sha256:") != 3 {
		t.Errorf("%s", text)
	}
	t.Setenv("FLOW_TOKENS", "0123456789abcdef")
	s.begin("--tokens", tokens)
	s.token = full
	s.serves()
	for _, c := range []struct {
		token       string
		look, start int
	}{{full, 200, 201}, {read, 200, 403}, {past, 401, 401}, {"", 401, 401}, {"flow_nonsense", 401, 401}, {"0123456789abcdef", 200, 201}} {
		s.token = c.token
		look, _ := s.ask(http.MethodGet, "/api/v1/workflows", nil)
		start, out := s.ask(http.MethodPost, "/api/v1/runs", map[string]any{"workflow": "greet"})
		if look != c.look || start != c.start {
			t.Errorf("%q: %d and %d, not %d and %d: %v", c.token, look, start, c.look, c.start, out)
		}
	}
	s.token = full
	id := s.start("greet", nil)
	s.ends(id, "succeeded")
	if told, code := s.flow("retry", id); code != 0 { // the owner of the home needs no token
		t.Errorf("%d %s", code, told)
	}
}

// `flow retry` lets the service run what failed, and shows it.
func TestServeRetry(t *testing.T) {
	s := newServant(t, map[string]string{"fails.yaml": "name: fails\ntasks: { a: { run: 'echo a >> out' }, b: { run: 'test -e go', needs: [a] } }\n"}).serve()
	id := s.start("fails", nil)
	s.ends(id, "failed")
	s.write("go", "")
	told, code := s.flow("retry", id, "--json")
	if code != 0 || !strings.Contains(told, `"type":"run_started"`) || !strings.Contains(told, `"type":"summary"`) {
		t.Errorf("%d %s", code, told)
	}
	if out := readFile(t, filepath.Join(s.dir, "out")); out != "a\n" {
		t.Errorf("%q", out)
	}
	rows := s.rows("fails")
	if len(rows) != 2 || rows[0].Trigger != "manual" {
		t.Errorf("%+v", rows)
	}
}

// A run that is out of the service's hands leaves nothing in its context, which lives as
// long as the service.
func TestReleaseEndsContext(t *testing.T) {
	r := newServeRunner(nil, nil, "", nil)
	ctx, l := r.claim("R1", false)
	if _, twice := r.claim("R1", false); l == nil || twice != nil {
		t.Fatal("it is in hand once")
	}
	r.release("R1")
	if ctx.Err() == nil || r.ctx.Err() != nil {
		t.Errorf("%v, %v", ctx.Err(), r.ctx.Err())
	}
}
