package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// eachStore runs a test with a store of each kind.
func eachStore(t *testing.T, test func(*testing.T, *Store)) {
	t.Run("memory", func(t *testing.T) {
		s, err := Memory()
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, s)
		test(t, s)
	})
	for _, d := range []Durability{Full, Normal, Off} {
		t.Run("disk, "+string(d), func(t *testing.T) {
			s, err := Open(t.TempDir(), d)
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, s)
			test(t, s)
		})
	}
}

func closed(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

var epoch = time.UnixMilli(1_800_000_000_000)

func begin(t *testing.T, s *Store, id, workflow string) *Journal {
	t.Helper()
	j, err := s.Begin(Run{ID: id, Workflow: workflow, File: "/w.yaml", Started: epoch, Cause: "manual", Tasks: 2}, []byte("tasks: "+workflow))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func started(task int) run.Event {
	return run.Event{Kind: run.AttemptStarted, Time: epoch.Add(time.Duration(task) * time.Second).UTC(), Task: int32(task), Attempt: 1}
}

func events(t *testing.T, s *Store, id string) []run.Event {
	t.Helper()
	r, err := s.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	var all []run.Event
	for e, err := range s.Events(&r) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestJournal(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		j := begin(t, s, "01AAA", "w")
		want := []run.Event{started(0), started(1), started(2)}
		for _, part := range [][]run.Event{want[:2], nil, want[2:]} {
			if err := j.Append(part); err != nil {
				t.Fatal(err)
			}
		}
		if got := events(t, s, "01AAA"); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
		var owned *OwnedError
		r, err := s.Find("01AAA")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reopen(r, nil); !errors.As(err, &owned) || owned.Owner.PID != os.Getpid() {
			t.Errorf("%v", err)
		}
		if o, is := s.Owner("01AAA"); !is || o.PID != os.Getpid() {
			t.Error("nobody has it")
		}
		closed(t, j)
		if _, is := s.Owner("01AAA"); is {
			t.Error("it is still owned")
		}

		var folded []run.Event
		j, err = s.Reopen(r, func(e run.Event) error { folded = append(folded, e); return nil })
		if err != nil || !reflect.DeepEqual(folded, want) {
			t.Fatalf("%v, %+v", err, folded)
		}
		if err := j.SetToken("token"); err != nil {
			t.Fatal(err)
		}
		if err := j.Append([]run.Event{started(3)}); err != nil {
			t.Fatal(err)
		}
		if err := j.End(Ending{"failed", "task_failed", "m", epoch.Add(time.Minute), []byte(`{"a":1}`), nil}); err != nil {
			t.Fatal(err)
		}
		closed(t, j)
		if got := events(t, s, "01AAA"); len(got) != 4 {
			t.Errorf("%+v", got)
		}
		r, err = s.Find("aaa")
		if err != nil || r.Status != "failed" || r.Reason != "task_failed" || !r.Ended.Equal(epoch.Add(time.Minute)) || r.Token != "token" || r.Tasks != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		if text, err := s.Summary(&r); string(text) != `{"a":1}` {
			t.Errorf("%s, %v", text, err)
		}
		if text, err := s.Text(&r); string(text) != "tasks: w" {
			t.Errorf("%s, %v", text, err)
		}
		if _, err := s.Begin(Run{ID: "01AAA", Started: epoch}, nil); err == nil {
			t.Error("two runs of one id")
		}
	})
}

func TestRuns(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for i := range 6 {
			j := begin(t, s, fmt.Sprintf("01RUN%d", i), []string{"a", "b"}[i%2])
			if i%3 == 0 {
				if err := j.End(Ending{Status: "succeeded", Time: epoch, Spans: map[string]Span{"t": {Took: int64(i)}}}); err != nil {
					t.Fatal(err)
				}
			}
			closed(t, j)
		}
		for _, c := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, "543210"}, {Filter{Limit: 2}, "54"}, {Filter{Workflow: "a"}, "420"}, {Filter{Status: "succeeded"}, "30"},
			{Filter{Workflow: "b", Status: "running", Limit: 1}, "5"}, {Filter{Before: "01RUN2"}, "10"}, {Filter{Workflow: "none"}, ""},
		} {
			var got strings.Builder
			for r, err := range s.Runs(c.f) {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(strings.TrimPrefix(r.ID, "01RUN"))
			}
			if got.String() != c.want {
				t.Errorf("%+v: %s", c.f, got.String())
			}
		}
		if spans, err := s.Spans("b", "", 5); err != nil || len(spans) != 1 || spans[0]["t"].Took != 3 {
			t.Errorf("%v, %v", spans, err)
		}
		if r, err := s.Find("last"); r.ID != "01RUN5" {
			t.Error(r, err)
		}
		for _, id := range []string{"RUN", "none", "%"} {
			if r, err := s.Find(id); err == nil {
				t.Errorf("%s: %v", id, r)
			}
		}
	})
}

func TestValues(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		text := []byte(`"` + strings.Repeat("x", 100_000) + `"`)
		ref, err := s.PutValue(text)
		if err != nil || ref.Size != int64(len(text)) {
			t.Fatal(ref, err)
		}
		if again, err := s.PutValue(text); err != nil || *again != *ref {
			t.Error(again, err)
		}
		if got, err := s.Value(ref); err != nil || !bytes.Equal(got, text) {
			t.Error(err)
		}
		for _, hash := range []string{"", "sha256:../../etc/passwd", "sha256:" + strings.Repeat("0", 64)} {
			if _, err := s.Value(&dag.Ref{Hash: hash}); err == nil {
				t.Errorf("%q: no error", hash)
			}
		}
	})
}

func TestLogs(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		l := s.Log(LogOf{"R", "load", 2, 1})
		fmt.Fprint(l.Stdout(), "one\ntw")
		fmt.Fprint(l.Stderr(), "oops\n\x00\xff\r\n")
		fmt.Fprint(l.Stdout(), "o\n\nend")
		closed(t, l)
		closed(t, s.Log(LogOf{"R", "silent", -1, 1}))
		for _, of := range []LogOf{{"R", "load", 10, 1}, {"R", "load", 2, 2}, {"R", "a", -1, 1}} {
			l := s.Log(of)
			fmt.Fprintln(l.Stdout(), "x")
			closed(t, l)
		}
		all, err := s.Logs("R", "")
		if want := []LogOf{{"R", "a", -1, 1}, {"R", "load", 2, 1}, {"R", "load", 2, 2}, {"R", "load", 10, 1}}; err != nil || !slices.Equal(all, want) {
			t.Errorf("%+v, %v", all, err)
		}
		if some, err := s.Logs("R", "a"); err != nil || len(some) != 1 {
			t.Error(some, err)
		}
		if none, err := s.Logs("other", ""); err != nil || len(none) != 0 {
			t.Error(none, err)
		}
		var got []string
		for line, err := range s.ReadLog(LogOf{"R", "load", 2, 1}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%v %v %q", line.Stderr, line.Whole, line.Text))
		}
		want := []string{`false true "one"`, `false false "tw"`, `true true "oops"`, `true true "\x00\xff\r"`, `false true "o"`, `false true ""`, `false false "end"`}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// Of a log that is too long the head and the tail are kept, and what is left out is
// counted.
func TestLongLogs(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		s.maxLog = 4000
		of := LogOf{"R", "a", -1, 1}
		l := s.Log(of)
		const n = 5000
		for i := range n {
			fmt.Fprintf(l.Stdout(), "line %d\n", i)
		}
		closed(t, l)
		var numbers []int
		dropped, size := int64(0), 0
		for line, err := range s.ReadLog(of) {
			if err != nil {
				t.Fatal(err)
			}
			var i int
			fmt.Sscanf(line.Text, "line %d", &i)
			numbers = append(numbers, i)
			if line.Dropped > 0 && (dropped > 0 || i == numbers[max(0, len(numbers)-2)]+1) {
				t.Error("said at the wrong place")
			}
			dropped += line.Dropped
			size += len(line.Text) + 18
		}
		if numbers[0] != 0 || numbers[len(numbers)-1] != n-1 || !slices.IsSorted(numbers) || dropped == 0 || int64(size) > s.maxLog+100 {
			t.Errorf("%d lines, %d to %d, %d bytes, %d dropped", len(numbers), numbers[0], numbers[len(numbers)-1], size, dropped)
		}
		total := int64(n * len("1764128534000 o. line 1234\n"))
		if got := int64(size) + dropped; got < total*8/10 || got > total*11/10 {
			t.Errorf("%d bytes told of, of some %d", got, total)
		}
	})
}

// What a crash leaves at the end of a run's events is dropped, and the rest goes on.
func TestTornEvents(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		j := begin(t, s, "01TORN", "w")
		for i := range 4 {
			if err := j.Append([]run.Event{started(2 * i), started(2*i + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		closed(t, j)
		if _, err := s.write.Exec(`UPDATE events SET data = substr(data, 1, length(data) - 1) WHERE seq = 4`); err != nil {
			t.Fatal(err)
		}
		r, err := s.Find("01TORN")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var torn *TornError
		for _, err := range s.Events(&r) {
			if err != nil {
				if !errors.As(err, &torn) || torn.Seq != 4 {
					t.Error(err)
				}
				continue
			}
			n++
		}
		if n != 4 || torn == nil {
			t.Errorf("%d events, %v", n, torn)
		}
		n = 0
		j, err = s.Reopen(r, func(run.Event) error { n++; return nil })
		if err != nil || n != 4 {
			t.Fatal(n, err)
		}
		if err := j.Append([]run.Event{started(9)}); err != nil {
			t.Fatal(err)
		}
		closed(t, j)
		if got := events(t, s, "01TORN"); len(got) != 5 || got[4].Task != 9 {
			t.Errorf("%+v", got)
		}
	})
}

func TestHomes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%", "home")
	if Exists(dir) {
		t.Error("it exists")
	}
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, begin(t, s, "01A", "w"))
	other, err := Open(dir, Full) // another process
	if err != nil {
		t.Fatal(err)
	}
	closed(t, begin(t, other, "01B", "w"))
	if r, err := s.Find("last"); r.ID != "01B" {
		t.Error(r, err)
	}
	if _, err := s.write.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	closed(t, other)
	closed(t, s)
	var newer *NewerError
	if _, err := Open(dir, ""); !errors.As(err, &newer) || !Exists(dir) {
		t.Errorf("%v", err)
	}
	if _, err := Open(dir, "sometimes"); err == nil {
		t.Error("a durability that there isn't")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, ""); err == nil {
		t.Error("a home that is a file")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "flow.db"), []byte("no database at all, but long enough to look at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Dir(file), ""); err == nil {
		t.Error("a database that is none")
	}
}

// What a success means for the cache is recorded with it, or neither is.
func TestCacheIsRecordedWithEvents(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		j := begin(t, s, "01RUN", "w")
		defer closed(t, j)
		key := CacheKey{CacheOf{"/w.yaml", "w", "a"}, "d", "k"}
		if err := j.Append([]run.Event{started(0)}, Kept{key, &Cached{Made: epoch, Value: func() {}}}); err == nil {
			t.Error("a value that can't be kept")
		}
		if got := events(t, s, "01RUN"); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		if err := j.Append([]run.Event{started(0)}, Kept{key, &Cached{Made: epoch, Value: 7}}); err != nil {
			t.Fatal(err)
		}
		if c, err := s.Cached(key); err != nil || c == nil || c.Value != 7 || c.Run != "01RUN" {
			t.Errorf("%+v, %v", c, err)
		}
		if got := events(t, s, "01RUN"); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Only its owner can read a home.
func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	closed(t, begin(t, s, "01A", "w"))
	for name, want := range map[string]os.FileMode{"": 0o700, "flow.db": 0o600, "flow.db-wal": 0o600, "flow.db-shm": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", name, info, err)
		}
	}
}

// Whoever only looks sees what is written meanwhile, also where nobody was writing at first.
func TestOpenToRead(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, begin(t, s, "01A", "w"))
	closed(t, s)
	reader, err := OpenToRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reader)
	for _, id := range []string{"01B", "01C"} {
		if s, err = Open(dir, ""); err != nil {
			t.Fatal(err)
		}
		closed(t, begin(t, s, id, "w"))
		closed(t, s)
		if r, err := reader.Find("last"); err != nil || r.ID != id {
			t.Errorf("%v, %v", r.ID, err)
		}
	}
	if _, err := reader.Begin(Run{ID: "01D", Started: epoch}, nil); err == nil {
		t.Error("it can be written to")
	}
}

// Looking makes no file, and sees one moment, also where somebody begins to write.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	write := func(id string) {
		s, err := Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		closed(t, begin(t, s, id, "w"))
		closed(t, s)
	}
	write("01A")
	files := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	before := files()
	var seen []string
	if err := Look(dir, func(s *Store) error {
		r, err := s.Find("last")
		seen = append(seen, r.ID)
		if len(seen) == 1 {
			if now := files(); !slices.Equal(now, before) {
				t.Errorf("%q, %q before", now, before)
			}
			write("01B")
		}
		return err
	}); err != nil || !slices.Equal(seen, []string{"01A", "01B"}) {
		t.Errorf("%q, %v", seen, err)
	}
	if now := files(); !slices.Equal(now, before) {
		t.Errorf("%q, %q before", now, before)
	}
}
