package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A run is a trace, whose id is the run's, and each attempt a span of it.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	spans := make(map[string][]*tracepb.Span)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(text, &req)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
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
			if !bytes.Equal(s.TraceId, id[:]) || name != "traced" && !bytes.Equal(s.ParentSpanId, root.SpanId) {
				t.Errorf("%s is no part of the trace", name)
			}
			if s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano < root.StartTimeUnixNano || s.EndTimeUnixNano > root.EndTimeUnixNano {
				t.Errorf("%s: from %d to %d", name, s.StartTimeUnixNano, s.EndTimeUnixNano)
			}
		}
	}
	failed := func(s *tracepb.Span) bool { return s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR }
	if !failed(root) || !failed(spans["a"][0]) || failed(spans["a"][1]) || !failed(spans["b"][0]) {
		t.Errorf("%v", spans)
	}
}
