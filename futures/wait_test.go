package futures_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"flow/futures"
)

type (
	promise = futures.Promise[int]
	future  = futures.Future[int]
)

// promises returns n promises and their futures.
func promises(t *testing.T, n int) ([]*promise, []*future) {
	ps, fs := make([]*promise, n), make([]*future, n)
	for i := range ps {
		ps[i] = futures.NewPromise[int](t.Context(), string(rune('a'+i)))
		fs[i] = ps[i].Future()
	}
	return ps, fs
}

func anys(fs ...*future) []futures.Any {
	as := make([]futures.Any, len(fs))
	for i, f := range fs {
		as[i] = f
	}
	return as
}

func names[F futures.Any](fs []F) string {
	var s strings.Builder
	for _, f := range fs {
		s.WriteString(f.Name())
	}
	return s.String()
}

func TestRows56To69Wait(t *testing.T) {
	// ends are applied a second apart, before or after the call at 2.5 s.
	set := func(i int) func([]*promise) { return func(ps []*promise) { ps[i].Set(i) } }
	fail := func(i int) func([]*promise) { return func(ps []*promise) { ps[i].Fail(errFailure) } }
	drop := func(i int) func([]*promise) { return func(ps []*promise) { ps[i].Future().Cancel() } }
	nop := func([]*promise) {}
	type ends []func([]*promise)
	for _, tc := range []struct {
		name string
		when futures.When
		n    int
		ends ends
		at   float64 // seconds
		done string
	}{
		{"row 56: all", futures.AllCompleted, 3, ends{set(0), nop, fail(1), drop(2)}, 4, "abc"},
		{"row 58: none", futures.AllCompleted, 0, nil, 2.5, ""},
		{"row 58: none, first", futures.FirstCompleted, 0, nil, 2.5, ""},
		{"row 59: first", futures.FirstCompleted, 3, ends{nop, nop, nop, set(2)}, 4, "c"},
		{"row 60: all that are done", futures.FirstCompleted, 3, ends{set(2), drop(0)}, 2.5, "ac"},
		{"row 62: cancelled is done", futures.FirstCompleted, 2, ends{nop, nop, drop(1)}, 3, "b"},
		{"row 64: exception", futures.FirstException, 3, ends{nop, set(0), nop, fail(1)}, 4, "ab"},
		{"row 65: already failed", futures.FirstException, 2, ends{fail(0)}, 2.5, "a"},
		{"row 66: some complete", futures.FirstException, 4, ends{set(0), drop(1), nop, fail(2)}, 4, "abc"},
		{"row 67: cancelled is none", futures.FirstException, 3, ends{drop(0), nop, drop(1), set(2)}, 4, "abc"},
		{"row 68: no failure", futures.FirstException, 2, ends{set(0), nop, nop, set(1)}, 4, "ab"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := promises(t, tc.n)
				start := time.Now()
				for i, end := range tc.ends {
					time.AfterFunc(time.Duration(i+1)*time.Second, func() { end(ps) })
				}
				time.Sleep(2500 * time.Millisecond)
				done, rest, err := futures.Wait(t.Context(), tc.when, anys(fs...)...)
				if took := time.Since(start).Seconds(); err != nil || took != tc.at || names(done) != tc.done || len(done)+len(rest) != tc.n {
					t.Errorf("%v s: done %q, rest %q, %v", took, names(done), names(rest), err)
				}
			})
		})
	}
}

func TestRow57And73WaitForDuplicatesAndMixed(t *testing.T) {
	a, b := futures.Resolved(1), futures.Failed[string](errFailure)
	done, rest, err := futures.Wait(t.Context(), futures.AllCompleted, b, a, b, a)
	if err != nil || len(rest) != 0 || !slices.Equal(done, []futures.Any{b, a}) {
		t.Fatal(done, rest, err)
	}
	seen := map[futures.Any]bool{a: true, b: true} // row 22
	if len(seen) != 2 || !seen[a] {
		t.Fatal(seen)
	}
}

// Row 71: a deadline that has passed is no other.
func TestRow70WaitTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(t, 4)
		ps[0].Set(1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		time.AfterFunc(time.Second, func() { ps[2].Set(1) })
		done, rest, err := futures.Wait(ctx, futures.AllCompleted, anys(fs...)...)
		if names(done) != "ac" || names(rest) != "bd" || err == nil || err.Error() != "2 (of 4) futures unfinished" || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(names(done), names(rest), err)
		}
		if _, _, err := futures.Wait(ctx, futures.FirstCompleted, anys(fs...)...); err != nil {
			t.Fatal("done does not beat ctx:", err)
		}
	})
}

func TestRow72WaitBadInput(t *testing.T) {
	var none *future
	var noContext context.Context
	for name, err := range map[string]error{
		"When(7)":     third(futures.Wait(t.Context(), 7)),
		"When(-1)":    third(futures.Wait(t.Context(), -1, futures.Resolved(1))),
		"future 1 is": third(futures.Wait(t.Context(), 0, futures.Resolved(1), none)),
		"future 0 is": third(futures.Wait(t.Context(), 0, nil)),
		"context":     third(futures.Wait(noContext, 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func third(_, _ []futures.Any, err error) error { return err }

func TestRow74ManyEndAtOnce(t *testing.T) {
	const n = 100_000
	ps := make([]*promise, n)
	fs := make([]futures.Any, n)
	for i := range ps {
		ps[i] = futures.NewPromise[int](t.Context(), "")
		fs[i] = ps[i].Future()
	}
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := part; i < n; i += 4 {
				ps[i].Set(i)
			}
		})
	}
	if done, _, err := futures.Wait(t.Context(), futures.AllCompleted, fs...); len(done) != n || err != nil {
		t.Fatal(len(done), err)
	}
	wg.Wait()
}

func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(t, 3)
		time.AfterFunc(time.Second, func() { ps[2].Set(2); ps[0].Set(0); ps[1].Set(1) })
		if vs, err := futures.Gather(t.Context(), fs[2], fs[0], fs[1], fs[2]); err != nil || !slices.Equal(vs, []int{2, 0, 1, 2}) {
			t.Fatal(vs, err)
		}
		if vs, err := futures.Gather[int](t.Context()); len(vs) != 0 || err != nil {
			t.Fatal(vs, err)
		}

		ps, fs = promises(t, 4)
		ps[3].SetRunningOrNotifyCancel()
		time.AfterFunc(time.Second, func() { ps[1].Fail(errFailure) })
		vs, err := futures.Gather(t.Context(), fs...)
		if vs != nil || err != errFailure || fs[0].State() != futures.Cancelled || fs[2].State() != futures.Cancelled || fs[3].State() != futures.Running {
			t.Fatal(vs, err, fs)
		}

		ps, fs = promises(t, 2)
		time.AfterFunc(time.Second, func() { fs[1].Cancel() })
		if _, err := futures.Gather(t.Context(), fs...); err != futures.ErrCancelled || fs[0].State() != futures.Cancelled {
			t.Fatal(err, fs)
		}

		_, fs = promises(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = futures.Gather(ctx, append(fs, futures.Resolved(1))...)
		if err == nil || err.Error() != "2 (of 3) futures unfinished" || fs[0].State() != futures.Pending {
			t.Fatal(err, fs)
		}
		_, err = futures.Gather(t.Context(), fs[0], nil)
		if err == nil || fs[0].State() != futures.Cancelled {
			t.Fatal("nil future", err)
		}
	})
}

// collect ranges over what AsCompleted yields.
func collect(seq iter.Seq2[*future, error]) (s string, err error) {
	for f, e := range seq {
		if e != nil {
			return s, e
		}
		s += f.Name()
	}
	return s, nil
}

func TestRows77To85AsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(t, 5)
		ps[3].Set(1)
		fs[1].Cancel()
		for i, p := range []*promise{ps[4], ps[0], ps[2]} {
			time.AfterFunc(time.Duration(i+1)*time.Second, func() { p.Fail(errFailure) })
		}
		seq := futures.AsCompleted(t.Context(), append(fs, fs...)...)
		if s, err := collect(seq); s != "bdeac" || err != nil {
			t.Error(s, err)
		}
		if s, err := collect(seq); s != "" || err != nil {
			t.Error("again:", s, err)
		}
		if s, err := collect(futures.AsCompleted[*future](t.Context())); s != "" || err != nil {
			t.Error("empty:", s, err)
		}
	})
}

func TestRows82And87AsCompletedCountsFromTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(t, 4)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		seq := futures.AsCompleted(ctx, fs...)
		time.Sleep(2 * time.Second)
		ps[2].Set(1)
		ps[0].Set(1)
		s, err := collect(seq)
		if s != "ca" || err == nil || err.Error() != "2 (of 4) futures unfinished" || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(s, err)
		}
	})
}

func TestAsCompletedOfMixedAndNil(t *testing.T) {
	n := 0
	for f, err := range futures.AsCompleted[futures.Any](t.Context(), futures.Resolved(1), futures.Resolved("")) {
		if f == nil || err != nil {
			t.Error(f, err)
		}
		n++
	}
	if n != 2 {
		t.Error(n)
	}
	if _, err := collect(futures.AsCompleted(t.Context(), futures.Resolved(1), nil)); err == nil || !strings.Contains(err.Error(), "future 1 is nil") {
		t.Error(err)
	}
}

func TestRow86BreakEndsTheListening(t *testing.T) {
	ps, fs := promises(t, 3)
	ps[0].Set(1)
	ref := weak.Make(fs[2])
	seq := futures.AsCompleted(t.Context(), fs...)
	for f := range seq {
		if f != fs[0] {
			t.Error(f)
		}
		break
	}
	ps, fs = nil, nil
	for range 100 {
		if runtime.GC(); ref.Value() == nil {
			runtime.KeepAlive(seq)
			return
		}
	}
	t.Fatal("still referred to")
}

func TestRow84YieldedFuturesAreFreed(t *testing.T) {
	ps, fs := promises(t, 2)
	refs := []weak.Pointer[future]{weak.Make(fs[0]), weak.Make(fs[1])}
	seq := futures.AsCompleted(t.Context(), fs...)
	go func(ps []*promise) {
		for _, p := range ps {
			p.Set(1)
		}
	}(ps)
	ps, fs = nil, nil
	i := 0
	for f := range seq {
		if i == 1 {
			first := refs[0]
			if f == first.Value() {
				first = refs[1]
			}
			for tries := 0; first.Value() != nil; tries++ {
				if runtime.GC(); tries > 100 {
					t.Fatal("the first is still referred to")
				}
			}
		}
		i++
	}
}

func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s futures.Set[int]
		if _, err := s.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		ps, fs := promises(t, 4)
		s.Add(fs[0], fs[1], fs[0])
		time.AfterFunc(time.Second, func() { ps[1].Set(1) })
		time.AfterFunc(2*time.Second, func() { s.Add(futures.Resolved(9), fs[2]) })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if f, err := s.Next(ctx); f != fs[1] || err != nil {
			t.Fatal(f, err)
		}
		if f, err := s.Next(ctx); err != nil {
			t.Fatal(f, err)
		} else if v, _, _ := f.TryResult(); v != 9 {
			t.Fatal(f)
		}
		if _, err := s.Next(ctx); err == nil || err.Error() != "2 (of 2) futures unfinished" {
			t.Fatal(err)
		}
		s.CancelAll()
		for _, want := range []*future{fs[0], fs[2]} {
			if f, err := s.Next(t.Context()); f != want || f.State() != futures.Cancelled || err != nil {
				t.Fatal(f, err)
			}
		}
		s.Add(fs[3])
		ended := make(chan error)
		for range 2 {
			go func() {
				_, err := s.Next(t.Context())
				ended <- err
			}()
		}
		synctest.Wait()
		ps[3].Set(1)
		if a, b := <-ended, <-ended; errors.Join(a, b) == nil || a != io.EOF && b != io.EOF {
			t.Fatal(a, b)
		}
	})
}

func TestFlatten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flat := func(outer, inner func()) {
			time.AfterFunc(time.Second, outer)
			time.AfterFunc(2*time.Second, inner)
		}
		for name, tc := range map[string]struct {
			inner *future
			end   func(*promise)
			state futures.State
			err   error
		}{
			"value":     {nil, func(p *promise) { p.Set(3) }, futures.Finished, nil},
			"error":     {nil, func(p *promise) { p.Fail(errFailure) }, futures.Finished, errFailure},
			"cancelled": {nil, func(p *promise) { p.Future().Cancel() }, futures.Cancelled, futures.ErrCancelled},
		} {
			outer := futures.NewPromise[*future](t.Context(), "outer")
			inner := futures.NewPromise[int](t.Context(), "inner")
			f := futures.Flatten(outer.Future())
			flat(func() { outer.Set(inner.Future()) }, func() { tc.end(inner) })
			v, err := f.Result(t.Context())
			if !errors.Is(err, tc.err) || tc.err == nil && (v != 3 || err != nil) || f.State() != tc.state {
				t.Errorf("%s: %v, %v, %v", name, v, err, f)
			}
		}
		if _, err := futures.Flatten(futures.Failed[*future](errFailure)).Result(t.Context()); err != errFailure {
			t.Error(err)
		}
		for name, f := range map[string]*future{"nil inner": futures.Flatten(futures.Resolved[*future](nil)), "nil outer": futures.Flatten[int](nil)} {
			if _, err := f.Result(t.Context()); err == nil {
				t.Error(name)
			}
		}
	})
}

// A future that is its own inner one can't ever be done.
func TestFlattenOfItselfIsADeadlock(t *testing.T) {
	outer := futures.NewPromise[*future](t.Context(), "outer")
	f := futures.Flatten(outer.Future())
	outer.Set(f)
	if _, err := f.Result(t.Context()); !errors.Is(err, futures.ErrDeadlock) {
		t.Fatal(err)
	}
}
