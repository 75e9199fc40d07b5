package dag

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	names := slices.Values([]string{"load", "extract", "clean", "report", "needs", "on"})
	for name, want := range map[string]string{
		"lod": "load", "laod": "load", "Load": "load", "extrct": "extract", "reprot": "report", "xyz": "", "z": "", "": "", "nedes": "needs", "no": "on", "zo": "", "loading": "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	word := rapid.SliceOfN(rapid.RuneFrom([]rune("abc")), 0, 7)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b, 100)
		if (d == 0) != slices.Equal(a, b) {
			t.Fatalf("distance %d", d)
		}
		if back := distance(b, a, 100); back != d {
			t.Fatalf("%d one way, %d the other", d, back)
		}
		if d < len(a)-len(b) || d < len(b)-len(a) || d > max(len(a), len(b)) {
			t.Fatalf("distance %d of words of %d and %d", d, len(a), len(b))
		}
		bound := rapid.IntRange(1, 8).Draw(t, "bound")
		if got := distance(a, b, bound); got != min(d, bound) {
			t.Fatalf("bounded by %d: %d, want %d", bound, got, min(d, bound))
		}
	})
}

// TestDialects: every word leads to a key that exists somewhere.
func TestDialects(t *testing.T) {
	known := make(map[string]bool)
	for _, names := range allKeys() {
		for _, n := range names {
			known[n] = true
		}
	}
	for word, meanings := range dialects {
		for _, m := range meanings {
			key, _, _ := cutBar(m)
			if !known[key] {
				t.Errorf("%s leads to %s, which is no key of anything", word, key)
			}
		}
		if snakeCase(word) != word {
			t.Errorf("%s is not in lower case without separators: it is never found", word)
		}
	}
}
