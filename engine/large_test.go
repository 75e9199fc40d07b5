//go:build unix

package engine_test

import "testing"

// TestLargeValues holds what §3 and §5 say of large values. It is not parallel: a
// case holds some hundred megabytes.
func TestLargeValues(t *testing.T) {
	for _, c := range largeCommands {
		for _, x := range executors {
			if c.on == "" || c.on == x {
				t.Run(c.id+"/"+x, func(t *testing.T) { c.check(t, x) })
			}
		}
	}
}

var largeCommands = []command{
	{
		id: "3.result.ref",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "head -c 200000 /dev/zero | tr '\\0' x" }
  len: { expr: len(tasks.a.result) }
  stdin: { exec: [wc, -c], stdin: "${{ tasks.a.result }}" }
  inputs: { run: 'wc -c < "$FLOW_INPUTS"; echo "${v-none}"', inputs: { v: "${{ tasks.a.result }}" } }
  if: { if: len(tasks.a.result) == 200000, exec: ["true"] }
  lines: { run: seq 20000, result: lines }
  json: { run: 'printf "["; seq -s, 20000; printf "]"', result: json }
  same: { expr: "map(tasks.lines.result, int(#)) == tasks.json.result" }
  each: { for_each: "${{ tasks.lines.result[19998:] }}", run: 'echo "$n"', inputs: { n: "${{ item }}" } }
  fan: { for_each: [1, 2], run: 'head -c "${n}00000" /dev/zero | tr "\0" y', inputs: { n: "${{ item }}" } }
  lens: { expr: "map(tasks.fan.result, len(#))" }
  again: { for_each: "${{ tasks.fan.result }}", expr: "[len(item), item[0:2]]" }
  big: { expr: "repeat('z', 100000)" }
  retry: { run: 'exit 1', retry: { attempts: 2, delay: 0s, if: len(tasks.a.result) > 5 }, continue_on_error: true }
outputs:
  whole: ${{ tasks.fan.result[1] == repeat("y", 200000) }}
  big: ${{ len(tasks.big.result) }}
`,
		want: `
a.result ~ {"ref":"sha256:
a.result ~ ,"size":200002}
fan.result ~ [{"ref":"sha256:
len.result = 200000
stdin.result = "200000"
inputs.result = "200008\nnone"
if = succeeded
same.result = true
each.result = ["19999","20000"]
lens.result = [100000,200000]
again.result = [[100000,"yy"],[200000,"yy"]]
retry.attempts = 2
outputs = {"big":100000,"whole":true}`,
	},
	{
		id: "3.result.most",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  out: { run: "head -c 67108865 /dev/zero", continue_on_error: true }
  own: { run: 'truncate -s 67108865 "$FLOW_RESULT"', continue_on_error: true, needs: out }
  file: { run: 'truncate -s 67108865 big', result: { file: big }, continue_on_error: true, needs: own }
  none: { run: "head -c 67108865 /dev/zero", result: none, needs: file }
`,
		want: `
out = failed invalid
out.exit_code = 0
out.error ~ at most 64 MiB
out.error ~ file
own = failed invalid
own.error ~ file
file = failed invalid
none = succeeded`,
	},
	{
		id: "3.result.most/an expression's",
		on: "default",
		file: `
tasks:
  a: { expr: "repeat('x', 23000000)" }
  b: { expr: "[tasks.a.result, tasks.a.result, tasks.a.result]" }
`,
		want: `
a = succeeded
b = failed invalid
b.error ~ at most 64 MiB`,
	},
	{
		id: "5.code.large",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  script: { run: "echo \"${{ repeat('x', 200000) }}\"", continue_on_error: true }
  env: { run: "true", env: { V: "${{ repeat('x', 200000) }}" }, continue_on_error: true }
  exec: { exec: [echo, "${{ repeat('x', 200000) }}"], continue_on_error: true }
`,
		want: `
script = failed invalid
script.error ~ make it an input and read it from $FLOW_INPUTS, or use stdin
env = failed invalid
env.error ~ $FLOW_INPUTS
exec = failed invalid
exec.error ~ stdin`,
	},
}
