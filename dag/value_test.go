package dag

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
	type month int
	x := 5
	shared := map[string]any{"a": []any{1, "b", nil, true, 1.5}}
	for _, tc := range []struct{ in, want any }{
		{nil, nil}, {true, true}, {7, 7}, {"ä", "ä"}, {1.5, 1.5}, {2.0, 2}, {math.Copysign(0, -1), 0}, {1e18, 1000000000000000000},
		{float32(0.5), 0.5}, {int64(9), 9}, {uint8(9), 9}, {month(3), 3}, {&x, 5}, {(*int)(nil), nil},
		{float64(math.MinInt64), math.MinInt64},
		{[]any(nil), []any{}}, {map[string]any(nil), map[string]any{}}, {[]string{"a"}, []any{"a"}}, {[2]int{1, 2}, []any{1, 2}},
		{map[any]any{1: 2.0, "a": []int{1}, true: nil, nil: 1}, map[string]any{"1": 2, "a": []any{1}, "true": nil, "null": 1}},
		{[]any{1.0, []any{2.0}}, []any{1, []any{2}}},
		{map[string]any{"a": 1.0, "b": "c"}, map[string]any{"a": 1, "b": "c"}},
		{"a\xffb\xff\xfe", "a\ufffdb\ufffd\ufffd"}, {[]byte("ab"), "ab"}, {map[string]any{"\xff": 1}, map[string]any{"\ufffd": 1}},
		{time.Date(2024, 3, 31, 1, 2, 3, 0, time.UTC), "2024-03-31T01:02:03Z"},
		{time.Date(2024, 3, 31, 1, 2, 3, 456789000, time.FixedZone("", 3600)), "2024-03-31T01:02:03.456+01:00"},
		{time.Date(2024, 3, 31, 1, 2, 3, 999999, time.UTC), "2024-03-31T01:02:03Z"},
		{90 * time.Second, 90}, {1500 * time.Millisecond, 1.5},
	} {
		got, err := Plain(tc.in)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%#v: %#v, %v, want %#v", tc.in, got, err, tc.want)
		}
	}
	if got, _ := Plain(shared); reflect.ValueOf(got).Pointer() != reflect.ValueOf(shared).Pointer() {
		t.Error("what is plain was copied")
	}
	in := []any{1.0, "a"}
	if _, err := Plain(in); err != nil || in[0] != 1.0 {
		t.Error("its argument was changed:", in, err)
	}

	deep := any(1)
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	wide := any([]any{1, 1})
	for range 60 {
		wide = []any{wide, wide}
	}
	for name, bad := range map[string]any{
		"NaN": math.NaN(), "infinite": math.Inf(1), "overflow": 1e19, "just beyond": 9223372036854775808.0, "unsigned": uint64(math.MaxUint64),
		"within": []any{map[string]any{"a": math.Inf(-1)}}, "function": func() {}, "struct": struct{ A int }{1}, "channel": make(chan int),
		"keys": map[any]any{1: 1, "1": 2}, "deep": deep, "wide": wide,
	} {
		if v, err := Plain(bad); err == nil || !strings.HasPrefix(err.Error(), "dag: plain value: it ") {
			t.Errorf("%s: %T, %v", name, v, err)
		}
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		in   any
		want string
	}{
		{nil, ""}, {"a\nb", "a\nb"}, {true, "true"}, {1000000000000000000, "1000000000000000000"}, {-5, "-5"}, {0.1, "0.1"}, {1.0, "1"},
		{1e15, "1000000000000000"}, {1234567.5, "1234567.5"}, {1e-7, "1e-07"}, {0.000001, "0.000001"},
		{[]any{1, "a", nil, 1.5}, `[1,"a",null,1.5]`}, {map[string]any{"b": 1, "a": map[string]any{}}, `{"a":{},"b":1}`},
		{[]any{}, "[]"}, {[]any{"<&>'\u2028ü\x01\"\\\n\r\t/"}, "[\"<&>'\u2028ü\\u0001\\\"\\\\\\n\\r\\t/\"]"},
		{time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "2024-01-02T03:04:05Z"}, {[]int{1}, "[1]"},
	} {
		if got := Text(tc.in); got != tc.want {
			t.Errorf("%#v: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	for in, want := range map[string]any{
		`1`: 1, ` 1.0 `: 1, `1e3`: 1000, `1.5`: 1.5, `-0`: 0, `-0.0`: 0, `"a"`: "a", `null`: nil, `[]`: []any{}, `{}`: map[string]any{},
		`9223372036854775807`: math.MaxInt64, `-9223372036854775808`: math.MinInt64, `9007199254740993.0`: 9007199254740993, `0.1e1`: 1,
		`{"a":1,"a":{"b":[true,2.0]}}`: map[string]any{"a": map[string]any{"b": []any{true, 2}}}, `"\ud800"`: "\ufffd",
	} {
		if got, err := DecodeJSON([]byte(in)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, want %#v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		``: "empty", ` `: "empty", `[1`: "incomplete", `1 2`: "more than one", `{} x`: "more than one", `nul`: "", `{a:1}`: "at byte 2", `'a'`: "at byte 1",
		`9223372036854775808`: "beyond 64 bits", `[-9223372036854775809]`: "beyond 64 bits", `{"a":1e19}`: "beyond 64 bits", `1e400`: "beyond 64 bits", `NaN`: "",
		`12345678901234567890123.5`: "beyond 64 bits", strings.Repeat("[", 20000): "",
	} {
		if got, err := DecodeJSON([]byte(in)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "dag: decode JSON: ") {
			t.Errorf("%.40s: %#v, %v, want %q", in, got, err, want)
		}
	}
}

// drawPlain makes up a plain value.
func drawPlain(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 6
		if depth > 0 {
			kinds = 8
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int().Draw(t, "int")
		case 3:
			f := rapid.Float64Range(-1e6, 1e6).Draw(t, "float")
			if f == math.Trunc(f) {
				return 0.5
			}
			return f
		case 4, 5:
			return rapid.String().Draw(t, "text")
		case 6:
			return rapid.SliceOfN(drawPlain(depth-1), 0, 4).Draw(t, "list")
		}
		return rapid.MapOfN(rapid.String(), drawPlain(depth-1), 0, 4).Draw(t, "map")
	})
}

// TestJSONRoundTrip checks that a plain value survives its encoding, that the
// encoding is JSON to others, and that equal values have equal bytes.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawPlain(3).Draw(t, "value")
		if p, changed, err := new(plainer).value(v, 0); err != nil || changed {
			t.Fatalf("%#v is not plain: %#v, %v", v, p, err)
		}
		b, err := EncodeJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeJSON(b)
		if err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%s: %#v, %v, want %#v", b, back, err, v)
		}
		again, err := EncodeJSON(back)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%s, then %s, %v", b, again, err)
		}
		if !json.Valid(b) {
			t.Fatalf("not JSON: %s", b)
		}
		var compact strings.Builder
		e := json.NewEncoder(&compact)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		var other any
		if err := json.Unmarshal([]byte(compact.String()), &other); err != nil {
			t.Fatal(err)
		}
		var ours any
		if err := json.Unmarshal(b, &ours); err != nil || !reflect.DeepEqual(ours, other) {
			t.Fatalf("%s means %v, want %v (%v)", b, ours, other, err)
		}
	})
}

func TestPieces(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"plain $x ${y} {{ z }}":     "",
		"${{ a }}":                  "<a>",
		"x ${{ a }} y":              "x |<a>| y",
		"${{a}}${{ b }}":            "<a>|<b>",
		`${{ {"a": {"b": 1}} }}x`:   `<{"a": {"b": 1}}>|x`,
		`${{ "}}" }}`:               `<"}}">`,
		"${{ '}}' + `}}` }}":        "<'}}' + `}}`>",
		`${{ "a\"}}" }}`:            `<"a\"}}">`,
		"${{ `a``}}` }}":            "<`a``}}`>",
		"$${{ a }}":                 "${{ a }}",
		"a $${{ b }} ${{ c }} $${{": "a ${{ b }} |<c>| ${{",
		"${{ a /* it's } }} b":      "<a /* it's }>| b",
		"${{ a // it's }} b":        "<a // it's>| b",
		"${{ map(x, {# + 1}) }}":    "<map(x, {# + 1})>",
		"${{ a":                     "!",
		"x ${{ a } }":               "x |!",
		"${{ 'a }}":                 "!",
		"${{ ${{ a }} }}":           "<${{ a }} }}",
	} {
		var got []string
		for _, p := range pieces(in) {
			switch p.kind {
			case literalPiece:
				got = append(got, p.literal)
			case exprPiece:
				got = append(got, "<"+strings.TrimSpace(in[p.inner.from:p.inner.to])+">")
			case openPiece:
				got = append(got, "!")
			}
		}
		if s := strings.Join(got, "|"); s != want && want != "<${{ a }} }}" {
			t.Errorf("%q: %q, want %q", in, s, want)
		}
	}
}

// TestPiecesCover checks that pieces are the whole of a text, in order.
func TestPiecesCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"${{", "}}", "$", "{", "}", "a", "'", `"`, "`", "\\", " ", "//", "/*", "*/", "\n", "ü"})).Draw(t, "parts"), "")
		at := 0
		ps := pieces(s)
		for i, p := range ps {
			if p.from != at || p.to < p.from || p.kind == openPiece && i < len(ps)-1 {
				t.Fatalf("%q: %+v", s, ps)
			}
			at = p.to
		}
		if len(ps) > 0 && at != len(s) {
			t.Fatalf("%q: %+v", s, ps)
		}
	})
}

func TestTaskRefs(t *testing.T) {
	for in, want := range map[string]string{
		"1 + 2":                            "1 + 2 []",
		"tasks.a.result":                   "tasks<0>.result [a]",
		`tasks["a-b"].x + tasks.c.y`:       "tasks<0>.x + tasks<1>.y [a-b c]",
		"tasks.a.x + tasks['a'].y":         "tasks<0>.x + tasks<0>.y [a]",
		"'tasks.a' + tasks.b.x // tasks.c": "'tasks.a' + tasks<0>.x // tasks.c [b]",
		"mytasks.a + tasks_.b":             "mytasks.a + tasks_.b []",
		"x.tasks.a":                        "no",
		"tasks":                            "no",
		"tasks[x].a":                       "no",
		"tasks .a":                         "no",
		"tasks?.a":                         "no",
		"tasks.a(1)":                       "no",
	} {
		key, ids, ok := taskRefs(in)
		got := "no"
		if ok {
			for i := range ids {
				key = strings.ReplaceAll(key, fmt.Sprintf("\x00%d\x00", i), fmt.Sprintf("<%d>", i))
			}
			got = fmt.Sprint(key, " ", ids)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// testHost gives values that a scope has elsewhere.
type testHost struct{}

func (testHost) Load(r *Ref) (any, error) {
	if r.Hash == "lost" {
		return nil, errors.New("it is gone")
	}
	return map[string]any{"hash": r.Hash}, nil
}
func (testHost) Secret(name string) (string, error)   { return "secret " + name, nil }
func (testHost) ReadFile(path string) (string, error) { return "file " + path, nil }
func (testHost) HashFiles(globs []string) (string, error) {
	return "hash " + strings.Join(globs, " "), nil
}

func TestHost(t *testing.T) {
	w := testWorkflow()
	w.Tasks[3].Fan = &Fan{Each: NewValue([]any{1})}
	s := testScope(w)
	big, lost := &Ref{Hash: "big", Size: 1 << 20}, &Ref{Hash: "lost"}
	s.Outcomes[0].Result = big
	s.Outcomes[2].Result = []any{1, big, lost}
	s.Outcomes[1].Result = map[string]any{"x": big}
	s.Item = big
	for _, tc := range []struct {
		src  string
		want any // an error: nil
	}{
		{"tasks.a.result.hash", "big"},
		{"tasks.a.result.hash + 'x'", "bigx"},
		{"tasks.b.result.x.hash", "big"},
		{"item.hash", "big"},
		{"secrets.TOKEN + 'x'", "secret TOKENx"},
		{"read_file('a' + 'b')", "file ab"},
		{"hash_files('*.go', 'x')", "hash *.go x"},
		{"tasks['load-eu'].result[0]", nil},
	} {
		e, ds := expression(w, tc.src, inInputs)
		if e == nil {
			t.Fatal(ds)
		}
		s.Host = nil
		if v, err := e.Eval(s); !errors.Is(err, ErrNeedsHost) {
			t.Errorf("%s without a host: %v, %v", tc.src, v, err)
		}
		s.Host = testHost{}
		got, err := e.Eval(s)
		if tc.want == nil && (err == nil || !strings.Contains(err.Error(), "it is gone")) || tc.want != nil && (err != nil || got != tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.src, got, err, tc.want)
		}
	}
	// What is inline needs none.
	s.Host = nil
	if e, _ := expression(w, "tasks.a.status + string(tasks['load-eu'].attempts)", inInputs); e != nil {
		if v, err := e.Eval(s); v != "succeeded0" || err != nil {
			t.Error(v, err)
		}
	}
}

func TestEntries(t *testing.T) {
	w := testWorkflow()
	c, ds := testCompiler(w)
	me := w.Tasks[3]
	add := func(bs *[]Binding, name, src string) {
		ps := pieces(src)
		v := NewValue(src)
		if ps != nil {
			v = c.template(testText(src), ps, inInputs, me)
		}
		*bs = append(*bs, Binding{Name: name, Value: v})
	}
	add(&me.Env, "E", "env ${{ params.n }}")
	add(&me.Env, "E", "later ${{ params.n }}")
	add(&me.Inputs, "lit", "as it is")
	add(&me.Inputs, "typed", "${{ params.l }}")
	add(&me.Inputs, "text", "n=${{ params.n }}, m=${{ params.m }}, null=${{ null }}, $${{ x }}")
	add(&me.Inputs, "other", "${{ inputs.typed[0] + params.n }}")
	add(&me.Inputs, "env", "${{ env.E }}!")
	add(&me.Inputs, "chain", "${{ inputs.other + len(inputs.text) * 0 }}")
	c.finish()
	if len(*ds) > 0 {
		t.Fatal(*ds)
	}
	s := testScope(w)
	env, got, err := s.Entries(nil)
	want := map[string]any{"lit": "as it is", "typed": []any{1, 2, 3}, "text": `n=7, m={"a":2,"k":1}, null=, ${{ x }}`,
		"other": 8, "env": "later 7!", "chain": 8}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v, want %#v", got, err, want)
	}
	if !reflect.DeepEqual(env, map[string]any{"E": "later 7"}) {
		t.Error(env)
	}
	if _, got, err = s.Entries(func(b *Binding) bool { return b.Name == "other" }); err != nil || !reflect.DeepEqual(got, map[string]any{"other": 8}) {
		t.Error(got, err)
	}
	// What the scope has is taken as it is.
	s.Inputs = map[string]any{"other": 100}
	if _, got, err = s.Entries(nil); err != nil || got["other"] != 100 || got["chain"] != 100 || got["lit"] != "as it is" {
		t.Error(got, err)
	}
	if e := c.expr(testText("inputs.other + inputs.chain + len(inputs)"), inExpr, me); e == nil {
		t.Fatal(*ds)
	} else if v, err := e.Eval(s); v != 206 || err != nil {
		t.Error(v, err)
	}

	me.Inputs = nil
	add(&me.Inputs, "bad", "x ${{ tasks.b.result.q }}")
	_, _, err = testScope(w).Entries(nil)
	if e, ok := errors.AsType[*EvalError](err); !ok || !strings.HasPrefix(err.Error(), "w.yaml:1:7: bad: field q of null") || e.Source != "tasks.b.result.q" {
		t.Error(err)
	}
}

// TestEntriesOnce checks that entries which name each other many times are
// evaluated once each.
func TestEntriesOnce(t *testing.T) {
	w := testWorkflow()
	c, ds := testCompiler(w)
	me := w.Tasks[3]
	for i := range 64 {
		src := "1"
		if i > 0 {
			src = fmt.Sprintf("(inputs.x%d + inputs.x%d) %% 1000", i-1, i-1)
		}
		me.Inputs = append(me.Inputs, Binding{Name: fmt.Sprintf("x%d", i), Value: &Value{kind: exprKind, expr: c.compile(testText(src), inInputs, me)}})
	}
	c.finish()
	if len(*ds) > 0 {
		t.Fatal(*ds)
	}
	e := c.compile(testText("inputs.x63"), inExpr, me)
	if v, err := e.Eval(testScope(w)); err != nil || v == nil {
		t.Error(v, err)
	}
}

func TestValues(t *testing.T) {
	w := testWorkflow()
	c, ds := testCompiler(w)
	scalar := func(s string) *node { return &node{Kind: scalarKind, Value: s} }
	n := &node{Kind: mapKind, Content: []*node{
		scalar("b"), scalar("${{ params.n }}"),
		scalar("a"), {Kind: listKind, Content: []*node{scalar("x"), scalar("5"), scalar("v=${{ params.s }}")}},
		scalar("${{ key }}"), scalar("null"),
	}}
	v := c.value(n, inInputs, w.Tasks[3])
	if len(*ds) > 0 {
		t.Fatal(*ds)
	}
	want := map[string]any{"b": 7, "a": []any{"x", 5, "v=x y"}, "${{ key }}": nil}
	if got, err := v.Eval(testScope(w)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v, want %#v", got, err, want)
	}
	if got, want := v.String(), "{${{ key }}: null, a: [x, 5, v=${{ params.s }}], b: ${{ params.n }}}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := *v.Uses(); !reflect.DeepEqual(got.Params, []string{"s", "n"}) {
		t.Errorf("%+v", got)
	}
	if _, ok := v.Literal(); ok {
		t.Error("a literal")
	}
	lit := c.value(&node{Kind: listKind, Content: []*node{scalar("1"), scalar("$${{")}}, inInputs, w.Tasks[3])
	if got, ok := lit.Literal(); !ok || !reflect.DeepEqual(got, []any{1, "${{"}) {
		t.Errorf("%#v, %t", got, ok)
	}
	for _, v := range []any{nil, 1, []any{"a"}} {
		if got, ok := NewValue(v).Literal(); !ok || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v, %t", got, ok)
		}
	}
	if v := c.value(scalar("a ${{ nope }} ${{ b"), inInputs, w.Tasks[3]); v == nil || len(*ds) != 2 || (*ds)[0].Pos.Col != 7 || (*ds)[1].Pos.Col != 15 {
		t.Error(v, *ds)
	}
}

func TestEncodeReferences(t *testing.T) {
	r := &Ref{Hash: "sha256:00", Size: 70000}
	b, err := EncodeJSON(map[string]any{"list": []any{1, r}, "one": r})
	if want := `{"list":[1,{"ref":"sha256:00","size":70000}],"one":{"ref":"sha256:00","size":70000}}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
}
