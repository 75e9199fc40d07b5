package run_test

// What §3 of the language says of retries.
var retrySentences = []sentence{
	{
		id: "3.retry.count",
		file: `
tasks:
  a: { exec: [x], retry: 3 }
`,
		does: `a = exit 1; exit 2; exit 3; ok`,
		want: `
a = failed exit
a.attempts = 3
a.exit_code = 3
a.error = exit status 3
a.delays = 1s 1s
a#3.at = 2s`,
	},
	{
		id:   "3.retry.none",
		file: oneTask,
		does: `a = exit 1; ok`,
		want: `
a = failed exit
a.attempts = 1`,
	},
	{
		id: "3.retry.delay",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 6, delay: 2s, backoff: 3, max_delay: 30s } }
`,
		does: `a = exit 1; exit 1; exit 1; exit 1; exit 1; ok "at last"`,
		want: `
a.delays = 2s 6s 18s 30s 30s
a.attempts = 6
a = succeeded
a.result = "at last"
a.error = -
run = succeeded`,
	},
	{
		id: "3.retry.delay/no max_delay",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 4, backoff: 10 } }
`,
		does: `a = exit 1`,
		want: `a.delays = 1s 10s 1m40s`,
	},
	{
		id: "3.retry.reasons",
		file: `
tasks:
  a: { exec: [x], retry: 2 }
  b: { exec: [x], retry: 2 }
  c: { exec: [x], retry: 2 }
  d: { exec: [x], retry: 2 }
`,
		does: `
a = exit 1; ok
b = timeout; ok
c = error; ok
d = lost; ok`,
		want: `
a = succeeded
b = succeeded
c = succeeded
d = succeeded
d.attempts = 2`,
	},
	{
		id: "3.retry.invalid",
		file: `
tasks:
  a: { exec: [x], retry: 3 }
  b: { exec: [x], retry: 3, inputs: { x: "${{ tasks.a.error.message.none }}" }, if: always() }
`,
		does: `a = invalid; ok`,
		want: `
a = failed invalid
a.attempts = 1
b = failed invalid
b.attempts = 1`,
	},
	{
		id: "3.retry.engine",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 2, delay: 5s } }
  b: { expr: "[tasks.a.status, tasks.a.attempts]", if: always() }
`,
		does: `a = engine-lost in 1s; exit 1 in 1s; engine-lost in 1s; exit 2 in 1s`,
		want: `
a = failed exit
a.exit_code = 2
a.attempts = 2
a.delays = 5s
a#4.at = 8s
b.result = ["failed",2]`,
	},
	{
		id: "3.retry.once",
		file: `
tasks:
  a:
    exec: [x]
    retry: 3
    inputs: { text: "${{ read_file('f') }}" }
    env: { HASH: "${{ hash_files('*.go') }}", AGAIN: "${{ read_file('g') }}" }
  b:
    exec: [x]
    if: "${{ tasks.a.attempts == 3 }}"
    retry: 2
`,
		files: map[string]string{"f": "read READS", "g": "READS"},
		does: `
a = exit 1; exit 1; ok
b = exit 1; ok`,
		want: `
a.inputs = {"text":"read 1"}
a#3.inputs = {"text":"read 1"}
a.env = {"AGAIN":"1","HASH":"hash of *.go"}
a#3.env = {"AGAIN":"1","HASH":"hash of *.go"}
reads.f = 1
reads.g = 1
b#2.at = 3s
b = succeeded`,
	},
	{
		id: "3.retry.once/of instances",
		file: `
tasks:
  a:
    for_each: [p, q]
    max_parallel: 1
    exec: [x]
    retry: 2
    inputs: { text: "${{ item + read_file('f') }}" }
`,
		files: map[string]string{"f": "READS"},
		does:  `a = exit 1; ok`,
		want: `
a[0].inputs = {"text":"p1"}
a[0]#2.inputs = {"text":"p1"}
a[1].inputs = {"text":"q2"}
a[1]#2.inputs = {"text":"q2"}`,
	},
	{
		id: "3.retry.once/a file that is not there",
		file: `
tasks:
  a: { exec: [x], retry: 3, inputs: { text: "${{ read_file('none') }}" } }
`,
		want: `
a = failed invalid
a.attempts = 0
a.error ~ no such file
order =`,
	},
	{
		id: "3.retry.if",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 9, delay: 0s, if: 'error.reason == "exit" && error.exit_code != 2' } }
`,
		does: `a = exit 1; exit 7; exit 2; ok`,
		want: `
a = failed exit
a.exit_code = 2
a.attempts = 3`,
	},
	{
		id: "3.retry.if/wrapped, with other names",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], retry: { attempts: 3, delay: 0s, if: "${{ tasks.a.result.again && error.message contains 'status 1' }}" } }
`,
		does: `
a = ok {"again":true}
b = exit 1; exit 2`,
		want: `
b = failed exit
b.attempts = 2`,
	},
	{
		id: "3.retry.if/of instances, with other names",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: [1, 2], exec: [x], retry: { attempts: 3, delay: 0s, if: 'tasks.a.result.codes[index] == error.exit_code' } }
`,
		does: `
a = ok {"codes":[4,5]}
b = exit 5`,
		want: `
b[0].attempts = 1
b[1].attempts = 3`,
	},
	{
		id: "3.retry.if/each instance its own",
		file: `
tasks:
  a: { exec: [x], for_each: [1, 2], retry: { attempts: 3, delay: 0s, if: item == 2 } }
`,
		does: `a = exit 1`,
		want: `
a[0].attempts = 1
a[1].attempts = 3
a.attempts = 4`,
	},
	{
		id: "3.retry.if/that can't be evaluated",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], retry: { attempts: 3, if: tasks.a.result.no.such } }
`,
		does: `
a = ok {}
b = exit 4`,
		want: `
b = failed invalid
b.error ~ the attempt had failed: exit status 4
b.exit_code = 4
b.attempts = 1`,
	},
	{
		id: "3.retry.once/what others make of a file",
		file: `
tasks:
  a:
    exec: [x]
    retry: 2
    env: { E: "${{ inputs.text }}!", F: "${{ upper(env.E) }}" }
    inputs: { text: "${{ read_file('f') }}", more: "${{ inputs.text + '+' }}", n: 1 }
    stdin: ${{ inputs.more }}
`,
		files: map[string]string{"f": "r READS"},
		does:  `a = exit 1; ok`,
		want: `
a.env = {"E":"r 1!","F":"R 1!"}
a.inputs = {"more":"r 1+","n":1,"text":"r 1"}
a#2.env = {"E":"r 1!","F":"R 1!"}
a#2.inputs = {"more":"r 1+","n":1,"text":"r 1"}
a#2.stdin = "r 1+"
reads.f = 1`,
	},
}
