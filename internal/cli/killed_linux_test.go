package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"flow/internal/proctest"
)

// stubborn is a workflow whose tasks want to outlive it, each in its own way. %[1]s
// marks the command lines of all that they start.
const stubborn = `
executors:
  default: { kind: process, workers: 16 }
  py: { runtime: python }
tasks:
  group:   { run: 'sleep %[1]s & sleep %[1]s' }
  deaf:    { run: 'trap "" TERM HUP INT; (trap "" TERM; sleep %[1]s; :) & sleep %[1]s; :' }
  session: { run: 'setsid sleep %[1]s & sleep %[1]s' }
  daemon:  { run: '(setsid sh -c "sleep %[1]s & sleep %[1]s" &) ; sleep %[1]s' }
  jobs:    { run: 'set -m; sleep %[1]s & sleep %[1]s', shell: bash -eu }
  inside:  { run: '(setsid sleep %[1]s &) ; sleep %[1]s', executor: thread }
  warm:    { call: "os:system", executor: py, inputs: { command: "(setsid sleep %[1]s &) ; sleep %[1]s" } }
  exec:    { exec: [sleep, "%[1]s"] }
  spin:    { run: 'while :; do :; done # %[1]s' }
  loud:    { run: 'yes %[1]s' }
  ready:   { run: 'sleep 0.2; echo ready; sleep %[1]s' }
`

// A flow that is killed by SIGKILL, at any time, leaves no process behind,
// and no file with what its tasks were given.
func TestKilledFlowLeavesNothing(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if more, err := strconv.Atoi(os.Getenv("FLOW_TEST_KILLS")); err == nil {
		rounds = more
	}
	dir := t.TempDir()
	for k := range rounds {
		mark := fmt.Sprintf("86%06d.%d", os.Getpid(), k)
		file := filepath.Join(dir, "stubborn.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, stubborn, mark), 0o644); err != nil {
			t.Fatal(err)
		}
		flow := exec.Command("flow", "run", "--json", file)
		flow.Env = append(os.Environ(), "TMPDIR="+dir, "FLOW_TOKEN="+mark, "FLOW_HOME="+filepath.Join(dir, "home")) // which marks the watcher as well
		var said bytes.Buffer
		flow.Stdout, flow.Stderr = &said, &said
		if err := flow.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(time.Minute)
		// From before the first task has begun until all are at work.
		for wanted := min(2*k, 15); len(proctest.Marked(t, mark)) < wanted; {
			if time.Now().After(deadline) {
				flow.Process.Kill()
				flow.Wait()
				t.Fatalf("round %d: not all are at work after a minute: %.1000s", k, said.String())
			}
		}
		flow.Process.Kill()
		flow.Wait()
		deadline = time.Now().Add(time.Minute)
		for left := proctest.Marked(t, mark); len(left) > 0; left = proctest.Marked(t, mark) {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: it left\n%s", k, strings.Join(left, "\n"))
			}
		}
		// The watcher, if it was there yet, removes the files of attempts as well.
		if left, err := filepath.Glob(filepath.Join(dir, "flow-*")); err != nil || k > 0 && len(left) > 0 {
			t.Fatalf("round %d: it left %v, %v", k, left, err)
		}
	}
}
