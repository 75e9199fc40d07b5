package run_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"flow/dag"
)

// library is the host of a case: files and values in memory.
type library struct {
	files  map[string]string
	values map[string]any
	reads  map[string]int
}

func (l *library) keep(v any) *dag.Ref {
	name := "sha256:" + strconv.Itoa(len(l.values))
	l.values[name] = v
	return &dag.Ref{Hash: name, Size: 100_000}
}

// resolve puts the values in the place of what refers to them.
func (l *library) resolve(v any) any {
	switch v := v.(type) {
	case *dag.Ref:
		return l.values[v.Hash]
	case []any:
		list := make([]any, len(v))
		for k := range v {
			list[k] = l.resolve(v[k])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = l.resolve(v[k])
		}
		return m
	}
	return v
}

// Load implements dag.Host.
func (l *library) Load(r *dag.Ref) (any, error) { return l.values[r.Hash], nil }

// Secret implements dag.Host.
func (l *library) Secret(name string) (string, error) { return "secret of " + name, nil }

// ReadFile implements dag.Host: reads are counted, and READS in the text is their
// number.
func (l *library) ReadFile(path string) (string, error) {
	l.reads[path]++
	text, ok := l.files[path]
	if !ok {
		return "", fmt.Errorf("open %s: no such file", path)
	}
	return strings.ReplaceAll(text, "READS", strconv.Itoa(l.reads[path])), nil
}

// HashFiles implements dag.Host.
func (l *library) HashFiles(globs []string) (string, error) {
	return "hash of " + strings.Join(globs, " "), nil
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := dag.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t testing.TB, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	v, err := dag.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatalf("script: %s: %v", text, err)
	}
	return v
}
