//go:build unix

package engine_test

// What §3 says of the results of commands, and §5 of their numbers.
var resultCommands = []command{
	{
		id: "3.result.text",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "printf ' a\\n\\n b \\n\\n\\n'" }
  b: { run: "true" }
  c: { run: "echo 5" }
  d: { exec: [printf, 'x\377y'] }
`,
		want: `
a.result = " a\n\n b "
b.result = ""
c.result = "5"
d.result = "x�y"`,
	},
	{
		id: "3.result.lines",
		file: `
defaults: { executor: EXECUTOR, }
tasks:
  a: { run: "printf 'a\\n\\nb'", result: lines }
  b: { run: "printf 'a\\nb\\n'", result: lines }
  c: { run: "true", result: lines }
  d: { run: "echo", result: lines }
`,
		want: `
a.result = ["a","","b"]
b.result = ["a","b"]
c.result = []
d.result = [""]`,
	},
	{
		id: "3.result.json",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo; echo ' {\"a\": [1, null]} '; echo", result: json }
  two: { run: "echo 1 2", result: json, continue_on_error: true }
  empty: { run: "true", result: json, continue_on_error: true }
  text: { run: "echo hello", result: json, continue_on_error: true }
  nan: { run: "echo NaN", result: json, continue_on_error: true }
  cut: { run: "echo '[1,'", result: json, continue_on_error: true, retry: 3 }
`,
		want: `
a.result = {"a":[1,null]}
two = failed invalid
empty = failed invalid
empty.exit_code = 0
text = failed invalid
text.error ~ not one JSON value
nan = failed invalid
cut = failed invalid
cut.attempts = 1`,
	},
	{
		id: "3.result.none",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo said", result: none }
`,
		want: `
a.result = null
a.stdout = "said\n"`,
	},
	{
		id: "3.result.filed",
		file: `
defaults: { executor: EXECUTOR }
params: { name: out }
tasks:
  a: { run: "echo '[1]' > ../out.json; echo said", dir: sub, result: { file: "../${{ params.name }}.json", format: json } }
  b: { run: "printf 'a\\nb\\n' > \"$FLOW_DIR/b\"; echo", result: { file: b.txt, format: lines }, continue_on_error: true }
  c: { run: "printf 'a\\n\\n' > HERE/c.txt", result: { file: HERE/c.txt } }
`,
		want: `
a.result = [1]
a.stdout = "said\n"
b = failed invalid
b.error ~ b.txt
c.result = "a"`,
	},
	{
		id: "3.result.log",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo 1; echo two >&2", result: json }
  b: { run: "echo 1 > \"$FLOW_RESULT\"; echo logged" }
  c: { run: "echo almost; exit 1", continue_on_error: true }
`,
		want: `
a.stdout = "1\n"
a.stderr = "two\n"
a.result = 1
b.stdout = "logged\n"
c.stdout = "almost\n"`,
	},
	{
		id: "3.result.own",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo '{\"n\": 2.0}' > \"$FLOW_RESULT\"; echo logged" }
  b: { run: "printf 'not json\\n\\n' > \"$FLOW_RESULT\"", result: json }
  c: { run: "echo 1 2 > \"$FLOW_RESULT\"; echo no", result: lines }
  d: { run: "echo 7 > \"$FLOW_RESULT\"", result: none }
  e: { run: ": > \"$FLOW_RESULT\"; echo no" }
  f: { run: "[ \"$FLOW_ATTEMPT\" = 2 ] || { echo 1 > \"$FLOW_RESULT\"; exit 1; }; echo second", retry: { attempts: 2, delay: 0s } }
  g: { exec: [sh, -c, "echo '[1]' > \"$FLOW_RESULT\""] }
`,
		want: `
a.result = {"n":2}
b.result = "not json"
c.result = "1 2"
d.result = 7
e.result = ""
f.result = "second"
g.result = [1]`,
	},
	{
		id: "3.result.failed",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo 5; echo 6 > \"$FLOW_RESULT\"; exit 1", result: json, continue_on_error: true }
  b: { expr: tasks.a.result }
`,
		want: `
a.result = -
b.result = null`,
	},
	{
		id: "5.numbers.commands",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo '[1.0, 1e3, -0.0, 2.5, 12345678901234567, 9223372036854775807]'", result: json }
  b: { run: "echo 99999999999999999999", result: json, continue_on_error: true }
  c: { run: "echo 1e400", result: json, continue_on_error: true }
  d: { expr: "string(tasks.a.result[4])" }
`,
		want: `
a.result = [1,1000,0,2.5,12345678901234567,9223372036854775807]
b = failed invalid
c = failed invalid
d.result = "12345678901234567"`,
	},
}
