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

	"github.com/oklog/ulid/v2"
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
