package run_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// records are stored events, one of each kind and more.
func records(t testing.TB) []run.Event {
	t.Helper()
	at := func(ms int64) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	deep := any("bottom")
	for range 100 {
		deep = []any{deep}
	}
	return []run.Event{
		{Kind: run.Started, Time: at(0), Start: &run.Start{Version: run.Version, Run: dag.RunInfo{ID: "r", Workflow: "w", StartedAt: epoch, Attempt: 1},
			Params: map[string]any{"a": 1, "b": 1.0, "c": []any{nil, true, map[string]any{}}}, Durations: []time.Duration{1, 2}, Only: []int{}}},
		{Kind: run.AttemptStarted, Time: at(0), Task: 3, Instance: 99_999, Attempt: 2},
		{Kind: run.AttemptEnded, Time: at(7), Task: 3, Attempt: 1, ExitCode: -1, Value: map[string]any{
			"int": math.MinInt64, "float": -0.5, "nan": math.Inf(1), "text": "é\x00", "ref": &dag.Ref{Hash: "sha256:00", Size: 1 << 40}, "deep": deep}},
		{Kind: run.AttemptEnded, Time: at(7), ExitCode: 137, EngineLost: true, Failure: &dag.Failure{Reason: dag.ReasonLost, Message: "m", Type: "T", Traceback: "t", ExitCode: 137}},
		{Kind: run.TimerFired, Time: at(1 << 40), Timer: run.RunTimer},
		{Kind: run.Evaluated, Time: at(1 << 40), What: run.EvalFan, Value: []any{1, 2}},
		{Kind: run.CancelRequested, Time: at(1 << 40), Reason: dag.ReasonReplace, Kill: true},
	}
}

func TestEventsAreStoredAsTheyAre(t *testing.T) {
	var log []byte
	last := int64(0)
	for _, e := range records(t) {
		var err error
		if log, err = run.AppendEvent(log, &e, last); err != nil {
			t.Fatal(err)
		}
		last = e.Time.UnixMilli()
	}
	last = 0
	for _, want := range records(t) {
		e, rest, err := run.ReadEvent(log, last)
		if err != nil || !reflect.DeepEqual(e, want) {
			t.Fatalf("%+v, %v\nnot %+v", e, err, want)
		}
		log, last = rest, e.Time.UnixMilli()
	}
	if len(log) > 0 {
		t.Error("something is left")
	}
	small, err := run.AppendEvent(nil, &run.Event{Kind: run.AttemptStarted, Time: epoch, Task: 100_000, Attempt: 1}, epoch.UnixMilli())
	if err != nil || len(small) > 10 {
		t.Errorf("%d bytes, %v", len(small), err)
	}
	if _, err := run.AppendEvent(nil, &run.Event{Kind: run.AttemptEnded, Value: make(chan int)}, 0); err == nil {
		t.Error("a channel was stored")
	}
}

// Whatever bytes are read, it is an error at worst, and costs no more than they are.
func TestTornEvents(t *testing.T) {
	for _, e := range records(t) {
		b, err := run.AppendEvent(nil, &e, 0)
		if err != nil {
			t.Fatal(err)
		}
		for at := range b {
			if _, _, err := run.ReadEvent(b[:at], 0); err == nil {
				t.Errorf("kind %d: cut at %d of %d, no error", e.Kind, at, len(b))
			}
			torn := slices.Clone(b)
			for _, x := range []byte{0, 1, 0x7f, 0x80, 0xff} {
				torn[at] = x
				_, _, _ = run.ReadEvent(torn, 0) // may be another event
			}
		}
	}
	if _, _, err := run.ReadEvent([]byte("\x09\x03\x00\x00\x00\x00\x00\x00\x00\x06\xff\xff\xff\xff\x0f"), 0); err == nil {
		t.Error("a list of four thousand million")
	}
	if _, _, err := run.ReadEvent(append([]byte{0x90, 0x4e, 3, 0, 0, 0, 0, 0, 0, 0, 0}, []byte(strings.Repeat("\x06\x01", 20_000))...), 0); err == nil {
		t.Error("nested too deeply")
	}
}

func FuzzReadEvent(f *testing.F) {
	for _, e := range records(f) {
		b, err := run.AppendEvent(nil, &e, 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := run.ReadEvent(b, 0)
		if err != nil {
			return
		}
		again, err := run.AppendEvent(nil, &e, 0)
		if err != nil {
			t.Fatalf("%+v was read and can't be stored: %v", e, err)
		}
		if _, rest, err := run.ReadEvent(again, 0); err != nil || len(rest) > 0 {
			t.Fatalf("%+v: %v", e, err)
		}
	})
}
