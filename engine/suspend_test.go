//go:build unix

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/dag"
)

// What had ended when a run is suspended, or can't go on, is not run again; a run of which
// nothing is left to do ends.
func TestWhatHasEndedIsKept(t *testing.T) {
	const file = `
tasks:
  first: { expr: 1 }
  before: { run: 'until [ -e before.go ]; do sleep 0.01; done; echo before >> side' }
`
	const more = `
  after: { run: 'until [ -e after.go ]; do sleep 0.01; done; echo after >> side' }
  last: { run: 'echo last >> side', needs: [first, before, after] }
`
	full := errors.New("the disk is full")
	for _, c := range []struct {
		name, file string
		fatal      error
		want       string // what ran, after a resume as well
	}{
		{"suspended", file + more, ErrSuspended, "after before last"},
		{"fatal", file + more, full, "after after before last"}, // what comes after it may be wrong
		{"over", file, ErrSuspended, "before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			touch := func(name string) {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			home, err := OpenHome(filepath.Join(dir, "home"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer home.Close()
			w, found := dag.Parse(filepath.Join(dir, "w.yaml"), []byte(c.file))
			if w == nil {
				t.Fatal(found)
			}
			plan, err := dag.NewPlan(w)
			if err != nil {
				t.Fatal(err)
			}
			e := New(History(home))
			defer e.Close()
			busy, free := make(chan struct{}), make(chan struct{})
			r, err := e.Start(plan, Options{Watch: func(n Event) {
				if n.Type == TaskEnded && n.Task == "first" {
					close(busy)
					<-free
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			<-busy
			has := func(n int) { // waits for so many messages
				for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
					r.in.mu.Lock()
					come := len(r.in.full)
					r.in.mu.Unlock()
					if come >= n {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%d messages", come)
					}
				}
			}
			touch("before.go")
			has(1)
			r.in.put(message{fatal: c.fatal})
			touch("after.go")
			if c.name != "over" {
				has(3)
			}
			close(free)
			s, err := r.Wait(context.Background())
			if c.name == "over" {
				if err != nil || s.Status != "succeeded" {
					t.Errorf("%v, %+v", err, s)
				}
			} else {
				if !errors.Is(err, c.fatal) {
					t.Errorf("it ended with %v", err)
				}
				if r, err = e.Resume(r.ID, Options{}); err != nil {
					t.Fatal(err)
				}
				if s, err = r.Wait(context.Background()); err != nil || s.Status != "succeeded" {
					t.Errorf("%v, %+v", err, s)
				}
			}
			side, err := os.ReadFile(filepath.Join(dir, "side"))
			if got := slices.Sorted(strings.FieldsSeq(string(side))); err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("%v, %s ran", err, got)
			}
		})
	}
}
