//go:build unix

package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Child describes a process to run. A Launcher runs it; it may be run again, but
// its streams are used up.
type Child struct {
	// Path is the program. Without a slash it is looked up in the folders that
	// PATH lists in Env, relative ones left out; a relative one with a slash is
	// relative to Dir.
	Path string
	// Args are the arguments, without the program's name before them.
	Args []string
	// Env is the whole environment as NAME=value; nil: that of this process.
	Env []string
	// Dir is the working folder; empty: that of this process.
	Dir string

	// Stdin is what the process reads; nil: nothing. An *os.File is handed over.
	// Any other reader is copied as the process takes it, on a goroutine of its
	// own; if its Read blocks on after the process has ended, that goroutine
	// outlives Run by as long as Read does, once Grace has passed.
	Stdin io.Reader
	// Stdout and Stderr get what the process writes, as it comes; nil: nobody.
	// An *os.File is handed over. Any other writer is called on a goroutine of
	// its own, once something is written, with a buffer it must not keep; if both are
	// the same, on one. A
	// slow writer slows the process down. After a writer's first error the rest
	// is dropped.
	Stdout, Stderr io.Writer

	// Grace is the time between SIGTERM and SIGKILL; 0: ten seconds.
	Grace time.Duration
	// Kill, if not nil, ends the group with SIGKILL at once when it ends,
	// whatever is left of Grace: for who has waited long enough.
	Kill context.Context
	// Family, if not nil, is whom what the process leaves running belongs to: it
	// goes on until Family.End. Without one it is ended with the process.
	Family *Family
	// Limits are what the process, and each it starts, may use.
	Limits Rlimits
	// OnStart, if not nil, is called once when the process has started, before
	// anything is read from it.
	OnStart func(pid int)

	// What a process pool hands over: descriptors that stay the caller's.
	output   [2]int        // for stdout and stderr; 0: the fields above say
	extra    []int         // for the descriptors from 3 on
	patience *atomic.Int64 // Grace, as it is when it is needed
}

// defaultGrace is a Child's Grace if it says nothing.
const defaultGrace = 10 * time.Second

func (c *Child) grace() time.Duration {
	if c.patience != nil {
		return time.Duration(c.patience.Load())
	}
	if c.Grace <= 0 {
		return defaultGrace
	}
	return c.Grace
}

// Rlimits limits what a process may use, by setrlimit. Zero means no limit but
// those of this process.
type Rlimits struct {
	Memory    int64         // bytes of address space (RLIMIT_AS)
	CPUTime   time.Duration // rounded up to seconds (RLIMIT_CPU)
	OpenFiles int           // RLIMIT_NOFILE
	Processes int           // of the user as a whole (RLIMIT_NPROC)
}

// Exit is how a process ended.
type Exit struct {
	PID    int            // 0: it never started
	Code   int            // the exit code; 128+n if signal n ended it
	Signal syscall.Signal // that ended it; 0: none
	// MaxRSS is the most memory that the process, or one that it waited for,
	// had at a time, in bytes. The system counts in what this process had when
	// it started the child, so it is never less than that.
	MaxRSS int64
	User   time.Duration // CPU time of the process and those it waited for
	System time.Duration
}

// StartError says that a process could not be started. errors.Is tells why:
// fs.ErrNotExist, fs.ErrPermission, syscall.E2BIG and so on.
type StartError struct {
	Path string // as in Child
	Dir  string // as in Child
	Err  error
}

// Error implements error.
func (e *StartError) Error() string { return fmt.Sprintf("executor: start %s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// StopError says that the context ended before the process did, and so ended it.
// It Is both ctx.Err() and context.Cause(ctx).
type StopError struct {
	Path  string
	Cause error // context.Cause of the context

	err error
}

func newStopError(ctx context.Context, path string) *StopError {
	return &StopError{Path: path, Cause: context.Cause(ctx), err: ctx.Err()}
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("executor: %s was stopped: %v", e.Path, e.Cause)
}

// Unwrap returns the context's error and its cause.
func (e *StopError) Unwrap() []error { return []error{e.err, e.Cause} }

// StreamError says that a reader or writer of a Child failed. The process ran to
// its end nevertheless, unless the stream could not even be opened (Exit.PID is 0).
type StreamError struct {
	Stream string // "stdin", "stdout" or "stderr"
	Err    error
}

// Error implements error.
func (e *StreamError) Error() string { return fmt.Sprintf("executor: %s: %v", e.Stream, e.Err) }

// Unwrap returns Err.
func (e *StreamError) Unwrap() error { return e.Err }

// program returns the path to execute.
func (c *Child) program(env []string) (string, error) {
	if c.Path == "" {
		return "", fmt.Errorf("no program: %w", fs.ErrNotExist)
	}
	if strings.Contains(c.Path, "/") {
		return c.Path, nil
	}
	dirs := "/usr/local/bin:/usr/bin:/bin"
	for _, e := range env {
		if p, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = p
		}
	}
	failure := fmt.Errorf("not in PATH (%s): %w", dirs, fs.ErrNotExist)
	for _, dir := range filepath.SplitList(dirs) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, c.Path)
		switch info, err := os.Stat(path); {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 != 0:
			return path, nil
		default:
			failure = fmt.Errorf("%s: %w", path, fs.ErrPermission)
		}
	}
	return "", failure
}

// explain says more about why path could not be executed.
func (c *Child) explain(path string, err error) error {
	if c.Dir != "" {
		if info, dirErr := os.Stat(c.Dir); dirErr != nil {
			return fmt.Errorf("working folder: %w", dirErr)
		} else if !info.IsDir() {
			return fmt.Errorf("working folder %s: %w", c.Dir, syscall.ENOTDIR)
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("is a folder: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its interpreter is missing: %w", err)
	}
	return err
}
