package run_test

import (
	"time"

	"flow/dag"
)

// What §5 of the language says of expressions, as a run shows it.
var expressionSentences = []sentence{
	{
		id: "5.whole",
		file: `
params: { n: 3 }
tasks:
  a:
    exec: [x]
    inputs:
      whole: ${{ params.n }}
      spaced: "  ${{ params.n }}  "
      text: n is ${{ params.n }}
      list: ${{ [1, 2.5, null, "x"] }}
      two: ${{ params.n }}${{ params.n }}
      rendered: "${{ null }}|${{ [1, null] }}|${{ {b: 1, a: true} }}|${{ 1.5 }}|${{ true }}"
`,
		want: `a.inputs = {"list":[1,2.5,null,"x"],"rendered":"|[1,null]|{\"a\":true,\"b\":1}|1.5|true","spaced":"  3  ","text":"n is 3","two":"33","whole":3}`,
	},
	{
		id: "5.end",
		file: `
tasks:
  a:
    exec: [x]
    inputs:
      string: ${{ "}}" + 'x}}' }}
      braces: '${{ {a: {b: 1}} }}'
      literal: $${{ params.n }}
`,
		want: `a.inputs = {"braces":{"a":{"b":1}},"literal":"${{ params.n }}","string":"}}x}}"}`,
	},
	{
		id: "5.places.params",
		file: `
schedule: { cron: "0 6 * * *", timezone: Europe/Berlin }
params:
  day: { type: date, default: "${{ run.interval_start }}" }
  text: "run ${{ run.id }}"
  given: "${{ run.id }}"
tasks:
  a: { expr: "[params.day, params.text, params.given]" }
`,
		info:   dag.RunInfo{IntervalStart: time.Date(2026, 1, 30, 23, 30, 0, 0, time.UTC).In(berlin())},
		params: map[string]any{"given": "x"},
		want:   `a.result = ["2026-01-31","run r1","x"]`,
	},
	{
		id: "5.bare",
		file: `
params: { go: true }
tasks:
  a: { expr: 1 + 1, if: params.go }
  b: { expr: "${{ 1 + 1 }}", if: "${{ params.go }}" }
`,
		want: `
a.result = 2
b.result = 2`,
	},
	{
		id: "5.names.tasks",
		file: `
tasks:
  a: { exec: [x], retry: { attempts: 2, delay: 1500ms } }
  b:
    expr: "[tasks.a.result, tasks.a.status, tasks.a.error, tasks.a.exit_code, tasks.a.attempts, tasks.a.started_at, tasks.a.ended_at, tasks.a.duration]"
`,
		does: `a = exit 1 in 2s; ok "r" in 1s`,
		want: `b.result = ["r","succeeded",null,0,2,"2026-01-31T06:30:00Z","2026-01-31T06:30:04.5Z",4.5]`,
	},
	{
		id: "5.names.tasks/of one that never ran",
		file: `
params: { go: false }
tasks:
  a: { exec: [x], if: params.go }
  b:
    if: always()
    expr: "[tasks.a.result, tasks.a.status, tasks.a.error, tasks.a.exit_code, tasks.a.attempts, tasks.a.started_at, tasks.a.duration]"
`,
		want: `b.result = [null,"skipped",null,null,0,null,0]`,
	},
	{
		id: "5.names.env",
		file: `
params: { n: 1 }
env: { A: file, B: "${{ params.n }}", C: file }
defaults: { env: { C: defaults, D: defaults } }
tasks:
  a:
    exec: [x]
    env: { D: task, E: "${{ env.A }}-${{ env.C }}-${{ env.D }}" }
`,
		want: `a.env = {"A":"file","B":1,"C":"defaults","D":"task","E":"file-defaults-task"}`,
	},
	{
		id: "5.names.inputs",
		file: `
tasks:
  a:
    exec: [x, "${{ inputs.two }}"]
    inputs: { two: "${{ inputs.one * 2 }}", one: 21 }
    stdin: ${{ inputs.two }}
`,
		want: `
a.argv1 = "42"
a.stdin = "42"`,
	},
	{
		id: "5.names.run",
		file: `
tasks:
  a: { expr: "[run.id, run.workflow, run.trigger, run.attempt, run.scheduled_at, run.interval_start, run.interval_end, run.started_at]" }
`,
		info: dag.RunInfo{
			Trigger: "schedule", ScheduledAt: epoch, IntervalStart: epoch.Add(-time.Hour), IntervalEnd: epoch, StartedAt: epoch.Add(time.Second),
		},
		want: `a.result = ["r1","w","schedule",1,"2026-01-31T06:30:00Z","2026-01-31T05:30:00Z","2026-01-31T06:30:00Z","2026-01-31T06:30:01Z"]`,
	},
	{
		id: "5.names.run/no schedule",
		file: `
tasks:
  a: { expr: "run.scheduled_at" }
`,
		want: `a.result = null`,
	},
	{
		id: "5.names.status",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { expr: run.status }
  c: { expr: run.status, needs: b }
  d: { exec: [x] }
  e: { expr: run.status, needs: d }
outputs: { status: "${{ run.status }}" }
`,
		does: `d = exit 1`,
		want: `
b.result = "succeeded"
c.result = "succeeded"
e.result = "failed"
outputs = {"status":"failed"}`,
	},
	{
		id: "5.names.status/after a cancel",
		file: `
tasks:
  a: { exec: [x] }
finally:
  b: { expr: run.status }
`,
		does:   `a = hang`,
		events: `cancel at 1s`,
		want:   `b.result = "cancelled"`,
	},
	{
		id: "5.functions",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: "[success(), failure(), cancelled(), always()]", needs: a, if: always() }
  c: { expr: "[read_file('f'), hash_files('a', 'b*')]" }
`,
		does:  `a = exit 1`,
		files: map[string]string{"f": "text"},
		want: `
b.result = [false,true,false,true]
c.result = ["text","hash of a b*"]`,
	},
	{
		id: "5.mention",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x] }
  d: { exec: [x] }
  e: { exec: [x] }
  f: { exec: [x] }
  in: { exec: [x], inputs: { v: "${{ tasks.a.result }}" } }
  env: { exec: [x], env: { V: "${{ tasks.b.result }}" } }
  if: { exec: [x], if: tasks.c.result == null }
  fan: { exec: [x], for_each: "${{ tasks.d.result }}" }
  arg: { exec: [x, "${{ tasks.e.result }}"] }
  script: { run: 'echo "${{ tasks.f.result }}"' }
`,
		does: `
a = ok in 1s
b = ok in 2s
c = ok in 3s
d = ok [1] in 4s
e = ok in 5s
f = ok in 6s`,
		want: `
in.at = 1s
env.at = 2s
if.at = 3s
fan[0].at = 4s
arg.at = 5s
script.at = 6s`,
	},
	{
		id: "5.mention/in retry.if and dir",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  retry: { exec: [x], retry: { attempts: 2, if: tasks.a.result == null } }
  dir: { exec: [x], dir: "${{ tasks.b.result }}" }
`,
		does: `
a = ok in 1s
b = ok "d" in 2s`,
		want: `
retry.at = 1s
dir.at = 2s`,
	},
	{
		id: "5.result.null",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], needs: a }
  c: { expr: "[tasks.a.result, tasks.b.result, tasks.a.status, tasks.b.status]", if: always() }
`,
		does: `a = exit 1`,
		want: `c.result = [null,null,"failed","skipped"]`,
	},
	{
		id: "5.result.error",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x] }
  c: { exec: [x] }
  d: { expr: "[tasks.a.error, tasks.b.error, tasks.c.error]", if: always() }
`,
		does: `
a = exit 137
b = error
c = ok`,
		want: `d.result = [{"exit_code":137,"message":"exit status 137","reason":"exit","traceback":null,"type":null},{"exit_code":null,"message":"error","reason":"error","traceback":"line 1","type":"KeyError"},null]`,
	},
	{
		id: "5.result.field",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: tasks.a.result.x.y }
  c: { expr: 'tasks.a.result.x?.y ?? "none"' }
  d: { exec: [x], inputs: { v: "${{ tasks.a.result.x.y }}" } }
`,
		does: `a = ok {"z":1}`,
		want: `
b = failed invalid
b.error ~ w.yaml:4:
b.error ~ ?.
b.error ~ ??
c.result = "none"
d = failed invalid
d.error ~ ?.`,
	},
	{
		id: "5.now",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: "[now(), now() == now()]", needs: a }
  c: { exec: [x], retry: 2, inputs: { now: "${{ now() }}" } }
`,
		does: `
a = ok in 1h
c = exit 1 in 1h; ok`,
		want: `
b.result = ["2026-01-31T06:30:00Z",true]
c.inputs = {"now":"2026-01-31T06:30:00Z"}
c#2.inputs = {"now":"2026-01-31T06:30:00Z"}`,
	},
	{
		id: "5.now/of a schedule",
		file: `
schedule: { cron: "30 6 * * *", timezone: Europe/Berlin }
tasks:
  a: { expr: "[now(), run.started_at]" }
  b: { expr: tasks.a.started_at }
`,
		info: dag.RunInfo{ScheduledAt: epoch.Add(-time.Minute).In(berlin())},
		want: `
a.result = ["2026-01-31T07:29:00+01:00","2026-01-31T07:30:00+01:00"]
b.result = "2026-01-31T07:30:00+01:00"`,
	},
	{
		id: "5.order",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: "[keys(tasks.a.result), values(tasks.a.result), toPairs(tasks.a.result)]" }
`,
		does: `a = ok {"z":1,"a":2,"m":3}`,
		want: `b.result = [["a","m","z"],[2,3,1],[["a",2],["m",3],["z",1]]]`,
	},
	{
		id: "5.secrets/never kept",
		file: `
secrets: [TOKEN]
tasks:
  a:
    exec: [x]
    retry: 2
    inputs: { text: "${{ read_file('f') }}", token: "${{ secrets.TOKEN }}", both: "${{ inputs.token + inputs.text }}" }
    env: { T: "${{ secrets.TOKEN }}", plain: 1 }
`,
		files: map[string]string{"f": "READS"},
		does:  `a = exit 1; ok`,
		want: `
a.kept = {"env":{},"inputs":{"text":"1"}}
a.inputs = {"both":"secret of TOKEN1","text":"1","token":"secret of TOKEN"}
a#2.inputs = {"both":"secret of TOKEN1","text":"1","token":"secret of TOKEN"}
a#2.env = {"T":"secret of TOKEN","plain":"1"}`,
	},
	{
		id: "5.numbers.integers",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: tasks.a.result.big + 1 }
  c: { exec: [x], inputs: { text: "n ${{ tasks.a.result.big }}", float: "${{ tasks.a.result.small / 2 }}" } }
`,
		does: `a = ok {"big":9007199254740993,"small":3}`,
		want: `
b.result = 9007199254740994
c.inputs = {"float":1.5,"text":"n 9007199254740993"}`,
	},
	{
		id: "5.numbers.overflow",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: tasks.a.result + 1 }
  c: { expr: tasks.a.result * 2 }
`,
		does: `a = ok 9223372036854775807`,
		want: `
b = failed invalid
c = failed invalid`,
	},
	{
		id: "5.numbers.floats",
		file: `
tasks:
  a: { expr: "[6 / 2, 2 ** 10, 1.5 * 2, 0.5, 7 / 2]" }
  b: { expr: 1 / 0 }
`,
		want: `
a.result = [3,1024,3,0.5,3.5]
b = failed invalid`,
	},
	{
		id: "5.times",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: "{at: date(tasks.a.ended_at), text: string(now()), next: date(tasks.a.started_at) + duration('1h')}" }
`,
		does: `a = ok in 1250ms`,
		want: `b.result = {"at":"2026-01-31T06:30:01.25Z","next":"2026-01-31T07:30:00Z","text":"2026-01-31T06:30:00Z"}`,
	},
	{
		id: "5.durations",
		file: `
params: { wait: { type: duration, default: 90s }, short: { type: duration, default: 250ms } }
tasks:
  a: { exec: [x] }
  b: { expr: "[params.wait, params.short, tasks.a.duration]" }
`,
		does: `a = ok in 1250ms`,
		want: `b.result = [90,0.25,1.25]`,
	},
	{
		id: "5.functions.text",
		file: `
tasks:
  a: { exec: [x] }
  b: { expr: "[string(tasks.a.result), toJSON(tasks.a.result), fromJSON('{\"n\": 2.0}').n, string(null), string(12345678901234567)]" }
`,
		does: `a = ok {"b":1,"a":[null,"<>"]}`,
		want: `b.result = ["{\"a\":[null,\"<>\"],\"b\":1}","{\"a\":[null,\"<>\"],\"b\":1}",2,"","12345678901234567"]`,
	},
}

func berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}
