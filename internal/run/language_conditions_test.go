package run_test

// What §5 of the language says of `if` and of the status functions.
var conditionSentences = []sentence{
	{
		id: "5.if.default",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
  c: { exec: [x] }
  d: { exec: [x], needs: c }
`,
		does: `a = exit 1`,
		want: `
b = skipped upstream
d = succeeded`,
	},
	{
		id: "5.if.and",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a, if: "true || false" }
  c: { exec: [x], needs: a, if: tasks.a.result.no.such }
  d: { exec: [x] }
  e: { exec: [x], if: "tasks.d.result == 1 || tasks.d.result == 2" }
  f: { exec: [x], if: "${{ tasks.d.result == 1 }}" }
`,
		does: `
a = exit 1
d = ok 2`,
		want: `
b = skipped upstream
c = skipped upstream
e = succeeded
f = skipped condition`,
	},
	{
		id: "5.if.success",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a, if: always() }
  c: { exec: [x], needs: b }
  d: { exec: [x], needs: b, if: success() }
  e: { exec: [x], needs: b, if: "!success()" }
  f: { exec: [x] }
  g: { exec: [x], if: success() }
`,
		does: `a = exit 1`,
		want: `
b = succeeded
c = skipped upstream
d = skipped upstream
e = succeeded
g = succeeded`,
	},
	{
		id: "5.if.success/a skip is no success",
		file: `
tasks:
  a: { exec: [x], if: params.go }
  b: { exec: [x], needs: a }
  c: { exec: [x], needs: a, if: "!failure()" }
params: { go: false }
`,
		want: `
a = skipped condition
b = skipped upstream
c = succeeded
run = succeeded`,
	},
	{
		id: "5.if.failure",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
  c: { exec: [x], needs: b, if: failure() }
  d: { exec: [x], if: failure() }
  e: { exec: [x] }
  f: { exec: [x], needs: e, if: failure() }
`,
		does: `a = exit 1`,
		want: `
b = skipped upstream
c = succeeded
d = skipped condition
f = skipped condition
run = failed task_failed`,
	},
	{
		id: "5.if.failure/those with continue_on_error aside",
		file: `
tasks:
  a: { exec: [x], continue_on_error: true }
  b: { exec: [x], needs: a, if: failure() }
  c: { exec: [x], needs: a, if: success() }
  d: { exec: [x], needs: b, if: always() }
  e: { exec: [x], needs: d, if: failure() }
`,
		does: `a = exit 1`,
		want: `
b = skipped condition
c = succeeded
e = skipped upstream`,
	},
	{
		id: "5.if.failure/false after a skip alone",
		file: `
params: { go: false }
tasks:
  a: { exec: [x], if: params.go }
  b: { exec: [x], needs: a, if: failure() }
`,
		want: `b = skipped upstream`,
	},
	{
		id: "5.if.cancelled",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], if: cancelled() }
finally:
  c: { exec: [x], if: cancelled() }
  d: { exec: [x], if: "!cancelled()" }
`,
		does:   `a = hang`,
		events: `cancel at 5s`,
		want: `
b = skipped condition
c = succeeded
d = skipped upstream`,
	},
	{
		id: "5.if.cancelled/not otherwise",
		file: `
tasks:
  a: { exec: [x] }
finally:
  c: { exec: [x], if: cancelled() }
`,
		does: `a = exit 1`,
		want: `c = skipped upstream`,
	},
	{
		id: "5.if.always",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
  c: { exec: [x], needs: [a, b], if: always() }
  d: { exec: [x], needs: b, if: "always() && tasks.a.status == 'failed'" }
`,
		does: `a = exit 1 in 2s`,
		want: `
c = succeeded
c.at = 2s
d = succeeded`,
	},
	{
		id: "5.if.once",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x], needs: [a, b], if: failure() }
`,
		does: `
a = exit 1 in 1s
b = ok in 9s`,
		want: `c.at = 9s`,
	},
	{
		id: "5.if.upstream",
		file: `
params: { go: false }
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a, if: "success() && params.go" }
  c: { exec: [x], if: params.go }
  d: { exec: [x], needs: c, if: "success() || false" }
`,
		want: `
b = skipped condition
c = skipped condition
d = skipped upstream`,
	},
	{
		id: "5.if.spreads",
		file: `
params: { go: false }
tasks:
  a: { exec: [x], if: params.go }
  b: { exec: [x], needs: a }
  c: { expr: "tasks.b.status ?? 'none'" }
  d: { expr: "[tasks.a.status, tasks.c.status]", if: always() }
  e: { exec: [x], needs: d }
`,
		want: `
b = skipped upstream
c = skipped upstream
d.result = ["skipped","skipped"]
e = skipped upstream
run = succeeded`,
	},
	{
		id: "5.if.value",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], if: tasks.a.result.text }
  c: { exec: [x], if: tasks.a.result.none }
`,
		does: `a = ok {"text":"yes"}`,
		want: `
b = failed invalid
b.error ~ true or false
c = skipped condition`,
	},
	{
		id: "5.if.value/can't be evaluated",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], if: tasks.a.result.no.such }
`,
		does: `a = ok {}`,
		want: `
b = failed invalid
b.error ~ ?.
run = failed task_failed`,
	},
}
