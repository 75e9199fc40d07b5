package action

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// What feeds a script's standard input ends with the script, read or not.
func TestFeedEnds(t *testing.T) {
	// The collector would close the pipe sooner or later, and hide a leak.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, read := range []int64{0, 10, 1 << 20} {
		stdin, done, err := feed(strings.NewReader(strings.Repeat("x", 1<<20)))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, stdin, read); n != read || err != nil {
			t.Fatal(n, err)
		}
		done()
		goleak.VerifyNone(t)
	}
	if stdin, done, err := feed(nil); stdin != nil || err != nil {
		t.Error(stdin, err)
	} else {
		done()
	}
}

// After close nothing is let in.
func TestProgramsClose(t *testing.T) {
	var p programs
	if !p.enter() {
		t.Fatal("the first is not let in")
	}
	go p.leave()
	p.close()
	if p.enter() {
		t.Error("one is let in after the end")
	}
}

func TestMissingStatus(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		want       uint8
	}{
		{"./plain", "", 126},
		{filepath.Join(dir, "plain"), "", 126},
		{"./none", dir, 127},
		{"plain", "/nonexistent:" + dir, 126},
		{"plain", ".", 126},
		{"plain", "/nonexistent", 127},
		{"plain", "", 127},
	} {
		if got := missingStatus(c.name, dir, c.path); got != c.want {
			t.Errorf("%s in %q: %d, want %d", c.name, c.path, got, c.want)
		}
	}
}
