package dag

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const paramFile = `
params:
  s: { type: string, pattern: "[a-z]+", max: 5, default: abc }
  i: { type: int, min: 1, max: 10, default: 5 }
  f: { default: 1.5 }
  b: false
  d: { type: date, default: "${{ run.interval_start }}", max: 2030-01-01 }
  t: { type: duration, default: 90s, min: 1s }
  l: { type: list, default: [], max: 3 }
  m: { type: map, default: {} }
  e: { enum: [red, green], required: true }
  o: { type: string, required: false }
  x: "${{ run.attempt }}"
tasks: { a: { run: ls } }
`

func paramScope() *Scope {
	return &Scope{Run: &RunInfo{ID: "r", Attempt: 2, IntervalStart: time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("", 3600))}}
}

func TestReadParams(t *testing.T) {
	w := mustParse(t, paramFile)
	got, err := w.ReadParams(map[string]any{"e": "red"}, paramScope())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"s": "abc", "i": 5, "f": 1.5, "b": false, "d": "2026-03-01", "t": 90, "l": []any{}, "m": map[string]any{}, "e": "red", "o": nil, "x": "2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	given := map[string]any{"s": "xyz", "i": "7", "f": "2", "b": "true", "d": "2026-01-31", "t": "1h30m", "l": `[1, "a", 2.5]`, "m": `{"a": null}`, "e": "green", "o": "5"}
	got, err = w.ReadParams(given, paramScope())
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]any{"s": "xyz", "i": 7, "f": 2.0, "b": true, "d": "2026-01-31", "t": 5400, "l": []any{1, "a", 2.5}, "m": map[string]any{"a": nil}, "e": "green", "o": "5", "x": "2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	given = map[string]any{"i": 7, "f": 2, "b": true, "d": "2026-01-31T22:00:00-05:00", "t": 0.5 + 1, "l": []any{1}, "m": map[string]any{}, "e": "green"}
	got, err = w.ReadParams(given, paramScope())
	if err != nil {
		t.Fatal(err)
	}
	if got["f"] != 2.0 || got["d"] != "2026-01-31" || got["t"] != 1.5 || got["i"] != 7 {
		t.Errorf("typed: %v", got)
	}
}

func TestReadParamsTellsAll(t *testing.T) {
	w := mustParse(t, paramFile)
	_, err := w.ReadParams(map[string]any{
		"s": "ABC", "i": "11", "f": "x", "b": "yes", "d": "31.1.2026", "t": "90", "l": "a,b", "m": "[1]", "o": 5, "zz": 1, "ss": "",
	}, paramScope())
	if err == nil {
		t.Fatal("taken")
	}
	want := []string{
		`param ss: no such param; did you mean "s"?`,
		`param zz: no such param; there are s, i, f, b, d, t, l, m, e, o, x`,
		`param s: "ABC" does not match the pattern [a-z]+`,
		`param i: 11 is above the greatest, 10`,
		`param f: "x" is no float`,
		`param b: "yes" is no bool; write true or false`,
		`param d: "31.1.2026" is no date; write one as 2026-01-31`,
		`param t: 90 has no unit; write 90s, 90m or 90h`,
		`param l: "a,b" is no list: not valid JSON`,
		`param m: "[1]" is no map`,
		`param e: is required (string); give it with --param e=…`,
		`param o: must be of type string, not `,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}

func TestReadParam(t *testing.T) {
	for _, c := range []struct {
		declared string
		given    any
		want     any // an error that has this text, where it begins with !
	}{
		{"{ type: int, default: 1 }", "007", "!is no int"},
		{"{ type: int, default: 1 }", "1e3", "!is no int"},
		{"{ type: int, default: 1 }", 1.5, "!must be of type int"},
		{"{ type: int, default: 1 }", "99999999999999999999", "!64 bits"},
		{"{ type: int, default: 1 }", nil, "!must be of type int"},
		{"{ type: float, default: 1 }", "NaN", "!is no float"},
		{"{ type: float, default: 1, min: 0 }", "-0.5", "!below the least"},
		{"{ type: date, default: 2026-01-01, min: 2026-01-01 }", "2025-12-31", "!below the least"},
		{"{ type: date, default: 2026-01-01 }", "2026-02-30", "!is no date"},
		{"{ type: duration, default: 1s, max: 1h }", "61m", "!3660s is above the greatest, 3600s"},
		{"{ type: duration, default: 1s }", -5, "!not negative"},
		{"{ type: list, default: [], max: 1 }", "[1,2]", "!2 entries is above the greatest, 1 entries"},
		{"{ type: list, default: [] }", "{}", "!is no list"},
		{"{ type: map, default: {} }", `{"a":1} x`, "!is no map"},
		{"{ type: string, min: 2, default: ab }", "é", "!1 characters is below"},
		{"{ type: string, min: 2, default: ab }", "éé", "éé"},
		{"{ enum: [ab, cd], default: ab }", "ac", `!"ac" is not one of ab, cd`},
		{"{ type: int, enum: [1, 2], default: 1 }", "2", 2},
		{"{ pattern: \"a|b\", default: a }", "ab", "!does not match the pattern a|b"},
		{"2026-01-31", "2026-02-01", "2026-02-01"},
		{"\"2026-01-31\"", "x", "!is no date"},
		{"[1, 2]", "[]", []any{}},
		{"{ a: 1 }", "{}", map[string]any{}},
		{"text", "5", "5"},
		{"text", true, "!must be of type string"},
	} {
		w := mustParse(t, "params: { p: "+c.declared+" }\ntasks: { a: { run: ls } }")
		got, err := w.Params[0].Read(c.given)
		if s, ok := c.want.(string); ok && strings.HasPrefix(s, "!") {
			if err == nil || !strings.Contains(err.Error(), s[1:]) {
				t.Errorf("%s given %v: %v, %v; want an error with %q", c.declared, c.given, got, err, s[1:])
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s given %v: %v %s", c.declared, c.given, err, diff)
		}
	}
}
