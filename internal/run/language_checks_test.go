package run_test

// What §3, §5 and §9 of the language say of what is told before anything runs.
var refusals = []refusal{
	{
		id: "3.id",
		file: `
tasks:
  _a-B9: { exec: [x] }
  9a: { exec: [x] }
  a.b: { exec: [x] }
  ä: { exec: [x] }
`,
		want: `
4:3: 9a
5:3: a.b
6:3: ä`,
	},
	{
		id: "3.action.one/none",
		file: `
tasks:
  a: { needs: [] }
`,
		want: `3:3: action`,
	},
	{
		id: "3.action.one/two",
		file: `
tasks:
  a: { exec: [x], expr: "1" }
`,
		want: `3:19: exactly one action`,
	},
	{
		id: "3.inputs.names",
		file: `
tasks:
  a:
    exec: [x]
    inputs:
      fine_1: 1
      not-fine: 1
      PATH: 1
      IFS: 1
      ENV: 1
      BASH_ENV: 1
      PS4: 1
      SHELLOPTS: 1
      HOME: 1
      LD_PRELOAD: 1
      FLOW_TASK: 1
`,
		want: `
7:7: not-fine
8:7: PATH
9:7: IFS
10:7: ENV
11:7: BASH_ENV
12:7: PS4
13:7: SHELLOPTS
14:7: HOME
15:7: LD_PRELOAD
16:7: FLOW_TASK`,
	},
	{
		id: "3.needs/none of that name",
		file: `
tasks:
  load: { exec: [x] }
  a: { exec: [x], needs: lod }
`,
		want: `4:26: did you mean "load"?`,
	},
	{
		id: "3.executor.named",
		file: `
executors: { py: { kind: process, runtime: python } }
tasks:
  a: { exec: [x], executor: py }
  b: { expr: "1", executor: py }
  c: { exec: [x], executor: none }
`,
		want: `
4:29: py
5:29: py
6:29: none`,
	},
	{
		id: "3.executor.call",
		file: `
tasks:
  a: { call: "m:f" }
  b: { call: "go:F" }
`,
		want: `3:8: runtime`,
	},
	{
		id: "3.fan.exclusive",
		file: `
tasks:
  a: { exec: [x], for_each: [1], matrix: { n: [1] } }
`,
		want: `3:34: for_each`,
	},
	{
		id: "3.fan.if.names",
		file: `
tasks:
  a: { exec: [x], for_each: [1], if: item == 1 }
  b: { exec: [x], for_each: [1], if: index == 1 }
  c: { exec: [x], for_each: { a: 1 }, if: key == "a" }
  d: { exec: [x], matrix: { n: [1] }, if: matrix.n == 1 }
`,
		want: `
3:38: item
4:38: index
5:43: key
6:43: matrix`,
	},
	{
		id: "3.retry.jitter/more than a whole",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 2, jitter: 1.5 } }
`,
		want: `3:49: jitter`,
	},
	{
		id: "5.places",
		file: `
tasks:
  a:
    exec: [x]
    timeout: ${{ 1 }}
    priority: ${{ 1 }}
    needs: ${{ 'b' }}
    executor: ${{ 'thread' }}
    grace: ${{ 1 }}
  b: { exec: [x], description: "${{ 1 }}" }
`,
		want: `
5:14: timeout
6:15: priority
7:12: needs
8:15: executor
9:12: grace
10:32: description`,
	},
	{
		id: "5.check",
		file: `
params: { day: x }
tasks:
  load: { exec: [x] }
  a: { expr: tasks.lod.result }
  b: { expr: params.dy }
  c: { expr: tasks.load.reslt }
  d: { expr: "lenn('x')" }
  e: { exec: [x], inputs: { v: "on ${{ params.dy }}" } }
`,
		want: `
5:20: tasks.lod: no such task; did you mean "load"?
6:21: did you mean "day"?
7:25: did you mean "result"?
8:15: did you mean "len"?
9:47: did you mean "day"?`,
	},
	{
		id: "5.constant",
		file: `
params: { t: a }
tasks:
  a: { exec: [x] }
  b: { expr: "tasks[params.t].result" }
  c: { expr: 'tasks["a"].result' }
  d: { expr: "tasks['a'].result" }
`,
		want: `5:15: constant`,
	},
	{
		id: "5.as_a_whole",
		file: `
params: { t: a }
secrets: [TOKEN]
tasks:
  a: { exec: [x] }
  b: { expr: len(tasks) }
  c: { expr: params }
  d: { exec: [x], inputs: { v: "${{ secrets }}" } }
  e: { expr: $env }
`,
		want: `
6:18: tasks
7:14: params
8:37: secrets
9:14: $env`,
	},
	{
		id: "5.types",
		file: `
params: { n: 1, text: x, list: [1], day: 2026-01-31 }
tasks:
  a: { exec: [x] }
  b: { expr: params.text + 1 }
  c: { expr: params.n.x }
  d: { expr: upper(params.list) }
  e: { expr: "tasks.a.result.x[0] + tasks.a.result" }
  f: { expr: item.x + 1, for_each: [1] }
`,
		want: `
5:26: mismatched
6:23: field
7:20: upper`,
	},
	{
		id: "5.names.inputs/of another task",
		file: `
tasks:
  a: { exec: [x], inputs: { v: 1 } }
  b: { exec: [x], stdin: "${{ inputs.v }}" }
`,
		want: `4:31: inputs.v`,
	},
	{
		id: "5.names.env/not the inherited environment",
		file: `
tasks:
  a: { expr: env.HOME }
`,
		want: `3:14: env.HOME`,
	},
	{
		id: "5.names.status/in tasks",
		file: `
tasks:
  a: { expr: run.status }
`,
		want: `3:14: finally`,
	},
	{
		id: "5.if.impossible",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], if: tasks.a.status == "failed" }
  c: { exec: [x], if: tasks.a.status == "failed" && failure() }
`,
		want: `4:23: can't be true`,
	},
	{
		id: "5.files",
		file: `
tasks:
  a: { exec: [x], if: read_file("f") == "x" }
  b: { exec: [x], for_each: "${{ read_file('f') }}" }
  c: { exec: [x, "${{ hash_files('f') }}"] }
  d: { exec: [x], inputs: { v: "${{ read_file('f') }}" }, env: { V: "${{ hash_files('f') }}" }, stdin: "${{ read_file('f') }}" }
  e: { expr: read_file("f") }
outputs: { v: "${{ read_file('f') }}" }
`,
		want: `
3:23: read_file
4:34: read_file
5:23: hash_files
8:20: read_file`,
	},
	{
		id: "5.secrets",
		file: `
secrets: [TOKEN]
tasks:
  a: { exec: [x, "${{ secrets.TOKEN }}"] }
  b: { expr: secrets.TOKEN }
  c: { exec: [x], inputs: { t: "${{ secrets.TOKEN }}" }, stdin: "${{ secrets.TOKEN }}", env: { T: "${{ secrets.TOKEN }}" } }
  d: { exec: [x, "${{ inputs.t }}"], inputs: { t: "${{ secrets.TOKEN }}" } }
  e: { expr: inputs.t, inputs: { t: "${{ secrets.TOKEN }}" } }
outputs: { v: "${{ secrets.TOKEN }}" }
`,
		want: `
4:23: secrets
5:14: secrets
8:14: inputs.t
9:20: secrets`,
	},
	{
		id: "5.code.places",
		file: `
params: { p: x }
tasks:
  a:
    run: |
      echo '${{ params.p }}'
  b:
    run: |
      cat <<'END'
      ${{ params.p }}
      END
  c:
    run: |
      echo $(( ${{ params.p }} + 1 ))
  d:
    run: |
      ${{ params.p }}=1
  e:
    shell: python3 -c
    run: print(${{ params.p }})
`,
		want: `
6:13: single quotes
10:7: heredoc
14:16: arithmetic
17:7: the name
20:16: make it an input`,
	},
	{
		id: "5.code.parse",
		file: `
tasks:
  a:
    run: |
      echo fine
      if true; then echo x
`,
		want: `6:7: if`,
	},
	{
		id: "5.traps/a tag",
		file: `
tasks:
  a: { exec: [x] }
  b:
    exec: [x]
    if: !failure()
`,
		want: `6:9: quotes`,
	},
	{
		id: "5.traps/braces",
		file: `
params: { a: 1 }
tasks:
  a: { exec: [x], inputs: {x: ${{ params.a }}} }
`,
		want: `4:31: quotes`,
	},
	{
		id: "5.traps/a ? b : c",
		file: `
params: { a: true }
tasks:
  a:
    expr: params.a ? 1 : 2
`,
		want: `5:11: quotes`,
	},
	{
		id: "5.traps/a comment",
		file: `
tasks:
  a:
    expr: filter([1], # > 0)
`,
		want: `4:23: comment`,
	},
	{
		id: "9.finally.ids",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: c }
finally:
  a: { exec: [x] }
  c: { exec: [x] }
`,
		want: `
4:26: finally
6:3: a`,
	},
	{
		id: "9.circle",
		file: `
tasks:
  extract: { exec: [x], needs: load }
  clean: { exec: [x], needs: extract }
  load: { expr: tasks.clean.result }
`,
		want: `3:3: extract (line 3) → load (line 5) → clean (line 4) → extract`,
	},
}
