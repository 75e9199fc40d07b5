package run_test

// What §3 of the language says of fan-outs.
var fanSentences = []sentence{
	{
		id: "3.fan.list",
		file: `
tasks:
  a: { exec: [x] }
  b:
    for_each: "${{ tasks.a.result }}"
    exec: [x]
    inputs: { item: "${{ item }}", at: "${{ index }}" }
`,
		does: `
a = ok ["p","q"]
b[0] = ok "P" in 2s
b[1] = ok "Q" in 1s`,
		want: `
order = a b[0] b[1]
b[0].inputs = {"at":0,"item":"p"}
b[1].inputs = {"at":1,"item":"q"}
b.result = ["P","Q"]
b.attempts = 2
b.started = 0s
b.ended = 2s`,
	},
	{
		id: "3.fan.map",
		file: `
tasks:
  b:
    for_each: { z: 1, a: 2, m: 3 }
    exec: [x]
    inputs: { item: "${{ item }}", at: "${{ index }}", key: "${{ key }}" }
  c: { expr: tasks.b.result }
`,
		does: `b = ok 1`,
		want: `
b[0].inputs = {"at":0,"item":2,"key":"a"}
b[1].inputs = {"at":1,"item":3,"key":"m"}
b[2].inputs = {"at":2,"item":1,"key":"z"}
c.result = {"a":1,"m":1,"z":1}`,
	},
	{
		id: "3.fan.list/of expressions",
		file: `
params: { n: 2 }
tasks:
  b: { for_each: ["${{ params.n }}", x, { deep: "${{ params.n + 1 }}" }], expr: item }
`,
		want: `b.result = [2,"x",{"deep":3}]`,
	},
	{
		id: "3.fan.matrix",
		file: `
tasks:
  b:
    matrix: { os: [linux, mac], go: "${{ [1, 2] }}", exclude: [{ os: mac, go: 1 }], include: [{ os: bsd, go: 9 }] }
    expr: "[matrix.os, matrix.go, index]"
`,
		want: `
b.instances = 4
b.result = [["linux",1,0],["linux",2,1],["mac",2,2],["bsd",9,3]]`,
	},
	{
		id: "3.fan.matrix/a number is excluded however it is written",
		file: `
tasks:
  b:
    matrix: { x: [1.0, 2.5, 3], y: ["1"], exclude: [{ x: 1 }, { x: 3.0 }, { y: 1 }] }
    exec: [x]
    inputs: { x: "${{ matrix.x }}" }
`,
		does: `b[0] = ok 1`,
		want: `
b[0].inputs = {"x":2.5}
b.result = [1]`,
	},
	{
		id: "3.fan.matrix/exclude by part of its names",
		file: `
tasks:
  b:
    matrix: { os: [linux, mac], go: [1, 2], exclude: [{ os: mac }] }
    expr: "matrix.os + string(matrix.go)"
`,
		want: `b.result = ["linux1","linux2"]`,
	},
	{
		id: "3.fan.matrix/no list",
		file: `
tasks:
  b: { matrix: { os: "${{ 1 }}" }, exec: [x] }
`,
		want: `
b = failed invalid
b.error ~ matrix.os needs a list`,
	},
	{
		id: "3.fan.if",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result.rows }}", if: tasks.a.result.go, exec: [x] }
  c: { expr: "[tasks.b.status, tasks.b.result]", if: always() }
`,
		does: `a = ok {"go":false,"rows":[1,2]}`,
		want: `
b = skipped condition
b.instances = -
c.result = ["skipped",null]
order = a c`,
	},
	{
		id: "3.fan.if/what is skipped is not expanded",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result.no.such }}", if: "false || tasks.a.result.go", exec: [x] }
`,
		does: `a = ok {"go":false}`,
		want: `b = skipped condition`,
	},
	{
		id: "3.fan.instance",
		file: `
tasks:
  b: { for_each: [1, 2], exec: [x], retry: { attempts: 2, delay: 4s }, timeout: 3s }
`,
		does: `
b[0] = exit 1 in 1s; ok "one" in 2s
b[1] = hang; ok "two"`,
		want: `
b[0].delays = 4s
b[0]#2.at = 5s
b[0].attempts = 2
b[1]#2.at = 7s
b.result = ["one","two"]
b.attempts = 4
b.ended = 7s`,
	},
	{
		id: "3.fan.instance/deadline",
		file: `
tasks:
  b: { for_each: [1, 2], exec: [x], max_parallel: 1, deadline: 5s }
`,
		does: `
b[0] = ok 1 in 4s
b[1] = ok 2 in 4s`,
		want: `
b = succeeded
b.ended = 8s`,
	},
	{
		id: "3.fan.instance/a delay gives its place to another",
		file: `
tasks:
  b: { for_each: [1, 2], exec: [x], max_parallel: 1, retry: { attempts: 2, delay: 10s } }
`,
		does: `
b[0] = exit 1 in 1s; ok 1
b[1] = ok 2 in 2s`,
		want: `
b[1].at = 1s
b[0]#2.at = 11s
b = succeeded`,
	},
	{
		id: "3.fan.instance/inputs that can't be evaluated",
		file: `
tasks:
  b: { for_each: [{ x: { y: 1 } }, { z: 2 }], exec: [x], inputs: { y: "${{ item.x.y }}" }, continue_on_error: true }
`,
		does: `b = ok 1`,
		want: `
b[0] = succeeded
b[1] = failed invalid
b.result = [1,null]`,
	},
	{
		id: "3.fan.failure",
		file: `
tasks:
  b: { for_each: [0, 1, 2, 3], exec: [x], retry: { attempts: 2, delay: 1s } }
  c: { expr: "[tasks.b.status, tasks.b.error.exit_code, tasks.b.error.reason, tasks.b.attempts, tasks.b.result]", if: always() }
`,
		does: `
b[0] = ok "zero" in 9s
b[1] = exit 5 in 3s
b[2] = exit 6
b[3] = ok "three" in 8s`,
		want: `
b = failed exit
b.error = exit status 5
b.attempts = 6
b.ended = 9s
b.result = ["zero",null,null,"three"]
c.result = ["failed",5,"exit",6,["zero",null,null,"three"]]
run = failed task_failed`,
	},
	{
		id: "3.fan.failure/of a map",
		file: `
tasks:
  b: { for_each: { p: 1, q: 2 }, exec: [x] }
`,
		does: `
b[0] = exit 5
b[1] = ok "Q"`,
		want: `
b = failed exit
b.result = {"p":null,"q":"Q"}`,
	},
	{
		id: "3.fan.fail_fast",
		file: `
fail_fast: true
tasks:
  b: { for_each: [0, 1, 2, 3], max_parallel: 3, exec: [x] }
  c: { exec: [x] }
  d: { exec: [x], needs: c }
`,
		does: `
b[0] = ok 0 in 1s
b[1] = exit 5 in 2s
b[2] = ok 2 in 9s
b[3] = hang
c = ok in 9s`,
		want: `
b[0] = succeeded
b[1] = failed exit
b[2] = cancelled fail_fast
b[3] = cancelled fail_fast
b = failed exit
b.result = [0,null,null,null]
c = cancelled fail_fast
d = skipped fail_fast
run = failed task_failed
run.at = 2s`,
	},
	{
		id: "3.fan.fail_fast/instances that did not begin",
		file: `
fail_fast: true
tasks:
  b: { for_each: [0, 1], max_parallel: 1, exec: [x] }
`,
		does: `b[0] = exit 5`,
		want: `
b[1] = skipped fail_fast
b = failed exit`,
	},
	{
		id: "3.fan.empty",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result }}", exec: [x] }
  c: { expr: tasks.b.result }
`,
		does: `a = ok []`,
		want: `
b = succeeded
b.result = []
b.attempts = 0
b.instances = 0
c.result = []
run = succeeded`,
	},
	{
		id: "3.fan.empty/a map",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result }}", exec: [x] }
`,
		does: `a = ok {}`,
		want: `
b = succeeded
b.result = {}`,
	},
	{
		id: "3.fan.empty/a matrix of which nothing is left",
		file: `
tasks:
  b: { matrix: { os: [mac], exclude: [{ os: mac }] }, exec: [x] }
`,
		want: `
b = succeeded
b.result = []`,
	},
	{
		id: "3.fan.null",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result }}", exec: [x] }
  c: { exec: [x], needs: b }
`,
		want: `
b = failed invalid
b.error ~ for_each needs a list or a map, not null
c = skipped upstream
run = failed task_failed`,
	},
	{
		id: "3.fan.null/a text",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result }}", exec: [x] }
`,
		does: `a = ok "xyz"`,
		want: `
b = failed invalid
b.error ~ not text`,
	},
	{
		id: "3.fan.null/a number",
		file: `
tasks:
  a: { exec: [x] }
  b: { for_each: "${{ tasks.a.result }}", exec: [x] }
`,
		does: `a = ok 5`,
		want: `b = failed invalid`,
	},
	{
		id: "3.fan.most",
		file: `
tasks:
  b: { for_each: "${{ 1..100001 }}", exec: [x] }
`,
		want: `
b = failed invalid
b.error ~ 100001 instances; at most 100000`,
	},
	{
		id: "3.fan.most/of a matrix",
		file: `
tasks:
  b: { matrix: { x: "${{ 1..1000 }}", y: "${{ 1..1000 }}" }, exec: [x] }
`,
		want: `
b = failed invalid
b.error ~ 100000 combinations`,
	},
}
