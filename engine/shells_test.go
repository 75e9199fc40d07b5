//go:build unix

package engine_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"flow/engine"
)

// Scripts that mean the same to a real shell and to the one inside flow. What that
// one lacks is under "3.action.run.thread/what it lacks".
var scripts = []string{
	"echo a; false || echo b; ! true || echo c; echo $?",
	"x='a  b'; echo $x \"$x\"; y=$(echo \"$x\"); echo \"$y\"",
	"export V='p  q'; sh -c 'echo \"$V\"'; V=r sh -c 'echo \"$V\"'; echo \"$V\"",
	"for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; while read -r l; do echo \"<$l>\"; done < lines",
	"f() { local v=1; echo \"$1 $v $#\"; return 3; }; f x y || echo $?",
	"case abc in a*) echo yes ;; *) echo no ;; esac; echo \"${x:-d} ${y=e} $y\"",
	"printf '%s\\n' b a | sort | tr a-z A-Z",
	"(cd sub; pwd | sed 's/.*\\///'); [ -e sub/here ] && echo there",
	"echo one > out; echo two >> out; cat < out; rm out",
	"cat <<END; cat <<'END'\nx $((1 + 2))\nEND\n$x\nEND",
	"(sleep 0.05; echo late) & wait; echo end",
	"(exit 5) & wait $! || echo \"waited for $?\"",
	"trap 'echo bye' EXIT; echo hi",
	"exit 7",
	"false",
	"false | true; echo $?",
	"set +e; false; echo on",
	"echo err >&2; echo out",
	"cat nothing",
	"no-such-program",
	"./plain",
	"./sub",
	"./bare x y; PATH=.; bare z",
	"sh -c 'exit 9'",
	"sh -c 'kill -TERM $$'",
	"echo $(no-such-program) $?",
	"x=$(false); echo never",
	"if ./prog a > /dev/null; then echo ok; fi; echo $(./prog 'b c')",
	"read -r a b; echo \"$b-$a\"; cat",
	"head -n 1; echo rest; cat",
	"yes | head -n 2",
	"set -- 1 2 3; shift; echo $# \"$*\" \"$@\"",
	"eval 'echo $((6 * 7))'; . ./plain",
	"echo *; echo 'sub'/*; echo none*",
	"test -n \"$FLOW_DIR\" && cd \"$FLOW_DIR\" && echo x > y && cat y",
	"v=abc; echo ${v#a} ${v%c} ${#v}",
	"exec echo replaced; echo never",
	"echo a; exec sh -c 'exit 4'",
	"cat > out; wc -l < out; rm out",
	"command -v sh > /dev/null && echo found; type cd > /dev/null && echo builtin",
	"printf 'no newline'",
	"i=0; until [ $i -ge 3 ]; do i=$((i + 1)); done; echo $i",
	"{ echo a; echo b >&2; } 2>&1 | sort -r",
	"sleep 0.01 & pid=$!; kill $pid 2> /dev/null || true; echo ok",
	"n=0; avg=$((100 / n)); echo \"avg=$avg\"",
	"f() { echo $#; }; opt='two words'; f ${opt:+--name \"$opt\"}",
	"set -- \"a b\" c; set -- ${1+\"$@\"}; echo $#",
	"set -- \"a b\" c; for x in \"pre-$@\"; do echo \"<$x>\"; done",
	"row=',,c,d'; IFS=,; set -- $row; echo \"$# $4\"",
	"x=abc; p='*'; echo \"${x##\"$p\"}\"; x='a*b'; echo \"${x#a\"*\"}\"",
	"if (false; true); then echo yes; else echo no; fi",
	"for v in '!' '(' ')' -n = == -a -o '' x; do for w in '!' '(' x; do if [ \"$v\" = \"$w\" ]; then echo eq; fi; [ \"$v\" != \"$w\" ] && echo ne; [ -n \"$v\" ] && echo n; [ -z \"$v\" ] || echo z; [ \"$v\" ] && echo t; test ! \"$v\" = \"$w\" && echo not; done; done; echo end",
	"for i in 1 2; do [ $i = 1 ] && echo $i; done; if true; then false && true; fi; { ! true; }; case a in a) false && true ;; esac; echo end",
	"f() { false && true; }; f; echo end",
	"(false && true); echo end",
	"i=0; while [ $i = 0 ]; do i=1; false && true; done; echo end",
	"printf '%d\\n' 12abc",
	"printf '%b|' 'a\\0101b'",
	"set -- a; shift 2; echo survived",
	"echo 'a\\tb'; echo -e x",
	"n=0; printf 'a\\nb\\n' | while read -r x; do n=$((n + 1)); done; echo $n",
}

// TestShellsAgree runs each script in both shells: what they print and how they
// end must be the same.
func TestShellsAgree(t *testing.T) {
	t.Parallel()
	for _, text := range scripts {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var ends [2]string
			for k, x := range executors {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, "plain"), "echo plain\n", 0o644)
				writeFile(t, filepath.Join(dir, "prog"), "#!/bin/sh\nfor a in \"$@\"; do printf '<%s>' \"$a\"; done\n", 0o755)
				writeFile(t, filepath.Join(dir, "bare"), "echo \"$# $*\"\n", 0o755) // names no interpreter
				writeFile(t, filepath.Join(dir, "lines"), "1 2\n  3\n", 0o644)
				writeFile(t, filepath.Join(dir, "sub", "here"), "", 0o644)
				file := "tasks:\n  a:\n    executor: " + x + "\n    timeout: 1m\n    stdin: |\n      p q\n      r\n    run: |\n      " + strings.ReplaceAll(text, "\n", "\n      ") + "\n"
				l := newLogs("")
				f := factsOf(t, wait(t, start(t, newEngine(t), planOf(t, dir, file), engine.Options{Output: l.take})), l)
				ends[k] = strings.Join([]string{f["a"], f["a.exit_code"], f["a.stdout"]}, "\n")
			}
			if ends[0] != ends[1] {
				t.Errorf("a real shell:\n%s\nthe one inside flow:\n%s", ends[0], ends[1])
			}
		})
	}
}

// commands are scripts of one command, which is started without a shell.
var commands = []string{
	"true",
	"false",
	"./prog a 'b  c' \"\" d=e",
	"prog x",
	"./bare x 'y z'",
	"./plain",
	"./sub",
	"./none",
	"plain",
	"no-such-program a",
	"./loop",
	"/bin/sh -c 'kill -TERM $$'",
	"/bin/sh -c 'kill -KILL $$'",
	"/bin/sh -c 'exit 126'",
	"sh -c 'echo $0; echo err >&2; exit 3'",
	"printenv PWD",
	"printenv PWD OLDPWD",
	"cat",
	"head -n 1",
	"no-interpreter",
}

// TestCommandsNeedNoShell runs each with the shell named, and so started, and
// without: nothing differs.
func TestCommandsNeedNoShell(t *testing.T) {
	t.Parallel()
	for _, text := range commands {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "plain"), "echo plain\n", 0o644)
			writeFile(t, filepath.Join(dir, "prog"), "#!/bin/sh\nfor a in \"$@\"; do printf '<%s>' \"$a\"; done\n", 0o755)
			writeFile(t, filepath.Join(dir, "bare"), "echo \"$# $*\"\n", 0o755) // names no interpreter
			writeFile(t, filepath.Join(dir, "no-interpreter"), "#!/no/such\n", 0o755)
			writeFile(t, filepath.Join(dir, "sub", "here"), "", 0o644)
			if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"$DIR:/usr/bin:/bin", ".:/usr/bin:/bin", "/usr/bin:/bin"} {
				var ends [2]string
				for k, shell := range []string{"", "    shell: sh -eu\n"} {
					file := "tasks:\n  a:\n    timeout: 1m\n" + shell + "    env:\n      PATH: '" + strings.ReplaceAll(path, "$DIR", dir) + "'\n    stdin: |\n      p q\n      r\n    run: " + strconv.Quote(text) + "\n"
					l := newLogs("")
					s := wait(t, start(t, newEngine(t), planOf(t, dir, file), engine.Options{Output: l.take}))
					f := factsOf(t, s, l)
					ends[k] = strings.Join([]string{f["a"], f["a.exit_code"], f["a.stdout"]}, "\n")
					if !strings.Contains(text, "kill") { // some shells print what signal it was
						ends[k] += "\n" + f["a.stderr"] + "\n" + f["a.error"]
					}
				}
				if ends[0] != ends[1] {
					t.Errorf("PATH=%s: without a shell:\n%s\nwith one:\n%s", path, ends[0], ends[1])
				}
			}
		})
	}
}
