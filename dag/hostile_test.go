package dag

import (
	"fmt"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// hostile is a file that some program, or somebody who means no good, may write.
type hostile struct {
	name string
	text func() string
	want string // how the first finding begins, behind the file's name; "": the file is fine
}

// manyLines are n lines made by a format of their number.
func manyLines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		b.WriteByte('\n')
	}
	return b.String()
}

const oneTask = "tasks:\n  a:\n    run: ls\n"

// chainOf are tasks of which each needs the next, the last the one with that number.
func chainOf(n int, last string) string {
	var b strings.Builder
	b.WriteString("tasks:\n")
	for i := range n - 1 {
		fmt.Fprintf(&b, "  t%d: { run: ls, needs: t%d }\n", i, i+1)
	}
	fmt.Fprintf(&b, "  t%d: { run: ls%s }\n", n-1, last)
	return b.String()
}

// chainOfRefs are entries of which each names the one before.
func chainOfRefs(n int, root string) string {
	var b strings.Builder
	b.WriteString("      k0: x\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "      k%d: ${{ %s.k%d }}\n", i, root, i-1)
	}
	return b.String()
}

// manyItems are n items of a list, made by a format of their number.
func manyItems(n int, format string) string {
	return strings.TrimSuffix(strings.ReplaceAll(manyLines(n, format), "\n", ", "), ", ")
}

// manyOf have very many of something.
var manyOf = []hostile{
	{"keys at the top", func() string { return oneTask + manyLines(20_000, "k#: 1") }, "4:1: k0: no such key in a workflow"},
	{"tasks", func() string { return "tasks:\n" + manyLines(100_000, "  t#: { run: ls }") }, ""},
	{"empty tasks", func() string { return "tasks:\n" + manyLines(20_000, "  t#:") }, "2:3: task t0 is empty"},
	{"keys in a task", func() string { return oneTask + manyLines(20_000, "    k#: x") }, "4:5: k0: no such key in a task"},
	{"env", func() string { return oneTask + "env:\n" + manyLines(20_000, "  K#: x") }, ""},
	{"env over env", func() string {
		return "env:\n" + manyLines(20_000, "  K#: x") + oneTask + "    env:\n" + manyLines(20_000, "      K#: y")
	}, ""},
	{"env in each task", func() string {
		return "env:\n" + manyLines(10_000, "  K#: x") + "tasks:\n" + manyLines(10_000, "  t#: { run: ls, env: { X: y } }")
	}, "10053:19: the file's env, of 10000 entries, would be copied"},
	{"inputs", func() string { return oneTask + "    inputs:\n" + manyLines(20_000, "      k#: x") }, ""},
	{"a literal", func() string { return oneTask + "    inputs:\n      x:\n" + manyLines(100_000, "        k#: x") }, ""},
	{"params", func() string { return oneTask + "params:\n" + manyLines(100_000, "  k#: x") }, ""},
	{"outputs", func() string { return oneTask + "outputs:\n" + manyLines(20_000, "  k#: x") }, ""},
	{"secrets", func() string { return oneTask + "secrets:\n" + manyLines(20_000, "  - K#") }, ""},
	{"executors", func() string { return oneTask + "executors:\n" + manyLines(120_000, "  k#: { kind: thread }") }, ""},
	{"the same key", func() string { return oneTask + "env:\n" + manyLines(20_000, "  K: x") }, "6:3: K stands twice in this map, first in line 5"},
	{"anchors", func() string { return oneTask + "tags:\n" + manyLines(20_000, "  - &a# x") }, ""},
	{"aliases", func() string { return oneTask + "tags:\n  - &a x\n" + manyLines(20_000, "  - *a") }, ""},
	{"unknown aliases", func() string { return "tasks: { " + manyItems(20_000, "t#: *x#") + " }" }, "1:14: *x0 is an alias, and no &x0"},
	{"merge keys in a line", func() string {
		return "tasks:\n  t0: &t0 { run: ls }\n" + manyLines(300, "  u#: { <<: *t0 }")
	}, ""},
	{"merge keys of one map", func() string {
		return "tasks:\n  a: &a { run: ls }\n  b: { <<: [" + strings.Repeat("*a, ", 200_000) + "] }\n"
	}, "3:666677: aliases expand to more than 500000 values"},
	{"documents", func() string { return oneTask + strings.Repeat("---\n", 100_000) }, "4:1: a second document begins here"},
	{"needs of one task", func() string {
		return "tasks:\n" + manyLines(100_000, "  t#: { run: ls }") + "  all: { run: ls, needs: [" + manyItems(100_000, "t#") + "] }\n"
	}, ""},
	{"needs that are none", func() string { return oneTask + "    needs: [" + manyItems(20_000, "x#") + "]\n" }, "4:13: needs: x0: no such task"},
	{"a chain", func() string { return chainOf(100_000, "") }, ""},
	{"a circle", func() string { return chainOf(20_000, ", needs: t0") }, "2:3: tasks wait for each other in a circle: t0 (line 2) → t1 (line 3) → "},
	{"circles", func() string {
		return "tasks:\n" + manyLines(20_000, "  a#: { run: ls, needs: b# }\n  b#: { run: ls, needs: a# }")
	}, "2:3: tasks wait for each other in a circle: a0 (line 2) → b0 (line 3) → a0; one"},
	{"inputs that name each other", func() string { return oneTask + "    inputs:\n" + chainOfRefs(20_000, "inputs") }, "205:7: k200 leads over more than 200 entries of inputs and env"},
	{"inputs that name each other, 200", func() string { return oneTask + "    inputs:\n" + chainOfRefs(200, "inputs") }, ""},
	{"env that names itself", func() string { return oneTask + "    env:\n" + chainOfRefs(20_000, "env") }, "205:7: k200 leads over more than 200"},
	{"values in lines", func() string { return oneTask + "tags:\n" + strings.Repeat("-\n", 7<<20) }, "999997:2: from here on the file has more than 1000000 keys and values"},
	{"values in a line", func() string { return oneTask + "tags: [" + strings.Repeat("a,", 7<<20) + "]" }, "4:1999993: from here on"},
	{"maps in a line", func() string { return oneTask + "tags: [" + strings.Repeat("{},", 5<<20) + "]" }, "4:2999985: from here on"},
	{"keys in a line", func() string { return oneTask + "env: {" + strings.Repeat("a: ,", 3<<20) + "}" }, "4:1999992: from here on"},
	{"empty lines", func() string { return oneTask + strings.Repeat("\n", maxFile-len(oneTask)) }, ""},
	{"errors of YAML", func() string { return "tasks:\n" + manyLines(20_000, "  t#:\n    if: @a\n    run: ls") }, "3:9: a text that begins with @ needs quotes"},
	{"a matrix of many lists", func() string { return oneTask + "    matrix:\n" + manyLines(20_000, "      m#: [1]") }, ""},
	{"a matrix of a huge product", func() string { return oneTask + "    matrix:\n" + manyLines(64, "      m#: [1, 2, 3, 4]") }, "4:5: matrix has more than 100000 combinations"},
	{"for_each of many", func() string { return oneTask + "    for_each: [" + manyItems(200_000, "#") + "]\n" }, "4:15: for_each has more than 100000 items"},
}

// longOf have very long texts.
var longOf = []hostile{
	{"a plain line", func() string { return oneTask + "description: " + strings.Repeat("x ", 2_500_000) + "\n" }, ""},
	{"a quoted line", func() string { return oneTask + "description: \"" + strings.Repeat("x", 5_000_000) + "\"\n" }, ""},
	{"a comment", func() string { return oneTask + "# " + strings.Repeat("x", 5_000_000) + "\n" }, ""},
	{"a script", func() string { return "tasks:\n  a:\n    run: " + strings.Repeat("x", 5_000_000) + "\n" }, "3:10: a script of 128 KiB or more"},
	{"a line that is wrong", func() string { return oneTask + "x: @" + strings.Repeat("é", 2_500_000) + "\n" }, "4:4: a text that begins with @ needs quotes"},
	{"an open quote", func() string { return oneTask + "description: \"" + strings.Repeat("y", 5_000_000) + "\n" }, "4:14: the quote \" is never closed"},
	{"a key", func() string { return strings.Repeat("x", 5_000_000) + ": y\n" + oneTask }, "1:1: a key has at most 1024 characters"},
	{"an id", func() string { return "tasks:\n  " + strings.Repeat("x", 100_000) + ": { run: ls }\n" }, "2:3: a key has at most 1024 characters"},
	{"an id of 201", func() string { return "tasks:\n  " + strings.Repeat("x", 201) + ": { run: ls }\n" }, "2:3: a task id has at most 200 characters"},
	{"a name of 201", func() string { return "name: " + strings.Repeat("x", 201) + "\n" + oneTask }, "1:7: name has at most 200 characters"},
	{"an id of 200", func() string { return "tasks:\n  " + strings.Repeat("x", 200) + ": { run: ls }\n" }, ""},
	{"a need", func() string { return oneTask + "    needs: " + strings.Repeat("x", 5_000_000) + "\n" }, "4:12: needs: xxxx"},
	{"a cron expression", func() string { return oneTask + "schedule: \"" + strings.Repeat("*/5 ", 1_000_000) + "\"\n" }, "4:11: cron: \"*/5 */5"},
	{"a pattern", func() string {
		return oneTask + "params: { x: { type: string, pattern: \"" + strings.Repeat("(", 10_000) + strings.Repeat(")", 10_000) + "\" } }\n"
	}, "4:39: pattern: expression nests too deeply"},
	{"expressions in quotes", func() string {
		return oneTask + "    inputs:\n      x: \"" + strings.Repeat("${{ 1 }}", 100_000) + "\"\n"
	}, ""},
	{"expressions in a block", func() string { return oneTask + "    stdin: |\n      " + strings.Repeat("é ${{ 1 }}", 20_000) + "\n" }, ""},
	{"expressions in lines of a block", func() string { return oneTask + "    stdin: |\n" + strings.Repeat("      ${{ 1 }}\n", 20_000) }, ""},
	{"expressions in a folded block", func() string { return oneTask + "    stdin: >\n" + strings.Repeat("      ${{ 1 }}\n", 20_000) }, ""},
	{"blanks before a wrong expression", func() string {
		return oneTask + "    stdin: \"" + strings.Repeat(" ", 1_000_000) + "${{ nope }}\"\n"
	}, "4:1000017: nope: no such name"},
	{"an expression", func() string { return "tasks:\n  a: { expr: \"" + strings.Repeat("1+", 32_000) + "1\" }\n" }, "2:15: an expression of more than 10000 parts"},
	{"an expression of more than 64 KiB", func() string { return "tasks:\n  a: { expr: \"" + strings.Repeat("1+", 33_000) + "1\" }\n" }, "2:15: an expression of more than 64 KiB"},
	{"an expression of many nots", func() string { return "tasks:\n  a: { expr: \"" + strings.Repeat("!", 20_000) + "true\" }\n" }, "2:15: an expression of more than 10000 parts"},
	{"a script of many pipes", func() string { return "tasks:\n  a: { run: \"" + strings.Repeat("a|", 30_000) + "ls\" }\n" }, ""},
	{"a script of many ifs", func() string {
		return "tasks:\n  a: { run: \"" + strings.Repeat("if true; then ", 8000) + "\" }\n"
	}, "2:112009: the script doesn't parse"},
}

// TestHostile: files that are as bad as they can be are told of at the right place,
// or taken, in good time, without much memory.
func TestHostile(t *testing.T) {
	for _, group := range [][]hostile{manyOf, longOf} {
		for _, h := range group {
			t.Run(h.name, func(t *testing.T) {
				text := []byte(h.text())
				before, start := allocated(), time.Now()
				w, found := Parse("x", text)
				took, bytes := time.Since(start), allocated()-before
				t.Logf("%v, %d MB of memory for %d kB", took.Round(time.Millisecond), bytes>>20, len(text)>>10)
				if took > time.Minute {
					t.Errorf("took %v", took)
				}
				if bytes > 1<<30 {
					t.Errorf("took %d MB", bytes>>20)
				}
				checkHostile(t, w, found, h.want)
			})
		}
	}
}

func checkHostile(t *testing.T, w *Workflow, found []Diagnostic, want string) {
	t.Helper()
	if want == "" {
		if w == nil {
			t.Errorf("refused: %.300s", found[0].Render())
		}
		return
	}
	if w != nil || len(found) == 0 {
		t.Fatalf("taken: %v", found)
	}
	if got := found[0].String(); !strings.HasPrefix(got, "x:"+want) {
		t.Errorf("%.300s\nwant x:%s", got, want)
	}
	for _, d := range found[:min(len(found), maxShown)] {
		if r := d.Render(); len(r) > 8000 {
			t.Errorf("a finding of %d bytes", len(r))
		}
	}
}

// allocated is how much memory has been asked for so far, whether still in use or
// not: never less than the most that was in use at once.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
