package dag

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"gopkg.in/yaml.v3"
)

func cutBar(s string) (before, after string, ok bool) { return strings.Cut(s, "|") }

// keyed is an object's keys, whatever it is read into.
func (o *object[T]) keyed() []string {
	names := make([]string, len(o.keys))
	for i, k := range o.keys {
		names[i] = k.name
	}
	return names
}

// allKeys are the keys of every object, by its name in the schema.
func allKeys() map[string][]string {
	all := map[string][]string{"": fileObject.keyed()}
	for _, o := range objects() {
		all[o.definition()] = o.(interface{ keyed() []string }).keyed()
	}
	return all
}

func resolvedSchema(t *testing.T) (*jsonschema.Schema, *jsonschema.Resolved) {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &s, r
}

// TestSchemaDescribesEveryKey: the schema has the parser's keys, no others, and
// says of each what it means.
func TestSchemaDescribesEveryKey(t *testing.T) {
	s, _ := resolvedSchema(t)
	for name, keys := range allKeys() {
		o := s
		if name != "" {
			o = s.Defs[name]
		}
		if o == nil {
			t.Errorf("no definition %q", name)
			continue
		}
		if o.Description == "" {
			t.Errorf("%q has no description", name)
		}
		if len(o.Properties) != len(keys) {
			t.Errorf("%q has %d properties, the parser %d keys", name, len(o.Properties), len(keys))
		}
		for _, k := range keys {
			if p := o.Properties[k]; p == nil || p.Description == "" {
				t.Errorf("%s.%s is not described", name, k)
			}
		}
	}
	for name, d := range s.Defs {
		if d.Description == "" {
			t.Errorf("definition %s is not described", name)
		}
	}
}

// instance makes of a file what an editor validates.
func instance(t *testing.T, file string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(file), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemaTakesGoodFiles: what the parser takes the schema takes.
func TestSchemaTakesGoodFiles(t *testing.T) {
	_, schema := resolvedSchema(t)
	paths, _ := filepath.Glob("testdata/good/*.yaml")
	if len(paths) == 0 {
		t.Fatal("no files")
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if w, found := Parse(path, b); w == nil {
			t.Errorf("%s:\n%s", path, found[0].Render())
		}
		if err := schema.Validate(instance(t, string(b))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSchemaTakesWhatTheParserTakes: the good files among the findings.
func TestSchemaTakesWhatTheParserTakes(t *testing.T) {
	_, schema := resolvedSchema(t)
	paths, _ := filepath.Glob("testdata/findings/*.txtar")
	taken := 0
	for _, path := range paths {
		_, sections := readArchive(t, path)
		for _, s := range sections {
			w, _ := Parse(s.name, []byte(s.text))
			if w == nil || filepath.Ext(s.name) != ".yaml" {
				continue
			}
			taken++
			if err := schema.Validate(instance(t, s.text)); err != nil {
				t.Errorf("%s, %s: %v", path, s.name, err)
			}
		}
	}
	if taken < 5 {
		t.Errorf("only %d good files", taken)
	}
}

// TestSchemaRefuses: slips that an editor should underline.
func TestSchemaRefuses(t *testing.T) {
	_, schema := resolvedSchema(t)
	for name, file := range map[string]string{
		"no tasks":          `{name: x}`,
		"empty tasks":       `{tasks: {}}`,
		"unknown key":       `{tasks: {a: {run: ls}}, steps: 1}`,
		"unknown task key":  `{tasks: {a: {run: ls, depends_on: b}}}`,
		"no action":         `{tasks: {a: {needs: b}}}`,
		"two actions":       `{tasks: {a: {run: ls, expr: "1"}}}`,
		"bad id":            `{tasks: {a.b: {run: ls}}}`,
		"bare duration":     `{tasks: {a: {run: ls, timeout: 10}}}`,
		"bad duration":      `{tasks: {a: {run: ls, timeout: 10 minutes}}}`,
		"bad size":          `{tasks: {a: {run: ls, limits: {memory: 5}}}}`,
		"bad retry":         `{tasks: {a: {run: ls, retry: 0}}}`,
		"retry's keys":      `{tasks: {a: {run: ls, retry: {limit: 3}}}}`,
		"wrong kind":        `{tasks: {a: {expr: "1", stdin: x}}}`,
		"executor of wait":  `{tasks: {a: {wait: {for: 5s}, executor: x}}}`,
		"two fan-outs":      `{tasks: {a: {run: ls, for_each: [1], matrix: {x: [1]}}}}`,
		"exec text":         `{tasks: {a: {exec: ls}}}`,
		"http without url":  `{tasks: {a: {http: {method: GET}}}}`,
		"json and body":     `{tasks: {a: {http: {url: x, json: 1, body: x}}}}`,
		"two waits":         `{tasks: {a: {wait: {for: 5s, at: x}}}}`,
		"sql without query": `{tasks: {a: {sql: {database: x}}}}`,
		"secret with value": `{tasks: {a: {run: ls}}, secrets: {A: hunter2}}`,
		"secret, two":       `{tasks: {a: {run: ls}}, secrets: {A: {env: X, file: y}}}`,
		"overlap":           `{tasks: {a: {run: ls}}, schedule: {cron: x, overlap: never}}`,
		"entry":             `{tasks: {a: {run: ls}}, schedule: [{timezone: UTC}]}`,
		"trigger":           `{tasks: {a: {run: ls}}, on: {file: x, workflow: y}}`,
		"param type":        `{tasks: {a: {run: ls}}, params: {a: {type: integer}}}`,
		"executor kind":     `{tasks: {a: {run: ls}}, executors: {a: {kind: pod}}}`,
		"bool":              `{tasks: {a: {run: ls, continue_on_error: "yes"}}}`,
		"result":            `{tasks: {a: {run: ls, result: xml}}}`,
		"test":              `{tasks: {a: {run: ls}}, tests: [{name: x}]}`,
	} {
		if err := schema.Validate(instance(t, file)); err == nil {
			t.Errorf("%s: taken: %s", name, file)
		}
		if w, _ := Parse(name, []byte(file)); w != nil {
			t.Errorf("%s: the parser takes it: %s", name, file)
		}
	}
}
