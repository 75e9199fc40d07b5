package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
					if refs, err := s.refs(&r); err != nil || len(refs) != 1 {
						t.Errorf("%s: %v, %v", r.ID, refs, err)
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
		refs, err := s.refs(&r)
		if err != nil {
			t.Fatal(err)
		}
		name, err := valueName(refs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.files.put(name, []byte("another"), false); err != nil {
			t.Fatal(err)
		}
		stray := s.Log(LogOf{"01NONE", "a", -1, 1})
		fmt.Fprintln(stray.Stdout(), "x")
		closed(t, stray)
		all := []string{"01RUN3 event 0", "01RUN2 value sha256:", "01RUN1 the text", "01RUN0 event 0", " 1 logs and folders", " 1 results"}
		for _, repair := range []bool{false, true} {
			want := all
			if !repair { // what the torn run names is not known
				want = all[:5]
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
