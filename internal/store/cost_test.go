package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/internal/run"
)

// watch counts what is asked of a database. It is a driver around another.
type watch struct {
	source  string
	driver  driver.Driver
	queries []string
}

func (w *watch) Connect(context.Context) (driver.Conn, error) {
	c, err := w.driver.Open(w.source)
	return watched{c, w}, err
}

func (w *watch) Driver() driver.Driver { return w.driver }

type watched struct {
	driver.Conn
	watch *watch
}

func (c watched) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.watch.queries = append(c.watch.queries, query)
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c watched) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.watch.queries = append(c.watch.queries, query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c watched) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.watch.queries = append(c.watch.queries, query)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c watched) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

// tally counts what is asked of files.
type tally struct {
	files
	calls, bytes, names int
}

func (y *tally) note(n int) { y.calls, y.bytes = y.calls+1, y.bytes+n }

func (y *tally) append(name string) (io.WriteCloser, error) {
	y.note(0)
	return y.files.append(name)
}

func (y *tally) put(name string, data []byte, sync bool) error {
	y.note(len(data))
	return y.files.put(name, data, sync)
}

func (y *tally) read(name string) ([]byte, error) {
	b, err := y.files.read(name)
	y.note(len(b))
	return b, err
}

func (y *tally) readAt(name string, from int64, n int) ([]byte, error) {
	b, err := y.files.readAt(name, from, n)
	y.note(len(b))
	return b, err
}

func (y *tally) open(name string) (io.ReadCloser, error) {
	size, _, err := y.files.stat(name)
	if err != nil {
		return nil, err
	}
	y.note(int(size))
	return y.files.open(name)
}

func (y *tally) list(dir string) ([]string, error) {
	names, err := y.files.list(dir)
	y.note(0)
	y.names += len(names)
	return names, err
}

// crowd fills a home as n runs would, with logs and cached results.
func crowd(t *testing.T, s *Store, n int) {
	t.Helper()
	if err := s.transaction(func(tx *sql.Tx) error {
		for i := range n {
			if _, err := tx.Exec(`INSERT INTO runs (id, workflow, file, text, status, started, ended, cause, tasks, summary, spans, shape) VALUES (?, 'w', '/w.yaml', ?, ?, 1, 1, 'manual', 2, ?, ?, ?)`,
				fmt.Sprintf("00OLD%05d", i), fmt.Sprint(i), []string{"failed", "succeeded"}[i%2], s.pack([]byte("{}")), s.pack([]byte("{}")), fmt.Sprint(i%3)); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO texts (hash, text) VALUES (?, 'x')`, fmt.Sprint(i)); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO events (run, seq, n, data) VALUES (?, 0, 1, 'x')`, i+1); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO cache (file, workflow, task, definition, key, run, used, made, code, value, parts) VALUES ('/w.yaml', 'w', 'a', 'd', ?, 'r', ?, 1, 0, 'x', '[]')`, fmt.Sprint(i), i+1); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range n / 10 {
		for k := range 3 {
			l := s.Log(LogOf{fmt.Sprintf("00OLD%05d", i), "a", k, 1})
			fmt.Fprintln(l.Stdout(), "x")
			closed(t, l)
		}
	}
}

// life is what a run asks of its home, and whoever follows it.
func life(t *testing.T, s *Store) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		_, err := s.Spans("w", "0", 9)
		check(err)
		_, err = s.Spans("w", "none", 9)
		check(err)
	}
	j := begin(t, s, "01NEW", "w")
	ref, err := s.PutValue([]byte(`"` + strings.Repeat("x", 1000) + `"`))
	check(err)
	key := CacheKey{CacheOf{"/w.yaml", "w", "b"}, "d", "new"}
	check(j.Append([]run.Event{started(0)}, Kept{key, &Cached{Made: epoch, Value: ref}}))
	for range 3 {
		c, err := s.Cached(key)
		if check(err); c == nil {
			t.Fatal("no result")
		}
		check(j.Append([]run.Event{started(1)}, Kept{Key: key}))
	}
	of := LogOf{"01NEW", "a", -1, 1}
	l := s.Log(of)
	fmt.Fprintln(l.Stdout(), "said")
	closed(t, l)
	_, _, err = s.LogSize(of)
	check(err)
	_, err = s.Logs("01NEW", "")
	check(err)
	s.CancelRequested("01NEW")
	s.CancelRequests()
	check(j.End(Ending{Status: "succeeded", Time: epoch, Summary: []byte("{}")}))
	closed(t, j)
	r, err := s.Find("01NEW")
	check(err)
	for range s.EventsFrom(&r, 4, epoch.Add(time.Second)) {
	}
	for _, f := range []Filter{{Limit: 5}, {Workflow: "w", Limit: 5}, {Status: "succeeded", Limit: 5}, {Workflow: "w", Status: "succeeded", Limit: 5}} {
		for _, err := range s.Runs(f) {
			check(err)
		}
	}
	if j, err = s.Reopen(r, func(run.Event) error { return nil }); err == nil {
		check(j.SetToken("t"))
		err = j.Close()
	}
	check(err)
}

// What a run costs does not depend on how many runs, logs and cached results the home has:
// it asks as many questions, each of them by an index, and reads as many bytes of files.
func TestCosts(t *testing.T) {
	var queries, calls, bytes, names []int
	for _, n := range []int{20, 2000} {
		dir := t.TempDir()
		s, err := Open(dir, Off)
		if err != nil {
			t.Fatal(err)
		}
		crowd(t, s, n)
		closed(t, s)
		if s, err = Open(dir, Off); err != nil {
			t.Fatal(err)
		}
		defer closed(t, s)
		w := &watch{source: "file:" + filepath.Join(dir, "flow.db") + "?_txlock=immediate&_pragma=busy_timeout(10000)", driver: s.write.Driver()}
		if err := s.insert.Close(); err != nil {
			t.Fatal(err)
		}
		closed(t, s.write)
		closed(t, s.read)
		db := sql.OpenDB(w)
		db.SetMaxOpenConns(1)
		s.write, s.read = db, db
		if s.insert, err = db.Prepare(insertEvents); err != nil {
			t.Fatal(err)
		}
		y := &tally{files: s.files}
		s.files = y
		life(t, s)
		asked := slices.Clone(w.queries)
		queries, calls, bytes, names = append(queries, len(w.queries)), append(calls, y.calls), append(bytes, y.bytes), append(names, y.names)
		slices.Sort(asked)
		for _, query := range slices.Compact(asked) {
			if plan := scans(t, s, query); plan != "" {
				t.Errorf("%d runs: %s: %s", n, plan, query)
			}
		}
	}
	for what, n := range map[string][]int{"queries": queries, "calls": calls, "bytes": bytes, "names": names} {
		if n[0] == 0 || n[0] != n[1] {
			t.Errorf("%s: %d in a small home, %d in a large one", what, n[0], n[1])
		}
	}
}

// scans is how SQLite would look at all rows of a table for a query, or at runs that failed
// for one of those that did not; "": it would not.
func scans(t *testing.T, s *Store, query string) string {
	t.Helper()
	rows, err := s.read.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatalf("%v: %s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") || strings.Contains(query, "status = 'succeeded'") && !strings.Contains(detail, "workflow=? AND status=?") {
			return detail
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ""
}
