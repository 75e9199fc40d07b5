package run_test

// What §3 of the language says of tasks.
var taskSentences = []sentence{
	{
		id: "3.id.hyphen",
		file: `
tasks:
  load-eu: { exec: [x] }
  sum: { expr: 'tasks["load-eu"].result + 1' }
`,
		does: `load-eu = ok 41`,
		want: `
sum = succeeded
sum.result = 42
order = load-eu sum`,
	},
	{
		id: "3.action.expr",
		file: `
tasks:
  a: { exec: [x], result: json }
  b: { expr: "sum(tasks.a.result, .n)" }
`,
		does: `a = ok [{"n":1},{"n":2}] in 3s`,
		want: `
b.result = 3
b.exit_code = -1
b.started = 3s
run = succeeded`,
	},
	{
		id: "3.needs",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], needs: [a, b] }
  d: { exec: [x], needs: a }
`,
		does: `
a = ok in 5s
b = ok in 2s`,
		want: `
c.at = 5s
d.at = 5s
order = a b c d`,
	},
	{
		id: "3.inputs",
		file: `
params: { day: 2026-01-31 }
tasks:
  a: { exec: [x] }
  b:
    exec: [x, "${{ inputs.day }}"]
    inputs: { day: "${{ params.day }}", rows: "${{ tasks.a.result.rows }}", n: 3, list: [1, "${{ run.id }}"] }
`,
		does: `a = ok {"rows":[1,2]}`,
		want: `
b.inputs = {"day":"2026-01-31","list":[1,"r1"],"n":3,"rows":[1,2]}
b.argv1 = "2026-01-31"`,
	},
	{
		id: "3.max_parallel",
		file: `
tasks:
  a: { for_each: [1, 2, 3], max_parallel: 2, exec: [x] }
`,
		does: `
a[0] = ok in 3s
a[1] = ok in 1s
a[2] = ok in 1s`,
		want: `
a[0].at = 0s
a[1].at = 0s
a[2].at = 1s
a.ended = 3s`,
	},
	{
		id: "3.max_parallel/none of its own",
		file: `
tasks:
  a: { for_each: "${{ 1..40 }}", exec: [x] }
`,
		does: `a = ok in 1s`,
		want: `
a.instances = 40
a[39].at = 0s
a.ended = 1s`,
	},
	{
		id: "3.executor.default",
		file: `
executors:
  default: { kind: process, workers: 1 }
  thread: { kind: thread, workers: 1 }
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { expr: "1" }
  d: { expr: "2" }
`,
		does: `
a = ok in 2s
b = ok in 2s
c = ok in 3s
d = ok in 3s`,
		want: `
a.at = 0s
c.at = 0s
b.at = 2s
d.at = 3s`,
	},
	{
		id: "3.timeout",
		file: `
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  a: { exec: [x], timeout: 5s, retry: { attempts: 2, delay: 1s } }
  b: { exec: [x], timeout: 5s }
`,
		does: `
a = hang; ok 1 in 4s
b = ok in 5s`,
		want: `
b.at = 5s
a.delays = 1s
a#2.at = 10s
a.ended = 14s
a.result = 1
b = succeeded
a = succeeded`,
	},
	{
		id: "3.timeout/reason",
		file: `
tasks:
  a: { exec: [x], timeout: 5s }
`,
		does: `a = hang`,
		want: `
a = failed timeout
a.ended = 5s
run = failed task_failed`,
	},
	{
		id: "3.deadline/in the queue",
		file: `
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  a: { exec: [x] }
  b: { exec: [x], deadline: 3s }
`,
		does: `a = ok in 10s`,
		want: `
b = failed timeout
b.started = -
b.ended = 3s
b.attempts = 0
b.error ~ deadline of 3s
a = succeeded
order = a`,
	},
	{
		id: "3.deadline/during a delay",
		file: `
tasks:
  a: { exec: [x], deadline: 3s, retry: { attempts: 5, delay: 1m } }
`,
		does: `a = exit 7 in 1s`,
		want: `
a = failed timeout
a.ended = 3s
a.attempts = 1
a.error ~ exit status 7
a.exit_code = 7`,
	},
	{
		id: "3.deadline/while it runs, and no attempt after it",
		file: `
tasks:
  a: { exec: [x], deadline: 3s, retry: { attempts: 5, delay: 0s } }
  b: { exec: [x], needs: a }
`,
		does: `a = exit 7 in 2s; hang linger 4s`,
		want: `
a = failed timeout
a.attempts = 2
a.ended = 7s
b = skipped upstream`,
	},
	{
		id: "3.deadline/not before it is ready",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a, deadline: 3s }
`,
		does: `
a = ok in 10s
b = ok in 2s`,
		want: `
b = succeeded
b.ended = 12s`,
	},
	{
		id: "3.deadline/what ended in time is not touched",
		file: `
tasks:
  a: { exec: [x], deadline: 3s }
  b: { exec: [x], needs: a }
`,
		does: `
a = ok 1 in 2s
b = ok in 2s`,
		want: `
a = succeeded
a.result = 1
b.ended = 4s`,
	},
	{
		id: "3.coe.status",
		file: `
tasks:
  a: { exec: [x], continue_on_error: true }
  b: { exec: [x], needs: a }
  c: { exec: [x], if: failure(), needs: a }
  d: { expr: "[tasks.a.status, tasks.a.result, tasks.a.exit_code]" }
`,
		does: `a = exit 3`,
		want: `
a = failed exit
b = succeeded
c = skipped condition
d.result = ["failed",null,3]
run = succeeded`,
	},
	{
		id: "3.coe.fan",
		file: `
tasks:
  a: { exec: [x], for_each: [1, 2], continue_on_error: true }
  b: { expr: tasks.a.result }
`,
		does: `
a[0] = ok 1
a[1] = exit 3`,
		want: `
a = failed exit
b.result = [1,null]
run = succeeded`,
	},
	{
		id: "3.coe.fail_fast",
		file: `
fail_fast: true
tasks:
  a: { exec: [x], continue_on_error: true }
  b: { exec: [x] }
`,
		does: `
a = exit 3
b = ok in 9s`,
		want: `
b = succeeded
run = succeeded`,
	},
	{
		id: "3.stdin",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], stdin: "${{ tasks.a.result }}" }
`,
		does: `a = ok {"b":[1,null],"a":2.5}`,
		want: `b.stdin = "{\"a\":2.5,\"b\":[1,null]}"`,
	},
	{
		id: "3.priority",
		file: `
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  first: { exec: [x] }
  low: { exec: [x], needs: first, priority: -1 }
  plain: { exec: [x], needs: first }
  long: { exec: [x], needs: first }
  tail: { exec: [x], needs: long }
  high: { exec: [x], needs: first, priority: 5 }
`,
		want: `order = first high long plain tail low`,
	},
}
