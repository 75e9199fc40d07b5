package run_test

// What §9 of the language, and the rows of §2 that end a run, say of ends.
var endSentences = []sentence{
	{
		id: "9.run.succeeded",
		file: `
params: { go: false }
tasks:
  a: { exec: [x] }
  b: { exec: [x], continue_on_error: true }
  c: { exec: [x], if: params.go }
finally:
  d: { exec: [x] }
`,
		does: `b = exit 1`,
		want: `run = succeeded`,
	},
	{
		id: "9.run.failed",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
`,
		does: `
a = exit 1
b = ok in 5s`,
		want: `
b = succeeded
run = failed task_failed
run.at = 5s`,
	},
	{
		id:   "9.run.failed/of finally",
		file: taskAndFinally,
		does: `b = exit 1`,
		want: `run = failed task_failed`,
	},
	{
		id: "9.run.failed/of finally, forgiven",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { exec: [x], continue_on_error: true }
`,
		does: `b = exit 1`,
		want: `run = succeeded`,
	},
	{
		id: "9.run.cancelled",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], needs: b, if: always() }
`,
		does: `
a = exit 1 in 1s
b = ok in 9s`,
		events: `cancel at 2s`,
		want: `
a = failed exit
b = cancelled user
b.result = null
b.error = -
c = cancelled user
run = cancelled user
run.at = 2s`,
	},
	{
		id:     "9.run.cancelled/replace",
		file:   taskAndFinally,
		does:   `a = hang`,
		events: `replace at 2s`,
		want: `
a = cancelled replace
b = succeeded
run = cancelled replace`,
	},
	{
		id:     "9.run.cancelled/in finally",
		file:   taskAndTwoFinally,
		does:   `b = ok in 9s`,
		events: `cancel at 2s`,
		want: `
a = succeeded
b = succeeded
c = succeeded
run = cancelled user
run.at = 9s`,
	},
	{
		id: "9.run.cancelled/and its timeout passed",
		file: `
timeout: 1s
tasks:
  a: { exec: [x] }
`,
		does:   `a = hang linger 5s`,
		events: `cancel at 2s`,
		want: `
a = cancelled timeout
run = cancelled user`,
	},
	{
		id: "9.run.timeout",
		file: `
timeout: 5s
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], needs: a }
  d: { exec: [x], needs: b, if: always() }
finally:
  e: { exec: [x] }
  f: { exec: [x], if: failure(), needs: e }
`,
		does: `
a = ok in 4s
b = hang
c = hang
e = ok in 9m`,
		want: `
a = succeeded
b = cancelled timeout
c = cancelled timeout
d = cancelled timeout
e = succeeded
f = succeeded
run = failed timeout
run.at = 9m5s
run.message ~ 5s`,
	},
	{
		id: "9.run.timeout/not when all is done",
		file: `
timeout: 5s
tasks:
  a: { exec: [x] }
finally:
  e: { exec: [x] }
`,
		does: `
a = ok in 4s
e = ok in 1m`,
		want: `
run = succeeded
run.at = 1m4s`,
	},
	{
		id: "9.fail_fast",
		file: `
fail_fast: true
executors: { two: { kind: process, workers: 3 } }
defaults: { executor: two }
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], retry: { attempts: 2, delay: 1h } }
  d: { exec: [x], needs: b, if: always() }
  e: { exec: [x], needs: a, if: failure() }
  f: { exec: [x] }
finally:
  g: { exec: [x] }
  h: { exec: [x], if: failure() }
`,
		does: `
a = exit 1 in 2s
b = hang linger 1s
c = exit 1 in 1s
f = ok in 30m`,
		want: `
a = failed exit
b = cancelled fail_fast
c = cancelled fail_fast
d = skipped fail_fast
e = skipped fail_fast
f = cancelled fail_fast
g = succeeded
g.at = 3s
h = succeeded
run = failed task_failed`,
	},
	{
		id: "9.fail_fast/what waits for a worker",
		file: `
fail_fast: true
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
`,
		does: `a = exit 1`,
		want: `
b = skipped fail_fast
order = a`,
	},
	{
		id: "9.fail_fast/off",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], needs: b }
`,
		does: `
a = exit 1
b = ok in 1s`,
		want: `
c = succeeded
run = failed task_failed`,
	},
	{
		id: "9.task.states",
		file: `
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  a: { exec: [x], retry: 2 }
  b: { exec: [x], needs: a }
  c: { exec: [x], needs: b, if: "false" }
  d: { exec: [x], for_each: [1, 2], max_parallel: 1, needs: a }
`,
		does: `
a = exit 1 in 1s; ok in 1s
b = ok in 1s
d[0] = ok in 1s
d[1] = hang`,
		events: `cancel at 9s`,
		want: `
a.states = queued running retrying queued running succeeded
b.states = pending queued running succeeded
c.states = pending skipped
d.states = pending queued running cancelled
d[0].states = queued running succeeded
d[1].states = pending queued running cancelled`,
	},
	{
		id: "9.task.reasons",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x] }
  d: { exec: [x] }
  e: { exec: [x] }
`,
		does: `
a = exit 143
b = timeout
c = error
d = lost
e = invalid`,
		want: `
a = failed exit
b = failed timeout
c = failed error
d = failed lost
e = failed invalid`,
	},
	{
		id: "9.cancel",
		file: `
executors: { two: { kind: process, workers: 2 } }
defaults: { executor: two }
tasks:
  running: { exec: [x] }
  delayed: { exec: [x], retry: { attempts: 2, delay: 1h } }
  next: { exec: [x] }
  queued: { exec: [x] }
  waiting: { exec: [x], needs: running, if: always() }
  cancelled: { exec: [x], needs: running, if: cancelled() }
  fan: { exec: [x], for_each: [1, 2], needs: delayed }
`,
		does: `
running = ok 1 in 10s linger 3s
delayed = exit 1 in 1s
next = hang`,
		events: `cancel at 5s`,
		want: `
running = cancelled user
running.result = null
running.ended = 8s
delayed = cancelled user
delayed.ended = 5s
delayed.error = -
next = cancelled user
queued = cancelled user
queued.started = -
waiting = cancelled user
cancelled = cancelled user
fan = cancelled user
order = running delayed next
run.at = 8s`,
	},
	{
		id: "9.cancel/a fan-out",
		file: `
tasks:
  a: { exec: [x], for_each: [1, 2, 3], max_parallel: 2 }
`,
		does: `
a[0] = ok 1 in 1s
a[1] = hang
a[2] = hang`,
		events: `cancel at 5s`,
		want: `
a[0] = succeeded
a[1] = cancelled user
a[2] = cancelled user
a = cancelled user
a.result = null`,
	},
	{
		id: "9.cancel/what was stopped at its deadline",
		file: `
tasks:
  a: { exec: [x], deadline: 2s }
`,
		does:   `a = hang linger 10s`,
		events: `cancel at 5s`,
		want: `
a = cancelled user
a.ended = 12s
a.error = -`,
	},
	{
		id:   "9.cancel/twice",
		file: oneTask,
		does: `a = hang linger 5s`,
		events: `
cancel at 1s
replace at 2s`,
		want: `
a = cancelled user
run = cancelled user`,
	},
	{
		id: "9.cancel.kill",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
finally:
  c: { exec: [x] }
outputs: { literal: 1, status: "${{ run.status }}", b: "${{ tasks.b.result.no.such }}" }
`,
		does:   `a = hang`,
		events: `kill at 5s`,
		want: `
a = cancelled user
b = cancelled user
c = cancelled user
run = cancelled user
run.at = 5s
outputs = {"b":null,"literal":1,"status":"cancelled"}`,
	},
	{
		id: "9.selected/outputs of tasks that were left out are null",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], continue_on_error: true }
outputs:
  a: ${{ tasks.a.result }}
  b: ${{ tasks.b.error.message }}
`,
		only: []string{"a"},
		does: `a = ok 1`,
		want: `
b = skipped not_selected
run = succeeded
outputs = {"a":1,"b":null}`,
	},
	{
		id: "9.selected",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
  c: { exec: [x] }
finally:
  d: { exec: [x] }
`,
		only: []string{"b"},
		want: `
a = succeeded
b = succeeded
c = skipped not_selected
d = succeeded
run = succeeded`,
	},
}
