package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans by OTLP over HTTP, as JSON. The SDK's own exporters bring protocol
// buffers and gRPC, whose packages take longer to begin than all of flow.
type exporter struct {
	to      string
	headers http.Header
	client  *http.Client
}

// newExporter returns an exporter for the endpoint that the environment names, by the
// variables of OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _TIMEOUT and
// _CERTIFICATE, and those that say TRACES_ after OTLP_; nil: there is none.
func newExporter() (*exporter, error) {
	env := func(name string) string {
		return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), os.Getenv("OTEL_EXPORTER_OTLP_"+name))
	}
	to := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); to == "" && base != "" {
		to = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if to == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address: write one as http://localhost:4318", to)
	}
	if p := env("PROTOCOL"); p != "" && !strings.HasPrefix(p, "http/") {
		return nil, fmt.Errorf("protocol %s: there is http/json alone", p)
	}
	e := &exporter{to: to, headers: http.Header{"Content-Type": {"application/json"}}, client: &http.Client{Timeout: 10 * time.Second}}
	for pair := range strings.SplitSeq(env("HEADERS"), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if text, err := url.PathUnescape(value); ok && err == nil {
			e.headers.Set(name, text)
		}
	}
	if ms, err := strconv.Atoi(env("TIMEOUT")); err == nil && ms > 0 {
		e.client.Timeout = time.Duration(ms) * time.Millisecond
	}
	if file := env("CERTIFICATE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: there is no certificate in it", file)
		}
		e.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Proxy: http.ProxyFromEnvironment}
	}
	return e, nil
}

// The request, as OTLP's JSON has it: ids are hexadecimal, and numbers of 64 bits text.
type (
	otlpRequest struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource   otlpAbout   `json:"resource"`
		ScopeSpans []otlpScope `json:"scopeSpans"`
	}
	otlpAbout struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitzero"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitzero"`
		Status     otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitzero"`
		Message string `json:"message,omitzero"`
	}
	otlpAttribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

const (
	otlpInternal = 1 // kind
	otlpError    = 2 // status
)

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	scope := otlpScope{Spans: make([]otlpSpan, len(spans))}
	scope.Scope.Name = spans[0].InstrumentationScope().Name
	for i, s := range spans {
		scope.Spans[i] = otlpSpan{
			TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(), Kind: otlpInternal,
			Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
			Attributes: otlpAttributes(s.Attributes()),
		}
		if s.Parent().SpanID().IsValid() {
			scope.Spans[i].Parent = s.Parent().SpanID().String()
		}
		if s.Status().Code == codes.Error {
			scope.Spans[i].Status = otlpStatus{otlpError, s.Status().Description}
		}
	}
	about := otlpAbout{otlpAttributes(spans[0].Resource().Attributes())}
	body, err := json.Marshal(otlpRequest{[]otlpResource{{about, []otlpScope{scope}}}})
	if err != nil {
		return err
	}
	return e.send(ctx, body)
}

func otlpAttributes(all []attribute.KeyValue) []otlpAttribute {
	out := make([]otlpAttribute, len(all))
	for i, a := range all {
		out[i] = otlpAttribute{string(a.Key), map[string]any{"stringValue": a.Value.String()}}
		if a.Value.Type() == attribute.INT64 {
			out[i].Value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		}
	}
	return out
}

// send posts a request, and does so again where the collector asks for that.
func (e *exporter) send(ctx context.Context, body []byte) error {
	for wait := time.Second; ; wait *= 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.to, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = e.headers.Clone()
		resp, err := e.client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection serves again
		resp.Body.Close()
		busy := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 502 && resp.StatusCode <= 504
		switch {
		case resp.StatusCode < 300:
			return nil
		case !busy || wait > 4*time.Second:
			return fmt.Errorf("%s answered %s", e.to, resp.Status)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}
