package dag

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// testText is a text that stands in line 1, column 1 of its file.
func testText(s string) text {
	return text{s, func(o int) Pos { return Pos{1, utf8.RuneCountInString(s[:o]) + 1} }}
}

func testCompiler(w *Workflow) (*compiler, *[]Diagnostic) {
	var ds []Diagnostic
	return newCompiler(w, func(n *node) text { return testText(n.Value) }, func(d Diagnostic) { ds = append(ds, d) }), &ds
}

// testWorkflow has the tasks a, b, load-eu, me (whose expressions are tested)
// and last, which is of finally.
func testWorkflow() *Workflow {
	w := &Workflow{File: "w.yaml", Secrets: []Secret{{Name: "TOKEN"}}}
	for name, typ := range map[string]ParamType{"n": ParamInt, "s": ParamString, "l": ParamList, "m": ParamMap,
		"b": ParamBool, "f": ParamFloat, "day": ParamDate, "wait": ParamDuration} {
		w.Params = append(w.Params, Param{Name: name, Type: typ})
	}
	for i, id := range []string{"a", "b", "load-eu", "me", "last"} {
		w.Tasks = append(w.Tasks, &Task{ID: id, Index: i, Finally: id == "last"})
	}
	return w
}

// testScope is a moment of a run of testWorkflow.
func testScope(w *Workflow) *Scope {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return &Scope{
		Workflow: w, Task: w.Tasks[3],
		Params: map[string]any{"n": 7, "s": "x y", "l": []any{1, 2, 3}, "m": map[string]any{"k": 1, "a": 2}, "b": true,
			"f": 2, "day": "2024-03-31", "wait": 90},
		Run: &RunInfo{ID: "r1", Workflow: "w", Trigger: "schedule", Attempt: 1,
			ScheduledAt: time.Date(2024, 3, 31, 6, 30, 0, 0, berlin), StartedAt: time.Date(2024, 3, 31, 6, 30, 0, 123456789, berlin)},
		Outcomes: []Outcome{
			{Status: Succeeded, Attempts: 2, Started: 1711859400000, Ended: 1711859401500, Result: map[string]any{"x": map[string]any{"y": 41}, "rows": []any{map[string]any{"n": 3}, map[string]any{"n": 4}}}},
			{Status: Failed, ExitCode: 137, Err: &Failure{Reason: ReasonExit, Message: "killed", ExitCode: 137}},
			{Status: Succeeded, Result: []any{1.5, "a"}},
			{}, {},
		},
		Success: true, RunStatus: "failed",
	}
}

// expression compiles and finishes one expression of task me.
func expression(w *Workflow, src string, p place) (*Expr, []Diagnostic) {
	c, ds := testCompiler(w)
	e := c.expr(testText(src), p, w.Tasks[3])
	c.finish()
	return e, *ds
}

func TestEval(t *testing.T) {
	list := func(vs ...any) []any { return vs }
	w := testWorkflow()
	s := testScope(w)
	for _, tc := range []struct {
		src  string
		want any
	}{
		// names
		{"tasks.a.result.x.y", 41},
		{" tasks.a.result . x . y ", 41},
		{`tasks["a"].result["x"].y`, 41},
		{`tasks['load-eu'].result[1]`, "a"},
		{"tasks.a.result.x.none", nil},
		{"tasks.a.result.rows[0].n", 3},
		{"tasks.a.result.rows[-1].n", 4},
		{"tasks.a.status", "succeeded"},
		{"tasks.a.attempts", 2},
		{"tasks.a.duration", 1.5},
		{"tasks.a.started_at", "2024-03-31T06:30:00+02:00"},
		{"tasks.a.ended_at", "2024-03-31T06:30:01.5+02:00"},
		{"tasks.me2 ?? 1", nil}, // replaced below
		{"tasks.a.error", nil},
		{"tasks.b.error.message", "killed"},
		{"tasks.b.error", map[string]any{"reason": "exit", "message": "killed", "type": nil, "exit_code": 137, "traceback": nil}},
		{"tasks.b.exit_code", 137},
		{"tasks.b.result", nil},
		{"run.id + '/' + run.workflow", "r1/w"},
		{"run.scheduled_at", "2024-03-31T06:30:00+02:00"},
		{"run.started_at", "2024-03-31T06:30:00.123+02:00"},
		{"run.interval_start", nil},
		{"run.attempt", 1},
		{"params.day", "2024-03-31"},
		{"params.wait * 2", 180},
		{"null", nil},
		{"nil", nil},

		// null
		{"tasks.a.result.q?.z", nil},
		{"tasks.a.result.q?.z.y.x", nil},
		{"tasks.a.error?.message ?? 'fine'", "fine"},
		{"tasks.b.result?.x ?? 5", 5},

		// numbers
		{"1 + 2 * 3", 7},
		{"7 / 2", 3.5},
		{"6 / 2", 3},
		{"7 % 4", 3},
		{"2 ** 10", 1024},
		{"params.n / 2", 3.5},
		{"params.f + 1", 3},
		{"1.5 + 1.5", 3},
		{"-params.n", -7},
		{"9223372036854775807", 9223372036854775807},
		{"-9223372036854775807 - 1", -9223372036854775807 - 1},
		{"int('42')", 42},
		{"int(-1.9)", -1},
		{"float('1.5')", 1.5},
		{"abs(-3)", 3},
		{"round(2.5)", 3},
		{"0.1 + 0.2", 0.30000000000000004},
		{"1e3", 1000},
		{"sum(params.l)", 6},
		{"sum(params.l, # * 2)", 12},
		{"sum([])", 0},
		{"params.l | sum(# / 2)", 3},
		{"sum(tasks.a.result.rows, .n)", 7},
		{"min(params.l) + max(params.l)", 4},
		{"mean(params.l)", 2},

		// text
		{"'a' + 'b'", "ab"},
		{"string(1000000000000000000)", "1000000000000000000"},
		{"string(1e15)", "1000000000000000"},
		{"string(0.5)", "0.5"},
		{"string(null)", ""},
		{"string(true)", "true"},
		{"string({b: 1, a: [1, 'x']})", `{"a":[1,"x"],"b":1}`},
		{"string(params.m)", `{"a":2,"k":1}`},
		{"string(now())", "2024-03-31T06:30:00+02:00"},
		{"toJSON({b: '<&>', a: null})", `{"a":null,"b":"<&>"}`},
		{`fromJSON('{"a": 1.0, "b": 1e2}')`, map[string]any{"a": 1, "b": 100}},
		{"upper('ä')", "Ä"},
		{"split('a,b', ',')", list("a", "b")},
		{"join(split('a,b', ','), '-')", "a-b"},
		{"replace('aXbX', 'X', '-')", "a-b-"},
		{"replace('aXbX', 'X', '-', 1)", "a-bX"},
		{"repeat('ab', 3)", "ababab"},
		{"'x y' == params.s && params.s startsWith 'x'", true},
		{"params.s matches '^x.y$'", true},
		{"len('😀')", 1},

		// lists and maps, in order
		{"keys(params.m)", list("a", "k")},
		{"values(params.m)", list(2, 1)},
		{"toPairs(params.m)", list(list("a", 2), list("k", 1))},
		{"fromPairs([['a', 1], [2, 'b']])", map[string]any{"a": 1, "2": "b"}},
		{"map(toPairs(params.m), #[0] + string(#[1]))", list("a2", "k1")},
		{"map(params.l, # + params.n)", list(8, 9, 10)},
		{"map(params.l, {#index + #})", list(1, 3, 5)},
		{"filter(params.l, # > 1)", list(2, 3)},
		{"params.l | filter(# > 1) | map(# * 10)", list(20, 30)},
		{"map(1..2, map(1..2, # * 2))", list(list(2, 4), list(2, 4))},
		{"reduce(params.l, #acc + #, 100)", 106},
		{"groupBy(1..4, # % 2)", map[string]any{"0": list(2, 4), "1": list(1, 3)}},
		{"keys(groupBy(1..4, # % 2))", list("0", "1")},
		{"sortBy(tasks.a.result.rows, .n, 'desc')[0].n", 4},
		{"uniq([1, 2, 1, 'a', 'a', {x: 1}, {x: 1}])", list(1, 2, "a", map[string]any{"x": 1})},
		{"flatten([1, [2, [3]]])", list(1, 2, 3)},
		{"concat([1], 2..3)", list(1, 2, 3)},
		{"first([])", nil},
		{"first([]) == 1", false},
		{"2 in params.l", true},
		{"filter([1, 5], # in params.l)", list(1)},
		{"'k' in params.m", true},
		{"params.l[1:]", list(2, 3)},
		{"params.m.k + params.m['a']", 3},
		{"let x = params.n; x * x", 49},
		{"let rows = tasks.a.result.rows; rows[0].n", 3},
		{"params.b ? 'yes' : 'no'", "yes"},
		{"if params.n > 5 { 'big' } else { 'small' }", "big"},
		{"any(params.l, # == 2) and not none(params.l, # == 2)", true},
		{"count(params.l, # > 1)", 2},
		{"params.n == 7.0", true},
		{"{'a b': [1]}", map[string]any{"a b": list(1)}},

		// times
		{"now()", "2024-03-31T06:30:00+02:00"},
		{"::now().Year()", 2024},
		{"now().Month()", 3},
		{"now().Format('2006-01-02')", "2024-03-31"},
		{"now() - duration('24h')", "2024-03-30T05:30:00+01:00"}, // the clocks changed
		{"now().AddDate(0, 0, -1).Format('2006-01-02T15')", "2024-03-30T06"},
		{"now().UTC()", "2024-03-31T04:30:00Z"},
		{"now().In(timezone('Asia/Tokyo'))", "2024-03-31T13:30:00+09:00"},
		{"(now() - date('2024-03-31')).Hours()", 5.5},
		{"date('2024-03-31')", "2024-03-31T00:00:00+01:00"},
		{"date('2024-03-31', '2006-01-02', 'UTC')", "2024-03-31T00:00:00Z"},
		{"date('2024-03-31T10:00:00Z') > now()", true},
		{"date(run.started_at)", "2024-03-31T06:30:00.123+02:00"},
		{"duration('90s')", 90},
		{"duration('1d') == duration('24h')", true},
		{"duration('1d12h')", 129600},
		{"duration('-2h')", -7200},
		{"duration('1h') + duration('250ms')", 3600.25},
		{"max(1, 2) == 2", true},

		// comments
		{"1 + /* it's */ 2 // }", 3},
	} {
		if tc.src == "tasks.me2 ?? 1" {
			continue
		}
		e, ds := expression(w, tc.src, inExpr)
		if len(ds) > 0 || e == nil {
			t.Errorf("%s: %v", tc.src, ds)
			continue
		}
		got, err := e.Eval(s)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %#v, %v, want %#v", tc.src, got, err, tc.want)
		}
		if again, err := e.Eval(s); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s, again: %#v, %v, want %#v", tc.src, again, err, got)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	w := testWorkflow()
	s := testScope(w)
	for src, want := range map[string]string{
		"tasks.a.result.q.z":                       "field z of null; write ?.z",
		"1 == 1 && tasks.a.result.q.z":             "field z of null; write ?.z",
		"tasks.b.result.x":                         "?? for another value",
		"tasks.a.result.x.y.z":                     "a number has no field z",
		"tasks.a.result.rows.z":                    "a list has no field z",
		"params.n + tasks.b.result":                "null can't be reckoned with",
		"tasks.a.result + 1":                       "map + int",
		"9223372036854775807 + params.n":           "beyond 64 bits",
		"-9223372036854775807 - params.n":          "beyond 64 bits",
		"9223372036854775807 * params.n":           "beyond 64 bits",
		"-(-9223372036854775807 - params.n + 6)":   "beyond 64 bits",
		"sum([9223372036854775807, params.n])":     "beyond 64 bits",
		"map([9223372036854775807], # + 1)":        "beyond 64 bits",
		"abs(-9223372036854775807 - params.n + 6)": "beyond 64 bits",
		"2 ** 63":                               "beyond 64 bits",
		"2 ** 5000":                             "not a finite number",
		"[1, {a: 2 ** 5000}]":                   "not a finite number",
		"int(1e300)":                            "beyond 64 bits",
		"int('1.5')":                            "not a whole number",
		"int('9223372036854775808')":            "not a whole number",
		"fromJSON('[9223372036854775808]')":     "beyond 64 bits",
		"fromJSON('[1] 2')":                     "more than one",
		"fromJSON('[1')":                        "incomplete",
		"1 / (params.n - 7)":                    "division by zero",
		"1 % (params.n - 7)":                    "division by zero",
		"params.l[5]":                           "index out of range",
		"upper(tasks.a.result)":                 "text is wanted",
		"filter(tasks.a.result, true)":          "toPairs",
		"map(tasks.b.result, #)":                "a list is wanted, and this is null",
		"sum(tasks.a.result)":                   "values(",
		"params.m[1]":                           "",
		"keys(params.l[0])":                     "a map is wanted",
		"date('yesterday')":                     "not a time",
		"duration('5')":                         "not a duration",
		"timezone('Local') == timezone('UTC')":  "no such zone",
		"now().In(timezone('Mars'))":            "no such zone",
		"now().Format":                          "Go value",
		"reduce([], #acc + #)":                  "empty",
		"params.s matches ('[' + params.s)":     "error parsing regexp",
		"groupBy([1, '1'], #)":                  "both \"1\"",
		"groupBy([[1]], #)":                     "hash of unhashable",
		"repeat('x', -1)":                       "not negative",
		"tasks.a.result.x < 1":                  "invalid operation",
		"tasks.a.result.x ? 1 : 2":              "",
		"{(tasks.a.result.x): 1}":               "",
		"read_file('x')":                        "needs a host",
		"map([1], read_file('x'))":              "needs a host",
		"hash_files('*.go')":                    "needs a host",
		"tasks.a.result.x.y(1)":                 "", // refused at load
		"let f = now().Format; f('x')":          "", // refused at load
		"sort([1, 'a'])":                        "invalid operation",
		"1..9223372036854775807":                "too much",
		"map(1..1000000, map(1..1000000, #))":   "too much",
		"sum(1..100000, sum(1..100000, 1))":     "too much",
		"repeat(repeat('x', 1000000), 1000000)": "too much",
		"replace(repeat('x', 1000000), 'x', repeat('x', 1000000))": "too much",
		"let r = 1..100000; filter(r, # in r)":                     "too much",
		"let r = repeat('x', 1000000); map(1..1000, upper(r))":     "too much",
	} {
		e, ds := expression(w, src, inExpr)
		if e == nil {
			if want != "" {
				t.Errorf("%s: %v", src, ds)
			}
			continue
		}
		start := time.Now()
		got, err := e.Eval(s)
		ee, ok := errors.AsType[*EvalError](err)
		if !ok || !strings.Contains(ee.Message, want) || !strings.HasPrefix(err.Error(), "w.yaml:1:1: ") || ee.Source != src {
			t.Errorf("%s: %#v, %v, want an error with %q", src, got, err, want)
		}
		if strings.Contains(fmt.Sprint(err), "interface {}") || strings.Contains(fmt.Sprint(err), "reflect") {
			t.Errorf("%s: an error only Go's friends understand: %v", src, err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s took %s", src, d)
		}
	}
}

// TestEvalGrowth looks whether a short expression whose value would be huge is
// ended: shared elements, and text that doubles.
func TestEvalGrowth(t *testing.T) {
	w := testWorkflow()
	for name, src := range map[string]string{
		"lists":         doubling("[1, 1]", "[%[1]s, %[1]s]", 60, "v60"),
		"flat":          doubling("[1, 1]", "[%[1]s, %[1]s]", 60, "flatten(v60)"),
		"lists as text": doubling("[1, 1]", "[%[1]s, %[1]s]", 60, "string(v60)"),
		"concatenation": doubling("[1, 1]", "concat(%[1]s, %[1]s)", 60, "len(v60)"),
		"text":          doubling("'xxxxxxxxxxxxxxxx'", "%[1]s + %[1]s", 60, "len(v60)"),
		"copies":        "let s = repeat('x', 1000000); toJSON(map(1..100000, s))",
	} {
		e, ds := expression(w, src, inExpr)
		if e == nil {
			t.Fatalf("%s: %v", name, ds)
		}
		if v, err := e.Eval(testScope(w)); err == nil {
			t.Errorf("%s: %T", name, v)
		} else {
			t.Log(name, err)
		}
	}
}

// doubling writes let v0 = …; let v1 = … v0 v0; ….
func doubling(first, next string, n int, end string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "let v0 = %s; ", first)
	for i := range n {
		fmt.Fprintf(&b, "let v%d = %s; ", i+1, fmt.Sprintf(next, fmt.Sprintf("v%d", i)))
	}
	return b.String() + end
}

func TestCompileErrors(t *testing.T) {
	w := testWorkflow()
	w.Tasks[3].Inputs = []Binding{{Name: "region", Value: NewValue("eu")}}
	for _, tc := range []struct {
		src      string
		col, len int
		want     string
	}{
		{"tasks.lod.result", 7, 3, "tasks.lod: no such task"},
		{"sum(tasks.bb.result, .n)", 11, 2, `tasks.bb: no such task; did you mean "b"?`},
		{`tasks["load-e"].result`, 7, 8, `tasks.load-e: no such task; did you mean "load-eu"?`},
		{"tasks.load-eu.result", 7, 7, `tasks["load-eu"]`},
		{"1 + tasks.load-eu.result", 11, 7, `tasks["load-eu"]`},
		{"tasks", 1, 5, "name one task by a constant"},
		{"tasks[params.s].result", 1, 5, "name one task by a constant"},
		{"keys(tasks)", 6, 5, "name one task by a constant"},
		{"tasks.b", 7, 1, "tasks.b.result"},
		{"tasks.b.reslt", 9, 5, `did you mean "result"?`},
		{"tasks.me.result", 7, 2, "can't name itself"},
		{"tasks.last.result", 7, 4, "of finally"},
		{"params", 1, 6, "params.NAME"},
		{"params[run.id]", 1, 6, "params.NAME"},
		{"params.dy", 8, 2, `params.dy: no such param; did you mean "day"?`},
		{"secrets", 1, 7, "secrets.NAME"},
		{"run", 1, 3, "say what of it"},
		{"run.idd", 5, 3, `did you mean "id"?`},
		{"run.status", 1, 10, "only in finally and outputs"},
		{"inputs.reg", 1, 10, "no such input"},
		{"inputs.regio + 'x'", 1, 12, `did you mean "region"?`},
		{"'ä' + inputs.regio", 7, 12, "no such input"},
		{"env.HOME", 1, 8, "no such entry in env"},
		{"item", 1, 4, "no for_each"},
		{"item.x + 1", 1, 4, "no for_each"},
		{"index", 1, 5, "neither for_each nor matrix"},
		{"matrix.os", 1, 9, "no matrix"},
		{"error.reason", 1, 5, "retry.if only"},
		{"result", 1, 6, "until only"},
		{"secrets.TOKEN", 1, 13, "env, inputs, stdin, http and sql"},
		{"$env", 1, 4, "can't be named"},
		{"$env.params", 1, 4, "can't be named"},
		{"$env['params']", 1, 4, "can't be named"},
		{"get($env, 'x')", 5, 4, "can't be named"},
		{"foo", 1, 3, "foo: no such name"},
		{"'ä' + foo", 7, 3, "foo: no such name"},
		{"parms.day", 1, 5, `did you mean "params"?`},
		{"day", 1, 3, "did you mean params.day?"},
		{"region", 1, 6, "did you mean inputs.region?"},
		{"TOKEN", 1, 5, "did you mean secrets.TOKEN?"},
		{"a", 1, 1, "did you mean tasks.a.result?"},
		{"success", 1, 7, "write success(…)"},
		{"lenn('x')", 1, 4, `lenn: no such function; did you mean "len"?`},
		{"maxBy(params.l, .x).y", 1, 5, `maxBy: no such function; did you mean "max"?`},
		{"map(params.l, {'a': #, 'b': 1})", 19, 1, `unexpected ":"; the map that map makes of each element needs parentheses: ({…})`},
		{"sucess()", 1, 6, `did you mean "success"?`},
		{"success(1)", 1, 7, "takes no arguments"},
		{"now('UTC')", 1, 3, "takes no argument"},
		{"now().Local()", 7, 5, "Local: no such method"},
		{"let f = now().Format; f('x')", 23, 1, "f: no such function"},
		{"tasks.a.result.x(1)", 16, 1, "no such method"},
		{"let item = 1; item", 5, 4, "name of the language"},
		{"let keys = 1; keys", 0, 0, "cannot redeclare"},
		{"let now = 1; now", 0, 0, "cannot redeclare"},
		{"1 +", 0, 0, "ends too early"},
		{"(1", 0, 0, "ends too early"},
		{"a = b", 3, 1, "write =="},
		{"1 2", 3, 1, `unexpected "2"`},
		{"tasks.a.result.", 0, 0, "ends too early"},
		{"'abc", 0, 0, "not terminated"},
		{"99999999999999999999", 0, 0, "64 bits"},
		{"params.s + 1", 10, 1, "mismatched types text and int); to join them write string(…)"},
		{"params.n + 'x'", 10, 1, "write string(…) around the number"},
		{"1.5 + params.s", 5, 1, "write string(…) around the number"},
		{"params.n.x", 10, 1, "params.n is a whole number and has no field x"},
		{"params.n.x + 1", 10, 1, "int has no field x"},
		{"upper(params.n)", 7, 8, "upper wants text, and this is int"},
		{"map(params.n, #)", 5, 8, "map wants a list, and this is int"},
		{"upper()", 0, 0, "not enough arguments"},
		{"keys(1, 2)", 0, 0, "too many arguments"},
		{"!params.n", 1, 1, "mismatched type"},
		{"params.s matches '['", 10, 7, "error parsing regexp"},
		{"", 1, 1, "missing"},
		{"  ", 1, 2, "missing"},
		{"${{ }}", 4, 1, "missing"},
		{"${{ a", 1, 3, "without }}"},
		{"${{ 1 }} && ${{ 2 }}", 0, 0, "one expression"},
		{"${{ 1 }} && 2", 0, 0, "one expression"},
		{"${{ foo }}", 5, 3, "no such name"},
		{strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), 0, 0, "brackets"},
		{strings.Repeat("!", 50000) + "true", 0, 0, "more than 10000 parts"},
		{strings.Repeat("1+", 40000) + "1", 0, 0, "KiB"},
	} {
		e, ds := expression(w, tc.src, inExpr)
		if len(ds) == 0 || e != nil && !strings.Contains(tc.want, "no ") && tc.want != "neither for_each nor matrix" && !strings.Contains(tc.want, "did you mean") {
			t.Errorf("%.60s: expression %v, findings %v", tc.src, e, ds)
			continue
		}
		d := ds[0]
		if !strings.Contains(d.Message, tc.want) || d.Warning {
			t.Errorf("%.60s: %q, want %q", tc.src, d.Message, tc.want)
		}
		if tc.col > 0 && (d.Pos != Pos{1, tc.col} || d.Len != tc.len) {
			t.Errorf("%.60s: at %v, %d characters, want column %d, %d: %s", tc.src, d.Pos, d.Len, tc.col, tc.len, d.Message)
		}
		if len(ds) > 1 && !strings.HasPrefix(tc.src, "let f") {
			t.Errorf("%.60s: more findings than one: %v", tc.src, ds)
		}
	}
}

// TestWhatPlacesAllow checks what each place allows.
func TestWhatPlacesAllow(t *testing.T) {
	sources := map[feature]string{useParams: "params.n", useRun: "run.id", useRunStatus: "run.status", useTasks: "tasks.a.result",
		useInputs: "inputs.region", useEnv: "env.E", useSecrets: "secrets.TOKEN", useFiles: "read_file('x')", useFan: "item",
		useStatus: "success()", useError: "error", useFound: "result"}
	task := "params run tasks inputs env status"
	want := map[place]string{
		inFileEnv: "params run secrets", inEnv: task + " secrets files fan", inInputs: task + " secrets files fan",
		inRun: task + " fan", inExec: task + " fan", inDir: task + " fan", inStdin: task + " secrets files fan",
		inHTTP: task + " secrets fan", inSQL: task + " secrets fan", inWait: task + " fan", inForEach: task, inMatrix: task,
		inCacheKey: task + " files fan", inResultFile: task + " fan", inOutputs: "params run runstatus tasks status",
		inScheduleParams: "run", inParamDefault: "run", inIf: task, inExpr: task + " files fan",
		inUntil: task + " fan found", inRetryIf: task + " fan error",
	}
	names := map[feature]string{useParams: "params", useRun: "run", useRunStatus: "runstatus", useTasks: "tasks", useInputs: "inputs", useEnv: "env",
		useSecrets: "secrets", useFiles: "files", useFan: "fan", useStatus: "status", useError: "error", useFound: "found"}
	for p, allowed := range want {
		for f, src := range sources {
			w := testWorkflow()
			w.Tasks[3].Inputs = []Binding{{Name: "region", Value: NewValue("eu")}}
			w.Tasks[3].Env = []Binding{{Name: "E", Value: NewValue("e")}}
			w.Tasks[3].Fan = &Fan{Each: NewValue([]any{1})}
			if placeRules[p].truth {
				src += " != 0"
			}
			if placeRules[p].truth && f == useStatus {
				src = "success()"
			}
			if placeRules[p].truth && (f == useSecrets || f == useRun || f == useRunStatus || f == useFiles) {
				src = strings.Replace(src, "0", "''", 1)
			}
			task := w.Tasks[3]
			if p == inFileEnv || p == inOutputs || p == inScheduleParams || p == inParamDefault {
				task = nil
			}
			c, ds := testCompiler(w)
			c.expr(testText(src), p, task)
			c.finish()
			if ok := strings.Contains(" "+allowed+" ", " "+names[f]+" "); ok != (len(*ds) == 0) {
				t.Errorf("%s in %s: %v, want allowed: %t", src, p, *ds, ok)
			}
		}
	}
	// In finally, run.status is known; other tasks may be named.
	w := testWorkflow()
	c, ds := testCompiler(w)
	c.expr(testText("run.status == 'failed' && tasks.me.status != 'skipped'"), inIf, w.Tasks[4])
	if c.finish(); len(*ds) > 0 {
		t.Error(*ds)
	}
}

// TestThroughEntries checks what gets through inputs and env.
func TestThroughEntries(t *testing.T) {
	build := func() (*Workflow, *compiler, *[]Diagnostic) {
		w := testWorkflow()
		c, ds := testCompiler(w)
		me := w.Tasks[3]
		add := func(bs *[]Binding, name, src string, p place) {
			v := &Value{kind: exprKind, expr: c.compile(testText(src), p, me)}
			*bs = append(*bs, Binding{Name: name, Pos: Pos{9, 9}, Value: v})
		}
		add(&me.Env, "SECRET", "secrets.TOKEN", inFileEnv)
		add(&me.Inputs, "secret", "'x' + env.SECRET", inInputs)
		add(&me.Inputs, "file", "read_file('x')", inInputs)
		add(&me.Inputs, "fan", "item", inInputs)
		add(&me.Inputs, "dep", "tasks.b.result + params.n", inInputs)
		add(&me.Inputs, "deeper", "inputs.dep ?? now()", inInputs)
		me.Fan = &Fan{Each: NewValue([]any{1})}
		return w, c, ds
	}
	all := []place{inEnv, inInputs, inRun, inExec, inDir, inStdin, inHTTP, inSQL, inWait, inForEach, inMatrix, inCacheKey, inResultFile, inIf, inExpr, inUntil, inRetryIf}
	reach := map[string]string{
		"inputs.secret": "env inputs run exec stdin http sql", "env.SECRET": "env inputs run exec stdin http sql",
		"inputs.file": "env inputs run exec dir stdin http sql wait cache.key result.file expr",
		"inputs.fan":  "env inputs run exec dir stdin http sql wait cache.key result.file expr until retry.if",
		"inputs.dep":  "env inputs run exec dir stdin http sql wait for_each matrix cache.key result.file if expr until retry.if",
	}
	for src, places := range reach {
		for _, p := range all {
			w, c, ds := build()
			expr := src
			if placeRules[p].truth {
				expr += " != null"
			}
			c.compile(testText(expr), p, w.Tasks[3])
			c.finish()
			if ok := strings.Contains(" "+places+" ", " "+p.String()+" "); ok != (len(*ds) == 0) {
				t.Errorf("%s in %s: %v, want allowed: %t", src, p, *ds, ok)
			}
		}
	}

	w, c, ds := build()
	e := c.compile(testText("[tasks.a.result, inputs.deeper, inputs.secret, inputs.file, inputs.fan]"), inInputs, w.Tasks[3])
	c.finish()
	if len(*ds) > 0 {
		t.Fatal(*ds)
	}
	want := Uses{Tasks: []int{0, 1}, Params: []string{"n"}, Secrets: []string{"TOKEN"}, Files: true, Fan: true, Moment: true}
	if got := *e.Uses(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCirclesOfEntries(t *testing.T) {
	for name, inputs := range map[string][][2]string{
		"inputs.a → inputs.a": {{"a", "inputs.a"}},
		"a → b → c → a":       {{"a", "inputs.b"}, {"b", "inputs.c"}, {"c", "inputs.a"}},
		"the whole":           {{"a", "len(inputs)"}},
	} {
		w := testWorkflow()
		c, ds := testCompiler(w)
		me := w.Tasks[3]
		for _, in := range inputs {
			me.Inputs = append(me.Inputs, Binding{Name: in[0], Pos: Pos{3, 4}, Value: &Value{kind: exprKind, expr: c.compile(testText(in[1]), inInputs, me)}})
		}
		c.finish()
		if len(*ds) != 1 || !strings.HasPrefix((*ds)[0].Message, "circle: ") {
			t.Errorf("%s: %v", name, *ds)
		}
	}
}

func TestImpossibleConditions(t *testing.T) {
	for src, want := range map[string]string{
		`tasks.a.status == "failed"`:                                  "can't be true",
		`"failed" == tasks.a.status`:                                  "can't be true",
		`tasks.a.status != "succeeded"`:                               "can't be true",
		`tasks.a.status in ["failed", "skipped"]`:                     "can't be true",
		`not (tasks.a.status == "succeeded")`:                         "can't be true",
		`tasks.a.status == "failed" && params.b`:                      "can't be true",
		`tasks.a.status == "failed" || tasks.b.status != "succeeded"`: "can't be true",
		`tasks.a.error != null`:                                       "can't be true",
		`false`:                                                       "",
		`tasks.a.status == "failed" && failure()`:                     "",
		`failure() && tasks.a.status == "failed"`:                     "",
		`always() && tasks.a.error != null`:                           "",
		`tasks.a.status == "succeeded"`:                               "",
		`tasks.a.status == "failed" || params.b`:                      "",
		`tasks.a.result == "failed"`:                                  "",
		`params.s == "failed"`:                                        "",
		`params.b`:                                                    "",
		`tasks.a.status == "success" || params.b`:                     `no status is ever "success"; did you mean "succeeded"?`,
	} {
		e, ds := expression(testWorkflow(), src, inIf)
		var said []string
		for _, d := range ds {
			if !d.Warning || d.Pos.Line != 1 || d.Len < 1 {
				t.Errorf("%s: %+v", src, d)
			}
			said = append(said, d.Message)
		}
		got := strings.Join(said, "; ")
		if e == nil || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
	w := testWorkflow()
	w.Tasks[0].ContinueOnError = true
	if _, ds := expression(w, `tasks.a.status == "failed"`, inIf); len(ds) > 0 {
		t.Error("with continue_on_error:", ds)
	}
	if _, ds := expression(w, `tasks.a.status == "skipped"`, inIf); len(ds) != 1 {
		t.Error("with continue_on_error, skipped:", ds)
	}
	w = testWorkflow()
	c, ds := testCompiler(w)
	c.expr(testText(`tasks.a.status == "failed"`), inIf, w.Tasks[4])
	if c.finish(); len(*ds) > 0 {
		t.Error("in finally:", *ds)
	}
}

func TestConditions(t *testing.T) {
	w := testWorkflow()
	for src, want := range map[string]any{
		"params.b": true, "success()": true, "failure()": false, "cancelled()": false, "always()": true,
		"tasks.a.result.none": false, "tasks.a.result.x.y > 40": true, "!failure()": true, "not params.b": false,
		"${{ params.b }}": true, " ${{params.b}} ": true,
	} {
		e, ds := expression(w, src, inIf)
		if e == nil {
			t.Errorf("%s: %v", src, ds)
			continue
		}
		if got, err := e.Eval(testScope(w)); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", src, got, err, want)
		}
	}
	e, _ := expression(w, "tasks.a.result.x", inIf)
	if v, err := e.Eval(testScope(w)); err == nil || !strings.Contains(err.Error(), "true or false") {
		t.Error(v, err)
	}
	for _, src := range []string{"params.n", "'x'", "tasks.a.status", "params.l", "now()"} {
		if e, ds := expression(w, src, inIf); e != nil || !strings.Contains(ds[0].Message, "true or false") {
			t.Errorf("%s: %v", src, ds)
		}
	}
}

// TestSamePrograms looks whether expressions that differ in their tasks share a
// program and still mean their own.
func TestSamePrograms(t *testing.T) {
	w := testWorkflow()
	c, ds := testCompiler(w)
	me := w.Tasks[3]
	one := c.expr(testText("tasks.a.attempts + tasks.b.exit_code + tasks.a.attempts"), inExpr, me)
	two := c.expr(testText(`tasks.b.attempts + tasks["a"].exit_code + tasks.b.attempts`), inExpr, me)
	three := c.expr(testText("tasks.b.attempts + tasks.b.exit_code + tasks.b.attempts"), inExpr, me)
	if len(*ds) > 0 || one.prog != two.prog || one.prog == three.prog {
		t.Fatal(*ds, one.prog == two.prog, one.prog == three.prog)
	}
	for e, want := range map[*Expr]int{one: 2 + 137 + 2, two: 0, three: 137} {
		if got, err := e.Eval(testScope(w)); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %d", e, got, err, want)
		}
	}
	if c.expr(testText("tasks.q.attempts + tasks.b.exit_code + tasks.q.attempts"), inExpr, me) != nil || (*ds)[0].Pos.Col != 7 {
		t.Error(*ds)
	}
	if c.expr(testText("tasks.a.attempts + tasks.me.exit_code + tasks.a.attempts"), inExpr, me) != nil || (*ds)[2].Pos.Col != 26 {
		t.Error(*ds)
	}
}

// TestEvalTogether evaluates one expression in many goroutines at once.
func TestEvalTogether(t *testing.T) {
	w := testWorkflow()
	e, ds := expression(w, "sum(map(1..50, # * params.n)) + tasks.a.result.x.y", inExpr)
	if e == nil {
		t.Fatal(ds)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			s := testScope(w)
			s.Params["n"] = n
			for range 200 {
				if got, err := e.Eval(s); err != nil || got != 1275*n+41 {
					t.Errorf("%v, %v, want %d", got, err, 1275*n+41)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzExpr looks whether any text compiles or is refused, at a place within it,
// and whether what compiles evaluates to a plain value or an *EvalError, the
// same each time.
func FuzzExpr(f *testing.F) {
	for _, s := range []string{"tasks.a.result.x", "sum(params.l, # * 2)", "let x = 1; x", "{a: [1, 2], 'b': now()}", "params.s matches 'x'", "1..5 | map(# ** 2)", "${{ params.n }}",
		"tasks['load-eu']?.result[0:1]", "if params.b {1} else {2}", "groupBy(params.l, # % 2)", "date('2024-01-01') - now()", "'\\u00e4' + \"\\n\" + `a``b`", "params.n // x", "a ?? b", "reduce(1..3, #acc + #)",
		"sortBy(params.l, -#)", "toPairs(params.m) | fromPairs()", "b'ab'", "get(params.m, 'k')", "first(params.l)?.x", "::len('x')", "not (1 in params.l)", "-1 - -2", "#", ".x", "1 ? 2 : 3", "splitAfter('a b', ' ')"} {
		f.Add(s)
	}
	w := testWorkflow()
	s := testScope(w)
	f.Fuzz(func(t *testing.T, src string) {
		e, ds := expression(w, src, inExpr)
		for _, d := range ds {
			if d.Pos.Line != 1 || d.Pos.Col < 1 || d.Pos.Col > utf8.RuneCountInString(src)+1 || d.Len < 1 || d.Message == "" {
				t.Errorf("%q: %+v", src, d)
			}
			if strings.Contains(d.Message, "internal") {
				t.Errorf("%q: %s", src, d.Message)
			}
		}
		if e == nil {
			if len(ds) == 0 {
				t.Errorf("%q: refused without a word", src)
			}
			return
		}
		v, err := e.Eval(s)
		if err != nil {
			if _, ok := errors.AsType[*EvalError](err); !ok {
				t.Errorf("%q: %v", src, err)
			}
			return
		}
		if p, changed, err := new(plainer).value(v, 0); err != nil || changed {
			t.Errorf("%q: %#v is not plain: %#v, %v", src, v, p, err)
		}
		b, err := EncodeJSON(v)
		if err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		again, err := e.Eval(s)
		if err != nil {
			t.Fatalf("%q: %v the second time", src, err)
		}
		if b2, err := EncodeJSON(again); err != nil || string(b2) != string(b) {
			t.Errorf("%q: %s, then %s", src, b, b2)
		}
	})
}
