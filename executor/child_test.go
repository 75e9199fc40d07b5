//go:build unix

package executor_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/executor"
)

func launcher(t testing.TB) *executor.Launcher {
	t.Helper()
	l := new(executor.Launcher)
	t.Cleanup(func() { l.Close() })
	return l
}

// eachLauncher runs a test with each kind of launcher: they start programs and wait
// for them in different ways.
func eachLauncher(t *testing.T, test func(*testing.T, *executor.Launcher)) {
	t.Run("plain", func(t *testing.T) { test(t, launcher(t)) })
	if len(watcherArgs) == 0 {
		return
	}
	watched := func(t *testing.T) {
		l := &executor.Launcher{Watcher: watcherArgs}
		t.Cleanup(func() { l.Close() })
		test(t, l)
	}
	t.Run("watched", watched)
	t.Run("without clone3", func(t *testing.T) {
		defer executor.RefuseSpawn()()
		watched(t)
	})
}

func sh(script string) *executor.Child {
	return &executor.Child{Path: "/bin/sh", Args: []string{"-c", script}}
}

func TestChildExit(t *testing.T) { eachLauncher(t, testChildExit) }

func testChildExit(t *testing.T, l *executor.Launcher) {
	for _, tc := range []struct {
		script string
		code   int
		signal syscall.Signal
	}{
		{"exit 0", 0, 0},
		{"exit 3", 3, 0},
		{"exit 255", 255, 0},
		{"kill -KILL $$", 137, syscall.SIGKILL},
		{"kill -TERM $$", 143, syscall.SIGTERM},
	} {
		exit, err := l.Run(t.Context(), sh(tc.script))
		if err != nil || exit.Code != tc.code || exit.Signal != tc.signal || exit.PID == 0 || exit.MaxRSS == 0 {
			t.Errorf("%s: %+v, %v", tc.script, exit, err)
		}
	}
}

func TestChildStreams(t *testing.T) { eachLauncher(t, testChildStreams) }

func testChildStreams(t *testing.T, l *executor.Launcher) {
	var out, errs bytes.Buffer
	c := sh("cat; echo to stderr >&2")
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader("to stdout"), &out, &errs
	if _, err := l.Run(t.Context(), c); err != nil || out.String() != "to stdout" || errs.String() != "to stderr\n" {
		t.Fatalf("%v, %q, %q", err, out.String(), errs.String())
	}
}

func TestChildNotStarted(t *testing.T) { eachLauncher(t, testChildNotStarted) }

func testChildNotStarted(t *testing.T, l *executor.Launcher) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		child executor.Child
		is    error
		text  string
	}{
		{"not found", executor.Child{Path: "/no/such/program"}, fs.ErrNotExist, "/no/such/program"},
		{"not in PATH", executor.Child{Path: "no-such-program"}, fs.ErrNotExist, "PATH"},
		{"no name", executor.Child{}, fs.ErrNotExist, "no program"},
		{"not executable", executor.Child{Path: file}, fs.ErrPermission, file},
		{"not executable in PATH", executor.Child{Path: "file", Env: []string{"PATH=" + dir}}, fs.ErrPermission, file},
		{"folder", executor.Child{Path: dir}, fs.ErrPermission, "folder"},
		{"no interpreter", executor.Child{Path: script}, fs.ErrNotExist, "interpreter"},
		{"no working folder", executor.Child{Path: "/bin/true", Dir: filepath.Join(dir, "none")}, fs.ErrNotExist, "working folder"},
		{"NUL in an argument", executor.Child{Path: "/bin/true", Args: []string{"a\x00b"}}, syscall.EINVAL, "invalid"},
		{"too long", executor.Child{Path: "/bin/true", Args: []string{strings.Repeat("x", 1<<20)}}, syscall.E2BIG, "too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			exit, err := l.Run(t.Context(), &tc.child)
			var start *executor.StartError
			if !errors.As(err, &start) || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) || exit.PID != 0 {
				t.Fatalf("%+v, %v", exit, err)
			}
		})
	}
}

func TestChildStopsWithItsContext(t *testing.T) { eachLauncher(t, testChildStopsWithItsContext) }

func testChildStopsWithItsContext(t *testing.T, l *executor.Launcher) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := sh("echo ready; sleep 1000 & wait")
	c.Stdout = writerFunc(func([]byte) (int, error) { cancel(cause); return 6, nil })
	c.Grace = time.Minute
	exit, err := l.Run(ctx, c)
	var stop *executor.StopError
	if !errors.As(err, &stop) || !errors.Is(err, cause) || !errors.Is(err, context.Canceled) || exit.Signal != syscall.SIGTERM {
		t.Fatalf("%+v, %v", exit, err)
	}
	if exit, err := l.Run(ctx, c); !errors.Is(err, cause) || exit.PID != 0 {
		t.Fatalf("ctx done: %+v, %v", exit, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
