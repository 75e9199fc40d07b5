//go:build unix

package engine_test

// What §3 says of a command's surroundings.
var surroundingCommands = []command{
	{
		id: "3.inputs.env",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a:
    inputs: { n: 3, l: [1, x], m: { b: 1, a: null }, nil: null, t: " text  with blanks ", f: 2.5, b: true }
    run: printf '%s|' "$n" "$l" "$m" "$nil" "$t" "$f" "$b"
  b:
    inputs: { n: 3, l: [1, x] }
    exec: [sh, -c, 'printf "%s|" "$n" "$l"']
`,
		want: `
a.result = "3|[1,\"x\"]|{\"a\":null,\"b\":1}|| text  with blanks |2.5|true|"
b.result = "3|[1,\"x\"]|"`,
	},
	{
		id: "3.inputs.large",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a:
    inputs: { big: "${{ repeat('x', 131072) }}", small: "${{ repeat('x', 100000) }}" }
    run: |
      echo "${big-none}" ${#small}
      wc -c < "$FLOW_INPUTS"
`,
		want: `a.result = "none 100000\n231093"`,
	},
	{
		id: "3.env",
		file: `
env: { A: file, B: file }
defaults: { executor: EXECUTOR, env: { B: defaults, C: defaults } }
tasks:
  a: { run: 'echo "$A $B $C $D"', env: { C: task, D: 0644 } }
`,
		want: `a.result = "file defaults task 0644"`,
	},
	{
		id: "3.surround.order",
		file: `
env: { BOTH: file, B: file }
defaults: { executor: EXECUTOR, env: { B: defaults, C: defaults } }
tasks:
  a:
    env: { C: task, D: task }
    inputs: { D: input }
    run: echo "$INHERITED $BOTH $B $C $D ${FLOW_INDEX-none}"
`,
		want: `a.result = "flow file defaults task input none"`,
	},
	{
		id: "3.surround.inputs",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a:
    inputs: { n: 3.0, l: [1, null], t: "a\"b" }
    run: |
      cat "$FLOW_INPUTS"
      stat -c ' %a' "$FLOW_INPUTS"
      case "$FLOW_INPUTS" in HERE/*) echo "in the workflow's folder" ;; esac
  b: { run: 'cat "$FLOW_INPUTS"' }
`,
		want: `
a.result = "{\"l\":[1,null],\"n\":3,\"t\":\"a\\\"b\"} 600"
b.result = "{}"`,
	},
	{
		id: "3.surround.gone",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { inputs: { n: 3 }, run: 'echo "$FLOW_INPUTS"; echo "$FLOW_RESULT" >&2' }
  b: { run: '[ -n "$name" ] && [ ! -e "$name" ] && echo gone', inputs: { name: "${{ tasks.a.result }}" } }
  c: { inputs: { n: 3 }, run: 'echo "$FLOW_INPUTS" > "$FLOW_DIR/name"; exit 1', continue_on_error: true }
  d: { run: 'test ! -e "$(cat "$FLOW_DIR/name")" && echo gone', needs: c }
  e: { run: 'echo "$FLOW_RESULT" > "$FLOW_RESULT"' }
  f: { run: '[ -n "$name" ] && [ ! -e "$name" ] && echo gone', inputs: { name: "${{ tasks.e.result }}" } }
`,
		want: `
f.result = "gone"
b.result = "gone"
d.result = "gone"`,
	},
	{
		id: "3.surround.names",
		file: `
defaults: { executor: EXECUTOR, retry: { attempts: 2, delay: 0s } }
tasks:
  a: { run: 'echo "$FLOW_RUN_ID $FLOW_TASK ${FLOW_INDEX-none} $FLOW_ATTEMPT $FLOW_IDEMPOTENCY_KEY"; [ $FLOW_ATTEMPT = 2 ]' }
  b: { for_each: [x, y], max_parallel: 1, run: 'echo "$FLOW_TASK $FLOW_INDEX $FLOW_ATTEMPT $FLOW_IDEMPOTENCY_KEY"' }
`,
		want: `
a.stdout = "run-1 a none 1 run-1/a\nrun-1 a none 2 run-1/a\n"
b.result = ["b 0 1 run-1/b/0","b 1 1 run-1/b/1"]`,
	},
	{
		id: "3.surround.dir",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: 'echo hello > "$FLOW_DIR/file"; echo "$FLOW_DIR"' }
  b: { run: 'cat "$FLOW_DIR/file"; [ "$FLOW_DIR" = "$dir" ]', inputs: { dir: "${{ tasks.a.result }}" } }
`,
		want: `b.result = "hello"`,
	},
	{
		id: "3.surround.left/by a program",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "sleep 1000 & echo $!"] }
  b: { run: 'if grep -q "^State:.[^Z]" "/proc/$pid/status" 2> /dev/null; then echo alive; else echo gone; fi', timeout: 30s, executor: default, inputs: { pid: "${{ tasks.a.result }}" } }
  c: { exec: [sh, -c, "sleep 1000 & echo $!; exit 3"], result: { file: none }, continue_on_error: true }
`,
		want: `
b.result = "gone"
c = failed exit`,
	},
	{
		id: "3.surround.left/by a script",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a:
    grace: 200ms
    run: |
      sh -c 'trap "" TERM; echo $$ > "$FLOW_DIR/pid.new"; mv "$FLOW_DIR/pid.new" "$FLOW_DIR/pid"; while :; do sleep 0.01; done' &
      until [ -s "$FLOW_DIR/pid" ]; do sleep 0.01; done
      cat "$FLOW_DIR/pid"
  b: { run: 'if grep -q "^State:.[^Z]" "/proc/$pid/status" 2> /dev/null; then echo alive; else echo gone; fi', timeout: 30s, executor: default, inputs: { pid: "${{ tasks.a.result }}" } }
`,
		want: `b.result = "gone"`,
	},
}

// What §5 says of values in commands.
var valueCommands = []command{
	{
		id: "5.nul",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  input: { run: "true", inputs: { v: "${{ 'a\\u0000b' }}" }, continue_on_error: true }
  env: { run: "true", env: { V: "${{ 'a\\u0000b' }}" }, continue_on_error: true }
  arg: { exec: [echo, "${{ 'a\\u0000b' }}"], continue_on_error: true }
  script: { run: "echo \"${{ 'a\\u0000b' }}\"", continue_on_error: true }
  stdin: { exec: [wc, -c], stdin: "${{ 'a\\u0000b' }}" }
`,
		want: `
input = failed invalid
input.error ~ NUL
env = failed invalid
env.error ~ V
arg = failed invalid
script = failed invalid
stdin.result = "3"`,
	},
	{
		id: "5.files.real",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  read: { expr: "read_file('plain') + read_file('HERE/plain')" }
  one: { expr: "hash_files('prog', 'pro*')" }
  all: { run: "true", inputs: { h: "${{ hash_files('*', 'sub/*') }}" }, dir: sub, retry: 2 }
  sums: { exec: [sh, -c, "sha256sum prog | cut -c1-64; sha256sum plain prog sub/here | sha256sum | cut -c1-64"], result: lines }
  same: { expr: "tasks.sums.result == [tasks.one.result, hash_files('*', 'sub/*')]" }
  none: { expr: "hash_files('none*')", continue_on_error: true }
  missing: { run: "true", inputs: { v: "${{ read_file('missing') }}" }, retry: 3, continue_on_error: true }
`,
		want: `
read.result = "echo plain\necho plain\n"
all = succeeded
same.result = true
none = failed invalid
none.error ~ nothing matches
missing = failed invalid
missing.attempts = 0
missing.error ~ missing`,
	},
	{
		id: "3.retry.once.real",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a:
    run: echo changed > plain; cat "$FLOW_INPUTS"; [ $FLOW_ATTEMPT = 2 ]
    inputs: { text: "${{ read_file('plain') }}" }
    env: { E: "${{ inputs.text }}" }
    retry: { attempts: 2, delay: 0s }
`,
		want: `a.result = "{\"text\":\"echo plain\\n\"}"`,
	},
	{
		id: "5.code.data",
		file: `
params: { p: "$(touch HERE/hacked) \x60touch HERE/hacked\x60 \"; touch HERE/hacked; ' *" }
defaults: { executor: EXECUTOR }
tasks:
  a: { run: 'printf "%s" "${{ params.p }}"' }
  b:
    run: |
      cat <<END
      ${{ params.p }}
      END
  c: { run: 'echo ${{ params.p }} > /dev/null; ls', needs: [a, b] }
outputs:
  a: "${{ tasks.a.result == params.p }}"
  b: "${{ tasks.b.result == params.p }}"
`,
		want: `
a = succeeded
outputs = {"a":true,"b":true}
c.result = "plain\nprog\nsub"`,
	},
}
