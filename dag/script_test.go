package dag

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// nasty are values that become something else wherever a shell reads them as
// more than data.
var nasty = []string{
	"", " ", "plain", "two words", "  spaces  ", "trailing\n", "\n\n\n", "a\nb", "a'b", `a"b`, `a\b`, `\`, `\\`, `a\`, "`id`", "$(id)", "$((1+1))", "${HOME}", "$HOME", "$",
	"*", "?", "[a-z]*", "/*", "~", "~root", "-n", "-e", "--", "-", "!", "#", "# x", "a#b", ";", "a;b", "&", "|", "&&", ">x", "<x", "(x)", "{a,b}", "{1..3}", "EOF", "EOF\nx", "\tEOF",
	"a=b", "if", "done", "esac", ")", ";;", "\x01\x02\x1b[31m", "\u202e\u2066", "ü😀", "\r\n", "\t", "%s%d", "a b\tc\nd", "x[$(id)]", "1+1", "''", `""`, `"'"'`, "a!b", "^a^b", "\\\n", "$'x'", "}", "${", "}}", "a}b", "\x7f",
}

// shells are what runs scripts here.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{"interp": {"sh"}}
	known := make(map[string]bool)
	for _, s := range []string{"dash", "bash", "mksh", "ksh", "sh"} {
		p, err := exec.LookPath(s)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(p); err == nil && !known[real] {
			known[real] = true
			found[s] = []string{p, "-eu"}
		}
	}
	return found
}

// runScript runs a rewritten script with a value for its variables.
func runScript(t *testing.T, name string, shell []string, s *Script, value string) (string, error) {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "V=" + value}
	for _, v := range s.Vars {
		env = append(env, v.Name+"="+value)
	}
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if name == "interp" {
		f, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(s.Text), "")
		if err != nil {
			return "", err
		}
		r, err := interp.New(interp.Env(expand.ListEnviron(env...)), interp.StdIO(nil, &out, &errs), interp.Dir(dir))
		if err != nil {
			return "", err
		}
		err = r.Run(context.Background(), f)
		return out.String(), err
	}
	c := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], "-c", s.Text)...)
	c.Env, c.Dir, c.Stdout, c.Stderr = env, dir, &out, &errs
	if err := c.Run(); err != nil {
		t.Logf("%s: %v: %s", name, err, errs.String())
		return out.String(), err
	}
	return out.String(), nil
}

func TestScriptValuesStayData(t *testing.T) {
	const e = "${{ params.s }}"
	id := func(v string) string { return "[" + v + "]" }
	everything := func(string) bool { return true }
	cases := []struct {
		name, script string
		want         func(v string) string
		bash         bool // only where arrays and [[ are
		noKsh        bool // refused there, since a value would be read as code; or not known there
		only         func(v string) bool
		not          func(v string) bool // what the shell in flow's own process gets wrong, with its own variables too
	}{
		{name: "bare", script: `printf '[%s]' ` + e, want: id},
		{name: "quoted", script: `printf '[%s]' "` + e + `"`, want: id},
		{name: "two", script: `printf '[%s]' ` + e + ` ` + e, want: func(v string) string { return id(v) + id(v) }},
		{name: "adjacent", script: `printf '[%s]' a` + e + `b`, want: func(v string) string { return id("a" + v + "b") }},
		{name: "adjacent quoted", script: `printf '[%s]' "` + e + e + `"`, want: func(v string) string { return id(v + v) }},
		{name: "between quotes", script: `printf '[%s]' 'a'` + e + `'b'"c"`, want: func(v string) string { return id("a" + v + "bc") }},
		{name: "assignment", script: `x=` + e + `; printf '[%s]' "$x"`, want: id},
		{name: "assignment of a part", script: `x=a` + e + `"b"; printf '[%s]' "$x"`, want: func(v string) string { return id("a" + v + "b") }},
		{name: "assignment before a command", script: `x=` + e + ` sh -c 'printf "[%s]" "$x"'`, want: id},
		{name: "export", script: `export x=` + e + `; printf '[%s]' "$x"`, want: id},
		{name: "readonly", script: `readonly x=` + e + `; printf '[%s]' "$x"`, want: id},
		{name: "local", noKsh: true, script: `f() { local x=` + e + `; printf '[%s]' "$x"; }; f`, want: id},
		{name: "function", script: `f() { printf '[%s]' "$1"; }; f ` + e, want: id},
		{name: "heredoc", script: "cat <<EOF\n[" + e + "]\nEOF\n", want: func(v string) string { return id(v) + "\n" }},
		{name: "heredoc, tabs", script: "cat <<-EOF\n\t[" + e + "]\n\tEOF\n", want: func(v string) string { return id(v) + "\n" }},
		{name: "heredoc, two", script: "cat <<A; cat <<B\n" + e + "\nA\n" + e + "\nB\n", want: func(v string) string { return v + "\n" + v + "\n" }},
		{name: "heredoc, default", script: "cat <<EOF\n[${nope:-" + e + "}]\nEOF\n", want: func(v string) string { return id(v) + "\n" }},
		{name: "substitution", script: `printf '[%s]' "$(printf '%s.' ` + e + `)"`, want: func(v string) string { return id(v + ".") }},
		{name: "substitution, quoted", script: `printf '[%s]' "$(printf '%s.' "` + e + `")"`, want: func(v string) string { return id(v + ".") }},
		{name: "nested substitution", script: `printf '[%s]' "$(printf '%s.' "$(printf '%s.' ` + e + `)")"`, want: func(v string) string { return id(v + "..") }},
		{name: "backticks", script: "printf '[%s]' \"`printf '%s.' " + e + "`\"", want: func(v string) string { return id(v + ".") }},
		{name: "backticks, bare", script: "x=`printf '%s.' " + e + "`; printf '[%s]' \"$x\"", want: func(v string) string { return id(v + ".") }},
		{name: "backticks, quoted", script: "x=`printf '%s.' \"" + e + "\"`; printf '[%s]' \"$x\"", want: func(v string) string { return id(v + ".") }},
		{name: "case word", script: `case ` + e + ` in "$V") printf yes;; *) printf no;; esac`, want: func(string) string { return "yes" }},
		{name: "case pattern", script: `case "$V" in ` + e + `) printf yes;; *) printf no;; esac`, want: func(string) string { return "yes" }},
		{name: "case pattern is no glob", script: `case other in ` + e + `) printf yes;; *) printf no;; esac`, want: func(string) string { return "no" }},
		{name: "for", script: `for x in ` + e + ` b; do printf '[%s]' "$x"; done`, want: func(v string) string { return id(v) + "[b]" }},
		{name: "test", script: `if [ ` + e + ` = "$V" ]; then printf yes; fi`, want: func(string) string { return "yes" },
			only: func(v string) bool { return v != "!" && v != "(x)" && v != "-" && v != "-n" && v != "-e" && v != "--" }, not: func(v string) bool { return v == ")" }},
		{name: "default", script: `printf '[%s]' ${nope:-` + e + `}`, want: id, not: everything},
		{name: "default, quoted", script: `printf '[%s]' "${nope:-` + e + `}"`, want: id},
		{name: "default, quoted inside", script: `printf '[%s]' ${nope:-"` + e + `"}`, want: id, not: everything},
		{name: "default, with more", script: `printf '[%s]' "${nope:-a` + e + `b}"`, want: func(v string) string { return id("a" + v + "b") }},
		{name: "alternative", script: `printf '[%s]' "${V+` + e + `}"`, want: id},
		{name: "assign default", script: `: "${nope:=` + e + `}"; printf '[%s]' "$nope"`, want: id},
		{name: "prefix", noKsh: true, script: `x="${V}end"; printf '[%s]' "${x#` + e + `}"`, want: func(string) string { return "[end]" }, not: everything},
		{name: "prefix, bare", noKsh: true, script: `x="${V}end"; printf '[%s]' ${x#` + e + `}`, want: func(string) string { return "[end]" }, not: everything},
		{name: "prefix, quoted", noKsh: true, script: `x="${V}end"; printf '[%s]' "${x##"` + e + `"}"`, want: func(string) string { return "[end]" }, not: everything},
		{name: "suffix", noKsh: true, script: `x="end${V}"; printf '[%s]' "${x%` + e + `}"`, want: func(string) string { return "[end]" }, not: everything},
		{name: "subshell", script: `(printf '[%s]' ` + e + `)`, want: id},
		{name: "pipe", script: `printf '[%s]' ` + e + ` | cat`, want: id},
		{name: "background", script: `printf '[%s]' ` + e + ` & wait`, want: id},
		{name: "comment", script: "# it's ${{ nonsense( }} here\nprintf '[%s]' " + e + " # ${{ tasks.none.result }}\n", want: id},
		{name: "if", script: "if true; then\n  printf '[%s]' " + e + "\nfi", want: id},
		{name: "continued line", script: "printf '[%s]' \\\n  " + e, want: id},
		{name: "many lines", script: "printf '[%s]%s' ${{\n  params.s\n}} \"$LINENO\"\n", want: func(v string) string { return id(v) }, only: func(string) bool { return false }},
		{name: "many lines, quoted", script: "printf '[%s]' \"a${{\n  params.s\n}}b\"\n", want: func(v string) string { return id("a" + v + "b") }},
		{name: "many lines, heredoc", script: "cat <<EOF\na${{\n  params.s\n}}b\nEOF\n", want: func(v string) string { return "a" + v + "b\n" }},
		{name: "eval of a quoted name is the script's own", script: `x=` + e + `; eval 'printf "[%s]" "$x"'`, want: id},
		{name: "redirect", script: `x=` + e + `; mkdir d; cd d; printf x > "f${{ params.s }}"; for f in f*; do printf '[%s]' "$f"; done`,
			want: func(v string) string { return id("f" + v) }, only: func(v string) bool { return !strings.Contains(v, "/") }},
		{name: "redirect, bare", script: `printf hello > f${{ params.s }}; cat < f${{ params.s }}`,
			want: func(v string) string { return "hello" }, only: func(v string) bool { return !strings.Contains(v, "/") }},
		{name: "[[", script: `if [[ ` + e + ` == ` + e + ` && "$V" == ` + e + ` ]]; then printf yes; fi`, want: func(string) string { return "yes" }, bash: true},
		{name: "[[ is no glob", script: `if [[ other == ` + e + ` ]]; then printf yes; else printf no; fi`, want: func(string) string { return "no" }, bash: true},
		{name: "[[ regexp", script: `if [[ x"$V"y =~ ` + e + ` ]]; then printf yes; fi`, want: func(string) string { return "yes" }, bash: true},
		{name: "array", script: `a=(` + e + ` b); printf '[%s]' "${a[@]}"`, want: func(v string) string { return id(v) + "[b]" }, bash: true},
		{name: "array append", script: `a=(); a+=(` + e + `); printf '[%s]' "${a[0]}"`, want: id, bash: true},
		{name: "declare", script: `declare x=` + e + `; printf '[%s]' "$x"`, want: id, bash: true},
		{name: "here-string", script: `cat <<< ` + e, want: func(v string) string { return v + "\n" }, bash: true},
		{name: "process substitution", script: `cat <(printf '[%s]' ` + e + `)`, want: id, bash: true},
		{name: "locale string", script: `printf '[%s]' $"a` + e + `"`, want: func(v string) string { return id("a" + v) }, bash: true},
	}
	w := testWorkflow()
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for name, shell := range shells(t) {
				if tc.bash && name != "bash" || tc.noKsh && strings.HasSuffix(name, "ksh") {
					continue
				}
				c, ds := testCompiler(w)
				s := c.script(testText(tc.script), inRun, shell, w.Tasks[3])
				if len(*ds) > 0 {
					t.Fatalf("%s: %v", name, *ds)
				}
				if a, b := strings.Count(s.Text, "\n"), strings.Count(tc.script, "\n"); a != b {
					t.Errorf("%d lines became %d:\n%s", b, a, s.Text)
				}
				for j, v := range nasty {
					if tc.only != nil && !tc.only(v) || name == "interp" && tc.not != nil && tc.not(v) {
						continue
					}
					if i >= 3 && (i+j)%6 != 0 {
						continue // a process each takes its time
					}
					got, err := runScript(t, name, shell, s, v)
					if err != nil || got != tc.want(v) {
						t.Errorf("%s, value %q:\n%s\ngot  %q (%v)\nwant %q", name, v, s.Text, got, err, tc.want(v))
						return
					}
				}
			}
		})
	}
}

func TestScriptRefusals(t *testing.T) {
	const e = "${{ params.s }}"
	bash, ksh := []string{"bash", "-eu"}, []string{"/usr/bin/ksh"}
	cases := []struct {
		name, script string
		shell        []string
		want         string // of the message
		col          int
	}{
		{"single quotes", `echo 'a ` + e + `'`, nil, "single quotes", 9},
		{"dollar quotes", `echo $'a ` + e + `'`, bash, "single quotes", 10},
		{"quoted heredoc", "cat <<'EOF'\n" + e + "\nEOF", nil, "delimiter is quoted", 13},
		{"heredoc with a backslash", "cat <<\\EOF\n" + e + "\nEOF", nil, "delimiter is quoted", 12},
		{"delimiter", "cat <<" + e + "\nx\n" + e + "\n", nil, "", 7},
		{"arithmetic", `echo $((1 + ` + e + `))`, nil, "arithmetic", 13},
		{"arithmetic, quoted", `echo $((1 + "` + e + `"))`, nil, "arithmetic", 14},
		{"arithmetic command", `((x = ` + e + `))`, bash, "arithmetic", 7},
		{"old arithmetic", `echo $[1 + ` + e + `]`, bash, "arithmetic", 12},
		{"let", `let x=` + e, bash, "arithmetic", 7},
		{"let of sh", `let ` + e, nil, "arithmetic", 5},
		{"for of arithmetic", `for ((i = 0; i < ` + e + `; i++)); do :; done`, bash, "arithmetic", 18},
		{"index", `echo ${a[` + e + `]}`, bash, "", 10},
		{"index of an assignment", `a[` + e + `]=1`, bash, "", 3},
		{"index of an element", `a=([` + e + `]=1)`, bash, "", 5},
		{"slice", `echo ${a:` + e + `}`, bash, "", 10},
		{"replacement", `echo ${a/` + e + `/x}`, bash, "parameter expansion", 10},
		{"case of letters", `echo ${a^` + e + `}`, bash, "parameter expansion", 10},
		{"assignment's name", e + `=1`, nil, "assigned to", 1},
		{"assignment's name, part", `a` + e + `=1`, nil, "assigned to", 2},
		{"export's name", `export ` + e + `=1`, nil, "assigned to", 8},
		{"export's name, bash", `export ` + e, bash, "assigned to", 8},
		{"integer variable", `declare -i x=` + e, bash, "integer", 14},
		{"integers compared", `[[ ` + e + ` -eq 1 ]]`, bash, "arithmetic", 4},
		{"test -v", `[[ -v ` + e + ` ]]`, bash, "", 7},
		{"[ -v", `[ -v ` + e + ` ]`, bash, "", 6},
		{"ksh's test", `[ ` + e + ` -eq 1 ]`, ksh, "arithmetic", 3},
		{"function", e + `() { :; }`, nil, "function", 1},
		{"for's name", `for ` + e + ` in a; do :; done`, nil, "parse", 1},
		{"backslash", `echo \` + e, nil, "backslash", 7},
		{"backslash in quotes", `echo "\` + e + `"`, nil, "backslash", 8},
		{"quotes within quotes", `echo "${a:-"` + e + `"}"`, nil, "disagree", 13},
		{"pattern in a heredoc", "cat <<E\n${a#" + e + "}\nE\n", nil, "parameter expansion", 13},
		{"extended glob", `case a in @(` + e + `|b)) :;; esac`, bash, "", 13},
		{"another shell", `echo ` + e, []string{"/usr/bin/fish", "-c"}, "make it an input", 6},
		{"python", `print("` + e + `")`, []string{"python3"}, "make it an input", 8},
		{"open", `echo ${{ params.s`, nil, "without }}", 6},
		{"unknown task", `echo ${{ tasks.c.result }}`, nil, "no such task", 16},
		{"does not parse", "if true; then\n  echo\n", nil, "parse", 0},
		{"does not parse, behind a value", `echo ` + e + ` (`, nil, "parse", 22},
		{"bash in sh", `a=(1 2)`, nil, "shell: bash", 3},
		{"trap", `trap "rm -f ` + e + `" EXIT`, nil, "trap 'rm -f", 13},
		{"trap, bare", `trap ` + e + ` EXIT`, nil, "trap's action", 6},
		{"trap behind --", `trap -- ` + e + ` EXIT`, nil, "trap's action", 9},
		{"trap behind command", `command trap "x ` + e + `" EXIT`, nil, "trap's action", 17},
		{"trap, default", `trap "rm ${x:-` + e + `}" EXIT`, nil, "trap's action", 15},
		{"alias", `alias n="` + e + `"`, nil, "function", 10},
		{"read", `read ` + e, bash, "name of a variable", 6},
		{"read, part", `read -r x a` + e, bash, "name of a variable", 12},
		{"read -a", `read -ra ` + e, bash, "name of a variable", 10},
		{"printf -v", `printf -v ` + e + ` x`, bash, "name of a variable", 11},
		{"printf -v in one", `printf -v` + e + ` x`, bash, "an option", 10},
		{"printf's format", `printf ` + e + ` x`, bash, "an option", 8},
		{"unset", `unset ` + e, bash, "name of a variable", 7},
		{"unset of ksh", `unset -v ` + e, ksh, "name of a variable", 10},
		{"mapfile -C", `mapfile -C "f ` + e + `" l`, bash, "name of a variable", 15},
		{"readarray", `readarray -t ` + e, bash, "name of a variable", 14},
		{"getopts", `getopts ab ` + e, bash, "name of a variable", 12},
		{"typeset", `typeset ` + e + `=1`, ksh, "assigned to", 9},
		{"local -i", `f() { local -i x=` + e + `; }`, bash, "integer", 18},
		{"local -i of sh", `local -i x=` + e, nil, "integer", 12},
		{"ksh's integer", `integer x=` + e, ksh, "name of a variable", 11},
		{"an integer before", `typeset -i k; k=` + e, bash, "integer", 17},
		{"an integer behind", `k="a` + e + `"; declare -i k`, bash, "integer", 5},
		{"an integer in an array", `declare -ia k; k=(1 ` + e + `)`, bash, "integer", 21},
		{"an integer of a loop", `declare -i k; for k in ` + e + `; do :; done`, bash, "integer", 24},
		{"an integer by default", `declare -i k; : ${k:=` + e + `}`, bash, "integer", 22},
		{"another's name", `declare -n k; k=` + e, bash, "integer", 17},
		{"a prompt", `x=` + e + `; echo "${x@P}"`, bash, "leave out @P", 26},
		{"a shell's own integer", `RANDOM=` + e, bash, "RANDOM is read as code", 8},
		{"one in sh, which may be a bash", `OPTIND="` + e + `"; ls`, nil, "OPTIND is read as code", 9},
		{"one of a loop", `for SECONDS in ` + e + `; do :; done`, bash, "SECONDS is read", 16},
		{"one that is exported", `export SRANDOM=` + e, bash, "SRANDOM is read", 16},
		{"one that is exported by sh", `export HISTCMD=` + e, nil, "HISTCMD is read", 16},
		{"one that is read", `read -r x RANDOM <<< ` + e, bash, "RANDOM is read", 22},
		{"one that is printed", `printf -v RANDOM %s ` + e, bash, "RANDOM is read", 21},
		{"one before a command", `RANDOM=` + e + ` ls`, bash, "RANDOM is read", 8},
		{"one by default", `: "${RANDOM:=` + e + `}"`, bash, "RANDOM is read", 14},
		{"a prompt's text", `PS4=` + e + `; set -x; ls`, bash, "PS4 is read as code", 5},
		{"a shell's start", `BASH_ENV=` + e + ` bash x.sh`, bash, "BASH_ENV is read", 10},
		{"wait's variable", `sleep 0 & wait -n -p ` + e, bash, "the name of a variable is read as code", 22},
		{"words to complete", `compgen -W ` + e, bash, "compgen reads its words as code", 12},
		{"a key's command", `bind -x ` + e, bash, "bind reads", 9},
		{"a builtin's file", `enable -f ` + e + ` x`, bash, "enable reads", 11},
		{"let", `let x=` + e, bash, "arithmetic", 7},
		{"let in sh, which may be a bash", `let x=` + e, nil, "arithmetic", 7},
		{"a prompt of an input", `echo ${x@P}`, bash, "leave out @P", 6},
		{"dots", `echo ${params.s}`, nil, "did you mean ${{ params.s }}?", 0},
		{"dots in bash", "ls\necho \"a ${tasks.a.result.b} c\"", bash, "did you mean ${{ tasks.a.result.b }}?", 0},
		{"a secret", `echo ${{ secrets.TOKEN }}`, nil, "inputs", 10},
	}
	w := testWorkflow()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, ds := testCompiler(w)
			if s := c.script(testText(tc.script), inRun, tc.shell, w.Tasks[3]); s == nil {
				t.Fatal("no script")
			}
			if len(*ds) == 0 {
				t.Fatal("nothing is said")
			}
			d := (*ds)[0]
			if !strings.Contains(d.Message, tc.want) {
				t.Errorf("message %q, want one with %q", d.Message, tc.want)
			}
			if tc.col > 0 && d.Pos.Col != tc.col {
				t.Errorf("column %d, want %d: %s", d.Pos.Col, tc.col, d.Message)
			}
			t.Log(d.Message)
		})
	}
}

// TestScriptWarnings: what a script hands to eval or to another shell as code may
// be meant.
func TestScriptWarnings(t *testing.T) {
	const e = "${{ params.s }}"
	bash := []string{"bash"}
	w := testWorkflow()
	for _, tc := range []struct {
		script string
		shell  []string
		want   string // of the message; "": none
		col    int
	}{
		{`eval echo ` + e, nil, "by eval", 11},
		{`eval "x=` + e + `"`, bash, "by eval", 9},
		{`command eval ` + e, nil, "by eval", 14},
		{`eval "${x:-` + e + `}"`, nil, "by eval", 12},
		{`sh -c "echo ` + e + `"`, nil, `sh -c 'cmd "$1"' sh`, 13},
		{`sh -c ` + e, nil, "by sh -c", 7},
		{`/bin/bash -euo pipefail -c "` + e + `"`, nil, "by bash -c", 29},
		{`sh -ec "` + e + `"`, nil, "by sh -c", 9},
		{`ls | xargs sudo ksh -c "rm ` + e + `"`, nil, "by ksh -c", 28},
		{`dash -c 'echo '` + e, nil, "by dash -c", 16},
		{"bash <<E\necho " + e + "\nE", nil, "by bash", 15},
		{"bash -s a <<E\necho " + e + "\nE", nil, "by bash", 20},
		{"bash <<< \"echo " + e + "\"", bash, "by bash", 16},
		{`sh -c 'echo "$1"' sh ` + e, nil, "", 0},
		{`sh ` + e + ` x`, nil, "", 0},
		{`sh -x ` + e, nil, "", 0},
		{`grep -c ` + e + ` x`, nil, "", 0},
		{`eval 'echo "$x"'; echo ` + e, nil, "", 0},
		{"sh ./x <<E\n" + e + "\nE", nil, "", 0},
		{"sh -c cat <<E\n" + e + "\nE", nil, "", 0},
		{"cat <<E\n" + e + "\nE", nil, "", 0},
		{`f=` + e + `; trap 'rm -f "$f"' EXIT`, nil, "", 0},
		{`trap 'echo x' ` + e, nil, "", 0},
		{`read -p ` + e + ` x`, bash, "", 0},
		{`mapfile -d ` + e + ` x`, bash, "", 0},
		{`getopts ` + e + ` x`, nil, "", 0},
		{`printf '%s' ` + e, bash, "", 0},
		{`printf -v x '%s' ` + e, bash, "", 0},
		{`printf "a` + e + `" x`, bash, "", 0},
		{`printf -- ` + e + ` x`, bash, "", 0},
		{`printf ` + e, bash, "", 0},
		{`typeset -i k=1; j=` + e, bash, "", 0},
		{`echo ${x@Q} ` + e, bash, "", 0},
	} {
		c, ds := testCompiler(w)
		for range 2 { // the second time the text is known
			*ds = nil
			s := c.script(testText(tc.script), inRun, tc.shell, w.Tasks[3])
			switch {
			case tc.want == "" && len(*ds) == 0 && len(s.Vars) == 1:
			case tc.want == "" || len(*ds) != 1 || len(s.Vars) != 1:
				t.Errorf("%s: %v", tc.script, *ds)
			default:
				d := (*ds)[0]
				if !d.Warning || !strings.Contains(d.Message, tc.want) || d.Pos.Col != tc.col {
					t.Errorf("%s: %v, want %q at %d", tc.script, d, tc.want, tc.col)
				}
			}
		}
	}
}

func TestScriptLiterals(t *testing.T) {
	w := testWorkflow()
	for _, tc := range []struct {
		script string
		shell  []string
		want   string
	}{
		{"echo '$${{ x }}'", nil, "echo '${{ x }}'"},
		{"echo '$${{ x }}' ${{ params.s }}", nil, "echo '${{ x }}' \"${FLOW_X1}\""},
		{"print(1) # $${{", []string{"python3"}, "print(1) # ${{"},
		{"echo $FLOW_X ${{ params.s }}", nil, "echo $FLOW_X \"${FLOW_X_1}\""},
		{"echo ${{ params.s }} ${{params.s}} ${{ params.n }}", nil, "echo \"${FLOW_X1}\" \"${FLOW_X1}\" \"${FLOW_X2}\""},
		{"# ${{ a\n b }}\necho", nil, "# ${{ a\n# b }}\necho"},
		{"", nil, ""},
	} {
		c, ds := testCompiler(w)
		s := c.script(testText(tc.script), inRun, tc.shell, w.Tasks[3])
		if len(*ds) > 0 || s.Text != tc.want {
			t.Errorf("%q: %q, %v, want %q", tc.script, s.Text, *ds, tc.want)
		}
		if s.String() != tc.script {
			t.Errorf("%q is shown as %q", tc.script, s)
		}
	}
}

func TestScriptPrograms(t *testing.T) {
	c, ds := testCompiler(testWorkflow())
	s := c.script(testText(`
		f() { jq .x; }
		cd /tmp && ./load --day "$day" | sort -u > "$(mktemp)"
		exec curl x; command git status; sort; f; "$HOME"/bin/x; if grep -q x y; then python3 a.py; fi
	`), inRun, nil, nil)
	want := "jq ./load sort mktemp curl git grep python3"
	if got := strings.Join(s.Programs(), " "); got != want || len(*ds) > 0 {
		t.Errorf("%q, %v, want %q", got, *ds, want)
	}
}

// FuzzScript looks whether a rewritten script keeps its lines, and whether
// nothing in it is anything but data: the parser sees each variable within
// quotes or in a heredoc.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"echo ${{ params.s }}", "cat <<E\n${{ params.s }}\nE", "\"${x:-${{ params.s }}}\"", "`echo ${{ params.s }}`", "# ${{ x }}", "a=(${{ params.s }})", "`\\${{ params.s }}`",
		"\"`echo \\`${{ params.s }}\\``\"", "case ${{ params.s }} in ${{ params.s }}) ;; esac", "$((${{ params.s }}))", "'${{ params.s }}'", "cat <<-E <<F\n\t${{\nparams.s }}\nE\nF"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	w := testWorkflow()
	f.Fuzz(func(t *testing.T, script string, bash bool) {
		shell := []string{"sh"}
		if bash {
			shell = []string{"bash"}
		}
		c, ds := testCompiler(w)
		s := c.script(testText(script), inRun, shell, w.Tasks[3])
		for _, d := range *ds {
			if strings.Contains(d.Message, "can't stand here as data") {
				t.Errorf("%q became %q", script, s.Text)
			}
		}
		if len(*ds) > 0 || len(s.Vars) == 0 {
			return
		}
		if a, b := strings.Count(s.Text, "\n"), strings.Count(script, "\n"); a != b {
			t.Errorf("%d lines of %q became %d of %q", b, script, a, s.Text)
		}
	})
}
