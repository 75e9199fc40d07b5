package futures_test

import (
	"bytes"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flow/futures"
)

func TestRows40To45CallbackIsCalledOnce(t *testing.T) {
	ends := map[string]func(*futures.Promise[int]){
		"value":     func(p *futures.Promise[int]) { p.Set(1) },
		"error":     func(p *futures.Promise[int]) { p.Fail(errFailure) },
		"cancelled": func(p *futures.Promise[int]) { p.Future().Cancel(); p.Future().Cancel() },
	}
	for name, end := range ends {
		p := futures.NewPromise[int](t.Context(), name)
		var got []*futures.Future[int]
		called := func(f *futures.Future[int]) { got = append(got, f) }
		p.Future().OnDone(called)
		end(p)
		if len(got) != 1 || got[0] != p.Future() {
			t.Errorf("%s: before: %v", name, got)
		}
		if stop := p.Future().OnDone(called); len(got) != 2 || stop() {
			t.Errorf("%s: after: %v", name, got)
		}
	}
}

func TestRows49To51Order(t *testing.T) {
	p := futures.NewPromise[int](t.Context(), "")
	f := p.Future()
	var got []string
	say := func(s string) func(*futures.Future[int]) {
		return func(*futures.Future[int]) { got = append(got, s) }
	}
	again := say("again")
	f.OnDone(func(f *futures.Future[int]) {
		got = append(got, "first")
		f.OnDone(say("inside"))
	})
	f.OnDone(again)
	f.OnDone(again)
	stop := f.OnDone(say("stopped")) // row 54
	last := f.OnDone(say("last"))
	if !stop() || stop() {
		t.Error("stop")
	}
	p.Set(1)
	if want := []string{"first", "inside", "again", "again", "last"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if last() {
		t.Error("stopped after the call")
	}
}

func TestRows46To48CallbacksAreIsolated(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	p := futures.NewPromise[int](t.Context(), "x")
	called := 0
	count := func(*futures.Future[int]) { called++ }
	p.Future().OnDone(func(*futures.Future[int]) { panic("boom") })
	p.Future().OnDone(count)
	p.Future().OnDone(func(*futures.Future[int]) { runtime.Goexit() })
	p.Future().OnDone(count)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Set(1)
		t.Error("Goexit had no effect on the goroutine")
	}()
	<-ended
	p.Future().OnDone(func(*futures.Future[int]) { panic("late") })
	if called != 2 {
		t.Errorf("%d of 2 called", called)
	}
	for _, want := range []string{"boom", "late", "future=x", "callback_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

// Those who wait are woken before callbacks run.
func TestRow37WaitersFirst(t *testing.T) {
	p := futures.NewPromise[int](t.Context(), "")
	waited := make(chan struct{})
	blocked := make(chan struct{})
	p.Future().OnDone(func(*futures.Future[int]) {
		close(blocked)
		<-waited
	})
	go func() {
		defer close(waited)
		futures.Wait(t.Context(), futures.AllCompleted, p.Future())
		<-p.Future().Done()
		<-blocked
	}()
	p.Set(1)
}
