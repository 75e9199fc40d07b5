package dag

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// draft is a task while it is read.
type draft struct {
	*Task
	id, n    *node // its key and its map
	executor *node // what `executor` says, nil where it is not given
	action   *node // the key of its action
	timed    bool  // it says itself which timeout it has
	deps     []user
}

var taskObject = newObject(object[draft]{
	name: "a task", title: "task", doc: "A task: exactly one action, and what surrounds it.",
	also: `"oneOf":[{"required":["run"]},{"required":["exec"]},{"required":["call"]},{"required":["expr"]},{"required":["http"]},{"required":["sql"]},{"required":["workflow"]},{"required":["wait"]}],"not":{"required":["for_each","matrix"]}`,
	// The order is that in which a task is read: what expressions may name first.
	keys: []key[draft]{
		{name: "description", read: func(d *decoder, n *node, t *draft) { t.Description, _ = d.text(n) }, shape: shapeText, doc: "What the task does, for people."},
		{name: "env", read: readTaskEnv, shape: shapeEnv, doc: "Environment variables of the command, over those of the file and of `defaults`."},
		{name: "inputs", read: readInputs, shape: shapeNamed, doc: "The task's arguments: name and value or expression. In run and exec each is an environment variable too."},
		{name: "needs", read: readNeeds, shape: `{"oneOf":[{"$ref":"#/$defs/id"},{"type":["array","null"],"items":{"$ref":"#/$defs/id"}}]}`, doc: "Tasks that must have ended before, where no value flows."},
		{name: "for_each", read: readForEach, shape: `{"type":["string","array","object"]}`, doc: "A list or map, literal or expression: the task becomes one instance for each item."},
		{name: "matrix", read: readMatrix, shape: `{"$ref":"#/$defs/matrix"}`, doc: "Lists by name: the task becomes one instance for each combination."},
		{name: "max_parallel", read: func(d *decoder, n *node, t *draft) { t.MaxParallel, _ = d.int(n, 1, maxInt) }, shape: shapeCount, doc: "Instances of this task at once. Default: no limit of its own; 16 for workflow."},
		{name: "if", read: func(d *decoder, n *node, t *draft) { t.If = d.expr(n, inIf) }, shape: shapeExpr, doc: "Condition, evaluated when all that it depends on has ended. Default: success()."},
		{name: "executor", kinds: "run exec call expr http sql", read: func(d *decoder, n *node, t *draft) { t.executor = n }, shape: shapeID, doc: "The pool that it runs on. Default: `default`; `thread` for expr, http and sql."},
		{name: "timeout", read: readTimeout, shape: shapeDuration, doc: "Of one attempt, from the moment it gets a worker; 0s: none."},
		{name: "deadline", read: func(d *decoder, n *node, t *draft) { t.Deadline, _ = d.duration(n) }, shape: shapeDuration, doc: "From the moment the task is first ready, waiting and delays included."},
		{name: "retry", read: func(d *decoder, n *node, t *draft) { t.Retry = d.retry(n) }, shape: shapeRetry, doc: "When a failed attempt is followed by another: how often in all, or the long form. Default: one attempt."},
		{name: "continue_on_error", read: func(d *decoder, n *node, t *draft) { t.ContinueOnError = d.bool(n) }, shape: shapeBool, doc: "A failure counts as a success for what depends on it and for the run."},
		{name: "dir", kinds: "run exec", read: func(d *decoder, n *node, t *draft) { t.Dir = d.filledValue(n, inDir) }, shape: shapeFilled, doc: "The folder of the command, relative to the workflow file. Default: the file's own."},
		{name: "shell", kinds: "run", read: func(d *decoder, n *node, t *draft) { t.Shell = d.argv(n) }, shape: shapeShell, doc: "What runs the script. Default: sh -eu."},
		{name: "stdin", kinds: "run exec", read: func(d *decoder, n *node, t *draft) { t.Stdin = d.value(n, inStdin) }, shape: shapeAny, doc: "A value, written as text to the command's standard input."},
		{name: "grace", kinds: "run exec call", read: func(d *decoder, n *node, t *draft) { t.Grace, _ = d.duration(n) }, shape: shapeDuration, doc: "The time between SIGTERM and SIGKILL. Default: 10s."},
		{name: "limits", kinds: "run exec", read: func(d *decoder, n *node, t *draft) { limitsObject.read(d, n, d.at, &t.Limits) }, shape: `{"$ref":"#/$defs/limits"}`, doc: "Resource limits of the process."},
		{name: "priority", read: func(d *decoder, n *node, t *draft) { t.Priority, _ = d.int(n, -maxInt-1, maxInt) }, shape: `{"type":"integer"}`, doc: "Higher first among tasks that are ready. Default: 0."},
		{name: "cache", read: func(d *decoder, n *node, t *draft) { t.Cache = new(Cache); cacheObject.read(d, n, d.at, t.Cache) }, shape: `{"$ref":"#/$defs/cache"}`, doc: "Reuse the result of an earlier success with the same key."},
		{name: "result", kinds: "run exec", read: readResult, shape: `{"oneOf":[{"enum":["text","json","lines","none"]},{"$ref":"#/$defs/result"}]}`, doc: "How the output becomes the result. Default: text, without trailing newlines."},
		{name: "run", read: readRun, shape: shapeFilled, doc: "Action: a POSIX shell script. Expressions in it become variables, never code."},
		{name: "exec", read: readExec, shape: shapeArgv, doc: "Action: one program with its arguments, without a shell."},
		{name: "call", read: readCall, shape: `{"type":"string","pattern":"^[^:\\s]+:[^:\\s]+$"}`, doc: "Action: a function in a warm worker, module:function, or go:Name for one of the Go program that embeds flow."},
		{name: "expr", read: func(d *decoder, n *node, t *draft) { d.act(t, Compute{Expr: d.expr(n, inExpr)}) }, shape: shapeExpr, doc: "Action: a pure computation over the results of tasks."},
		{name: "http", read: readHTTP, shape: `{"$ref":"#/$defs/http"}`, doc: "Action: one HTTP request."},
		{name: "sql", read: readSQL, shape: `{"$ref":"#/$defs/sql"}`, doc: "Action: statements against a database."},
		{name: "workflow", read: readChild, shape: shapeFilled, doc: "Action: another workflow file as a child run; inputs are its params."},
		{name: "wait", read: readWait, shape: `{"$ref":"#/$defs/wait"}`, doc: "Action: a sensor that holds no worker while it waits."},
	},
})

const actionNames = "run, exec, call, expr, http, sql, workflow, wait"

// isAction reports whether a key of a task is an action.
func isAction(key string) bool {
	switch key {
	case "run", "exec", "call", "expr", "http", "sql", "workflow", "wait":
		return true
	}
	return false
}

// declareTasks gives each task its id and its place.
func (d *decoder) declareTasks(n *node, section string, finally bool) {
	if n == nil {
		return
	}
	d.key = section
	if n.Kind == listKind {
		d.errorf(n, "%s is a map from id to task, not a list; `- name: a` becomes `a:`", section)
		return
	}
	if n.Kind != mapKind && !isNull(n) {
		d.errorf(n, "%s is a map from id to task, not %s", section, nodeKind(n))
		return
	}
	if section == "tasks" && len(n.Content) == 0 {
		d.errorf(n, "tasks is empty; a workflow has at least one task")
	}
	d.w.Tasks = slices.Grow(d.w.Tasks, len(n.Content)/2)
	d.drafts = slices.Grow(d.drafts, len(n.Content)/2)
	tasks := make([]Task, len(n.Content)/2)
	for k, v := range pairs(n) {
		if !isID(k.Value) {
			d.errorf(k, "%q is no task id: a letter or _ first, then letters, digits, _ and -", shorten(k.Value, 60))
			continue
		}
		if len(k.Value) > maxID {
			d.errorf(k, "a task id has at most %d characters: files of a run are named by it", maxID)
			continue
		}
		if other, ok := d.ids[k.Value]; ok {
			if finally && !d.w.Tasks[other].Finally {
				d.errorf(k, "%s is a task already, in line %d; ids of tasks and of finally are in one namespace", k.Value, d.w.Tasks[other].Pos.Line)
			}
			continue
		}
		t := &tasks[0]
		tasks = tasks[1:]
		t.ID, t.Index, t.Pos, t.Finally = k.Value, len(d.w.Tasks), d.place(k), finally
		d.ids[t.ID] = t.Index
		d.w.Tasks = append(d.w.Tasks, t)
		d.drafts = append(d.drafts, draft{Task: t, id: k, n: v})
	}
}

func (d *decoder) taskNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range d.w.Tasks {
			if !yield(t.ID) {
				return
			}
		}
	}
}

// readTask fills a task: what holds for all first, then what it says itself.
func (d *decoder) readTask(t *draft) {
	d.task, d.used, d.key, d.meant = t.Task, nil, t.ID, false
	defer func() { d.task = nil }()
	t.Env, t.Dir, t.Shell, t.Grace, t.Retry = d.env, d.defaults.dir, d.defaults.shell, d.defaults.grace, d.defaults.retry
	if !d.wholeTask(t) {
		return
	}
	if d.defaults.retry.If != nil && t.Retry.If == d.defaults.retry.If {
		d.used = append(d.used, t.Retry.If)
	}
	t.deps = d.used
	if t.Action == nil {
		if t.action == nil && !d.meant {
			d.errorf(t.id, "task %s has no action; it needs one of %s", t.ID, actionNames)
		}
		return
	}
	kind := t.Action.Kind()
	d.checkKinds(t, kind)
	d.checkFan(t)
	d.checkCache(t)
	switch {
	case t.timed:
	case t.Finally:
		t.Timeout = 10 * time.Minute
	case kind != "wait" && kind != "workflow":
		t.Timeout = d.defaults.timeout
	}
	if kind == "workflow" && t.MaxParallel == 0 {
		t.MaxParallel = 16
	}
	d.assignExecutor(t, kind)
}

func (d *decoder) wholeTask(t *draft) bool {
	if d.src.refused[t.n] {
		return false
	}
	switch t.n.Kind {
	case mapKind:
		return taskObject.read(d, t.n, t.id, t)
	case scalarKind:
		if s, ok := scalarValue(t.n).(string); ok && s != "" {
			d.errorf(t.n, "task %s is a map with an action; for a command write %s: { run: %s }", t.ID, t.ID, shorten(quoteYAML(s), 60))
			return false
		}
	}
	if isNull(t.n) {
		d.errorf(t.id, "task %s is empty; it needs one of %s", t.ID, actionNames)
		return false
	}
	d.errorf(t.id, "task %s is a map with an action, not %s", t.ID, nodeKind(t.n))
	return false
}

// act gives a task its action, and tells of a second one.
func (d *decoder) act(t *draft, a Action) {
	if t.action != nil {
		d.errorf(d.at, "a task has exactly one action, and %s has %s already, in line %d; make two tasks of it", t.ID, t.action.Value, t.action.Line)
		return
	}
	t.Action, t.action = a, d.at
}

// checkKinds tells of keys that mean nothing for the task's action.
func (d *decoder) checkKinds(t *draft, kind string) {
	for k := range pairs(t.n) {
		i, ok := taskObject.index[k.Value]
		if !ok || taskObject.keys[i].kinds == "" {
			continue
		}
		kinds := taskObject.keys[i].kinds
		if containsWord(kinds, kind) {
			continue
		}
		why := "it goes with " + orList(strings.Fields(kinds))
		if k.Value == "executor" {
			why = "it holds no worker"
		}
		d.errorf(k, "%s has no meaning for %s: %s; leave it out", k.Value, kind, why)
	}
}

func containsWord(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// checkFan looks at what for_each, matrix and max_parallel say together.
func (d *decoder) checkFan(t *draft) {
	if t.Fan == nil && t.MaxParallel > 0 {
		if k := findKey(t.n.Content, "max_parallel"); k >= 0 {
			d.warnf(t.n.Content[k], "max_parallel has no effect without for_each or matrix: the task has one instance")
		}
	}
}

// checkCache warns of keys that are most likely a mistake.
func (d *decoder) checkCache(t *draft) {
	if t.Cache == nil || t.Cache.Key == nil {
		return
	}
	k := findKey(t.n.Content, "cache")
	if k < 0 {
		return
	}
	switch u := t.Cache.Key.Uses(); {
	case u.Moment:
		d.warnf(t.n.Content[k], "cache: the key is another in each run, so no result is ever found")
	case t.Fan != nil && !u.Fan:
		d.warnf(t.n.Content[k], "cache: the key is the same for all instances, so one result is found for all; let it name item (or inputs that do)")
	}
}

func readTaskEnv(d *decoder, n *node, t *draft) {
	own := d.envBindings(n, inEnv)
	if len(t.Env) > 0 && len(own) > 0 {
		if d.copied += len(t.Env); d.copied > maxExpanded {
			d.errorf(d.at, "the file's env, of %d entries, would be copied for each task that adds to it, %d entries in all; give the tasks inputs, or a script that sets its variables", len(t.Env), maxExpanded)
			return
		}
	}
	t.Env = mergeEnv(t.Env, own)
}

func readInputs(d *decoder, n *node, t *draft) {
	out := make([]Binding, 0, len(n.Content)/2)
	for k, v := range d.entries(n) {
		if !isName(k.Value) {
			d.errorf(k, "inputs: %q is no name: a letter or _ first, then letters, digits and _", shorten(k.Value, 60))
			continue
		}
		if reservedInput(k.Value) {
			d.errorf(k, "inputs: %s can't be an input: as an environment variable it would change how commands work; choose another name", k.Value)
			continue
		}
		out = append(out, Binding{Name: k.Value, Pos: d.place(k), Value: d.value(v, inInputs)})
	}
	t.Inputs = out
}

// reservedInput reports whether an environment variable of that name would
// change how a shell or the linker works.
func reservedInput(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "BASH_ENV", "PS4", "SHELLOPTS", "HOME":
		return true
	}
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "FLOW_")
}

func readNeeds(d *decoder, n *node, t *draft) {
	var seen map[int]bool
	if len(n.Content) > 16 {
		seen = make(map[int]bool, len(n.Content))
	}
	for c := range d.each(n) {
		id, ok := d.text(c)
		if !ok {
			continue
		}
		i, known := d.ids[id]
		switch {
		case !known:
			d.errorf(c, "needs: %s: no such task%s", shorten(id, 60), d.didYouMean(id, d.taskNames()))
		case d.w.Tasks[i].Finally && !t.Finally:
			d.errorf(c, "needs: %s is a task of finally, which runs when all tasks have ended; a task can't wait for it", id)
		case seen[i], seen == nil && slices.Contains(t.Needs, i):
			d.warnf(c, "needs: %s stands here twice", id)
		default:
			if seen != nil {
				seen[i] = true
			}
			t.Needs = append(t.Needs, i)
		}
	}
}

func readTimeout(d *decoder, n *node, t *draft) {
	t.Timeout, t.timed = d.duration(n)
}

// filledValue compiles a value that must not be an empty text.
func (d *decoder) filledValue(n *node, p place) *Value {
	if n.Kind != scalarKind || isNull(n) || strings.TrimSpace(n.Value) == "" {
		d.errorf(n, "%s is a text, not %s", d.key, nodeKind(n))
		return nil
	}
	return d.value(n, p)
}

// argv reads a program and its arguments: a list, or a text without quotes
// that is split at its blanks.
func (d *decoder) argv(n *node) []string {
	if n.Kind == listKind {
		argv := d.texts(n)
		if len(n.Content) == 0 {
			d.errorf(n, "%s is empty; it names a program", d.key)
		}
		return argv
	}
	s, ok := d.filled(n)
	if !ok {
		return nil
	}
	if strings.ContainsAny(s, `"'\$`) {
		d.errorf(n, "%s is not read by a shell; where an argument has quotes or blanks, write a list: [bash, -c]", d.key)
		return nil
	}
	return strings.Fields(s)
}
