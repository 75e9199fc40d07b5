package run_test

// What §3 of the language says of caches.
var cacheSentences = []sentence{
	{
		id: "3.cache.hit",
		file: `
params: { day: "2024-01-01" }
tasks:
  a: { exec: [x], cache: { key: "${{ params.day }}" }, retry: 2, timeout: 5s, deadline: 1h }
  b: { expr: "tasks.a.result + 1" }
`,
		cached: map[string]string{`a "2024-01-01"`: "41"},
		want: `
a = succeeded
a.from = EARLIER
a.attempts = 0
a.exit_code = 7
a.result = 41
a.started = -
a.ended = 0s
a.at = -
b = succeeded
b.from = -
b.result = 42
run = succeeded`,
	},
	{
		id: "3.cache.miss",
		file: `
tasks:
  a: { exec: [x], cache: { key: [1, "${{ hash_files('f') }}"] }, retry: { attempts: 2, delay: 0s } }
`,
		files:  map[string]string{"f": "text"},
		does:   `a = exit 1; ok 3`,
		cached: map[string]string{`a [1,"other"]`: "41"},
		want: `
a = succeeded
a.from = -
a.attempts = 2
a.key = [1,"hash of f"]
a.cachekey = [1,"hash of f"]
a#2.cachekey = [1,"hash of f"]
a.result = 3`,
	},
	{
		id: "3.cache.inputs",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], inputs: { n: "${{ tasks.a.result }}", text: "${{ read_file('f') }}" }, cache: { key: "${{ [inputs.n, inputs.text] }}" } }
`,
		files:  map[string]string{"f": "read READS"},
		does:   `a = ok 5`,
		cached: map[string]string{`b [5,"read 1"]`: `"found"`},
		want: `
b.from = EARLIER
b.result = "found"
reads.f = 1`,
	},
	{
		id: "3.cache.instances",
		file: `
tasks:
  a: { for_each: [1, 2, 3], exec: [x], cache: { key: "${{ item }}" }, max_parallel: 1 }
`,
		does:   `a = ok "made" in 1s`,
		cached: map[string]string{`a 2`: `"found"`},
		want: `
a = succeeded
a.attempts = 2
a.result = ["made","found","made"]
a[0].from = -
a[1].from = EARLIER
a[1].started = -
a[2].ended = 2s`,
	},
	{
		id: "3.cache.invalid",
		file: `
tasks:
  a: { exec: [x], cache: { key: "${{ tasks.b.error.reason }}" }, retry: 3, if: always() }
  b: { exec: [x] }
  c: { exec: [x], cache: { key: "${{ read_file('none') }}" } }
`,
		want: `
a = failed invalid
a.attempts = 0
c = failed invalid
c.error ~ cache.key: `,
	},
	{
		id: "3.cache.condition",
		file: `
tasks:
  a: { exec: [x], cache: { key: 1 }, if: "false" }
  b: { exec: [x], cache: { key: 1 }, needs: c }
  c: { exec: [x] }
`,
		does:   `c = exit 1`,
		cached: map[string]string{`a 1`: "1", `b 1`: "1"},
		want: `
a = skipped condition
b = skipped upstream
b.key = -`,
	},
	{
		id: "3.cache.lost",
		file: `
tasks:
  a: { exec: [x], cache: { key: 1 } }
`,
		does: `a = engine-lost in 1s; ok 2`,
		want: `
a.attempts = 1
a.result = 2
a#2.cachekey = 1`,
	},
	{
		id: "3.cache.cancel",
		file: `
tasks:
  a: { exec: [x] }
  b: { exec: [x], cache: { key: "${{ tasks.a.result }}" } }
`,
		does:   `a = hang`,
		events: `cancel at 1s`,
		cached: map[string]string{`b null`: "1"},
		want: `
b = cancelled user
run = cancelled user`,
	},
}
