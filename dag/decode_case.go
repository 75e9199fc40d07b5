package dag

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

var caseObject = newObject(object[Case]{
	name: "a test", title: "test", doc: "A run with mocked tasks, on virtual time, and what is expected of it.",
	keys: []key[Case]{
		{name: "name", must: true, read: func(d *decoder, n *node, c *Case) { c.Name, _ = d.filled(n) }, shape: shapeFilled, doc: "What the test shows."},
		{name: "params", read: readCaseParams, shape: shapeValues, doc: "Params of the run."},
		{name: "now", read: func(d *decoder, n *node, c *Case) { c.Now = d.moment(n, "now", time.UTC) }, shape: shapeFilled, doc: "The run's logical time. Default: 1970-01-01."},
		{name: "mocks", read: readMocks, shape: `{"type":["object","null"],"propertyNames":{"$ref":"#/$defs/id"},"additionalProperties":{"oneOf":[{"$ref":"#/$defs/mock"},{"type":"array","minItems":1,"items":{"$ref":"#/$defs/mock"}}]}}`, doc: "How tasks end instead of being run: one end, or a list with one for each attempt."},
		{name: "expect", must: true, read: func(d *decoder, n *node, c *Case) {
			c.Expect.Pos = d.place(n)
			expectObject.read(d, n, d.at, &c.Expect)
		}, shape: `{"$ref":"#/$defs/expect"}`, doc: "What is expected of the run."},
	},
})

var mockObject = newObject(object[MockEnd]{
	name: "a mock", title: "mock", doc: "How an attempt of a mocked task ends: with a result, or with an error.",
	also: `"not":{"required":["result","error"]}`, null: true,
	keys: []key[MockEnd]{
		{name: "result", read: func(d *decoder, n *node, m *MockEnd) { m.Result = d.literal(n) }, shape: shapeAny, doc: "It succeeds with this value."},
		{name: "error", read: func(d *decoder, n *node, m *MockEnd) { m.Error = d.failure(n) }, shape: `{"$ref":"#/$defs/error"}`, doc: "It fails."},
		{name: "duration", read: func(d *decoder, n *node, m *MockEnd) { m.Duration, _ = d.duration(n) }, shape: shapeDuration, doc: "How long it takes. Default: 0s."},
	},
})

var failureObject = newObject(object[Failure]{
	name: "error", title: "error", doc: "Why a mocked task fails.", null: true,
	keys: []key[Failure]{
		{name: "reason", read: readFailureReason, shape: `{"enum":["exit","timeout","error","lost","invalid"]}`, doc: "Default: exit with an exit_code, else error."},
		{name: "message", read: func(d *decoder, n *node, f *Failure) { f.Message, _ = d.text(n) }, shape: shapeText, doc: "The message."},
		{name: "type", read: func(d *decoder, n *node, f *Failure) { f.Type, _ = d.text(n) }, shape: shapeText, doc: "The exception's class."},
		{name: "exit_code", read: func(d *decoder, n *node, f *Failure) { f.ExitCode, _ = d.int(n, 1, 255) }, shape: `{"type":"integer","minimum":1,"maximum":255}`, doc: "The command's exit status."},
	},
})

var expectObject = newObject(object[Expect]{
	name: "expect", title: "expect", doc: "What is expected of a run.",
	keys: []key[Expect]{
		{name: "status", read: func(d *decoder, n *node, e *Expect) { e.Status, _ = d.oneOf(n, "succeeded", "failed", "cancelled") }, shape: `{"enum":["succeeded","failed","cancelled"]}`, doc: "How the run ends."},
		{name: "tasks", read: readExpectTasks, shape: `{"type":["object","null"],"propertyNames":{"$ref":"#/$defs/id"},"additionalProperties":{"oneOf":[{"$ref":"#/$defs/expect_task"},{"enum":["succeeded","failed","skipped","cancelled"]}]}}`, doc: "How tasks end: id and status, or id and the long form."},
		{name: "outputs", read: readExpectOutputs, shape: shapeValues, doc: "Outputs of the run: those named must be equal."},
	},
})

var expectTaskObject = newObject(object[ExpectTask]{
	name: "an expected task", title: "expect_task", doc: "How a task ends.",
	keys: []key[ExpectTask]{
		{name: "status", read: func(d *decoder, n *node, e *ExpectTask) { e.Status, _ = d.oneOf(n, endedNames()...) }, shape: `{"enum":["succeeded","failed","skipped","cancelled"]}`, doc: "Its status."},
		{name: "reason", read: func(d *decoder, n *node, e *ExpectTask) { e.Reason, _ = d.oneOf(n, reasonNames[1:]...) }, shape: `{"enum":["` + strings.Join(reasonNames[1:], `","`) + `"]}`, doc: "Why it failed, was skipped or was cancelled."},
		{name: "attempts", read: func(d *decoder, n *node, e *ExpectTask) { e.Attempts, _ = d.int(n, 1, math.MaxInt32) }, shape: shapeCount, doc: "How many attempts it took."},
		{name: "result", read: func(d *decoder, n *node, e *ExpectTask) { e.Result = &ExpectValue{"result", d.place(n), d.literal(n)} }, shape: shapeAny, doc: "Its result."},
	},
})

func endedNames() []string { return statusNames[Succeeded:] }

func (d *decoder) readCases(n *node) {
	if n == nil {
		return
	}
	d.key = "tests"
	names := make(map[string]int)
	for _, c := range d.list(n) {
		d.at = c
		t := Case{Pos: d.place(c)}
		if !caseObject.read(d, c, c, &t) {
			continue
		}
		if line, ok := names[t.Name]; ok && t.Name != "" {
			d.errorf(find(c, "name"), "a test of that name stands in line %d", line)
		}
		names[t.Name] = t.Pos.Line
		d.w.Tests = append(d.w.Tests, t)
	}
}

func readCaseParams(d *decoder, n *node, c *Case) {
	c.Params = make(map[string]any)
	for k, v := range d.entries(n) {
		p, ok := d.param(k.Value)
		if !ok {
			d.errorf(k, "params: %s: no such param%s", shorten(k.Value, 60), d.didYouMean(k.Value, d.w.paramNames))
			continue
		}
		value, err := p.fileValue(d.literal(v))
		if err != nil {
			d.errorf(v, "%s: %v", p.Name, err)
			continue
		}
		c.Params[k.Value] = value
	}
}

// knownTask is the index of the task that a key names.
func (d *decoder) knownTask(k *node) (int, bool) {
	i, ok := d.ids[k.Value]
	if !ok {
		d.errorf(k, "%s: no such task%s", shorten(k.Value, 60), d.didYouMean(k.Value, d.taskNames()))
	}
	return i, ok
}

func readMocks(d *decoder, n *node, c *Case) {
	c.Mocks = make(map[string]Mock)
	for k, v := range d.entries(n) {
		if _, ok := d.knownTask(k); !ok {
			continue
		}
		m := Mock{Pos: d.place(k)}
		ends := []*node{v}
		if v.Kind == listKind {
			ends = v.Content
			if len(ends) == 0 {
				d.errorf(v, "%s: a list of mocks has one for each attempt; this one is empty", k.Value)
			}
		}
		for _, e := range ends {
			var end MockEnd
			mockObject.read(d, e, k, &end)
			if end.Error != nil && find(e, "result") != nil {
				d.errorf(e, "a mock ends with a result or with an error, not both")
			}
			m.Ends = append(m.Ends, end)
		}
		c.Mocks[k.Value] = m
	}
}

func (d *decoder) failure(n *node) *Failure {
	f := &Failure{ExitCode: -1}
	failureObject.read(d, n, d.at, f)
	if f.Reason == NoReason {
		f.Reason = ReasonError
		if f.ExitCode > 0 {
			f.Reason = ReasonExit
		}
	}
	if f.Reason == ReasonExit && f.ExitCode <= 0 {
		f.ExitCode = 1
	}
	if f.Reason != ReasonExit && f.ExitCode > 0 {
		d.errorf(find(n, "exit_code"), "exit_code goes with reason: exit")
	}
	if f.Message == "" {
		f.Message = "mocked"
		if f.Reason == ReasonExit {
			f.Message = fmt.Sprintf("exit status %d", f.ExitCode)
		}
	}
	return f
}

func readFailureReason(d *decoder, n *node, f *Failure) {
	s, _ := d.oneOf(n, reasonNames[ReasonExit:ReasonInvalid+1]...)
	f.Reason = Reason(max(0, slices.Index(reasonNames[:], s)))
}

func readExpectTasks(d *decoder, n *node, e *Expect) {
	for k, v := range d.entries(n) {
		i, ok := d.knownTask(k)
		if !ok {
			continue
		}
		t := ExpectTask{Task: i, Pos: d.place(k)}
		if v.Kind == mapKind {
			expectTaskObject.read(d, v, k, &t)
		} else {
			t.Status, _ = d.oneOf(v, endedNames()...)
		}
		e.Tasks = append(e.Tasks, t)
	}
}

func readExpectOutputs(d *decoder, n *node, e *Expect) {
	for k, v := range d.entries(n) {
		if !slices.ContainsFunc(d.w.Outputs, func(b Binding) bool { return b.Name == k.Value }) {
			d.errorf(k, "%s: no such output%s", shorten(k.Value, 60), d.didYouMean(k.Value, d.outputNames))
			continue
		}
		e.Outputs = append(e.Outputs, ExpectValue{Name: k.Value, Pos: d.place(k), Value: d.literal(v)})
	}
}

func (d *decoder) outputNames(yield func(string) bool) {
	for _, b := range d.w.Outputs {
		if !yield(b.Name) {
			return
		}
	}
}
