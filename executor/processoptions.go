//go:build unix

package executor

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"flow/internal/wire"
)

// ProcessOption is an option of NewProcessPool.
type ProcessOption interface {
	applyProcess(*processOptions) error
}

// processOptions is what the options of a process pool amount to.
type processOptions struct {
	name     string
	max      int
	runtime  Runtime
	perTask  int   // MaxTasksPerWorker; 0: no limit
	maxRSS   int64 // bytes; 0: no limit
	init     string
	initArgs [][]byte
	preload  []string
	path     []string
	env      map[string]string
	rest     [2]io.Writer // for what no task has printed
	environ  []string     // nil: this process's
	dir      string
	limits   Rlimits
	onDeath  DeathMode
	grace    time.Duration
	launcher *Launcher
}

func newProcessOptions(opts []ProcessOption) (*processOptions, error) {
	o := &processOptions{max: runtime.GOMAXPROCS(0), grace: defaultGrace, rest: [2]io.Writer{os.Stdout, os.Stderr}}
	for _, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("executor: NewProcessPool: nil option")
		}
		if err := opt.applyProcess(o); err != nil {
			return nil, fmt.Errorf("executor: NewProcessPool: %w", err)
		}
	}
	if o.runtime.argv == nil {
		return nil, fmt.Errorf("executor: NewProcessPool: no runtime: use Self, Python, Node or Command")
	}
	if _, err := o.runtime.argv(); err != nil {
		return nil, fmt.Errorf("executor: NewProcessPool: %w", err)
	}
	return o, nil
}

type processOption func(*processOptions) error

func (f processOption) applyProcess(o *processOptions) error { return f(o) }

func (c CommonOption) applyProcess(o *processOptions) error {
	if c.set == nil {
		return nil
	}
	return c.set(c, &o.max, &o.name)
}

// MaxTasksPerWorker has a worker end after n tasks, and another one take its place; n is
// at least 1. By default workers stay.
func MaxTasksPerWorker(n int) ProcessOption {
	return processOption(func(o *processOptions) error {
		if n < 1 {
			return fmt.Errorf("MaxTasksPerWorker(%d): must be at least 1", n)
		}
		o.perTask = n
		return nil
	})
}

// MaxWorkerRSS has a worker end, and another one take its place, that has more than so
// many bytes of memory after a task. It needs Linux.
func MaxWorkerRSS(bytes int64) ProcessOption {
	return processOption(func(o *processOptions) error {
		if bytes < 1 {
			return fmt.Errorf("MaxWorkerRSS(%d): must be positive", bytes)
		}
		if _, err := residentMemory(os.Getpid()); err != nil {
			return fmt.Errorf("MaxWorkerRSS: this system does not tell: %w", err)
		}
		o.maxRSS = bytes
		return nil
	})
}

// InitCall has each worker call fn with args before its first task. If that fails the
// pool breaks: what has not started, and what is submitted later, fails with a
// *BrokenError that Is the *RemoteError.
func InitCall(fn string, args ...any) ProcessOption {
	return processOption(func(o *processOptions) error {
		if fn == "" {
			return fmt.Errorf("InitCall: no function")
		}
		if args == nil {
			args = []any{}
		}
		blobs, err := wire.Encode(args, false)
		if err != nil {
			return fmt.Errorf("InitCall(%s): arguments: %w", fn, newEncodeError(err))
		}
		o.init, o.initArgs = fn, blobs
		return nil
	})
}

// Preload has each worker import modules before its first task. If that fails the pool
// breaks, as with InitCall.
func Preload(modules ...string) ProcessOption {
	return processOption(func(o *processOptions) error {
		if slices.Contains(modules, "") {
			return fmt.Errorf("Preload: an empty name")
		}
		o.preload = slices.Concat(o.preload, modules)
		return nil
	})
}

// Path lists the folders in which workers look for modules first; relative ones are
// relative to the current folder of now.
func Path(dirs ...string) ProcessOption {
	return processOption(func(o *processOptions) error {
		for _, dir := range dirs {
			if dir == "" {
				return fmt.Errorf("Path: an empty folder")
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("Path: %w", err)
			}
			o.path = append(o.path, abs)
		}
		return nil
	})
}

// Dir has workers run in a folder; the default is that of this process.
func Dir(path string) ProcessOption {
	return processOption(func(o *processOptions) error {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no folder", path)
		}
		if err != nil {
			return fmt.Errorf("Dir: %w", err)
		}
		o.dir = path
		return nil
	})
}

// Environ sets what workers inherit, in place of this process's environment.
func Environ(environ []string) ProcessOption {
	return processOption(func(o *processOptions) error {
		o.environ = append([]string{}, environ...)
		return nil
	})
}

// Env adds variables to the environment that workers inherit.
func Env(variables map[string]string) ProcessOption {
	return processOption(func(o *processOptions) error {
		if err := checkEnv(variables); err != nil {
			return fmt.Errorf("Env: %w", err)
		}
		if o.env == nil {
			o.env = make(map[string]string)
		}
		maps.Copy(o.env, variables)
		return nil
	})
}

// checkEnv refuses what no environment can hold.
func checkEnv(variables map[string]string) error {
	for name, value := range variables {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.IndexByte(value, 0) >= 0 || !utf8.ValidString(name+value) {
			return fmt.Errorf("%q=%q: a name is not empty and has no =, and neither has a NUL byte or is anything but UTF-8", name, value)
		}
	}
	return nil
}

// OtherOutput has what workers print between tasks, and tasks without Output, go to stdout
// and stderr; nil drops it. The default is those of this process.
func OtherOutput(stdout, stderr io.Writer) ProcessOption {
	return processOption(func(o *processOptions) error {
		o.rest = [2]io.Writer{stdout, stderr}
		for i, w := range o.rest {
			if w == nil {
				o.rest[i] = io.Discard
			}
		}
		return nil
	})
}

// Limits limits what a worker, and each process it starts, may use.
func Limits(l Rlimits) ProcessOption {
	return processOption(func(o *processOptions) error {
		if l.Memory < 0 || l.CPUTime < 0 || l.OpenFiles < 0 || l.Processes < 0 {
			return fmt.Errorf("Limits(%+v): must not be negative", l)
		}
		o.limits = l
		return nil
	})
}

// DeathMode says what the death of a worker does.
type DeathMode uint8

const (
	// FailTask fails the task that the worker was running, with a *BrokenError.
	// Another worker takes its place.
	FailTask DeathMode = iota
	// BreakPool fails all that the pool has and breaks it, as Python does.
	BreakPool
)

// OnWorkerDeath sets what the death of a worker does. The default is FailTask.
func OnWorkerDeath(mode DeathMode) ProcessOption {
	return processOption(func(o *processOptions) error {
		if mode > BreakPool {
			return fmt.Errorf("OnWorkerDeath: unknown DeathMode(%d)", mode)
		}
		o.onDeath = mode
		return nil
	})
}

// KillGrace sets how long a worker has to end by itself before it gets SIGKILL; d is
// positive. The default is ten seconds.
func KillGrace(d time.Duration) ProcessOption {
	return processOption(func(o *processOptions) error {
		if d <= 0 {
			return fmt.Errorf("KillGrace(%s): must be positive", d)
		}
		o.grace = d
		return nil
	})
}

// Through has workers started by l, which must not be closed before the pool has ended,
// and so be looked after as its other processes are. By default the pool has one of its
// own.
func Through(l *Launcher) ProcessOption {
	return processOption(func(o *processOptions) error {
		if l == nil {
			return fmt.Errorf("Through: nil launcher")
		}
		o.launcher = l
		return nil
	})
}
