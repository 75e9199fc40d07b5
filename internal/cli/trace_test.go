package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"flow/engine"
	"flow/internal/run"
)

// A run is a trace, whose id is the run's, and each attempt a span of it.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	busy := true
	spans := make(map[string][]otlpSpan)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if busy { // it is sent again
			busy = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var req otlpRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Api-Key") != "a b" {
			t.Errorf("%s, %v: %v", r.URL.Path, r.Header, err)
		}
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans[s.Name] = append(spans[s.Name], s)
				}
			}
		}
	}))
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b")
	t.Setenv("FLOW_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "w.yaml")
	text := "name: traced\ntasks:\n  a: {run: 'test $FLOW_ATTEMPT = 2', retry: {attempts: 2}}\n  b: {run: 'exit 3', needs: [a]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	if code := Main([]string{"run", file, "--json"}, &out, &said); code != exitFailed {
		t.Fatalf("%d: %s", code, said.String())
	}
	var summary struct{ Run string }
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &summary); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(spans["traced"]) != 1 || len(spans["a"]) != 2 || len(spans["b"]) != 1 {
		t.Fatalf("%v", spans)
	}
	root, id := spans["traced"][0], ulid.MustParse(summary.Run)
	for name, all := range spans {
		for _, s := range all {
			if s.TraceID != hex.EncodeToString(id[:]) || name != "traced" && s.Parent != root.SpanID {
				t.Errorf("%s is no part of the trace", name)
			}
			if s.End < s.Start || s.Start < root.Start || s.End > root.End {
				t.Errorf("%s: from %s to %s", name, s.Start, s.End)
			}
		}
	}
	failed := func(s otlpSpan) bool { return s.Status.Code == otlpError }
	if !failed(root) || !failed(spans["a"][0]) || failed(spans["a"][1]) || !failed(spans["b"][0]) {
		t.Errorf("%v", spans)
	}
	if about := fmt.Sprint(spans["b"][0].Attributes); !strings.Contains(about, "process.exit.code map[intValue:3]") {
		t.Error(about)
	}
}

// A run that is suspended, or can't go on, ends its spans; one that has ended has none left.
func TestTraceOfInterrupted(t *testing.T) {
	var mu sync.Mutex
	spans := make(map[string]otlpSpan)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var req otlpRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range req.ResourceSpans[0].ScopeSpans[0].Spans {
			if _, twice := spans[s.Name]; twice {
				t.Errorf("%s is there twice", s.Name)
			}
			spans[s.Name] = s
		}
	}))
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	traces, err := newTracer(func(format string, args ...any) { t.Errorf(format, args...) })
	if err != nil {
		t.Fatal(err)
	}
	at := run.Time{Time: time.Now().Add(-time.Minute)}
	for _, name := range []string{"suspended", "over"} {
		tell, done := traces.follow(nil)
		tell(engine.Event{Type: engine.RunStarted, Time: at, Run: engine.NewID(), Workflow: name})
		tell(engine.Event{Type: engine.AttemptStarted, Time: at, Task: name + ".a", Attempt: 1})
		if name == "over" {
			tell(engine.Event{Type: engine.AttemptEnded, Time: at, Task: name + ".a", Attempt: 1, Status: "succeeded"})
			tell(engine.Event{Type: engine.RunEnded, Time: at, Status: "succeeded"})
		}
		done()
		done()
	}
	if err := traces.close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for name, want := range map[string]string{"suspended": "0 interrupted", "suspended.a": "2 ", "over": "0 succeeded", "over.a": "0 succeeded"} {
		status := ""
		for _, a := range spans[name].Attributes {
			if a.Key == "flow.status" {
				status = fmt.Sprint(a.Value["stringValue"])
			}
		}
		if got := fmt.Sprint(spans[name].Status.Code, " ", status); spans[name].End == "" || got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// What goes wrong with a collector is told once a minute, whatever its text.
func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		tell := seldom(func(error) { told++ })
		for port := range 150 {
			tell(fmt.Errorf("127.0.0.1:%d is down", port))
			time.Sleep(time.Second)
		}
		if told != 3 {
			t.Errorf("told %d times in 150 seconds", told)
		}
	})
}
