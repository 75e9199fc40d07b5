package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"flow/dag"
)

const hashPrefix = "sha256:"

func valueName(hash string) (string, error) {
	digits, ok := strings.CutPrefix(hash, hashPrefix)
	if _, err := hex.DecodeString(digits); !ok || err != nil || len(digits) != 2*sha256.Size {
		return "", fmt.Errorf("store: %q is no hash of a value", hash)
	}
	return path.Join(valuesDir, digits[:2], digits[2:]), nil
}

// PutValue keeps the JSON of a value. Unless the durability is Off it is on disk then: what
// is recorded later never names a value that a power cut has taken.
func (s *Store) PutValue(text []byte) (*dag.Ref, error) {
	sum := sha256.Sum256(text)
	ref := &dag.Ref{Hash: hashPrefix + hex.EncodeToString(sum[:]), Size: int64(len(text))}
	name, err := valueName(ref.Hash)
	if err != nil {
		return nil, err
	}
	if holds, err := s.holds(ref); err == nil && holds && s.files.touch(name) == nil {
		return ref, nil // and nobody takes it for old
	}
	if err := s.files.put(name, text, s.durability != Off); err != nil {
		return nil, fmt.Errorf("store: value: %w", err)
	}
	return ref, nil
}

// holds reports whether the file of a value is there and has what its name says: a crash
// of the machine may have left less, or anything.
func (s *Store) holds(ref *dag.Ref) (bool, error) {
	name, err := valueName(ref.Hash)
	if err != nil {
		return false, err
	}
	if size, _, err := s.files.stat(name); err != nil || size != ref.Size {
		return false, ignoreMissing(err)
	}
	hash, err := s.hash(name)
	return hash == ref.Hash, ignoreMissing(err)
}

// hash is what a file of a value should be named by.
func (s *Store) hash(name string) (string, error) {
	f, err := s.files.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hashPrefix + hex.EncodeToString(sum.Sum(nil)), nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Value returns the JSON of a value, whose hash is checked.
func (s *Store) Value(ref *dag.Ref) ([]byte, error) {
	name, err := valueName(ref.Hash)
	if err != nil {
		return nil, err
	}
	text, err := s.files.read(name)
	if err != nil {
		return nil, fmt.Errorf("store: value %s: %w", ref.Hash, err)
	}
	if sum := sha256.Sum256(text); hashPrefix+hex.EncodeToString(sum[:]) != ref.Hash {
		return nil, fmt.Errorf("store: value %s: the file %s holds another one", ref.Hash, name)
	}
	return text, nil
}
