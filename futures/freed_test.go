package futures_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"flow/futures"
)

// freed waits until what ref refers to is collected.
func freed[T any](t *testing.T, ref weak.Pointer[T], what string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ref.Value() != nil; {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("%s is still referred to", what)
		}
	}
}

// A callback is forgotten once it has run, or is stopped, though the future lives on.
func TestRow55CallbacksAreForgotten(t *testing.T) {
	p := futures.NewPromise[int](t.Context(), "")
	add := func() (weak.Pointer[[64]byte], func() bool) {
		big := new([64]byte)
		return weak.Make(big), p.Future().OnDone(func(*futures.Future[int]) { _ = big[0] })
	}
	stopped, stop := add()
	stop()
	stop = nil
	freed(t, stopped, "what a stopped callback refers to")
	ran, stop := add()
	p.Set(1)
	freed(t, ran, "what a callback refers to that has run")
	runtime.KeepAlive(stop)
	runtime.KeepAlive(p)
}

// A wait that is over leaves nothing with the futures that are not done.
func TestRow75WaitsAreForgotten(t *testing.T) {
	never := futures.NewPromise[int](t.Context(), "never").Future()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, wait := range map[string]func(f *futures.Future[int]){
		"Wait":                        func(f *futures.Future[int]) { futures.Wait(t.Context(), futures.FirstCompleted, never, f) },
		"Wait that is left":           func(f *futures.Future[int]) { futures.Wait(over, futures.AllCompleted, never, f) },
		"Gather that is left":         func(f *futures.Future[int]) { futures.Gather(over, never, f) },
		"AsCompleted":                 func(f *futures.Future[int]) { asCompleted(t.Context(), never, f) },
		"AsCompleted of what is left": func(f *futures.Future[int]) { asCompleted(over, never, f) },
	} {
		f := futures.Resolved(1)
		ref := weak.Make(f)
		wait(f)
		f = nil
		freed(t, ref, name)
	}
	runtime.KeepAlive(never)
}

func asCompleted(ctx context.Context, fs ...*futures.Future[int]) {
	for range futures.AsCompleted(ctx, fs...) {
		break
	}
}

// A Set keeps what it has registered, so that n futures cost n registrations, and not
// n for each Next: row 76. What it has given back is the caller's alone.
func TestRow76SetForgetsWhatItHasGivenBack(t *testing.T) {
	var s futures.Set[int]
	s.Add(futures.NewPromise[int](t.Context(), "never").Future())
	ref := func() weak.Pointer[futures.Future[int]] {
		s.Add(futures.Resolved(1))
		f, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return weak.Make(f)
	}()
	freed(t, ref, "what Next has given back")
	runtime.KeepAlive(&s)
}

func BenchmarkSetOfMany(b *testing.B) {
	const n = 1000
	for b.Loop() {
		var s futures.Set[int]
		ps := make([]*futures.Promise[int], n)
		for i := range ps {
			ps[i] = futures.NewPromise[int](context.Background(), "")
			s.Add(ps[i].Future())
		}
		for _, p := range ps {
			p.Set(1)
			if _, err := s.Next(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/future")
}
