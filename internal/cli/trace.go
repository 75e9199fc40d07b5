package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"flow/engine"
)

// tracer sends runs to whoever collects traces, by OTLP over HTTP: a run is a trace, an
// attempt is a span of it. A nil one does nothing.
type tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// newTracer returns a tracer if the environment names an endpoint; else nil. say is told
// what goes wrong.
func newTracer(say func(format string, args ...any)) (*tracer, error) {
	to, err := newExporter()
	if to == nil {
		return nil, err
	}
	about, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "flow"), attribute.String("service.version", thisVersion().Version)),
		resource.Environment(), // OTEL_SERVICE_NAME
	)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(seldom(func(err error) { say("traces: %v", err) })))
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(to), sdktrace.WithResource(about), sdktrace.WithIDGenerator(runIDs{}))
	return &tracer{p, p.Tracer("flow")}, nil
}

// seldom tells of errors at most once a minute: a collector that is down is one with each
// batch, and its texts may differ, by a port.
func seldom(tell func(error)) func(error) {
	var mu sync.Mutex
	var last time.Time
	return func(err error) {
		mu.Lock()
		now := time.Now()
		told := !last.IsZero() && now.Sub(last) < time.Minute
		if !told {
			last = now
		}
		mu.Unlock()
		if !told {
			tell(err)
		}
	}
}

// close sends what is left, for a few seconds at most.
func (t *tracer) close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // a collector that is down is no failure of flow
	return nil
}

// tracedView is a view of a run that is sent as a trace as well.
type tracedView struct {
	view
	tell func(engine.Event)
}

func (v tracedView) event(e engine.Event) { v.tell(e) }

// runIDs makes the id of a run that of its trace: whoever knows one knows the other, and
// what a run did before and after a crash is one trace.
type runIDs struct{}

type runKey struct{}

// NewIDs implements sdktrace.IDGenerator.
func (g runIDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	text, _ := ctx.Value(runKey{}).(string)
	if u, err := ulid.ParseStrict(text); err == nil {
		id = trace.TraceID(u)
	} else {
		_, _ = rand.Read(id[:]) // never fails
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (runIDs) NewSpanID(context.Context, trace.TraceID) (span trace.SpanID) {
	_, _ = rand.Read(span[:])
	return span
}

// attemptKey is an attempt of a run.
type attemptKey struct {
	task              string
	instance, attempt int
}

// follow returns what is to be told the events of one run, and passes them on to next, if
// that is not nil. done is to be called once no more of them come: it ends what is open
// still of a run that was suspended or interrupted. When that goes on, it is another span of
// the same trace.
func (t *tracer) follow(next func(engine.Event)) (tell func(engine.Event), done func()) {
	if t == nil {
		return next, func() {}
	}
	f := &following{tracer: t.tracer, ctx: context.Background(), spans: make(map[attemptKey]trace.Span)}
	if next == nil {
		return f.event, f.done
	}
	return func(e engine.Event) {
		next(e)
		f.event(e)
	}, f.done
}

// following are the spans of one run that are open.
type following struct {
	tracer trace.Tracer
	ctx    context.Context // of the root
	root   trace.Span      // nil: it has not begun, or has ended
	spans  map[attemptKey]trace.Span
}

func (f *following) event(e engine.Event) {
	at := trace.WithTimestamp(e.Time.Time)
	switch e.Type {
	case engine.RunStarted:
		f.ctx = context.WithValue(context.Background(), runKey{}, e.Run)
		f.ctx, f.root = f.tracer.Start(f.ctx, e.Workflow, at, trace.WithAttributes(attribute.String("flow.workflow", e.Workflow), attribute.String("flow.run", e.Run)))
	case engine.AttemptStarted:
		_, f.spans[keyOfAttempt(&e)] = f.tracer.Start(f.ctx, e.Task, at, trace.WithAttributes(aboutAttempt(&e)...))
	case engine.AttemptEnded:
		span := f.spans[keyOfAttempt(&e)]
		if span == nil { // it began before a crash
			_, span = f.tracer.Start(f.ctx, e.Task, trace.WithTimestamp(e.Time.Add(-e.Duration)), trace.WithAttributes(aboutAttempt(&e)...))
		}
		if e.ExitCode != nil {
			span.SetAttributes(attribute.Int("process.exit.code", *e.ExitCode))
		}
		ended(span, &e, at)
		delete(f.spans, keyOfAttempt(&e))
	case engine.RunEnded:
		f.lost("killed", at)
		if f.root != nil {
			ended(f.root, &e, at)
			f.root = nil
		}
	}
}

// lost ends the spans of attempts whose end is not told.
func (f *following) lost(why string, at trace.SpanEndOption) {
	for _, span := range f.spans {
		span.SetStatus(codes.Error, why)
		span.End(at)
	}
	clear(f.spans)
}

func (f *following) done() {
	const interrupted = "interrupted" // as flow runs calls it
	at := trace.WithTimestamp(time.Now())
	f.lost(interrupted, at)
	if f.root != nil {
		f.root.SetAttributes(attribute.String("flow.status", interrupted))
		f.root.End(at)
		f.root = nil
	}
}

func keyOfAttempt(e *engine.Event) attemptKey {
	k := attemptKey{task: e.Task, instance: -1, attempt: e.Attempt}
	if e.Instance != nil {
		k.instance = *e.Instance
	}
	return k
}

func aboutAttempt(e *engine.Event) []attribute.KeyValue {
	about := []attribute.KeyValue{attribute.String("flow.task", e.Task), attribute.Int("flow.attempt", e.Attempt)}
	if e.Instance != nil {
		about = append(about, attribute.Int("flow.instance", *e.Instance), attribute.String("flow.task_instance", e.Task+"["+strconv.Itoa(*e.Instance)+"]"))
	}
	return about
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// ended ends a span as an event says.
func ended(span trace.Span, e *engine.Event, at trace.SpanEndOption) {
	span.SetAttributes(attribute.String("flow.status", e.Status))
	if e.Reason != "" {
		span.SetAttributes(attribute.String("flow.reason", e.Reason))
	}
	if e.Status != "succeeded" {
		span.SetStatus(codes.Error, cmp.Or(firstLine(e.Message), e.Reason, e.Status))
	}
	span.End(at)
}
