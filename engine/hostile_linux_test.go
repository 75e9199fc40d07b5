package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"flow/engine"
	"flow/internal/proctest"
)

// fights are commands that don't want to end, or not to be ended whole, with the
// status that each must have. MARK is in the command line of all that they start.
var fights = []struct{ name, run, want string }{
	{"deaf", `trap "" TERM HUP INT; while :; do sleep MARK; done`, "failed timeout"},
	{"forked twice", `(setsid sh -c '(sleep MARK &) ; sleep MARK' &) ; sleep MARK`, "failed timeout"},
	{"a daemon is left", `setsid sh -c 'trap "" TERM; sleep MARK; :' < /dev/null > /dev/null 2>&1 & sleep 0.05`, "succeeded"},
	{"without an environment", `setsid env -i sh -c '/bin/sleep MARK' & sleep 0.05; exit 3`, "failed exit"},
	{"keeps the pipe open", `setsid sleep MARK & sleep 0.05`, "succeeded"},
	{"spins", `: MARK; while :; do :; done`, "failed timeout"},
	{"prints for ever", `yes MARK`, "failed timeout"},
	{"prints no newline", `yes MARK | tr -d '\n'`, "failed timeout"},
	{"a signal of its own", `sleep MARK & kill -SEGV $$`, "failed exit"},
	{"comes again", `trap 'setsid sh -c "trap : TERM; sleep MARK; sleep MARK" & sleep MARK' TERM; while :; do sleep 0.01; done # MARK`, "failed timeout"},
}

// Two hundred commands that fight back end on time, as what they are, and leave no
// process and no descriptor (that no goroutine is left is checked for the whole
// package).
func TestCommandsThatFightBack(t *testing.T) {
	const each, limit, grace = 20, time.Second, 200 * time.Millisecond
	mark := fmt.Sprintf("87%06d", os.Getpid())
	var file strings.Builder
	fmt.Fprintf(&file, "executors:\n  default: { kind: process, workers: 40 }\ndefaults: { grace: %v }\ntasks:\n", grace)
	for k, f := range fights {
		timeout := patience
		if f.want == "failed timeout" {
			timeout = limit
		}
		fmt.Fprintf(&file, "  t%d:\n    for_each: [%s]\n    result: none\n    timeout: %v\n    run: |\n      %s\n", k, strings.TrimSuffix(strings.Repeat("0, ", each), ", "), timeout, strings.ReplaceAll(f.run, "MARK", mark))
	}
	before := len(proctest.OpenFiles(t))
	e := engine.New(engine.Subreaper())
	took := make([]time.Duration, len(fights))
	ends := make([]map[string]int, len(fights))
	for k := range ends {
		ends[k] = make(map[string]int)
	}
	r := start(t, e, planOf(t, t.TempDir(), file.String()), engine.Options{Watch: func(n engine.Event) {
		if n.Type == engine.TaskEnded && n.Instance != nil {
			ends[n.Index][strings.TrimSpace(n.Status+" "+n.Reason)]++
			took[n.Index] = max(took[n.Index], n.Duration)
		}
	}})
	wait(t, r)
	if left := proctest.Marked(t, mark); len(left) > 0 {
		t.Errorf("there are left:\n%s", strings.Join(left, "\n"))
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if after := len(proctest.OpenFiles(t)); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	for k, f := range fights {
		if ends[k][f.want] != each {
			t.Errorf("%s: %v, want %d × %s", f.name, ends[k], each, f.want)
		}
		if took[k] > limit+grace+patience/4 {
			t.Errorf("%s: took %v", f.name, took[k])
		}
		t.Logf("%-24s at most %v", f.name, took[k])
	}
}
