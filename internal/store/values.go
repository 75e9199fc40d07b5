package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// PutValue keeps the JSON of a value.
func (s *Store) PutValue(text []byte) (*dag.Ref, error) {
	sum := sha256.Sum256(text)
	ref := &dag.Ref{Hash: hashPrefix + hex.EncodeToString(sum[:]), Size: int64(len(text))}
	name, err := valueName(ref.Hash)
	if err != nil {
		return nil, err
	}
	if size, _, err := s.files.stat(name); err == nil && size == ref.Size && s.files.touch(name) == nil {
		return ref, nil // and nobody takes it for old
	}
	if err := s.files.put(name, text, s.durability == Full); err != nil {
		return nil, fmt.Errorf("store: value: %w", err)
	}
	return ref, nil
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
