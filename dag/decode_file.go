package dag

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fileParts holds the parts of a workflow that are read when all names are known.
type fileParts struct {
	tasks, finally        *node
	params, env, defaults *node
	executors             *node
	schedule, on          *node
	outputs, tests        *node
}

// What holds where a file says nothing.
const (
	defaultDelay = time.Second
	defaultGrace = 10 * time.Second
)

// defaults are the values of `defaults`.
type defaults struct {
	timeout  time.Duration
	retry    Retry
	executor string
	n        *node
	place    *node // of executor
	env      []Binding
	dir      *Value
	shell    []string
	grace    time.Duration
}

var fileObject = newObject(object[fileParts]{
	name: "a workflow", title: "workflow",
	doc: "A workflow of flow: a set of tasks, each a future that others may name.",
	keys: []key[fileParts]{
		{name: "name", read: readName, shape: shapeID, doc: "The workflow's name, unique in a folder of workflows. Default: the file's base name, with - for what may not stand in an id."},
		{name: "description", read: func(d *decoder, n *node, _ *fileParts) { d.w.Description, _ = d.text(n) }, shape: shapeText, doc: "What the workflow does, for people."},
		{name: "tags", read: func(d *decoder, n *node, _ *fileParts) { d.w.Tags = d.texts(n) }, shape: shapeTexts, doc: "Words to find the workflow by."},
		{name: "owner", read: func(d *decoder, n *node, _ *fileParts) { d.w.Owner, _ = d.text(n) }, shape: shapeText, doc: "Who answers for the workflow."},
		{name: "schedule", read: func(_ *decoder, n *node, f *fileParts) { f.schedule = n }, shape: `{"oneOf":[{"$ref":"#/$defs/cron"},{"$ref":"#/$defs/schedule"},{"type":["array","null"],"items":{"oneOf":[{"$ref":"#/$defs/cron"},{"$ref":"#/$defs/schedule"}]}}]}`, doc: "When the service starts the workflow: a cron expression, an entry, or a list of them."},
		{name: "on", read: func(_ *decoder, n *node, f *fileParts) { f.on = n }, shape: `{"oneOf":[{"$ref":"#/$defs/trigger"},{"type":["array","null"],"items":{"$ref":"#/$defs/trigger"}}]}`, doc: "What else starts the workflow: a file, the end of another workflow, a webhook."},
		{name: "params", read: func(_ *decoder, n *node, f *fileParts) { f.params = n }, shape: `{"type":["object","null"],"propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"},"additionalProperties":{"anyOf":[{"$ref":"#/$defs/param"},{"type":["string","number","boolean","array","null"]},{"$ref":"#/$defs/map_default"}]}}`, doc: "What a run is given: name and default, or name and the long form."},
		{name: "env", read: func(_ *decoder, n *node, f *fileParts) { f.env = n }, shape: shapeEnv, doc: "Environment variables of every command. May name params, run and secrets."},
		{name: "secrets", read: readSecrets, shape: `{"oneOf":[{"type":"array","items":{"$ref":"#/$defs/variable"}},{"type":["object","null"],"propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"},"additionalProperties":{"$ref":"#/$defs/secret"}}]}`, doc: "Values that are never stored and masked wherever they show: names of environment variables, or name and source."},
		{name: "executors", read: func(_ *decoder, n *node, f *fileParts) { f.executors = n }, shape: `{"type":["object","null"],"propertyNames":{"$ref":"#/$defs/id"},"additionalProperties":{"$ref":"#/$defs/executor"}}`, doc: "Pools of workers that tasks run on. `default` (process) and `thread` are always there."},
		{name: "defaults", read: func(_ *decoder, n *node, f *fileParts) { f.defaults = n }, shape: `{"$ref":"#/$defs/defaults"}`, doc: "What holds for every task that doesn't say otherwise."},
		{name: "timeout", read: func(d *decoder, n *node, _ *fileParts) { d.w.Timeout, _ = d.duration(n) }, shape: shapeDuration, doc: "How long a run may take from its start, `finally` aside. Default: no limit."},
		{name: "fail_fast", read: func(d *decoder, n *node, _ *fileParts) { d.w.FailFast = d.bool(n) }, shape: shapeBool, doc: "A failure cancels what runs and skips what has not started. Default: false, independent branches go on."},
		{name: "concurrency", read: readConcurrency, shape: `{"oneOf":[{"type":"integer","minimum":1},{"$ref":"#/$defs/concurrency"}]}`, doc: "How many runs of this workflow may be at work at once. Default: any number."},
		{name: "tasks", must: true, read: func(_ *decoder, n *node, f *fileParts) { f.tasks = n }, shape: `{"type":"object","minProperties":1,"propertyNames":{"$ref":"#/$defs/id"},"additionalProperties":{"$ref":"#/$defs/task"}}`, doc: "The tasks: id and what it does."},
		{name: "finally", read: func(_ *decoder, n *node, f *fileParts) { f.finally = n }, shape: `{"type":["object","null"],"propertyNames":{"$ref":"#/$defs/id"},"additionalProperties":{"$ref":"#/$defs/task"}}`, doc: "Tasks that run when all others have ended, however they ended."},
		{name: "outputs", read: func(_ *decoder, n *node, f *fileParts) { f.outputs = n }, shape: shapeValues, doc: "The run's result: name and value, evaluated when the run has ended."},
		{name: "tests", read: func(_ *decoder, n *node, f *fileParts) { f.tests = n }, shape: `{"type":["array","null"],"items":{"$ref":"#/$defs/test"}}`, doc: "Cases for `flow test`: mocked tasks and what is expected of the run."},
	},
})

var concurrencyObject = newObject(object[Concurrency]{
	name: "concurrency", title: "concurrency", doc: "How many runs at once, and what happens to one more.",
	keys: []key[Concurrency]{
		{name: "max_runs", must: true, read: func(d *decoder, n *node, c *Concurrency) { c.MaxRuns, _ = d.int(n, 1, maxInt) }, shape: shapeCount, doc: "Runs at once, of all processes on one home."},
		{name: "on_limit", read: func(d *decoder, n *node, c *Concurrency) { c.OnLimit, _ = d.oneOf(n, "queue", "skip", "replace") }, shape: `{"enum":["queue","skip","replace"]}`, doc: "What happens to a run above the limit: it waits, is skipped, or takes the place of the oldest. Default: queue."},
	},
})

var defaultsObject = newObject(object[defaults]{
	name: "defaults", title: "defaults", null: true,
	doc: "What holds for every task that doesn't say otherwise; `env` is merged key by key.",
	keys: []key[defaults]{
		{name: "timeout", read: func(d *decoder, n *node, f *defaults) { f.timeout, _ = d.duration(n) }, shape: shapeDuration, doc: "Of one attempt; not for `wait`, `workflow` and `finally`."},
		{name: "retry", read: func(d *decoder, n *node, f *defaults) { f.retry = d.retry(n) }, shape: shapeRetry, doc: "When a failed attempt is followed by another."},
		{name: "executor", read: func(d *decoder, n *node, f *defaults) { f.executor, _ = d.text(n); f.place = n }, shape: shapeID, doc: "The pool of the tasks whose action can run there."},
		{name: "env", read: func(d *decoder, n *node, f *defaults) { f.env = d.envBindings(n, inFileEnv) }, shape: shapeEnv, doc: "Environment variables of every command."},
		{name: "dir", read: func(d *decoder, n *node, f *defaults) { f.dir = d.filledValue(n, inDir) }, shape: shapeFilled, doc: "The folder of commands, relative to the workflow file."},
		{name: "shell", read: func(d *decoder, n *node, f *defaults) { f.shell = d.argv(n) }, shape: shapeShell, doc: "What runs the scripts. Default: sh -eu."},
		{name: "grace", read: func(d *decoder, n *node, f *defaults) { f.grace, _ = d.duration(n) }, shape: shapeDuration, doc: "The time between SIGTERM and SIGKILL. Default: 10s."},
	},
})

// workflow reads the whole file: first what gives names, then what uses them.
func (d *decoder) workflow(root *node) {
	d.secrets = make(map[string]bool)
	var f fileParts
	fileObject.read(d, root, root, &f)
	if find(root, "name") == nil {
		base := strings.TrimSuffix(filepath.Base(d.w.File), filepath.Ext(d.w.File))
		if d.w.Name = idOf(base); d.w.Name == "" {
			d.src.errorAt(Pos{1, 1}, 1, "no id can be made of this file's name, %s; give the workflow a name: a letter or _ first, then letters, digits, _ and -", shorten(strconv.Quote(base), 60))
		}
	}
	d.declareParams(f.params)
	d.ids = make(map[string]int, pairCount(f.tasks)+pairCount(f.finally))
	d.declareTasks(f.tasks, "tasks", false)
	d.declareTasks(f.finally, "finally", true)
	d.readExecutors(f.executors)
	d.c = newCompiler(d.w, d.textOf, d.src.report)
	d.paramDefaults(f.params)
	d.readDefaults(&f)
	for i := range d.drafts {
		d.readTask(&d.drafts[i])
	}
	d.readSchedules(f.schedule)
	d.readTriggers(f.on)
	if f.outputs != nil {
		d.key = "outputs"
		d.w.Outputs = d.bindings(f.outputs, inOutputs)
	}
	d.readCases(f.tests)
	d.c.finish()
	d.connect()
	d.wideNumbers()
}

func readName(d *decoder, n *node, _ *fileParts) {
	if s, ok := d.id(n); ok {
		d.w.Name = s
	}
}

// idOf makes an id of a file's name: what may not stand in one becomes "-", and "_"
// stands before a digit. "" where nothing is left but "-".
func idOf(base string) string {
	id := strings.Trim(strings.Map(func(r rune) rune {
		if isName("_" + string(r)) {
			return r
		}
		return '-'
	}, base), "-")
	if id != "" && !isName(id[:1]) {
		id = "_" + id
	}
	return id
}

func readConcurrency(d *decoder, n *node, _ *fileParts) {
	c := Concurrency{OnLimit: "queue"}
	if n.Kind == mapKind {
		concurrencyObject.read(d, n, d.at, &c)
	} else {
		c.MaxRuns, _ = d.int(n, 1, maxInt)
	}
	d.w.Concurrency = c
}

// readDefaults reads `env` and `defaults`, which all tasks share.
func (d *decoder) readDefaults(f *fileParts) {
	d.defaults = defaults{retry: Retry{Attempts: 1, Delay: defaultDelay, Backoff: 1}, grace: defaultGrace}
	if f.env != nil {
		d.key = "env"
		d.env = d.envBindings(f.env, inFileEnv)
	}
	if f.defaults == nil {
		return
	}
	d.key, d.defaults.n = "defaults", f.defaults
	defaultsObject.read(d, f.defaults, f.defaults, &d.defaults)
	d.env = mergeEnv(d.env, d.defaults.env)
	if name := d.defaults.executor; name != "" {
		if _, ok := d.pool(name); !ok {
			d.errorf(d.defaults.place, "defaults: %s: no such executor%s", name, d.didYouMean(name, d.executorNames()))
			d.defaults.executor = ""
		}
	}
}

// envBindings reads a map of environment variables, whose values are text as
// written, or expressions.
func (d *decoder) envBindings(n *node, p place) []Binding {
	var out []Binding
	for k, v := range d.entries(n) {
		if !isName(k.Value) {
			d.errorf(k, "%q is no name of an environment variable: a letter or _ first, then letters, digits and _", shorten(k.Value, 60))
			continue
		}
		if isFlowVariable(k.Value) {
			d.warnf(k, "%s is set by flow for every command; this value has no effect", k.Value)
		}
		if v.Kind != scalarKind {
			d.errorf(v, "%s: an environment variable is a text, not %s; toJSON() makes one", k.Value, nodeKind(v))
			continue
		}
		out = append(out, Binding{Name: k.Value, Pos: d.place(k), Value: d.asWritten(v, p)})
	}
	return out
}

// asWritten is a scalar's value as text, 1.10 and 0x1F included, or an expression's.
func (d *decoder) asWritten(n *node, p place) *Value {
	text := *n
	text.Tag = "!!str"
	if n.Style&quoted == 0 {
		text.Style |= taggedStyle
	}
	delete(d.src.wide, n)
	return d.value(&text, p)
}

// isFlowVariable reports whether flow sets this variable for each command.
func isFlowVariable(name string) bool {
	switch name {
	case "FLOW_INPUTS", "FLOW_RESULT", "FLOW_RUN_ID", "FLOW_TASK", "FLOW_INDEX", "FLOW_ATTEMPT", "FLOW_IDEMPOTENCY_KEY", "FLOW_DIR":
		return true
	}
	return false
}

// wideNumbers reports whole numbers that are too large to be numbers and were
// not read as text.
func (d *decoder) wideNumbers() {
	for n := range d.src.wide {
		d.errorf(n, "%s does not fit into 64 bits; if it is text, quote it", shorten(n.Value, 40))
	}
}

// mergeEnv puts one environment over another: later wins, in the place of
// first mention.
func mergeEnv(base, over []Binding) []Binding {
	if len(base) == 0 || len(over) == 0 {
		return append(base[:len(base):len(base)], over...)
	}
	out := slices.Clone(base)
	var places map[string]int
	if len(over) > 16 {
		places = make(map[string]int, len(base))
		for i, b := range base {
			places[b.Name] = i
		}
	}
	for _, b := range over {
		i, ok := places[b.Name]
		if places == nil {
			i = slices.IndexFunc(base, func(o Binding) bool { return o.Name == b.Name })
			ok = i >= 0
		}
		if ok {
			out[i] = b
		} else {
			out = append(out, b)
		}
	}
	return out
}
