//go:build unix

package engine_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flow/engine"
)

// Wherever on its way a resume fails, it leaves a run that the next one finishes: nobody
// owns it, nothing that had succeeded runs again, and what stood in it still does.
func TestResumeThatFails(t *testing.T) {
	home, dir := newHome(t), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	write(in("key"), "hunter2hunter2")
	plan := planOf(t, dir, `
secrets: { S: { file: key } }
tasks:
  a: { run: 'echo a >> side; echo one' }
  b: { run: 'echo b >> side; echo two; echo kept > "$FLOW_DIR/kept"', needs: a }
  c: { run: 'echo "c $FLOW_ATTEMPT" >> side; test ! -e slow || test -e fast || { touch here; sleep 1000; }; cat "$FLOW_DIR/kept"', env: { X: "${{ secrets.S }}" }, needs: b }
outputs: { all: "${{ tasks.a.result + tasks.b.result + tasks.c.result }}" }
`)
	first, err := newEngine(t, engine.History(home)).Run(t.Context(), plan, engine.Options{})
	if err != nil || first.Status != "succeeded" {
		t.Fatal(err, first)
	}
	if err := os.Remove(in("side")); err != nil {
		t.Fatal(err)
	}
	write(in("slow"), "")
	broken, err := engine.OpenHome(home.Dir(), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newEngine(t, engine.History(broken)).Start(plan, engine.Options{From: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(in("here")); err == nil {
			break
		}
	}
	if err := broken.Close(); err != nil { // as on a disk that is full
		t.Fatal(err)
	}
	r.Cancel()
	<-r.Done()
	write(in("fast"), "")

	db, err := sql.Open("sqlite", filepath.Join(home.Dir(), "flow.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sqlite := func(statement string) func() {
		return func() {
			t.Helper()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	move := func(from, to string) func() {
		return func() {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	work, temporary := filepath.Join(home.Dir(), "work"), os.TempDir()
	for _, step := range []struct {
		name     string
		fail     func()
		mend     func()
		loop     bool // it fails once the run goes on
		closed   bool // the engine is
		contains string
	}{
		{name: "sweep", fail: func() { write(in("file"), ""); t.Setenv("TMPDIR", in("file")) }, mend: func() { t.Setenv("TMPDIR", temporary) }, contains: "not a directory"},
		{name: "token", fail: sqlite(`CREATE TRIGGER fail BEFORE UPDATE OF token ON runs BEGIN SELECT RAISE(ABORT, 'no token'); END`), mend: sqlite(`DROP TRIGGER fail`), contains: "no token"},
		{name: "results", fail: sqlite(fmt.Sprintf(`UPDATE runs SET id = 'AWAY' WHERE id = '%s'`, first.Run)), mend: sqlite(fmt.Sprintf(`UPDATE runs SET id = '%s' WHERE id = 'AWAY'`, first.Run)), contains: "stands on results"},
		{name: "secrets", fail: move(in("key"), in("away")), mend: move(in("away"), in("key")), contains: "secret"},
		{name: "folders", fail: func() { move(work, work+"-away")(); write(work, "") }, mend: func() {
			if err := os.Remove(work); err != nil {
				t.Fatal(err)
			}
			move(work+"-away", work)()
		}, contains: "the run's folder"},
		{name: "engine", fail: func() {}, mend: func() {}, closed: true, contains: "closed"},
		{name: "events", fail: sqlite(`CREATE TRIGGER fail BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no event'); END`), mend: sqlite(`DROP TRIGGER fail`), loop: true, contains: "no event"},
	} {
		step.fail()
		e := newEngine(t, engine.History(home))
		if step.closed {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		again, err := e.Resume(r.ID, engine.Options{})
		if err == nil && step.loop {
			_, err = again.Wait(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), step.contains) {
			t.Fatalf("%s: %v", step.name, err)
		}
		step.mend()
		if _, owned := home.Owner(r.ID); owned {
			t.Errorf("%s: it is still owned", step.name)
		}
		rec, err := home.Find(r.ID)
		if err != nil || !rec.Ended.IsZero() {
			t.Errorf("%s: %+v, %v", step.name, rec, err)
		}
	}
	r, err = newEngine(t, engine.History(home)).Resume(r.ID, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := wait(t, r)
	side, err := os.ReadFile(in("side"))
	if got := strings.Join(strings.Fields(string(side)), " "); err != nil || s.Status != "succeeded" || s.Outputs["all"] != "onetwokept" || got != "b c 1 c 2" {
		t.Errorf("%v, %q, %+v", err, got, s)
	}
}
