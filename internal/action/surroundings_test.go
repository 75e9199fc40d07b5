package action

import (
	"slices"
	"testing"

	"flow/dag"
)

// A command inherits each name once, the last one of it, without the sources of
// secrets and what flow sets itself.
func TestEnviron(t *testing.T) {
	w := &dag.Workflow{Secrets: []dag.Secret{{Name: "TOKEN", Env: "SOURCE"}, {Name: "FILE", File: "f"}}}
	got := Environ([]string{"A=1", "SOURCE=s", "B=", "FILE=kept", "A=2", "FLOW_TASK=outer", "FLOW_OTHER=kept", "NOVALUE"}, w)
	want := []string{"B=", "FILE=kept", "A=2", "FLOW_OTHER=kept", "NOVALUE"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What an attempt adds takes the place of what it inherits, and of what it added
// before under the same name.
func TestMerge(t *testing.T) {
	base := []string{"A=1", "B=2", "C=3"}
	got := merge(base, []variable{{name: "B", value: "x"}, {name: "D", value: "y"}, {name: "B", value: "z=z"}})
	if want := []string{"A=1", "C=3", "D=y", "B=z=z"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !slices.Equal(base, []string{"A=1", "B=2", "C=3"}) {
		t.Error("what is shared was changed")
	}
}
