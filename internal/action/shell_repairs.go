package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/interp"
)

// This file puts right what the shell inside flow does otherwise than POSIX has it
// and what can be seen only while a script runs.

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

// judgeTest does what `test` and `[` do with up to four words, which POSIX reads by
// their number: the interpreter takes a value such as "!" or "(" for an operator.
func judgeTest(_ context.Context, args []string) ([]string, error) {
	words := args[1:]
	switch {
	case args[0] == "test":
	case args[0] == "[" && len(words) > 0 && words[len(words)-1] == "]":
		words = words[:len(words)-1]
	default:
		return args, nil
	}
	if !slices.ContainsFunc(words, operator) {
		return args, nil
	}
	verdict, known := byNumber(words)
	switch {
	case !known:
		return args, nil
	case verdict:
		return []string{"true"}, nil
	}
	return []string{"false"}, nil
}

// operator reports whether a word could be taken for one of test's.
func operator(w string) bool {
	return w == "!" || w == "(" || w == ")" || w == "=" || w == "==" || w == "!=" || strings.HasPrefix(w, "-")
}

// byNumber judges the tests of texts; others are not known.
func byNumber(words []string) (verdict, known bool) {
	switch len(words) {
	case 1:
		return words[0] != "", true
	case 2:
		switch words[0] {
		case "!":
			return words[1] == "", true
		case "-n":
			return words[1] != "", true
		case "-z":
			return words[1] == "", true
		}
	case 3:
		switch words[1] {
		case "=", "==":
			return words[0] == words[2], true
		case "!=":
			return words[0] != words[2], true
		}
		if words[0] == "!" {
			verdict, known = byNumber(words[1:])
			return !verdict, known
		}
		if words[0] == "(" && words[2] == ")" {
			return words[1] != "", true
		}
	case 4:
		if words[0] == "!" {
			verdict, known = byNumber(words[1:])
			return !verdict, known
		}
	}
	return false, false
}
