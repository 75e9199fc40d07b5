package dag

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func TestNeedsShell(t *testing.T) {
	sh, bash, ksh := []string{"sh", "-eu"}, []string{"bash", "-eu"}, []string{"ksh"}
	w := testWorkflow()
	for _, tc := range []struct {
		script string
		shell  []string
		want   string
	}{
		{"echo $$", sh, "$$"},
		{"echo ${x:-\"a  b\"}", sh, "${x:-…}"},
		{"echo ${x:-${{ params.s }}} \"${x:-${{ params.s }}}\"", sh, "${x:-…}"},
		{"x=${y:-\"a b\"}; echo \"${x+'a'}\" ${x:-b}", sh, ""},
		{"cat <<E\n${x:-${{ params.s }}}\nE", sh, ""},
		{"echo \"${x#\"$y\"}\"", sh, "${x#…}"},
		{"echo \"${x%%${{ params.s }}}\"", sh, "${x%%…}"},
		{"echo \"${x%.*}\" ${x#*/}", sh, ""},
		{"echo \"${x%\\*}\"", sh, "${x%…}"},
		{"echo ${x/'*'/y} ", bash, "${x/…}"},
		{"cat <<-E\n\t$x\n\tE", sh, "<<- with variables in it"},
		{"cat <<-E\n\tx\n\tE", sh, ""},
		{"kill -9 $$", sh, "kill"},
		{"echo ${$} \"$(echo $$)\"", sh, "$$"},
		{"sleep 1 & echo $!", sh, "$!"},
		{"echo $PPID", sh, "$PPID"},
		{"./load --parent \"$PPID\" -x", sh, "$PPID"},
		{"echo \"${BASHPID}\"", bash, "$BASHPID"},
		{"echo $((PPID + 1))", sh, "PPID"},
		{"echo $0", sh, "$0"},
		{"umask 077; ls", sh, "umask"},
		{"umask 077", sh, "umask"},
		{"newgrp x", sh, "newgrp"},
		{"ulimit -n 5", sh, "ulimit"},
		{"command kill 5", sh, "kill"},
		{"builtin 'kill' 5", bash, "kill"},
		{`\umask 0`, sh, "umask"},
		{"jobs; bg; fg", sh, "jobs"},
		{"times", sh, "times"},
		{"time ls", bash, "time"},
		{"time ls", sh, "time"},
		{"coproc cat", bash, "coproc"},
		{"alias ll='ls -l'; ll", sh, "alias"},
		{"hash git", sh, "hash"},
		{"trap 'echo x' TERM", sh, "trap … TERM"},
		{"trap '' INT TERM", sh, "trap … INT"},
		{"trap 'echo x' 0", sh, "trap … 0"},
		{"trap", sh, "trap"},
		{"trap -p", bash, "trap -p"},
		{"trap 'echo x' ERR", sh, "trap … ERR"},
		{"trap 'exit 3' EXIT", sh, "exit in a trap"},
		{"trap 'kill 0' EXIT", sh, "kill"},
		{"trap \"rm $f\" EXIT", sh, "trap of an action with variables in it"},
		{"trap x $s", sh, "trap of a signal that is a variable"},
		{"(trap 'echo x' EXIT)", sh, "trap in a subshell"},
		{"exec 3>x", sh, "3>"},
		{"ls 3>&1", sh, "3>&1"},
		{"ls >&3", sh, ">&3"},
		{"cat <&0", sh, "<&0"},
		{"cat <&3", sh, "<&3"},
		{"cat 3<x", sh, "3<"},
		{"cat 3<<E\nx\nE", sh, "3<<"},
		{"exec {fd}>x", bash, "{fd}>"},
		{"ls >|x", sh, ">|"},
		{"cat <>x", sh, "<>"},
		{"ls >&$fd", sh, ">&"},
		{"eval 'echo $$'", sh, "$$"},
		{"eval \"echo $x\"", sh, "eval"},
		{"eval eval 'kill 1'", sh, "kill"},
		{". ./lib", sh, "."},
		{"source ./lib", bash, "source"},
		{"$run kill 1", sh, "a command whose name is a variable"},
		{"${{ params.s }} 1", sh, "a command whose name is a variable"},
		{"echo ${{ params.s }} $$", sh, "$$"},
		{"read -t 5 x", bash, "read -t"},
		{"read -n1 x", bash, "read -n1"},
		{"printf -v x a", bash, "printf -v"},
		{"printf '%.2f' 1", sh, "printf with such a format"},
		{"printf '%q' 1", bash, "printf with such a format"},
		{"set -E", bash, "set -E"},
		{"set -euEo pipefail", bash, "set -euEo"},
		{"set -o posix", bash, "set -o posix"},
		{"set", sh, "set"},
		{"shopt -s lastpipe", bash, "shopt lastpipe"},
		{"declare -i x", bash, "declare -i"},
		{"local -i x", bash, "local -i"},
		{"export -p", sh, "export -p"},
		{"export", sh, "export"},
		{"cd -P x", sh, "cd -P"},
		{"wait -n", bash, "wait -n"},
		{"wait 5", sh, "wait"},
		{"mapfile -n 1 x", bash, "mapfile -n"},
		{"return 3", sh, "return outside of a function"},
		{"echo ${%x}", ksh, "${%x}"},
		{"echo ${x@A}", bash, "${x@A}"},
		{"echo {a,b}", sh, "{…}"},
		{"echo {1..3} x", sh, "{…}"},
		{"echo $'a'", sh, "$'…'"},
		{"unset -n x", bash, "unset -n"},
		{"exec -a x ls", bash, "exec -a"},
		{"echo a", []string{"bash", "-E"}, "-E"},
		{"echo a", []string{"bash", "--posix"}, "--posix"},
		{"echo a", []string{"bash", "-O", "lastpipe"}, "-O"},
		{"echo ${{ params.s }}", []string{"bash", "-euo", "posix"}, "-euo posix"},

		{"echo $((a / b))", sh, "a division by what may be 0"},
		{"x=$((x %= 2)); x=$((x % y))", sh, "a division by what may be 0"},
		{"f ${o:+--name \"$o\"}", sh, "${o:+…}"},
		{"f ${o:-'a b'}", sh, "${o:-…}"},
		{"set -- ${o:-${{ params.s }}}", sh, "${o:-…}"},
		{"echo ${1+\"$@\"}", sh, "${1+…}"},
		{"echo \"${x##\"$p\"}\"", sh, "${x##…}"},
		{"echo ${x/\"*\"/y}", bash, "${x/…}"},
		{"for x in \"pre-$@\"; do ls; done", sh, "\"…$@…\""},
		{"IFS=,; set -- $row", sh, "IFS"},
		{"IFS=, read -r a b", sh, "IFS"},
		{"if (false; true); then ls; fi", sh, "(…) as a condition"},
		{"while ! (ls); do ls; done", sh, "(…) as a condition"},
		{"(false; true) || ls", sh, "(…) as a condition"},
		{"shift", sh, "shift"},
		{"printf '%d' \"$x\"", sh, "printf %d"},
		{"printf '%05d' 08", sh, "printf %d"},
		{"printf '%b' 'a\\n'", sh, "printf %b"},
		{"echo 'a\\tb'", sh, "echo of a \\"},
		{"echo -e x", sh, "echo -e"},
		{"ls | while read -r x; do n=$((n + 1)); done; echo $n", sh, "an assignment at the end of a pipeline"},
		{"echo $((a / 2)) $((7 % 3)); echo ${o:-d} \"${o:-$x}\" ${x#p} \"$@\"; IFS= read -r x", sh, ""},
		{"(ls; ls); ls || (ls); ls | while read -r x; do echo \"$x\"; done; echo -n; printf '%d %s' 5 \"$x\"", sh, ""},
		{"for f in *; do [ -e $f ] && ls; done; ls", sh, "a && b or ! a at the end of a compound command"},
		{"if ls; then ls; else ls && ls; fi", sh, "a && b or ! a at the end of a compound command"},
		{"{ ls; ! ls; }; case x in x) ls && ls ;; esac", sh, "a && b or ! a at the end of a compound command"},
		{"for f in *; do [ -e $f ] && ls; ls || ls; done; ls && ls; ! ls", sh, ""},
		{"echo -e 'a\\tb'", bash, ""},
		{"echo a | sort > x 2>&1; ls >&2 2>/dev/null </dev/null", sh, ""},
		{"echo a", []string{"bash", "-eu", "-o", "pipefail"}, ""},
		{"trap 'rm -f \"$f\"' EXIT; trap - EXIT; trap '' EXIT", sh, ""},
		{"trap 'echo $?' ERR", bash, ""},
		{"f() { return 3; }; f || echo $?", sh, ""},
		{"sleep 1 & wait; echo $? $# $* $@ $- $1", sh, ""},
		{"sh -c 'kill $$'", sh, ""},
		{"/bin/kill 5; env kill 5; \"$HOME\"/bin/x", sh, ""},
		{"eval 'echo $((6 * 7))'", sh, ""},
		{"set -euo pipefail; set -- a b; set +e", bash, ""},
		{"export x=1; readonly y=2; local z=3", sh, ""},
		{"declare -A m; declare -x y=1; local -a z", bash, ""},
		{"printf '%s: %-5d %05x%%\\n' a 1 2; printf \"$x\\n\"", sh, ""},
		{"echo {a,b} {1..3} $'a' &>x", bash, ""},
		{"grep 'x$' a; echo \"$\"; echo '{a,b}' \"{1..2}\" {} {a}", sh, ""},
		{"IFS= read -r x; read a b; read -ra l", bash, ""},
		{"exec >log 2>&1; exec ls; command -v git; cd -; cd x; cd", sh, ""},
		{"cat <<E\n$x {a,b}\nE", bash, ""},
		{"kill $$ > $ a(", []string{"fish"}, ""},
		{"", sh, ""},
	} {
		c, ds := testCompiler(w)
		s := c.script(testText(tc.script), inRun, tc.shell, w.Tasks[3])
		for _, d := range *ds {
			if !d.Warning {
				t.Errorf("%v %s: %v", tc.shell, tc.script, d)
			}
		}
		if got := s.NeedsShell(); got != tc.want {
			t.Errorf("%v %s: %q, want %q", tc.shell, tc.script, got, tc.want)
		}
	}
	for text, want := range map[string]string{"echo $$": "$$", "ls": "", "if": "", strings.Repeat("(", 1000): ""} {
		if got := NewScript(text).NeedsShell(); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
}

// TestUnknownToTheShellInside runs each builtin that there is: none that the shell
// inside flow refuses as a whole goes without the real one.
func TestUnknownToTheShellInside(t *testing.T) {
	for name := range strings.FieldsSeq(builtins + lackingBuiltins) {
		if !interp.IsBuiltin(name) || scriptNeedsText(name) != "" {
			continue
		}
		f, err := syntax.NewParser().Parse(strings.NewReader(name), "")
		if err != nil {
			continue // a keyword
		}
		var errs bytes.Buffer
		r, err := interp.New(interp.Env(expand.ListEnviron("HOME=/")), interp.StdIO(nil, nil, &errs))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Run(context.Background(), f)
		if strings.Contains(errs.String(), "unsupported") {
			t.Errorf("%s: %s", name, &errs)
		}
	}
}

func scriptNeedsText(text string) string { return needsOf(text, syntax.LangBash) }

// TestInsideAndOutside runs scripts that need no shell in both shells: they print
// the same.
func TestInsideAndOutside(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	for _, text := range []string{
		"trap 'echo bye' EXIT; echo $?; exit 3",
		"f() { trap 'echo f' EXIT; }; f; echo x",
		"eval 'echo $((6 * 7))'",
		"printf '%s: %-5d|%05x%%\\n' a 1 2",
		"exec 2>&1; echo x >&2",
		"set -- a b; echo $# $*",
		"f() { return 3; }; f; echo $?",
		"echo {a,b}{1..3}",
		"read -ra l <<< 'a b c'; echo ${l[1]} ${#l[@]}",
		"declare -A m; m[a]=1; echo ${m[a]}",
		"(sleep 0.01; echo late) & wait; echo end",
		"command -v cd; type -t cd",
	} {
		if need := scriptNeedsText(text); need != "" {
			t.Errorf("%s: %s", text, need)
			continue
		}
		s := &Script{Text: text}
		got, _ := runScript(t, "interp", nil, s, "")
		want, _ := runScript(t, "bash", []string{bash}, s, "")
		if got != want {
			t.Errorf("%s:\ninside  %q\noutside %q", text, got, want)
		}
	}
}
