package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// keepRun stores a run with a large value and a log.
func keepRun(t *testing.T, s *Store, id, workflow string, ended time.Time) {
	t.Helper()
	j := begin(t, s, id, workflow)
	defer closed(t, j)
	ref, err := s.PutValue([]byte(`"` + id + `"`))
	if err != nil {
		t.Fatal(err)
	}
	e := started(0)
	e.Kind, e.Value = run.AttemptEnded, []any{map[string]any{"v": ref}}
	if err := j.Append([]run.Event{{Kind: run.Started, Time: epoch, Start: &run.Start{Version: run.Version, Params: map[string]any{}}}, e}); err != nil {
		t.Fatal(err)
	}
	l := s.Log(LogOf{id, "a", -1, 1})
	fmt.Fprintln(l.Stdout(), "x")
	closed(t, l)
	if !ended.IsZero() {
		if err := j.End(Ending{Status: "succeeded", Time: ended, Summary: fmt.Appendf(nil, `{"result":{"ref":%q,"size":1}}`, ref.Hash)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGC(t *testing.T) {
	now := epoch.Add(1000 * time.Hour)
	for name, c := range map[string]struct {
		keep   Keep
		gone   string
		values int
	}{
		"all is kept":  {Keep{}, "", 0},
		"age":          {Keep{Age: 500 * time.Hour}, "10", 2},
		"per workflow": {Keep{PerWorkflow: 1}, "10", 2},
		"total":        {Keep{Total: 3}, "10", 2},
		"both":         {Keep{Age: 700 * time.Hour, Total: 4}, "0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *Store) {
				for i := range 5 {
					ended := epoch.Add(time.Duration(i+1) * 200 * time.Hour)
					if i == 2 {
						ended = time.Time{} // it was interrupted: it is always kept
					}
					keepRun(t, s, fmt.Sprint("01RUN", i), []string{"a", "b", "a", "b", "a"}[i], ended)
				}
				for _, dry := range []bool{true, false} {
					got, err := s.GC(c.keep, now, dry)
					if err != nil {
						t.Fatal(err)
					}
					var ids strings.Builder
					for _, r := range got.Runs {
						ids.WriteString(strings.TrimPrefix(r.ID, "01RUN"))
					}
					if ids.String() != c.gone {
						t.Errorf("dry %v: %q, not %q", dry, ids.String(), c.gone)
					}
					if got.Values != c.values {
						t.Errorf("dry %v: %d values, not %d", dry, got.Values, c.values)
					}
				}
				left := 0
				for r, err := range s.Runs(Filter{}) {
					if err != nil {
						t.Fatal(err)
					}
					left++
					if logs, err := s.Logs(r.ID, ""); err != nil || len(logs) != 1 {
						t.Errorf("%s: %v, %v", r.ID, logs, err)
					}
					named := make(map[string]bool)
					if err := s.refs(&r, named); err != nil || len(named) != 1 {
						t.Errorf("%s: %v, %v", r.ID, named, err)
					}
				}
				if left != 5-len(c.gone) {
					t.Errorf("%d are left", left)
				}
				if found, err := s.Check(false, now); err != nil || len(found) > 0 {
					t.Errorf("%+v, %v", found, err)
				}
			})
		})
	}
}

func TestCheck(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for i := range 4 {
			ended := epoch
			if i == 3 {
				ended = time.Time{}
			}
			keepRun(t, s, fmt.Sprint("01RUN", i), "w", ended)
		}
		damage := func(statement string, args ...any) {
			t.Helper()
			if _, err := s.write.Exec(statement, args...); err != nil {
				t.Fatal(err)
			}
		}
		damage(`UPDATE events SET data = x'00' WHERE run IN (SELECT num FROM runs WHERE id IN ('01RUN0', '01RUN3'))`)
		damage(`UPDATE runs SET text = 'none' WHERE id = '01RUN1'`)
		r, err := s.Find("01RUN2")
		if err != nil {
			t.Fatal(err)
		}
		named := make(map[string]bool)
		if err := s.refs(&r, named); err != nil {
			t.Fatal(err)
		}
		name, err := valueName(slices.Collect(maps.Keys(named))[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.files.put(name, []byte("another"), false); err != nil {
			t.Fatal(err)
		}
		stray := s.Log(LogOf{"01NONE", "a", -1, 1})
		fmt.Fprintln(stray.Stdout(), "x")
		closed(t, stray)
		all := []string{"01RUN3 event 0", "01RUN2 value sha256:", "01RUN1 the text", "01RUN0 event 0", " the file " + name, " 1 files and folders", " 1 results"}
		for _, repair := range []bool{false, true} {
			want := all
			if !repair { // what the torn run names is not known
				want = all[:6]
			}
			found, err := s.Check(repair, epoch)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if i >= len(found) || !strings.HasPrefix(found[i].Run+" "+found[i].What, w) {
					t.Fatalf("repair %v: %+v", repair, found)
				}
				if can := i == 0 || i >= 4; found[i].Repaired != (repair && can) {
					t.Errorf("%+v", found[i])
				}
			}
			if len(found) != len(want) {
				t.Errorf("%+v", found)
			}
		}
		if found, err := s.Check(false, epoch); err != nil || len(found) != 4 { // 3 that can't be mended, and a run that has no event now
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// A value's file that a crash of the machine has left with another content is as good as
// none: the cache has no result then, keeping the value again puts it right, and fsck
// removes it with what names it.
func TestDamagedValues(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		text := []byte(`"` + strings.Repeat("x", 1000) + `"`)
		ref, err := s.PutValue(text)
		if err != nil {
			t.Fatal(err)
		}
		key := CacheKey{CacheOf{"/w.yaml", "w", "a"}, "d", "k"}
		j := begin(t, s, "01RUN", "w")
		first := run.Event{Kind: run.Started, Time: epoch, Start: &run.Start{Version: run.Version, Params: map[string]any{}}}
		if err := j.Append([]run.Event{first}, Kept{key, &Cached{Made: epoch, Value: ref}}); err != nil {
			t.Fatal(err)
		}
		closed(t, j)
		name, err := valueName(ref.Hash)
		if err != nil {
			t.Fatal(err)
		}
		for what, bad := range map[string]string{"shorter": "", "as long": strings.Repeat("\x00", len(text))} {
			if c, err := s.Cached(key); c == nil || err != nil {
				t.Fatal(c, err)
			}
			if err := s.files.put(name, []byte(bad), false); err != nil {
				t.Fatal(err)
			}
			if c, err := s.Cached(key); c != nil || err != nil {
				t.Errorf("%s: %v, %v", what, c, err)
			}
			if again, err := s.PutValue(text); err != nil || *again != *ref {
				t.Error(again, err)
			}
			if got, err := s.Value(ref); err != nil || string(got) != string(text) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := s.files.put(name, []byte("another"), false); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{2, 0} { // the file, and the row of the cache
			if found, err := s.Check(true, epoch); err != nil || len(found) != want {
				t.Errorf("%+v, %v", found, err)
			}
		}
		if c, err := s.LastCached(key.CacheOf); c != nil || err != nil {
			t.Errorf("%v, %v", c, err)
		}
		if _, _, err := s.files.stat(name); err == nil {
			t.Error("it is still there")
		}
	})
}

// What a run needs to be retried is kept, whatever its summary names; so is what the
// cache has.
func TestGCKeepsWhatIsNamed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		var refs []*dag.Ref
		for _, text := range []string{`"event"`, `"cache"`, `"none"`} {
			ref, err := s.PutValue([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, ref)
		}
		j := begin(t, s, "01RUN", "w")
		first := run.Event{Kind: run.Started, Time: epoch, Start: &run.Start{Version: run.Version, Params: map[string]any{}}}
		e := started(0)
		e.Kind, e.Value = run.AttemptEnded, refs[0]
		key := CacheKey{CacheOf{"/w.yaml", "w", "a"}, "d", "k"}
		if err := j.Append([]run.Event{first, e}, Kept{key, &Cached{Made: epoch, Value: []any{refs[1]}}}); err != nil {
			t.Fatal(err)
		}
		if err := j.End(Ending{Status: "cancelled", Time: epoch, Summary: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
		closed(t, j)
		got, err := s.GC(Keep{}, time.Now().Add(2*young), false)
		if err != nil || got.Values != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		for i, ref := range refs {
			if _, err := s.Value(ref); (err == nil) != (i < 2) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

// Temporary files and locks that a crash has left go once they are old; those of runs that
// are being run stay, however old.
func TestGCStrays(t *testing.T) {
	s, err := Open(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	j := begin(t, s, "01LIVE", "w")
	defer closed(t, j)
	l, err := s.own("01BEGINS") // it has its lock, and no row yet
	if err != nil {
		t.Fatal(err)
	}
	defer l.free()
	for _, name := range []string{
		"locks/01LIVE.cancel", "locks/01GONE", "locks/01GONE.cancel", "locks/01LIVE.cancel.new-ABC", "locks/service", "values/ab/cd.new-ABC",
	} {
		if err := s.files.put(name, []byte("{}"), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{young / 2, 0}, {2 * young, 4}, {2 * young, 0}} {
		got, err := s.GC(Keep{}, time.Now().Add(c.after), false)
		if err != nil || got.Strays != c.want {
			t.Errorf("after %v: %+v, %v", c.after, got, err)
		}
	}
	left, err := s.files.list(locksDir)
	if want := []string{"01BEGINS", "01LIVE", "01LIVE.cancel", "service"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("%q, %v", left, err)
	}
}

// Settled times go with age, but for what is needed to know what comes next.
func TestGCLedger(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		causes := []Cause{{Key: "s", Trigger: "schedule", Upto: epoch, Active: true}, {Key: "f", Trigger: "file", Upto: epoch, Active: true}}
		rows := []Row{{Key: "f", What: "in.csv", At: epoch, Begun: true, Run: "01F"}, {Key: "f", What: "in2.csv", At: epoch.Add(time.Hour), Begun: true, Run: "01F2"}}
		for i := range 6 {
			rows = append(rows, Row{Key: "s", At: epoch.Add(time.Duration(i) * 24 * time.Hour), Begun: i != 0, Run: []string{"", "01A", "01B", "", "", ""}[i], Fate: "fired"})
		}
		for i := range rows {
			rows[i].Decided = rows[i].At
		}
		if _, err := s.Decide(causes, rows, nil); err != nil {
			t.Fatal(err)
		}
		closed(t, begin(t, s, "01B", "w")) // it has not ended
		for _, c := range []struct {
			keep Keep
			at   time.Time
			want int64
		}{
			{Keep{}, epoch.Add(KeepTimes), 0},                                     // none is older
			{Keep{Age: 100 * time.Hour}, epoch.Add(197 * time.Hour), 3},           // 1, 3 and 4: 0 is not settled, the run of 2 is there, 5 is younger
			{Keep{Age: 100 * time.Hour}, epoch.Add(197 * time.Hour), 0},           // done
			{Keep{}, epoch.Add(KeepTimes + 5*24*time.Hour + time.Millisecond), 1}, // 5
		} {
			for _, dry := range []bool{true, false} {
				got, err := s.GC(c.keep, c.at, dry)
				if err != nil || got.Times != c.want {
					t.Errorf("%v, %v, dry %v: %d, not %d; %v", c.keep, c.at, dry, got.Times, c.want, err)
				}
			}
		}
		if last, err := s.LastRun("s"); last != "01B" || err != nil {
			t.Errorf("%s, %v", last, err)
		}
		if _, seen, err := s.Seen("f", "in.csv"); !seen || err != nil {
			t.Error("it would be seen again", err)
		}
		if left, err := s.Ledger(LedgerFilter{Key: "s"}); err != nil || len(left) != 2 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

// Many runs are removed in few transactions, and texts in one pass.
func TestGCOfMany(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for i := range 2*batch + 50 {
			j := begin(t, s, fmt.Sprintf("01RUN%04d", i), fmt.Sprint("w", i))
			if err := j.End(Ending{Status: "succeeded", Time: epoch, Summary: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
			closed(t, j)
		}
		got, err := s.GC(Keep{Total: 3}, epoch, false)
		if err != nil || len(got.Runs) != 2*batch+47 {
			t.Fatal(len(got.Runs), err)
		}
		var texts, runs int
		if err := s.read.QueryRow(`SELECT (SELECT count(*) FROM texts), (SELECT count(*) FROM runs)`).Scan(&texts, &runs); err != nil || texts != 3 || runs != 3 {
			t.Errorf("%d texts of %d runs, %v", texts, runs, err)
		}
	})
}
