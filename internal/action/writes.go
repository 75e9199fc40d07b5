package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"mvdan.cc/sh/v3/interp"
)

// writes learns of what builtins could not write to files: the interpreter drops
// such errors, and a full disk would be a success. It is safe for concurrent use.
type writes struct {
	mu    sync.Mutex
	first error
}

// open opens a file for a redirect.
func (w *writes) open(ctx context.Context, path string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
	f, err := interp.DefaultOpenHandler()(ctx, path, flag, perm)
	if file, ok := f.(*os.File); ok && err == nil && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		return &watchedFile{file, w}, nil
	}
	return f, err
}

// judge is how a script ended: with status 1 where it would have succeeded but for
// a write that failed.
func (w *writes) judge(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.first != nil {
		return fmt.Errorf("the shell inside flow: %w", w.first)
	}
	return err
}

// watchedFile is a file that the script itself writes to.
type watchedFile struct {
	*os.File
	writes *writes
}

func (f *watchedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil {
		f.writes.mu.Lock()
		defer f.writes.mu.Unlock()
		f.writes.first = errors.Join(f.writes.first, err)
	}
	return n, err
}

// unwatched is the file itself, for a program, which looks after its writes.
func unwatched(w io.Writer) io.Writer {
	if f, ok := w.(*watchedFile); ok {
		return f.File
	}
	return w
}
