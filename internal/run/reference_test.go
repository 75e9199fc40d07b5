package run

import (
	"fmt"
	"strings"

	"flow/dag"
)

// The reference is the language's rules once more, written to be obviously
// right instead of fast: after every event it looks at all tasks, and computes
// what the status functions answer from scratch, by walking up the graph. It
// follows the events that a driver applied and says how each task must stand.

// refTask is a task of a random workflow.
type refTask struct {
	deps     []int
	finally  bool
	cond     string // one of conditions; "" for none
	condDep  int    // the task that cond names, where it names one
	coe      bool
	fan      int // -1: none, else the number of instances
	maxPar   int
	attempts int
	delay    bool // a delay between attempts, else none
	deadline bool
}

// conditions are the texts of `if`; %d stands for a dependency.
var conditions = []string{
	"", "", "", "", "always()", "failure()", "success()", "cancelled()", "true", "false", "!failure()",
	`tasks.t%d.status == "failed"`, `always() && tasks.t%d.status != "skipped"`,
}

// text writes the random workflow as a file.
func text(tasks []refTask, failFast, timeout bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: random\nfail_fast: %v\n", failFast)
	if timeout {
		b.WriteString("timeout: 1h\n")
	}
	for _, part := range []struct {
		key     string
		finally bool
	}{{"tasks", false}, {"finally", true}} {
		head := part.key + ":\n"
		for i, t := range tasks {
			if t.finally != part.finally {
				continue
			}
			fmt.Fprintf(&b, "%s  t%d:\n    exec: [work]\n", head, i)
			head = ""
			var needs []string
			for _, d := range t.deps {
				needs = append(needs, fmt.Sprintf("t%d", d))
			}
			if len(needs) > 0 {
				fmt.Fprintf(&b, "    needs: [%s]\n", strings.Join(needs, ", "))
			}
			if c := t.condText(); c != "" {
				fmt.Fprintf(&b, "    if: '%s'\n", c)
			}
			if t.fan >= 0 {
				fmt.Fprintf(&b, "    for_each: [%s]\n", strings.TrimSuffix(strings.Repeat("1, ", t.fan), ", "))
			}
			if t.maxPar > 0 {
				fmt.Fprintf(&b, "    max_parallel: %d\n", t.maxPar)
			}
			delay := "0s"
			if t.delay {
				delay = "1m"
			}
			fmt.Fprintf(&b, "    retry: { attempts: %d, delay: %s }\n", t.attempts, delay)
			if t.coe {
				b.WriteString("    continue_on_error: true\n")
			}
			if t.deadline {
				b.WriteString("    deadline: 2h\n")
			}
		}
	}
	return b.String()
}

func (t *refTask) condText() string {
	if strings.Contains(t.cond, "%d") {
		return fmt.Sprintf(t.cond, t.condDep)
	}
	return t.cond
}

// refInstance is where a task or an instance stands.
type refInstance struct {
	state   string // "", ready, running, stopping, delay, done
	status  dag.Status
	reason  dag.Reason
	attempt int
	lost    int
	began   bool
	stop    dag.Reason
	late    bool
}

type reference struct {
	tasks     []refTask
	failFast  bool
	inst      [][]refInstance // by task; nil until it is decided to run
	ended     []bool
	status    []dag.Status
	reason    []dag.Reason
	closing   dag.Reason
	cancelled bool
	timedOut  bool
	killed    bool
}

func newReference(tasks []refTask, failFast bool) *reference {
	n := len(tasks)
	r := &reference{tasks: tasks, failFast: failFast, inst: make([][]refInstance, n),
		ended: make([]bool, n), status: make([]dag.Status, n), reason: make([]dag.Reason, n)}
	return r
}

// at finds an instance.
func (r *reference) at(e Event) *refInstance { return &r.inst[e.Task][e.Instance] }

// follow takes an event that the machine accepted. It answers what was not
// allowed.
func (r *reference) follow(e Event) error {
	switch e.Kind {
	case AttemptStarted:
		if r.inst[e.Task] == nil {
			return fmt.Errorf("t%d began before it was to run", e.Task)
		}
		in := r.at(e)
		if in.state != "ready" && in.state != "" {
			return fmt.Errorf("t%d[%d] began while it was %q", e.Task, e.Instance, in.state)
		}
		in.state, in.began = "running", true
		in.attempt++
		active := 0
		for _, other := range r.inst[e.Task] {
			if other.state == "running" || other.state == "stopping" {
				active++
			}
		}
		if limit := r.tasks[e.Task].maxPar; limit > 0 && active > limit {
			return fmt.Errorf("%d instances of t%d at once, max_parallel is %d", active, e.Task, limit)
		}
	case AttemptEnded:
		r.attemptEnded(e)
	case TimerFired:
		r.timerFired(e)
	case CancelRequested:
		r.cancelled = true
		r.close(dag.ReasonUser)
		if e.Kill {
			r.killed = true
			for i := range r.tasks {
				if !r.ended[i] && (r.inst[i] == nil || !r.collect(i)) {
					r.end(i, dag.Cancelled, dag.ReasonUser)
				}
			}
		}
	}
	r.settle()
	return nil
}

func (r *reference) attemptEnded(e Event) {
	in, t := r.at(e), &r.tasks[e.Task]
	switch {
	case in.state == "stopping" && in.late:
		r.finish(e.Task, in, dag.Failed, dag.ReasonTimeout)
	case in.state == "stopping":
		r.finish(e.Task, in, dag.Cancelled, in.stop)
	case e.Failure == nil:
		r.finish(e.Task, in, dag.Succeeded, dag.NoReason)
	case e.EngineLost:
		in.lost++
		in.state = "ready"
	case in.attempt-in.lost < t.attempts && e.Failure.Reason != dag.ReasonInvalid:
		in.state = "ready"
		if t.delay {
			in.state = "delay"
		}
	default:
		r.finish(e.Task, in, dag.Failed, e.Failure.Reason)
	}
}

func (r *reference) timerFired(e Event) {
	switch e.Timer {
	case RunTimer:
		r.timedOut = true
		r.close(dag.ReasonTimeout)
	case RetryTimer:
		r.at(e).state = "ready"
	case DeadlineTimer:
		if in := r.at(e); in.state == "running" {
			in.state, in.late = "stopping", true
		} else {
			r.finish(e.Task, in, dag.Failed, dag.ReasonTimeout)
		}
	}
}

// finish ends an instance.
func (r *reference) finish(task int32, in *refInstance, s dag.Status, reason dag.Reason) {
	in.state, in.status, in.reason = "done", s, reason
	if s == dag.Failed && !r.tasks[task].coe && r.failFast && !r.tasks[task].finally {
		r.close(dag.ReasonFailFast)
	}
}

// close ends all of tasks that can be ended now.
func (r *reference) close(why dag.Reason) {
	if r.closing != dag.NoReason || r.mainEnded() {
		return
	}
	r.closing = why
	for i := range r.tasks {
		if r.tasks[i].finally || r.ended[i] {
			continue
		}
		if r.inst[i] == nil {
			if why == dag.ReasonFailFast {
				r.end(i, dag.Skipped, why)
			} else {
				r.end(i, dag.Cancelled, why)
			}
			continue
		}
		for k := range r.inst[i] {
			in := &r.inst[i][k]
			switch {
			case in.state == "done":
			case in.state == "running" || in.state == "stopping":
				in.state, in.stop, in.late = "stopping", why, false
			case why == dag.ReasonFailFast && !in.began:
				in.state, in.status, in.reason = "done", dag.Skipped, why
			default:
				in.state, in.status, in.reason = "done", dag.Cancelled, why
			}
		}
	}
}

func (r *reference) end(i int, s dag.Status, reason dag.Reason) {
	r.ended[i], r.status[i], r.reason[i] = true, s, reason
}

func (r *reference) mainEnded() bool {
	for i := range r.tasks {
		if !r.tasks[i].finally && !r.ended[i] {
			return false
		}
	}
	return true
}

// settle ends and decides whatever can be, until nothing changes any more.
func (r *reference) settle() {
	for changed := true; changed; {
		changed = false
		for i := range r.tasks {
			if !r.ended[i] && r.inst[i] != nil && r.collect(i) {
				changed = true
			}
		}
		for i := range r.tasks {
			if !r.ended[i] && r.inst[i] == nil && r.due(i) {
				r.decide(i)
				changed = true
			}
		}
	}
}

// collect ends a task whose instances have all ended.
func (r *reference) collect(i int) bool {
	count := map[dag.Status]int{}
	began := false
	why := map[dag.Status]dag.Reason{}
	for _, in := range r.inst[i] {
		if in.state != "done" {
			return false
		}
		count[in.status]++
		began = began || in.began
		if _, ok := why[in.status]; !ok {
			why[in.status] = in.reason
		}
	}
	switch {
	case count[dag.Failed] > 0:
		r.end(i, dag.Failed, why[dag.Failed])
	case count[dag.Cancelled] > 0:
		r.end(i, dag.Cancelled, why[dag.Cancelled])
	case count[dag.Skipped] > 0 && began:
		r.end(i, dag.Cancelled, why[dag.Skipped])
	case count[dag.Skipped] > 0:
		r.end(i, dag.Skipped, why[dag.Skipped])
	default:
		r.end(i, dag.Succeeded, dag.NoReason)
	}
	return true
}

// due reports whether a task is to be decided on now.
func (r *reference) due(i int) bool {
	if r.tasks[i].finally && !r.mainEnded() {
		return false
	}
	for _, d := range r.tasks[i].deps {
		if !r.ended[d] {
			return false
		}
	}
	return true
}

// attempts is how many attempts a task has had: those lost with their engine
// don't count.
func (r *reference) attempts(i int) int {
	n := 0
	for _, in := range r.inst[i] {
		n += in.attempt - in.lost
	}
	return n
}

// above are all tasks that a task depends on, directly or not.
func (r *reference) above(i int) map[int]bool {
	up := map[int]bool{}
	var walk func(int)
	walk = func(i int) {
		for _, d := range r.tasks[i].deps {
			if !up[d] {
				up[d] = true
				walk(d)
			}
		}
	}
	walk(i)
	return up
}

func (r *reference) statusFunctions(i int) (success, failure bool) {
	if r.tasks[i].finally {
		failure = r.timedOut
		for k := range r.tasks {
			failure = failure || r.ended[k] && r.status[k] == dag.Failed && !r.tasks[k].coe
		}
		return !failure && !r.cancelled, failure
	}
	success = true
	for k := range r.above(i) {
		forgiven := r.status[k] == dag.Failed && r.tasks[k].coe
		success = success && (r.status[k] == dag.Succeeded || forgiven)
		failure = failure || r.status[k] == dag.Failed && !forgiven
	}
	return success, failure
}

func (r *reference) decide(i int) {
	t := &r.tasks[i]
	success, failure := r.statusFunctions(i)
	yes, status := false, true // status: it calls a status function
	switch t.cond {
	case "":
		yes = success || t.finally
	case "always()":
		yes = true
	case "failure()":
		yes = failure
	case "!failure()":
		yes = !failure
	case "success()":
		yes = success
	case "cancelled()":
		yes = r.cancelled
	case "true", "false":
		yes, status = t.cond == "true" && (success || t.finally), false
	case `tasks.t%d.status == "failed"`:
		yes, status = r.status[t.condDep] == dag.Failed && (success || t.finally), false
	default:
		yes = r.status[t.condDep] != dag.Skipped
	}
	switch {
	case yes:
		r.inst[i] = make([]refInstance, max(t.fan, 0))
		if t.fan < 0 {
			r.inst[i] = make([]refInstance, 1)
		}
	case !success && (status || !t.finally):
		r.end(i, dag.Skipped, dag.ReasonUpstream)
	default:
		r.end(i, dag.Skipped, dag.ReasonCondition)
	}
}

// result is how the run must end.
func (r *reference) result() (Status, dag.Reason) {
	_, failure := false, r.timedOut
	for k := range r.tasks {
		failure = failure || r.status[k] == dag.Failed && !r.tasks[k].coe
	}
	switch {
	case r.cancelled:
		return RunCancelled, dag.ReasonUser
	case r.timedOut:
		return RunFailed, dag.ReasonTimeout
	case failure:
		return RunFailed, dag.ReasonTaskFailed
	}
	return RunSucceeded, dag.NoReason
}
