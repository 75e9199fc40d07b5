package run_test

// What §9 of the language says of `finally` and of `outputs`.
var finallySentences = []sentence{
	{
		id: "9.finally",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
finally:
  c: { exec: [x], inputs: { status: "${{ tasks.b.status }}", a: "${{ tasks.a.error.exit_code }}" } }
  d: { exec: [x] }
  e: { exec: [x], needs: [c, d] }
`,
		does: `
a = exit 4 in 3s
d = exit 1 in 2s`,
		want: `
c.at = 3s
c.inputs = {"a":4,"status":"skipped"}
d.at = 3s
e.at = 5s
e = succeeded`,
	},
	{
		id: "9.finally.if",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { exec: [x] }
  c: { exec: [x], if: tasks.a.exit_code == 4 }
  d: { exec: [x], if: tasks.a.exit_code == 5 }
  e: { exec: [x], if: success() }
  f: { exec: [x], if: failure() }
`,
		does: `a = exit 4`,
		want: `
b = succeeded
c = succeeded
d = skipped condition
e = skipped upstream
f = succeeded`,
	},
	{
		id: "9.finally.run",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
finally:
  c: { exec: [x], if: success(), needs: b }
  d: { exec: [x], if: failure(), needs: b }
  e: { exec: [x], if: "success() || failure()" }
`,
		does: `a = exit 4`,
		want: `
c = skipped upstream
d = succeeded
e = succeeded`,
	},
	{
		id: "9.finally.after",
		file: `
tasks:
  a: { exec: [x], for_each: [1, 2] }
finally:
  b: { exec: [x] }
  c: { exec: [x], for_each: "${{ tasks.a.result }}" }
`,
		does: `
a[0] = ok 1 in 1s
a[1] = ok 2 in 9s`,
		want: `
b.at = 9s
c[1].at = 9s`,
	},
	{
		id:     "9.finally.after/a cancel that lasts",
		file:   taskAndTwoFinally,
		does:   `a = hang linger 7s`,
		events: `cancel at 1s`,
		want: `
b.at = 8s
b = succeeded
c = succeeded`,
	},
	{
		id: "9.finally.timeout",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { exec: [x] }
  c: { exec: [x], timeout: 1h }
  d: { exec: [x], timeout: 1s }
`,
		does: `
b = hang
c = hang
d = hang`,
		want: `
b = failed timeout
b.ended = 10m0s
c.ended = 1h0m0s
d.ended = 1s`,
	},
	{
		id: "9.outputs",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { exec: [x] }
outputs:
  a: ${{ tasks.a.result }}
  b: ${{ tasks.b.result }}
  literal: yes it is
  number: 5
  deep: { list: [1, "${{ run.id }}"] }
`,
		does: `
a = ok {"x":[1,2]}
b = ok "late"`,
		want: `outputs = {"a":{"x":[1,2]},"b":"late","deep":{"list":[1,"r1"]},"literal":"yes it is","number":5}`,
	},
	{
		id: "9.outputs/of a failed run",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
outputs:
  a: ${{ tasks.a.result.rows }}
  b: ${{ tasks.b.result }}
`,
		does: `
a = exit 1
b = ok 2`,
		want: `
run = failed task_failed
outputs = {"a":null,"b":2}`,
	},
	{
		id: "9.outputs/of a cancelled run",
		file: `
tasks:
  a: { exec: [x] }
outputs:
  a: ${{ tasks.a.result.rows }}
  status: ${{ run.status }}
`,
		does:   `a = hang`,
		events: `cancel at 1s`,
		want: `
run = cancelled user
outputs = {"a":null,"status":"cancelled"}`,
	},
	{
		id: "9.outputs.invalid",
		file: `
tasks:
  a: { exec: [x] }
outputs:
  a: ${{ tasks.a.result.rows.none }}
  fine: 1
`,
		does: `a = ok {}`,
		want: `
run = failed invalid
run.message ~ outputs: 
run.message ~ w.yaml:5:
outputs = {"a":null,"fine":1}`,
	},
}
