package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"flow/dag"
	"flow/internal/web"
)

// document is the description of the API.
type document struct {
	Paths map[string]map[string]struct {
		Security  *[]any
		Responses map[string]struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d := new(document)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// schema is that of an answer, with those that it refers to.
func (d *document) schema(t *testing.T, method, path, code string) *jsonschema.Resolved {
	t.Helper()
	r, ok := d.Paths[path][strings.ToLower(method)].Responses[code]
	if !ok {
		t.Fatalf("%s %s: the description has no answer %s", method, path, code)
	}
	text := r.Content["application/json"].Schema
	if text == nil {
		t.Fatalf("%s %s: answer %s is no JSON", method, path, code)
	}
	defs, err := json.Marshal(d.Components.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf(`{"$defs":%s,"allOf":[%s]}`, defs, text)
	all = strings.ReplaceAll(all, "#/components/schemas/", "#/$defs/")
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(all), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// routesOf are the routes of the API as the source has them.
func routesOf(t *testing.T) (found map[string]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "routes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found = make(map[string]string)
	ast.Inspect(f, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "api" {
			return true
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if l, ok := n.(*ast.CompositeLit); ok && len(l.Elts) == 4 {
				if m, ok := l.Elts[0].(*ast.BasicLit); ok {
					method, _ := strconv.Unquote(m.Value)
					path, _ := strconv.Unquote(l.Elts[1].(*ast.BasicLit).Value)
					found[method+" "+strings.ReplaceAll(path, "...}", "}")] = l.Elts[2].(*ast.Ident).Name
				}
			}
			return true
		})
		return false
	})
	return found
}

// TestOpenAPI: the description has every route, and no other; it says of each whether a
// token is needed.
func TestOpenAPI(t *testing.T) {
	d, routes := readDocument(t), routesOf(t)
	if len(routes) < 15 {
		t.Fatalf("routes: %v", routes)
	}
	for at, access := range routes {
		method, path, _ := strings.Cut(at, " ")
		o, ok := d.Paths[path][strings.ToLower(method)]
		if !ok {
			t.Errorf("the description lacks %s", at)
		}
		if (o.Security != nil) != (access == "open") {
			t.Errorf("%s is %s, which the description does not say", at, access)
		}
	}
	for path, methods := range d.Paths {
		for method := range methods {
			if at := strings.ToUpper(method) + " " + path; routes[at] == "" {
				t.Errorf("there is no %s", at)
			}
		}
	}
}

// TestAnswers: answers of the API are as its description says.
func TestAnswers(t *testing.T) {
	w := newWorld(t, web.Options{})
	d := readDocument(t)
	failed, live, _ := demo(w)
	w.add("quick", "tasks:\n  a: { expr: '\"x\"' }\n")
	w.add("long", "tasks:\n  a: { run: sleep 30 }\n")
	check := func(method, path, url, body string, code int, header ...string) string {
		t.Helper()
		res, text := w.ask(method, url, body, header...)
		if res.StatusCode != code {
			t.Fatalf("%s %s: %d: %s", method, url, res.StatusCode, text)
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s %s: %v in %s", method, url, err, text)
		}
		if err := d.schema(t, method, path, strconv.Itoa(code)).Validate(v); err != nil {
			t.Errorf("%s %s: %v in %.1000s", method, url, err, text)
		}
		return text
	}
	field := func(text, name string) string {
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m[name])
	}
	const runs, one = "/api/v1/runs", "/api/v1/runs/{id}"
	check("GET", "/api/v1/workflows", "/api/v1/workflows", "", 200)
	check("GET", "/api/v1/workflows/{name}", "/api/v1/workflows/daily-orders", "", 200)
	check("GET", "/api/v1/workflows/{name}", "/api/v1/workflows/broken", "", 200)
	check("GET", "/api/v1/workflows/{name}", "/api/v1/workflows/none", "", 404)
	first := check("GET", runs, runs+"?limit=10&workflow=daily-orders", "", 200)
	next := check("GET", runs, runs+"?limit=10&workflow=daily-orders&before="+field(first, "next"), "", 200)
	if first == next || strings.Count(next, `"run":`) != 10 {
		t.Errorf("pages: %s", next)
	}
	for _, status := range []string{"running", "interrupted", "succeeded", "failed", "cancelled"} {
		text := check("GET", runs, runs+"?status="+status, "", 200)
		if n := strings.Count(text, `"status":`); n != strings.Count(text, `"status":"`+status+`"`) || n == 0 && status != "cancelled" {
			t.Errorf("%s: %.300s", status, text)
		}
	}
	check("GET", runs, runs+"?status=odd", "", 400)
	check("GET", runs, runs+"?limit=0", "", 400)
	check("GET", one, runs+"/"+failed, "", 200)
	check("GET", one, runs+"/01M0000000000000000000000N", "", 404)
	check("GET", one+"/timeline", runs+"/"+failed+"/timeline", "", 200)
	if text := check("GET", one+"/timeline", runs+"/"+live+"/timeline", "", 200); strings.Contains(text, "0001-01") {
		t.Errorf("a time that is none: %s", text)
	}
	check("GET", one+"/logs", runs+"/"+failed+"/logs", "", 200)
	check("GET", one+"/logs/{task}", runs+"/"+failed+"/logs/load?instance=2", "", 200)
	check("GET", one+"/logs/{task}", runs+"/"+failed+"/logs/quality?before=0&limit=100", "", 200)
	check("GET", one+"/logs/{task}", runs+"/"+failed+"/logs/nope", "", 404)
	check("GET", one+"/logs/{task}", runs+"/"+failed+"/logs/load?instance=x", "", 400)
	check("GET", "/api/v1/schedules", "/api/v1/schedules", "", 200)
	ledger := check("GET", "/api/v1/ledger", "/api/v1/ledger?limit=5", "", 200)
	check("GET", "/api/v1/ledger", "/api/v1/ledger?before="+field(ledger, "next"), "", 200)
	check("GET", "/api/v1/ledger", "/api/v1/ledger?before=yesterday", "", 400)
	check("GET", "/api/v1/health", "/api/v1/health", "", 200)
	check("GET", "/api/v1/ready", "/api/v1/ready", "", 200)
	w.unready = io.EOF
	check("GET", "/api/v1/ready", "/api/v1/ready", "", 503)
	w.unready = nil
	check("POST", "/hooks/{path}", "/hooks/a/b", `{"x":1}`, 202, "X-Signature", "good")
	check("POST", "/hooks/{path}", "/hooks/a/b", `{"x":1}`, 403)

	id := field(check("POST", runs, runs, `{"workflow":"quick"}`, 201, "Idempotency-Key", "k1"), "run")
	if again := field(check("POST", runs, runs, `{"workflow":"quick"}`, 201, "Idempotency-Key", "k1"), "run"); again != id {
		t.Error("one key, two runs")
	}
	w.wait(id)
	check("GET", one, runs+"/"+id, "", 200)
	check("POST", one+"/cancel", runs+"/"+id+"/cancel", "", 409)
	check("POST", one+"/resume", runs+"/"+id+"/resume", "", 409)
	check("POST", runs, runs, `{"workflow":"none"}`, 404)
	check("POST", runs, runs, `{"workflow":"broken"}`, 400)
	check("POST", runs, runs, `{"workflow":"quick","only":["a"],"from":["a"]}`, 400)
	check("POST", runs, runs, `{"wrokflow":"quick"}`, 400)
	check("POST", runs, runs, `{"workflow":"quick","params":[]}`, 400)
	check("POST", runs, runs, `workflow=quick`, 415, "Content-Type", "application/x-www-form-urlencoded")
	if text := check("POST", runs, runs, `{"workflow":"daily-orders","params":{"limit":0,"day":"2026-01-02"}}`, 400); !strings.Contains(text, `"params":{"limit":"`) {
		t.Errorf("what is wrong with a param: %s", text)
	}
	check("POST", one+"/retry", runs+"/"+failed+"/retry", `{"tasks":["nope"]}`, 400)

	again := w.add("twice", "tasks:\n  a: { expr: '1' }\n  b: { expr: '2', needs: a }\n")
	cut := w.record(again, past{at: time.Now().Add(-time.Hour), until: 3 * time.Second})
	check("POST", one+"/cancel", runs+"/"+cut+"/cancel", "", 409)
	check("POST", one+"/resume", runs+"/"+cut+"/resume", "", 202)
	if s := w.wait(cut); s.Status != "succeeded" {
		t.Errorf("resumed: %s", s.Status)
	}
	if res, text := w.ask("HEAD", runs+"/"+cut+"/logs/a?follow=1", ""); res.StatusCode != 200 || text != "" {
		t.Errorf("HEAD: %d %q", res.StatusCode, text)
	}

	long := field(check("POST", runs, runs, `{"workflow":"long"}`, 201), "run")
	check("POST", one+"/cancel", runs+"/"+long+"/cancel", "", 202)
	if s := w.wait(long); s.Status != "cancelled" {
		t.Errorf("cancelled: %s", s.Status)
	}
	if res, text := w.get("/metrics"); res.StatusCode != 200 || !strings.Contains(text, `flow_runs{status="failed",workflow="daily-orders"}`) || !strings.Contains(text, "flow_schedule_lateness_seconds") {
		t.Errorf("metrics: %d %.300s", res.StatusCode, text)
	}
	if res, _ := w.ask("DELETE", runs, ""); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("DELETE: %d", res.StatusCode)
	}
}

// TestStartThatWaits: who starts a run that has to wait for its turn is told so, since there
// is no page of it yet.
func TestStartThatWaits(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	w.queue = true
	res, _ := w.ask("POST", "/workflows/hello/start", "key=1", "Content-Type", "application/x-www-form-urlencoded")
	to := res.Header.Get("Location")
	if res.StatusCode != 303 || !strings.HasPrefix(to, "/workflows/hello?waits=") {
		t.Fatalf("%d to %s", res.StatusCode, to)
	}
	if _, text := w.get(to); !strings.Contains(text, "begins once one before it has ended") {
		t.Error("it is not said")
	}
}

// event is one of a stream.
type event struct{ name, id, data string }

// events reads a stream until want of them are there, or its end.
func (w *world) events(path string, want int, header ...string) (all []event) {
	w.t.Helper()
	r, err := http.NewRequest("GET", w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for k := 0; k < len(header); k += 2 {
		r.Header.Set(header[k], header[k+1])
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		return []event{{name: res.Status}}
	}
	var e event
	for in := bufio.NewScanner(res.Body); in.Scan(); {
		line := in.Text()
		switch key, rest, _ := strings.Cut(line, ": "); key {
		case "event":
			e.name = rest
		case "id":
			e.id = rest
		case "data":
			e.data = rest
		case "":
			if e.data == "" {
				continue
			}
			all = append(all, e)
			e = event{}
			if len(all) == want {
				return all
			}
		}
	}
	return all
}

// TestEvents: a stream has every event once and in order, also of a run that is over, and
// goes on where a reader was.
func TestEvents(t *testing.T) {
	w := newWorld(t, web.Options{})
	d := readDocument(t)
	w.add("steps", "tasks:\n  a: { run: echo a }\n  b: { for_each: [1, 2, 3], run: 'echo \"$x\"', inputs: { x: '${{ item }}' }, needs: a }\n  c: { run: exit 3, needs: b, retry: 2 }\n")
	id := w.begin("steps", nil)
	all := w.events("/api/v1/runs/"+id+"/events", 0)
	w.wait(id)
	if last := all[len(all)-1]; last.name != "end" || !strings.Contains(last.data, "failed") {
		t.Errorf("the last is %v", last)
	}
	schema, err := json.Marshal(map[string]any{"$defs": d.Components.Schemas, "$ref": "#/$defs/Event"})
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(schema), "#/components/schemas/", "#/$defs/")), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var news []event
	for _, e := range all {
		if e.name != "" {
			continue
		}
		news = append(news, e)
		var v map[string]any
		if err := json.Unmarshal([]byte(e.data), &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%v in %s", err, e.data)
		}
		if e.id != strconv.Itoa(len(news)) || fmt.Sprint(v["seq"]) != e.id {
			t.Errorf("event %d has the id %s: %s", len(news), e.id, e.data)
		}
	}
	again := w.events("/api/v1/runs/"+id+"/events", 0, "Last-Event-ID", "5")
	again = slices.DeleteFunc(again, func(e event) bool { return e.name != "" })
	if !slices.Equal(again, news[5:]) {
		t.Errorf("after 5: %v, want %v", again, news[5:])
	}
	if none := w.events("/api/v1/runs/"+id+"/events", 0, "Last-Event-ID", news[len(news)-1].id); !strings.HasPrefix(none[0].name, "204") {
		t.Errorf("after the last: %v", none)
	}
	if wrong := w.events("/api/v1/runs/"+id+"/events?after=x", 0); !strings.HasPrefix(wrong[0].name, "400") {
		t.Errorf("after x: %v", wrong)
	}
}

// TestManyEvents: what is no longer kept in memory is read again.
func TestManyEvents(t *testing.T) {
	w := newWorld(t, web.Options{})
	plan := w.add("wide", "tasks:\n  a: { for_each: '${{ 1..8000 }}', exec: [x] }\n")
	if plan == nil {
		t.Fatalf("broken: %v", w.Workflows()[0].Broken)
	}
	id := w.record(plan, past{at: time.Now().Add(-time.Hour), places: 100, does: func(string, int, int) (time.Duration, *dag.Failure, any) { return time.Second, nil, nil }})
	next := 1
	for _, e := range w.events("/api/v1/runs/"+id+"/events", 0) {
		if e.name == "" {
			if e.id != strconv.Itoa(next) {
				t.Fatalf("event %s, want %d", e.id, next)
			}
			next++
		}
	}
	if want := 1 + 4*8000 + 3; next != want {
		t.Errorf("%d events, want %d", next-1, want-1)
	}
	if res, text := w.get("/runs/" + id + "/tasks/a?page=3&only=succeeded"); res.StatusCode != 200 || len(text) > 60_000 {
		t.Errorf("page: %d, %d bytes", res.StatusCode, len(text))
	}
}

// TestFollow: a log is streamed as it grows, each line once, up to its end.
func TestFollow(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("talk", "tasks:\n  a: { run: 'for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.1; done; printf end' }\n")
	id := w.begin("talk", nil)
	var got []string
	at := ""
	for _, e := range w.events("/api/v1/runs/"+id+"/logs/a?follow=1", 0) {
		if e.name == "" {
			var l struct{ Text string }
			if err := json.Unmarshal([]byte(e.data), &l); err != nil {
				t.Fatal(err)
			}
			if got = append(got, l.Text); len(got) == 4 {
				at = e.id
			}
		}
	}
	want := []string{"line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "end"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	w.wait(id)
	if rest := w.events("/api/v1/runs/"+id+"/logs/a?follow=1", 0, "Last-Event-ID", at); len(rest) != 6 || !strings.Contains(rest[0].data, "line 5") {
		t.Errorf("after 4: %v", rest)
	}
	res, text := w.get("/api/v1/runs/" + id + "/logs/a?format=text")
	if text != strings.Join(want, "\n") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") || !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("as text: %q %v", text, res.Header)
	}
}

// TestLateness: how late runs are is told of schedules alone.
func TestLateness(t *testing.T) {
	w := newWorld(t, web.Options{})
	due := time.Now().Add(-time.Hour)
	fate := func(workflow, trigger, fate string, late time.Duration) web.Fate {
		return web.Fate{Workflow: workflow, Trigger: trigger, Fate: fate, At: due, Decided: due.Add(late)}
	}
	w.fates = []web.Fate{
		fate("daily", "manual", "fired", 0), fate("daily", "backfill", "fired", 1000*time.Hour), fate("daily", "schedule", "missed", 9*time.Second),
		fate("daily", "schedule", "fired", 2*time.Second), fate("daily", "schedule", "fired", 5*time.Second), fate("hand", "manual", "fired", 0),
	}
	_, text := w.get("/metrics")
	var late []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "flow_schedule_lateness_seconds") {
			late = append(late, strings.TrimSpace(line))
		}
	}
	if len(late) != 1 || late[0] != `flow_schedule_lateness_seconds{workflow="daily"} 2` {
		t.Errorf("%q", late)
	}
}
