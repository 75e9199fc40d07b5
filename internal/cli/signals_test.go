package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"flow/dag"
)

// A signal that comes while a run gets its place cancels the wait or is left for the
// run: it is never lost.
func TestSignalAtThePlaceIsNotLost(t *testing.T) {
	w, found := dag.Parse("w.yaml", []byte("name: w\nconcurrency: { max_runs: 1 }\ntasks: { a: { run: ls } }\n"))
	if w == nil {
		t.Fatal(found)
	}
	flags := &runFlags{keep: keepFlags{home: t.TempDir()}}
	given := 0
	for range 300 {
		sig := &signals{came: make(chan os.Signal, 4)}
		sig.came <- syscall.SIGTERM
		place, err := takePlace(streams{out: io.Discard, err: io.Discard}, w, flags, "run", sig)
		if err != nil {
			if coded, ok := errors.AsType[*codeError](err); !ok || coded.code != exitCancelled {
				t.Fatal(err)
			}
			continue
		}
		given++
		if len(sig.came) != 1 {
			t.Fatal("the signal is lost")
		}
		if err := place.Free(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of 300 got the place", given)
}

// A reader that goes before the summary is what SIGPIPE is elsewhere.
func TestNobodyReadsTheSummary(t *testing.T) {
	t.Setenv("FLOW_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "w.yaml")
	if err := os.WriteFile(file, []byte("tasks: { a: { expr: 1 } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	if code := Main([]string{"run", file}, write, io.Discard); code != exitUnread {
		t.Errorf("exit code %d", code)
	}
}
