package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"flow/dag"
	"flow/internal/action"
	"flow/internal/store"
)

// inlineResult is how large a result may be, as JSON, to be kept in the run's
// state; a larger one is kept as a file.
const inlineResult = 64 << 10

// host gives the expressions of one run what is not part of its state. It is
// safe for concurrent use.
type host struct {
	dir     string       // the workflow's folder: what read_file and hash_files start from
	values  string       // the folder of large values, by hash
	store   *store.Store // where they are kept in place of that; nil: there is no history
	secrets map[string]string
}

// keep returns a value as it is to stand in the run's state: itself where it is
// small, else a reference to a file that holds it. One whose JSON is above most
// bytes is an *action.TooLargeError.
func (h *host) keep(v any, most int64) (any, error) {
	if atMost(v, inlineResult) >= 0 {
		return v, nil
	}
	text, err := dag.EncodeJSON(v)
	if err != nil {
		return nil, err
	}
	if len(text) <= inlineResult {
		return v, nil
	}
	if size := int64(len(text)); size > most {
		return nil, &action.TooLargeError{Size: size}
	}
	if h.store != nil {
		return h.store.PutValue(text)
	}
	sum := sha256.Sum256(text)
	ref := &dag.Ref{Hash: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(text))}
	name := h.path(ref)
	if _, err := os.Stat(name); err == nil {
		return ref, nil
	}
	if err := os.MkdirAll(h.values, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(h.values, "new-")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return ref, os.Rename(f.Name(), name)
}

// atMost returns what is left of a budget of bytes after a value's JSON, or a
// negative number; where it is close, it may be negative too early.
func atMost(v any, budget int) int {
	switch v := v.(type) {
	case string:
		// A byte takes at most six (\u0000).
		return budget - 2 - 6*len(v)
	case []any:
		for _, e := range v {
			if budget = atMost(e, budget-1); budget < 0 {
				break
			}
		}
		return budget - 2
	case map[string]any:
		for k, e := range v {
			if budget = atMost(e, budget-4-6*len(k)); budget < 0 {
				break
			}
		}
		return budget - 2
	}
	return budget - 24 // numbers, bools, null
}

func (h *host) path(r *dag.Ref) string {
	return filepath.Join(h.values, filepath.Base(r.Hash[len("sha256:"):]))
}

// Load implements dag.Host.
func (h *host) Load(r *dag.Ref) (any, error) {
	var text []byte
	var err error
	if h.store != nil {
		text, err = h.store.Value(r)
	} else {
		text, err = os.ReadFile(h.path(r))
	}
	if err != nil {
		return nil, fmt.Errorf("the value %s can't be read: %w", r.Hash, err)
	}
	return dag.DecodeJSON(text)
}

// Secret implements dag.Host.
func (h *host) Secret(name string) (string, error) {
	v, ok := h.secrets[name]
	if !ok {
		return "", fmt.Errorf("secret %s: no task of this run was to mention it", name)
	}
	return v, nil
}

// ReadFile implements dag.Host: a file's text, relative to the workflow's
// folder.
func (h *host) ReadFile(path string) (string, error) {
	path = h.abs(path)
	text, err := action.ReadBounded(path)
	if _, large := errors.AsType[*action.TooLargeError](err); large {
		return "", fmt.Errorf("read_file: %s has more than 64 MiB", path)
	}
	return string(text), err
}

// HashFiles implements dag.Host: the SHA-256, in hexadecimal, of the files that
// match any of the patterns. That of one file is the file's own; of several, it
// is the hash of their lines "hash  name", sorted by name, as sha256sum prints
// them. Nothing that matches is an error.
func (h *host) HashFiles(globs []string) (string, error) {
	var names []string
	for _, g := range globs {
		found, err := filepath.Glob(h.abs(g))
		if err != nil {
			return "", fmt.Errorf("hash_files: %s: %w", g, err)
		}
		for _, name := range found {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "", fmt.Errorf("hash_files: %w: nothing matches %q in %s", fs.ErrNotExist, globs, h.dir)
	}
	if len(names) == 1 {
		return hashFile(names[0])
	}
	all := sha256.New()
	for _, name := range names {
		sum, err := hashFile(name)
		if err != nil {
			return "", err
		}
		short, err := filepath.Rel(h.dir, name)
		if err != nil {
			short = name
		}
		fmt.Fprintf(all, "%s  %s\n", sum, filepath.ToSlash(short))
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (h *host) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(h.dir, path)
}
