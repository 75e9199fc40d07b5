package cli

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/internal/cron"
	"flow/internal/proctest"
	"flow/internal/store"
)

// A service that is killed again and again under load loses no time and no run, and starts
// none twice: each time of each schedule has one row, each row that fired has one run, each
// run comes to its end, and nothing is left running. FLOW_TEST_KILLS says how often.
func TestServeKilled(t *testing.T) {
	kills := 8
	if more, err := strconv.Atoi(os.Getenv("FLOW_TEST_KILLS")); err == nil {
		kills = more
	}
	dir := t.TempDir()
	mark := fmt.Sprintf("8%08d", rand.IntN(100_000_000))
	side := filepath.Join(dir, "side")
	policies := []string{"allow", "queue", "skip", "replace"}
	const schedules = 12
	for i := range schedules {
		text := fmt.Sprintf(`name: w%d
schedule: [{ cron: "@every 1s", overlap: %s, catchup: all }]
tasks:
  a: { run: 'echo "begin $FLOW_RUN_ID" >> %s; sleep 0.%d; : %s; echo "end $FLOW_RUN_ID" >> %s' }
  b: { run: 'echo "last $FLOW_RUN_ID" >> %s', needs: [a] }
`, i, policies[i%len(policies)], side, 1+i%6, mark, side, side)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("w%d.yaml", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "home")
	serve := func(end time.Duration, sig syscall.Signal) {
		t.Helper()
		flow := exec.Command("flow", "serve", dir, "--home", home, "--listen", "127.0.0.1:0", "--drain", "2s")
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		flow.Stdout, flow.Stderr = out, out
		if err := flow.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(end, func() { _ = flow.Process.Signal(sig) })
		defer timer.Stop()
		if err := flow.Wait(); (err == nil) != (sig == syscall.SIGTERM) || sig == syscall.SIGKILL && flow.ProcessState.ExitCode() != -1 {
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("%v: %s", err, text)
		}
	}
	for range kills {
		serve(time.Duration(300+rand.IntN(1500))*time.Millisecond, syscall.SIGKILL)
	}
	// What is queued, and what was interrupted, comes to its end.
	for deadline := time.Now().Add(2 * time.Minute); ; {
		for i := range schedules {
			path := filepath.Join(dir, fmt.Sprintf("w%d.yaml", i))
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.Replace(string(text), "catchup: all }", "catchup: all, end: 2020-01-01 }", 1)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		serve(4*time.Second, syscall.SIGTERM)
		if settled(t, home) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there are runs that don't end")
		}
	}
	checkLedger(t, home, schedules)
	checkServed(t, home, side)
	for deadline := time.Now().Add(time.Minute); len(proctest.Marked(t, mark)) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("there is something left")
		}
	}
}

func openHome(t *testing.T, home string) *store.Store {
	t.Helper()
	s, err := store.Open(home, store.Normal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// settled reports whether nothing is still to come.
func settled(t *testing.T, home string) bool {
	t.Helper()
	s := openHome(t, home)
	rows, err := s.Unsettled()
	if err != nil {
		t.Fatal(err)
	}
	runs, err := s.Unended()
	if err != nil {
		t.Fatal(err)
	}
	return len(rows) == 0 && len(runs) == 0
}

// checkLedger holds the rows against the times that there were, and the runs.
func checkLedger(t *testing.T, home string, schedules int) {
	t.Helper()
	s := openHome(t, home)
	every, err := cron.Parse("@every 1s", "UTC", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	counts := make(map[string]int)
	for i := range schedules {
		rows, err := s.Ledger(store.LedgerFilter{Workflow: fmt.Sprint("w", i)})
		if err != nil || len(rows) == 0 {
			t.Fatalf("w%d: %d rows, %v", i, len(rows), err)
		}
		next := rows[len(rows)-1].At
		for k := len(rows) - 1; k >= 0; k-- {
			r := &rows[k]
			if !r.At.Equal(next) {
				t.Fatalf("w%d: %s stands where %s should", i, r.At, next)
			}
			after, _ := every.Next(r.At)
			next = after.At
			counts[r.Fate]++
			switch fired := r.Fate == "fired" || r.Fate == "caught_up"; {
			case fired && r.Run == "", !r.Begun, r.Fate == "missed", r.Fate == "failed", r.Fate == "queued":
				t.Errorf("w%d: %+v", i, r)
			case fired && ids[r.Run]:
				t.Errorf("w%d: run %s has two times", i, r.Run)
			case fired:
				ids[r.Run] = true
			}
		}
	}
	n := 0
	for r, err := range s.Runs(store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if !ids[r.ID] || r.Status != "succeeded" && (r.Status != "cancelled" || r.Reason != "replace") {
			t.Errorf("%+v, in the ledger: %v", r, ids[r.ID])
		}
	}
	if n != len(ids) {
		t.Errorf("%d times have fired, %d runs have begun", len(ids), n)
	}
	t.Logf("%d runs; %v", n, counts)
}

// checkServed holds what the tasks have told against the runs.
func checkServed(t *testing.T, home, side string) {
	t.Helper()
	f, err := os.Open(side)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	told := make(map[string]int)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		told[lines.Text()]++
	}
	for r, err := range openHome(t, home).Runs(store.Filter{Status: "succeeded"}) {
		if err != nil {
			t.Fatal(err)
		}
		if told["end "+r.ID] == 0 || told["last "+r.ID] == 0 {
			t.Errorf("run %s succeeded, and its tasks did not run", r.ID)
		}
	}
}
