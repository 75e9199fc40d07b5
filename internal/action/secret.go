package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"flow/dag"
	"flow/executor"
	"flow/internal/mask"
)

const (
	// maxSecret is how long a secret may be, in bytes.
	maxSecret = 64 << 10
	// secretTimeout is how long a command that prints one may take.
	secretTimeout = time.Minute
)

// Sources is where secrets come from.
type Sources struct {
	Environ []string // of flow itself
	Dir     string   // the workflow's folder: what paths and commands start from
	Start   Starter
}

// Read reads secrets of a workflow, by name, all at the same time. An error names each
// that can't be had, and holds no value.
func (s *Sources) Read(ctx context.Context, w *dag.Workflow, names []string) (map[string]string, error) {
	values, errs := make([]string, len(names)), make([]error, len(names))
	var readers sync.WaitGroup
	for i, name := range names {
		readers.Go(func() { values[i], errs[i] = s.read(ctx, w, name) })
	}
	readers.Wait()
	all := make(map[string]string, len(names))
	for i, name := range names {
		all[name] = values[i]
	}
	return all, errors.Join(errs...)
}

func (s *Sources) read(ctx context.Context, w *dag.Workflow, name string) (string, error) {
	d, ok := w.Secret(name)
	if !ok {
		return "", fmt.Errorf("secret %s is not declared", name)
	}
	v, err := s.value(ctx, d)
	if err == nil {
		err = usable(v)
	}
	if err != nil {
		return "", errors.New(w.Finding(d.Pos, "secret %s: %v", name, err).String())
	}
	return v, nil
}

func (s *Sources) value(ctx context.Context, d *dag.Secret) (string, error) {
	switch {
	case d.Env != "":
		v, ok := lookup(s.Environ, d.Env)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", d.Env)
		}
		return v, nil
	case d.File != "":
		return s.file(d.File)
	}
	return s.command(ctx, d.Command)
}

// usable says what is wrong with a secret's value, without it.
func usable(v string) error {
	switch {
	case strings.TrimSpace(v) == "":
		return errors.New("it is empty")
	case len(strings.TrimSpace(v)) < mask.Least:
		return fmt.Errorf("it has fewer than %d bytes: with so short a secret, too much that is none would be masked", mask.Least)
	case len(v) > maxSecret:
		return fmt.Errorf("it has more than %d bytes", maxSecret)
	case !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0:
		return errors.New("it is not text in UTF-8 without NUL bytes: encode it, in base64 say")
	}
	return nil
}

func lookup(environ []string, name string) (v string, ok bool) {
	for _, kv := range environ { // the last one wins, as for commands
		if value, is := strings.CutPrefix(kv, name+"="); is {
			v, ok = value, true
		}
	}
	return v, ok
}

// file reads a secret from a file, without the end of its last line.
func (s *Sources) file(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Dir, path)
	}
	text, err := ReadBounded(path)
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return "", fmt.Errorf("file %s: %w", path, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// command runs a program that prints a secret; the ends of lines at its end don't belong
// to it.
func (s *Sources) command(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, secretTimeout, ErrTimeout)
	defer cancel()
	out, stderr := &capture{to: io.Discard, keep: true}, &lastLine{to: io.Discard}
	exit, err := s.Start.Run(ctx, &executor.Child{
		Path: argv[0], Args: argv[1:], Env: s.Environ, Dir: s.Dir, Stdout: out, Stderr: stderr, Kill: ctx,
	})
	switch {
	case errors.Is(context.Cause(ctx), ErrTimeout):
		return "", fmt.Errorf("%s did not end within %s", argv[0], secretTimeout)
	case err != nil:
		return "", errors.New(notRun(err, argv[0]).Failure.Message)
	case exit.Code != 0:
		return "", fmt.Errorf("%s: %s", argv[0], exited(exit, stderr).Failure.Message)
	}
	return string(bytes.TrimRight(out.buf.Bytes(), "\r\n")), nil
}

// lacks says what is missing here for a secret, as far as looking tells; "": nothing.
func (s *Sources) lacks(d *dag.Secret) string {
	var err error
	if len(d.Command) > 0 {
		err = s.startable(d.Command[0])
	} else {
		var v string
		if v, err = s.value(context.Background(), d); err == nil {
			err = usable(v)
		}
	}
	if err != nil {
		return fmt.Sprintf("secret %s: %v", d.Name, err)
	}
	return ""
}

// startable says why a program can't be started, as far as looking tells.
func (s *Sources) startable(name string) error {
	why := ""
	switch {
	case !strings.Contains(name, "/"):
		path, _ := lookup(s.Environ, "PATH")
		why = notOnPath(path, name)
	case filepath.IsAbs(name):
		why = notRunnable(name)
	default:
		why = notRunnable(filepath.Join(s.Dir, name))
	}
	if why != "" {
		return fmt.Errorf("%s %s", name, why)
	}
	return nil
}
