package run_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// act is what one attempt does.
type act struct {
	verb   string
	arg    string
	in     time.Duration
	linger time.Duration
}

// parseScript reads the lines of a script.
func parseScript(t testing.TB, text string) map[string][]act {
	t.Helper()
	script := map[string][]act{}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, does, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("script: %q", line)
		}
		for one := range strings.SplitSeq(does, ";") {
			script[strings.TrimSpace(name)] = append(script[strings.TrimSpace(name)], parseAct(t, one))
		}
	}
	return script
}

func parseAct(t testing.TB, text string) act {
	t.Helper()
	text = strings.TrimSpace(text)
	var a act
	for _, word := range []struct {
		name string
		to   *time.Duration
	}{{" linger ", &a.linger}, {" in ", &a.in}} {
		if before, after, ok := strings.Cut(text, word.name); ok {
			d, err := time.ParseDuration(after)
			if err != nil {
				t.Fatalf("script: %q: %v", text, err)
			}
			*word.to, text = d, before
		}
	}
	a.verb, a.arg, _ = strings.Cut(text, " ")
	return a
}

// parseRequest reads what somebody asks of the run: "cancel at 5s".
func parseRequest(t testing.TB, line string) happening {
	t.Helper()
	what, at, _ := strings.Cut(line, " at ")
	d, err := time.ParseDuration(at)
	if err != nil {
		t.Fatalf("events: %q: %v", line, err)
	}
	e := run.Event{Kind: run.CancelRequested, Reason: dag.ReasonUser}
	switch what {
	case "cancel":
	case "kill":
		e.Kill = true
	case "replace":
		e.Reason = dag.ReasonReplace
	default:
		t.Fatalf("events: %q", line)
	}
	return happening{at: epoch.Add(d), event: e}
}

// failure is how the act fails, nil where it does not.
func (a *act) failure(t testing.TB) *dag.Failure {
	f := &dag.Failure{Message: a.verb, ExitCode: -1}
	switch a.verb {
	case "ok", "hang":
		return nil
	case "exit":
		code, err := strconv.Atoi(a.arg)
		if err != nil {
			t.Fatal(err)
		}
		f.Reason, f.ExitCode, f.Message = dag.ReasonExit, code, "exit status "+a.arg
	case "timeout":
		f.Reason = dag.ReasonTimeout
	case "error":
		f.Reason, f.Type, f.Traceback = dag.ReasonError, "KeyError", "line 1"
	case "lost", "engine-lost":
		f.Reason = dag.ReasonLost
	case "invalid":
		f.Reason = dag.ReasonInvalid
	default:
		t.Fatalf("script: no verb %q", a.verb)
	}
	return f
}
