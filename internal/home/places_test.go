package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func ask(t *testing.T, home, run, onLimit string, places int) Request {
	t.Helper()
	return Request{Home: home, Workflow: "daily", Run: run, Places: places, OnLimit: onLimit}
}

func TestNeverMoreThanThePlaces(t *testing.T) {
	home := t.TempDir()
	var now, most atomic.Int32
	var wg sync.WaitGroup
	for k := range 12 {
		wg.Go(func() {
			p, err := Take(t.Context(), ask(t, home, fmt.Sprint("run", k), "queue", 2))
			if err != nil {
				t.Error(err)
				return
			}
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			now.Add(-1)
			if err := p.Free(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if m := most.Load(); m > 2 {
		t.Errorf("%d runs at once, there are 2 places", m)
	}
	if left, err := filepath.Glob(filepath.Join(home, "running", "daily", "wait-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestSkipNamesWhoHoldsThePlace(t *testing.T) {
	home := t.TempDir()
	p, err := Take(t.Context(), ask(t, home, "first", "skip", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(t.Context(), ask(t, home, "second", "skip", 1))
	if !errors.Is(err, ErrTaken) || err.Error() != "all places are taken by run first" {
		t.Errorf("got %v", err)
	}
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
	p, err = Take(t.Context(), ask(t, home, "third", "skip", 1))
	if err != nil {
		t.Fatal(err)
	}
	p.Free()
}

// waitFor starts a request that has to wait and returns when it does.
func waitFor(t *testing.T, ctx context.Context, r Request) <-chan error {
	t.Helper()
	waits, done := make(chan []string, 1), make(chan error, 1)
	r.Waiting = func(runs []string) { waits <- runs }
	go func() {
		p, err := Take(ctx, r)
		if err == nil {
			err = p.Free()
		}
		done <- err
	}()
	select {
	case runs := <-waits:
		if len(runs) != 1 || runs[0] != "first" {
			t.Errorf("it waits for %v", runs)
		}
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	}
	return done
}

func TestQueueWaitsAndCanBeCancelled(t *testing.T) {
	home := t.TempDir()
	p, err := Take(t.Context(), ask(t, home, "first", "queue", 1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gaveUp := waitFor(t, ctx, ask(t, home, "second", "queue", 1))
	stays := waitFor(t, t.Context(), ask(t, home, "third", "queue", 1))
	enough := errors.New("enough")
	cancel(enough)
	if err := <-gaveUp; !errors.Is(err, enough) {
		t.Errorf("a cancelled wait: %v", err)
	}
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
	if err := <-stays; err != nil {
		t.Errorf("the one behind it: %v", err)
	}
}

func TestReplaceAsksTheHolderToEnd(t *testing.T) {
	home := t.TempDir()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, Replace)
	defer signal.Stop(asked)
	p, err := Take(t.Context(), ask(t, home, "first", "replace", 1))
	if err != nil {
		t.Fatal(err)
	}
	done := waitFor(t, t.Context(), ask(t, home, "second", "replace", 1))
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the holder was not asked")
	}
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who has given its place up is not asked to end: neither while nobody has it,
// nor when another run has.
func TestOnlyWhoHoldsAPlaceIsAsked(t *testing.T) {
	home := t.TempDir()
	take := func(run string) (*Place, holder) {
		p, err := Take(t.Context(), ask(t, home, run, "skip", 1))
		if err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(filepath.Join(home, "running", "daily"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		h, ok := read(root, "place-0")
		if !ok || h.run != run || !h.holds(root) {
			t.Errorf("%s does not hold the place: %v", run, h)
		}
		return p, h
	}
	gone := func(h holder, when string) {
		root, err := os.OpenRoot(filepath.Join(home, "running", "daily"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if h.holds(root) {
			t.Errorf("%s: %s still holds the place", when, h.run)
		}
	}
	p, first := take("first")
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
	gone(first, "when it is free")
	p, _ = take("second")
	gone(first, "when another has it")
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfTheDeadAreNoObstacle(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "running", "daily")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"wait-00000000000000000000000000": "", "place-0": "torn"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Take(t.Context(), ask(t, home, "first", "skip", 1))
	if err != nil {
		t.Fatal(err)
	}
	p.Free()
}

func TestDir(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for k := 0; k < len(pairs); k += 2 {
				if pairs[k] == name {
					return pairs[k+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		flag string
		env  func(string) string
		want string
	}{
		{"/a", env("FLOW_HOME", "/b"), "/a"},
		{"", env("FLOW_HOME", "/b", "XDG_STATE_HOME", "/c"), "/b"},
		{"", env("XDG_STATE_HOME", "/c", "HOME", "/d"), "/c/flow"},
		{"", env("XDG_STATE_HOME", "relative", "HOME", "/d"), "/d/.local/state/flow"},
		{"", env(), ""},
	} {
		if got, err := Dir(c.flag, c.env); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Dir(%q) = %q, %v; want %q", c.flag, got, err, c.want)
		}
	}
}
