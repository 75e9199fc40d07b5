//go:build unix

package engine_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flow/dag"
	"flow/engine"
)

// nasty are values that become something else wherever anything reads them as more
// than data.
var nasty = slices.Concat([]string{
	"", " ", "   ", "plain", "two  words", " \tled and trailed\t ", "\n", "trailing\n\n", "a\nb", "\r", "a\r\nb\r\n", "a'b", "''", `a"b`, `""`, `"'"'`,
	`\`, `\\`, `a\nb\c`, "\\\n", "`touch pwned`", "$(touch pwned)", "$((1+1))", "${HOME}", "$HOME", "$", "$$", "${", "}", "${{ item }}", "}}", "${FLOW_X1}", "$FLOW_X1", "FLOW_X1",
	"*", "?[a]", "[a-z]*", "[!a]", "/*", "~", "~root", "~/x", "-n", "-e", "-", "--", "--help", "!", "!!", "^a^b", "#", "# x", "a#b", ";touch pwned", "x;touch pwned #", "&touch pwned", "|touch pwned",
	"&&", ">pwned", "<x", "(touch pwned)", ")", "(", "=", "a=b", "IFS=x", "PATH=/", "{a,b}", "{1..3}", "EOF", "EOF\ntouch pwned\nEOF", "\tEOF\n", "if", "done", "esac", ";;", "]", "-a", "-o", "1 -o 1", "%s%d%n", "%", `%b\101`,
	"a[$(touch pwned)]", "1+1", "$'x'", `$"x"`, "\u202edcba\u2066", "\ufffd", "ü😀", "\u00a0\u2028\u0085", strings.Repeat("long $(touch pwned) ' \" ", 4500),
}, controls())

// controls are values with control characters, and with bytes that are some as
// signed numbers.
func controls() []string {
	out := []string{"\x01", "\x7f", "\x01\x01a\x7f\x7fb\x01\x7f", "\u0081\u0088\u00c1\u00c8\u0481\U0001f081\U0001f088"} // what shells have for themselves
	var all strings.Builder
	for c := rune(1); c < 0x20; c++ {
		fmt.Fprintf(&all, "%ca%c", c, c)
	}
	return append(out, all.String())
}

// valuePlace is a place in a script where a value may stand, V in it. What arrives
// is written to $o/NAME.
type valuePlace struct {
	name, script string
	want         func(v string) string // nil: v itself
}

func always(s string) func(string) string { return func(string) string { return s } }

func around(before, after string) func(string) string {
	return func(v string) string { return before + v + after }
}

var valuePlaces = []valuePlace{
	{"bare", `printf %s V`, nil},
	{"quoted", `printf %s "V"`, nil},
	{"within a word", `printf %s a'b'V"c"d`, around("ab", "cd")},
	{"two", `printf '%s|%s' V "V"`, func(v string) string { return v + "|" + v }},
	{"adjoining", `printf %s VV`, func(v string) string { return v + v }},
	{"adjoining in quotes", `printf %s "V${{ 1 }}V"`, func(v string) string { return v + "1" + v }},
	{"assigned", `x=V; printf %s "$x"`, nil},
	{"assigned in quotes", `x="V"; printf %s "$x"`, nil},
	{"assigned within", `x=a"V"V; printf %s "$x"`, func(v string) string { return "a" + v + v }},
	{"assigned before a command", `x=V sh -c 'printf %s "$x"'`, nil},
	{"assigned by env", `env x=V sh -c 'printf %s "$x"'`, nil},
	{"exported", `export e=V; printf %s "$e"`, nil},
	{"exported in quotes", `export e="V" f=V; printf '%s%s' "$e" "$f"`, func(v string) string { return v + v }},
	{"readonly", `(readonly r=V; printf %s "$r")`, nil},
	{"heredoc", "cat <<EOF\nV\nEOF", around("", "\n")},
	{"heredoc, within", "cat <<EOF\n$(printf '%s.' V) a'V'b \"V\" \\$x\nEOF", func(v string) string { return v + ". a'" + v + "'b \"" + v + "\" $x\n" }},
	{"heredoc, backticks", "cat <<EOF\n`printf '%s.' V`\nEOF", around("", ".\n")},
	{"substituted", `printf %s "$(printf '%s.' V)"`, around("", ".")},
	{"substituted in quotes", `printf %s "$(printf '%s.' "V")"`, around("", ".")},
	{"substituted twice", `printf %s "$(printf '%s.' "$(printf '%s.' "V")")"`, around("", "..")},
	{"backticks", "x=`printf '%s.' V`; printf %s \"$x\"", around("", ".")},
	{"backticks in quotes", "printf %s \"`printf '%s.' V`\"", around("", ".")},
	{"backticks, quoted", "x=`printf '%s.' \"V\"`; printf %s \"$x\"", around("", ".")},
	{"default in quotes", `printf %s "${none:-V}"`, nil},
	{"default, within", `printf %s "${none:-aVb}"`, around("a", "b")},
	{"alternative", `printf %s "${o:+V}"`, nil},
	{"default assigned", `unset y; : "${y:=V}"; printf %s "$y"`, nil},
	{"case's word", `case V in "$v") printf yes ;; *) printf no ;; esac`, always("yes")},
	{"case's pattern", `case "$v" in V) printf yes ;; *) printf no ;; esac`, always("yes")},
	{"case's pattern, within", `case "a$v" in V) printf no ;; aV) printf yes ;; esac`, always("yes")},
	{"case's pattern is no glob", `case "any[thing" in V) printf no ;; *) printf yes ;; esac`, always("yes")},
	{"for", `for x in V "V" end; do printf '%s|' "$x"; done`, func(v string) string { return v + "|" + v + "|end|" }},
	{"function's body", `f() { printf %s V; }; f`, nil},
	{"function's argument", `f() { printf '%s|%s' "$#" "$2"; }; f V V`, around("2|", "")},
	{"positional", `(set -- V "V"; printf '%s|%s' "$#" "$1")`, around("2|", "")},
	{"test", `if [ "xV" = "x$v" ] && [ xV = x"$v" ]; then printf yes; fi`, always("yes")},
	{"test of two", `if [ V = "$v" ] && test "V" = V; then printf yes; fi`, always("yes")},
	{"test of one", `if [ -n "V" ]; then printf yes; else printf no; fi`, func(v string) string {
		if v == "" {
			return "no"
		}
		return "yes"
	}},
	{"test of nothing", `if [ V ] && [ ! V ]; then printf no; elif [ ! V != "$v" ]; then printf yes; fi`, always("yes")},
	{"test of length", `if [ -n xV ] && test -z ""; then printf yes; fi`, always("yes")},
	{"command", `command printf %s V`, nil},
	{"pipe", `printf %s V | cat`, nil},
	{"pipe from a heredoc", "cat <<EOF | cat\nV\nEOF", around("", "\n")},
	{"subshell", `(printf %s V)`, nil},
	{"background", `printf %s V & wait`, nil},
	{"continued line", "printf %s \\\n  V", nil},
	{"behind a comment", "printf a # V\n  # V ${{ none( }} '\n", always("a")},
	{"no globs", `(set -f; printf %s V)`, nil},
	{"conditions", `if ! false && { true || printf %s V; }; then printf %s V; elif printf %s V; then :; fi`, nil},
	{"while", `i=; while [ -z "$i" ]; do printf %s V; i=1; done`, nil},
	{"the input", `printf %s "$v"`, nil},
	{"the environment", `printf %s "$E"`, around("<", ">")},
	{"$FLOW_INPUTS", `cat "$FLOW_INPUTS" > /dev/null; printf %s V`, nil},
}

// shellPlaces are the same, which the shell inside flow has otherwise: there they
// are given to the real one.
var shellPlaces = []valuePlace{
	{"heredoc, tabs", "cat <<-EOF\n\tV\n\tEOF", around("", "\n")},
	{"after --", `printf -- %s V`, nil},
	{"default", `printf %s ${none:-V}`, nil},
	{"default, quoted inside", `printf %s ${none:-"V"}`, nil},
	{"alternative, bare", `printf %s ${o:+aV}`, around("a", "")},
	{"IFS empty", `(IFS=; printf '%s|' V "V")`, func(v string) string { return v + "|" + v + "|" }},
	{"IFS odd", `(IFS='a$ \'; x=V; printf '%s|' V "$x")`, func(v string) string { return v + "|" + v + "|" }},
	{"IFS a value", `(IFS=V; printf '%s|' V "V"; for x in V; do printf %s "$x"; done)`, func(v string) string { return v + "|" + v + "|" + v }},
}

// patternPlaces are what ksh's language has otherwise.
var patternPlaces = []valuePlace{
	{"prefix", `x=Vend; printf %s "${x#V}"`, always("end")},
	{"prefix, bare", `x=Vend; printf %s ${x#V}`, always("end")},
	{"prefix, quoted", `x=Vend; printf %s "${x##"V"}"`, always("end")},
	{"suffix", `x=endV; printf %s "${x%V}"`, always("end")},
}

// scriptOf is a script with all places in it, the value being the item.
func scriptOf(places []valuePlace) string {
	var b strings.Builder
	for k, p := range places {
		fmt.Fprintf(&b, "{\n%s\n} > \"$o/%d\"\n", p.script, k)
	}
	return strings.ReplaceAll(b.String(), "V", "${{ item }}")
}

// TestValuesAreData puts each value into each place, and compares what arrives.
func TestValuesAreData(t *testing.T) {
	t.Parallel()
	shells := map[string][]string{"default": {"", "bash", "ksh"}, "thread": {"", "bash"}}
	for _, x := range executors {
		for _, shell := range shells[x] {
			if _, err := exec.LookPath(shell); shell != "" && err != nil {
				continue
			}
			groups := [][]valuePlace{valuePlaces, shellPlaces}
			if shell != "ksh" {
				groups = append(groups, patternPlaces)
			}
			for k, places := range groups {
				t.Run(fmt.Sprintf("%s/%s/%d", x, shell, k), func(t *testing.T) {
					t.Parallel()
					values := nasty
					switch { // a real shell starts processes
					case shell != "" && x == "default":
						values = sample(values, k, 6)
					case x == "default":
						values = sample(values, k, 2)
					}
					if k == 2 { // bash takes a minute to find a pattern of 100 kB
						values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) > 10_000 })
					}
					checkValues(t, x, shell, places, values, k == 0)
				})
			}
		}
	}
}

// sample is every n-th value.
func sample(values []string, from, n int) []string {
	var out []string
	for i := from; i < len(values); i += n {
		out = append(out, values[i])
	}
	return out
}

func checkValues(t *testing.T, executor, shell string, places []valuePlace, nasty []string, inside bool) {
	dir := t.TempDir()
	if shell != "" {
		shell = "    shell: " + shell + " -eu\n"
	}
	file := "params: { values: { type: list } }\ntasks:\n  a:\n    executor: " + executor + "\n" + shell +
		"    for_each: ${{ params.values }}\n    max_parallel: 4\n    result: none\n    timeout: 2m\n    dir: cwd\n" +
		"    inputs:\n      o: " + dir + "/${{ index }}\n      v: ${{ item }}\n    env:\n      E: <${{ item }}>\n    run: |\n      " +
		strings.ReplaceAll(scriptOf(places), "\n", "\n      ") + "\n"
	p := planOf(t, dir, file)
	if needs := p.Nodes[0].Task.Action.(dag.Run).Script.NeedsShell(); executor == "thread" && (needs == "") != inside {
		t.Errorf("the shell inside flow: lacks %q", needs)
	}
	values := make([]any, len(nasty))
	for i, v := range nasty {
		values[i] = v
		writeFile(t, filepath.Join(dir, fmt.Sprint(i), "x"), "", 0o600)
	}
	writeFile(t, filepath.Join(dir, "cwd", "file"), "", 0o600) // what a glob would find
	l := newLogs("")
	s := wait(t, start(t, newEngine(t), p, engine.Options{Params: map[string]any{"values": values}, Output: l.take}))
	for i, v := range nasty {
		for k, place := range places {
			want := v
			if place.want != nil {
				want = place.want(v)
			}
			got, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i), fmt.Sprint(k)))
			if string(got) != want || err != nil {
				t.Errorf("%s: %s: got %.200q (%v), want %.200q", place.name, place.script, got, err, want)
			}
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "cwd")); err != nil || len(entries) != 1 {
		t.Errorf("a value has run: %v, %v", entries, err)
	}
	if t.Failed() {
		t.Logf("%.2000v", factsOf(t, s, l))
	}
}

// TestValuesOutsideScripts: exec's arguments, stdin, env, inputs and $FLOW_INPUTS.
func TestValuesOutsideScripts(t *testing.T) {
	t.Parallel()
	nasty := slices.Clone(nasty)
	for i, v := range nasty {
		nasty[i] = v[:min(len(v), 20_000)] // larger results are kept as files
	}
	for _, x := range executors {
		t.Run(x, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			values := make([]any, len(nasty))
			for i, v := range nasty {
				values[i] = v
			}
			p := planOf(t, dir, "params: { values: { type: list } }\ndefaults: { executor: "+x+", timeout: 1m }\ntasks:\n"+
				"  exec: { for_each: \"${{ params.values }}\", exec: [printf, \"%s.\", \"${{ item }}\", \"a${{ item }}b${{ item }}\"] }\n"+
				"  stdin: { for_each: \"${{ params.values }}\", exec: [sh, -c, 'cat; echo .'], stdin: \"${{ item }}\" }\n"+
				"  env: { for_each: \"${{ params.values }}\", run: 'printf \"%s.%s.\" \"$E\" \"$v\"', env: { E: \"${{ item }}\" }, inputs: { v: \"<${{ item }}>\" } }\n"+
				"  file: { for_each: \"${{ params.values }}\", run: 'cp \"$FLOW_INPUTS\" \"$FLOW_RESULT\"', inputs: { v: \"${{ item }}\" } }\n")
			l := newLogs("")
			s := wait(t, start(t, newEngine(t), p, engine.Options{Params: map[string]any{"values": values}, Output: l.take}))
			for k, want := range []func(v string) any{
				func(v string) any { return v + ".a" + v + "b" + v + "." },
				func(v string) any { return v + "." },
				func(v string) any { return v + ".<" + v + ">." },
				func(v string) any { return map[string]any{"v": v} },
			} {
				list := make([]any, len(nasty))
				for i, v := range nasty {
					list[i] = want(v)
				}
				compareLists(t, s, k, list)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("a value has run: %v, %v", entries, err)
			}
		})
	}
}

// compareLists compares what each instance of a task has as its result.
func compareLists(t *testing.T, s *engine.Summary, k int, want []any) {
	t.Helper()
	task := s.Tasks[k]
	b, err := task.Result.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	v, err := dag.DecodeJSON(b)
	got, ok := v.([]any)
	if err != nil || !ok || len(got) != len(want) {
		t.Fatalf("%s: %v: %.200q", task.ID, err, b)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s: got %.200q, want %.200q", task.ID, got[i], want[i])
		}
	}
}

// TestValuesAsFiles: values as the targets of redirects and as the names of
// commands.
func TestValuesAsFiles(t *testing.T) {
	t.Parallel()
	names := slices.DeleteFunc(slices.Clone(nasty), func(v string) bool { return v == "" || len(v) > 200 || strings.Contains(v, "/") })
	for _, x := range executors {
		t.Run(x, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			values := make([]any, len(names))
			for i, v := range names {
				values[i] = v
				writeFile(t, filepath.Join(dir, "bin", v), "#!/bin/sh\nprintf 'called %s' \"$1\"\n", 0o755)
			}
			writeFile(t, filepath.Join(dir, "cwd", "x"), "", 0o600)
			p := planOf(t, dir, "params: { values: { type: list } }\ndefaults: { executor: "+x+", timeout: 1m, dir: cwd }\ntasks:\n"+
				"  write: { for_each: \"${{ params.values }}\", run: 'printf %s ${{ item }} > ${{ item }}; printf x >> \"${{ item }}\"; cat < ${{ item }}; rm -- ${{ item }}; set -C; : > b${{ item }}; rm b${{ item }}' }\n"+
				"  call: { for_each: \"${{ params.values }}\", run: '../bin/${{ item }} a' }\n")
			l := newLogs("")
			s := wait(t, start(t, newEngine(t), p, engine.Options{Params: map[string]any{"values": values}, Output: l.take}))
			written, called := make([]any, len(names)), make([]any, len(names))
			for i, v := range names {
				written[i], called[i] = v+"x", "called a"
			}
			compareLists(t, s, 0, written)
			compareLists(t, s, 1, called)
			if entries, err := os.ReadDir(filepath.Join(dir, "cwd")); err != nil || len(entries) != 1 {
				t.Errorf("left: %v, %v", entries, err)
			}
			if t.Failed() {
				t.Logf("%.3000v", factsOf(t, s, l))
			}
		})
	}
}
