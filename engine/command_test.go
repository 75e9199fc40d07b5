//go:build unix

package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flow/engine"
)

// command is a case for a sentence of the language's reference about commands: a
// workflow of real processes, run on each of the built-in executors. Its folder
// has the files plain (not executable), prog (executable, prints its arguments)
// and sub/here.
type command struct {
	id   string // of internal/run/testdata/language.txt, with /variant
	file string // with EXECUTOR, HERE in it
	want string // see hold
	on   string // one executor; "" for both
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(actionCommands, resultCommands, surroundingCommands, valueCommands) {
		for _, x := range executors {
			if c.on != "" && c.on != x {
				continue
			}
			t.Run(c.id+"/"+x, func(t *testing.T) {
				t.Parallel()
				c.check(t, x)
			})
		}
	}
}

func (c *command) check(t *testing.T, executor string) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "plain"), "echo plain\n", 0o644)
	writeFile(t, filepath.Join(dir, "prog"), "#!/bin/sh\nfor a in \"$@\"; do printf '<%s>' \"$a\"; done\n", 0o755)
	writeFile(t, filepath.Join(dir, "sub", "here"), "", 0o644)
	file := strings.NewReplacer("EXECUTOR", executor, "HERE", dir).Replace(c.file)
	e := newEngine(t, engine.Environ([]string{"PATH=" + os.Getenv("PATH"), "INHERITED=flow", "BOTH=flow", "FLOW_INDEX=99"}))
	l := newLogs("")
	r := start(t, e, planOf(t, dir, file), engine.Options{ID: "run-1", Output: l.take})
	hold(t, factsOf(t, wait(t, r), l), strings.ReplaceAll(c.want, "HERE", dir))
}

// What §3 says of run and exec.
var actionCommands = []command{
	{
		id: "3.action.run.process",
		on: "default",
		file: `
tasks:
  group:
    run: |
      read -r _ _ _ _ group _ < /proc/$$/stat
      [ "$group" = $$ ] && echo own
  missing: { run: no-such-program, continue_on_error: true }
  plain: { run: ./plain, continue_on_error: true }
  both: { run: "no-such-program || echo $?; ./plain || echo $?" }
`,
		want: `
group.result = "own"
missing = failed exit
missing.exit_code = 127
plain = failed exit
plain.exit_code = 126
both.result = "127\n126"`,
	},
	{
		id: "3.action.run.thread",
		on: "thread",
		file: `
defaults: { executor: thread }
tasks:
  none: { run: 'PATH=/nonexistent; x=1; echo "$((x + 1))"; command -v sh || true' }
  missing: { run: no-such-program, continue_on_error: true }
  plain: { run: ./plain, continue_on_error: true }
  both: { run: "no-such-program || echo $?; ./plain || echo $?" }
  late: { run: "(sleep 0.1; echo late) | cat" }
  much: { run: "head -c 300000 /dev/zero | (sleep 0.1; wc -c)" }
`,
		want: `
none.result = "2"
late.result = "late"
much.result = "300000"
missing = failed exit
missing.exit_code = 127
missing.error ~ no-such-program
plain = failed exit
plain.exit_code = 126
both.result = "127\n126"`,
	},
	{
		// It is given to a real shell.
		id: "3.action.run.thread/what it lacks",
		on: "thread",
		file: `
defaults: { executor: thread }
tasks:
  umask: { run: "umask 027; umask" }
  kill: { run: "trap 'echo asked' TERM; kill -TERM $$; echo on" }
  fd: { run: "exec 3> HERE/out; echo kept >&3; cat HERE/out" }
  pid:
    for_each: [1, 2, 3]
    run: echo $$
    result: json
  several: { expr: "len(uniq(tasks.pid.result))" }
`,
		want: `
umask.result = "0027"
kill.result = "asked\non"
fd.result = "kept"
several.result = 3`,
	},
	{
		id: "3.action.exec",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [printf, "%s|", a b, $HOME, "*", "${{ [1, null] }}"] }
  b: { exec: [./prog, "", x] }
`,
		want: `
a.result = "a b|$HOME|*|[1,null]|"
b.result = "<><x>"`,
	},
	{
		id: "9.task.reasons.real",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo first >&2; echo why it failed >&2; exit 3", continue_on_error: true }
  b: { exec: [no-such-program], continue_on_error: true }
  c: { exec: [./plain], continue_on_error: true }
  d: { exec: [sh, -c, "exit 4"], continue_on_error: true }
`,
		want: `
a = failed exit
a.exit_code = 3
a.error = exit status 3: why it failed
b = failed error
b.exit_code = -
b.error ~ no-such-program
c = failed error
d = failed exit
d.exit_code = 4`,
	},
	{
		id: "5.result.signal",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "kill -TERM $$"], continue_on_error: true }
  b: { exec: [sh, -c, "kill -KILL $$"], continue_on_error: true }
  c: { expr: "[tasks.a.exit_code, tasks.b.exit_code, tasks.b.error.exit_code]" }
  d: { run: 'sh -c "kill -KILL \$\$" || echo $?' }
`,
		want: `
a = failed exit
c.result = [143,137,137]
d.result = "137"`,
	},
	{
		id: "3.timeout.real",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "sleep 1000", timeout: 200ms }
  b: { exec: [sleep, 1000], timeout: 200ms }
  c: { run: "while :; do :; done", timeout: 200ms, grace: 100ms }
`,
		want: `
a = failed timeout
a.error ~ timed out after 200ms
b = failed timeout
b.exit_code = 143
c = failed timeout`,
	},
	{
		id: "3.timeout.real/deadline and delays",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "sleep 1000", deadline: 200ms, retry: 5 }
  b: { run: "exit 1", deadline: 200ms, retry: { attempts: 5, delay: 1h } }
  c: { run: "[ $FLOW_ATTEMPT = 3 ] && echo done", retry: { attempts: 5, delay: 10ms, backoff: 2 } }
`,
		want: `
a = failed timeout
a.attempts = 1
b = failed timeout
b.attempts = 1
b.exit_code = 1
c.result = "done"
c.attempts = 3
run = failed task_failed`,
	},
	{
		id: "9.run.timeout.real",
		file: `
timeout: 300ms
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "sleep 1000" }
  b: { run: "echo never", needs: a, if: always() }
finally:
  c: { run: 'echo "$s"', inputs: { s: "${{ run.status }}" } }
`,
		want: `
a = cancelled timeout
b = cancelled timeout
c.result = "failed"
run = failed timeout
run.message ~ 300ms`,
	},
	{
		id: "3.shell",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  e: { run: "false; echo no", continue_on_error: true }
  u: { run: 'echo "$nothing"; echo no', continue_on_error: true }
`,
		want: `
e = failed exit
e.exit_code = 1
e.stdout = -
u = failed exit
u.stdout = -`,
	},
	{
		id: "3.shell/another",
		on: "default",
		file: `
tasks:
  a: { run: 'a=(1 2 3); echo "${#a[@]}"; false; echo on', shell: bash }
  b: { run: "echo $0", shell: [sh, -e] }
`,
		want: `
a.result = "3\non"
b = succeeded`,
	},
	{
		id: "3.dir",
		file: `
defaults: { executor: EXECUTOR }
params: { where: sub }
tasks:
  a: { run: pwd }
  b: { run: "ls; pwd", dir: sub }
  c: { exec: [pwd], dir: "${{ params.where }}" }
  d: { exec: [pwd], dir: / }
  e: { run: pwd, dir: none, continue_on_error: true }
  f: { exec: [../prog, x], dir: sub }
`,
		want: `
a.result = "HERE"
b.result = "here\nHERE/sub"
c.result = "HERE/sub"
d.result = "/"
e = failed error
e.error ~ HERE/none
f.result = "<x>"`,
	},
	{
		id: "3.stdin.real",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: cat, stdin: "${{ {b: 1, a: [null, 2.5]} }}" }
  b: { run: cat }
  c: { exec: [cat], stdin: as it is }
  d: { run: "read -r x; echo \"$x\"; cat", stdin: "1\n2\n3" }
  e: { run: "true", stdin: "${{ repeat('x', 1000000) }}" }
  f: { exec: [wc, -c], stdin: "${{ repeat('x', 1000000) }}" }
`,
		want: `
a.result = "{\"a\":[null,2.5],\"b\":1}"
b.result = ""
c.result = "as it is"
d.result = "1\n2\n3"
e = succeeded
f.result = "1000000"`,
	},
	{
		id: "3.limits",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "ulimit -n; ulimit -t"], limits: { open_files: 33, cpu_time: 7s } }
  b: { run: "sh -c 'ulimit -n'", limits: { open_files: 34 } }
  c: { exec: [sh, -c, "ulimit -v"], limits: { memory: 1GiB } }
`,
		want: `
a.result = "33\n7"
b.result = "34"
c.result = "1048576"`,
	},
}
