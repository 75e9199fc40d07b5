package dag

import (
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
)

// pool is an executor while it is read.
type pool struct {
	*Executor
	kind        *node
	interpreter *node // the key python or node
}

var executorObject = newObject(object[pool]{
	name: "an executor", title: "executor", doc: "A pool of workers.", null: true,
	keys: []key[pool]{
		{name: "kind", read: readPoolKind, shape: `{"enum":["process","thread"]}`, doc: "process: hard isolation. thread: goroutines, cheap, with cooperative time limits. Default: process with a runtime, else it has to be given."},
		{name: "workers", read: func(d *decoder, n *node, p *pool) { p.Workers, _ = d.int(n, 1, 100_000) }, shape: `{"type":"integer","minimum":1,"maximum":100000}`, doc: "How many tasks at once. Default: process, the number of CPUs; thread, 64."},
		{name: "runtime", read: func(d *decoder, n *node, p *pool) { p.Runtime, _ = d.oneOf(n, "python", "node") }, shape: `{"enum":["python","node"]}`, doc: "A pool of warm worker processes for call."},
		{name: "path", read: func(d *decoder, n *node, p *pool) { p.Path = d.texts(n) }, shape: shapeTexts, doc: "Where modules come from, relative to the workflow file. Default: its folder."},
		{name: "initializer", read: readInitializer, shape: shapeFilled, doc: "A function, module:function, that each worker calls first."},
		{name: "max_tasks_per_worker", read: func(d *decoder, n *node, p *pool) { p.MaxTasksPerWorker, _ = d.int(n, 1, maxInt) }, shape: shapeCount, doc: "A worker is replaced after so many tasks. Default: never."},
		{name: "python", read: readInterpreter, shape: shapeFilled, doc: "The interpreter of runtime: python."},
		{name: "node", read: readInterpreter, shape: shapeFilled, doc: "The interpreter of runtime: node."},
	},
})

func readPoolKind(d *decoder, n *node, p *pool) {
	s, _ := d.oneOf(n, "process", "thread")
	p.Process, p.kind = s != "thread", n
}

func readInitializer(d *decoder, n *node, p *pool) {
	s, ok := d.filled(n)
	if module, function, colon := strings.Cut(s, ":"); ok && (!colon || module == "" || function == "") {
		d.errorf(n, "initializer: %q is no function; write module:function", shorten(s, 60))
	}
	p.Initializer = s
}

func readInterpreter(d *decoder, n *node, p *pool) {
	p.Interpreter, _ = d.filled(n)
	if p.interpreter != nil {
		d.errorf(d.at, "an executor has python or node, not both")
		return
	}
	p.interpreter = d.at
}

// readExecutors reads `executors`, the built-in two first.
func (d *decoder) readExecutors(n *node) {
	d.w.Executors = []Executor{{Name: "default", Process: true}, {Name: "thread"}}
	d.pools = map[string]int{"default": 0, "thread": 1}
	if n == nil {
		return
	}
	d.key = "executors"
	for k, v := range d.entries(n) {
		if !isID(k.Value) {
			d.errorf(k, "%q is no name of an executor: a letter or _ first, then letters, digits, _ and -", shorten(k.Value, 60))
			continue
		}
		e := Executor{Name: k.Value, Pos: d.place(k)}
		d.readExecutor(k, v, &e)
		if i, ok := d.pools[e.Name]; ok {
			d.w.Executors[i] = e
		} else {
			d.pools[e.Name] = len(d.w.Executors)
			d.w.Executors = append(d.w.Executors, e)
		}
	}
}

// pool is the executor with that name, while the file is read.
func (d *decoder) pool(name string) (*Executor, bool) {
	i, ok := d.pools[name]
	if !ok {
		return nil, false
	}
	return &d.w.Executors[i], true
}

func (d *decoder) readExecutor(k, n *node, e *Executor) {
	p := pool{Executor: e}
	if !executorObject.read(d, n, k, &p) {
		return
	}
	switch {
	case p.kind == nil && e.Runtime == "" && e.Name != "default" && e.Name != "thread":
		d.errorf(k, "executor %s needs a kind: process or thread", e.Name)
	case p.kind == nil:
		e.Process = e.Name != "thread"
	case e.Name == "thread" && e.Process:
		d.errorf(p.kind, "thread is where expr, http and sql run: its kind is thread; give the pool another name")
	}
	if e.Name == "thread" && e.Runtime != "" || e.Name == "default" && e.Runtime != "" {
		d.errorf(k, "%s is the pool of tasks that name none: it can't have a runtime; give the pool another name", e.Name)
		return
	}
	if e.Runtime == "" {
		for key := range pairs(n) {
			if slices.Contains([]string{"path", "initializer", "max_tasks_per_worker", "python", "node"}, key.Value) {
				d.errorf(key, "%s goes with a runtime: python or node", key.Value)
			}
		}
		return
	}
	if p.kind != nil && !e.Process {
		d.errorf(p.kind, "a runtime is a process: kind: process")
	}
	if p.interpreter != nil && p.interpreter.Value != e.Runtime {
		d.errorf(p.interpreter, "%s is no interpreter of runtime: %s", p.interpreter.Value, e.Runtime)
	}
	if e.Path == nil {
		e.Path = []string{"."}
	}
	for i, path := range e.Path {
		e.Path[i] = filepath.Clean(path)
	}
}

func (d *decoder) executorNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range d.w.Executors {
			if !yield(d.w.Executors[i].Name) {
				return
			}
		}
	}
}

// canRun says why an executor can't run an action; "" where it can.
func canRun(e *Executor, a Action) string {
	kind := a.Kind()
	switch kind {
	case "run", "exec":
		if e.Runtime != "" {
			return fmt.Sprintf("it is a pool of %s workers, which only call runs on", e.Runtime)
		}
	case "call":
		native := strings.HasPrefix(a.(Call).Function, "go:")
		if native && e.Runtime != "" {
			return fmt.Sprintf("it is a pool of %s workers, and go: is a function of flow's own process", e.Runtime)
		}
		if !native && e.Runtime == "" {
			return "call needs a pool with a runtime: python or node"
		}
	case "expr", "http", "sql":
		if e.Process {
			return kind + " runs on a pool of kind: thread"
		}
	}
	return ""
}

// assignExecutor gives a task its pool: the one that it names, that of
// defaults where it can run the action, or the built-in one.
func (d *decoder) assignExecutor(t *draft, kind string) {
	if kind == "wait" || kind == "workflow" {
		return
	}
	d.key = "executor"
	if t.executor != nil {
		d.namedExecutor(t)
	} else {
		t.Executor = "default"
		if kind == "expr" || kind == "http" || kind == "sql" {
			t.Executor = "thread"
		}
		if e, ok := d.pool(d.defaults.executor); ok && canRun(e, t.Action) == "" {
			t.Executor = e.Name
		}
		if call, ok := t.Action.(Call); ok && t.Executor == "default" && call.Function != "" && !strings.HasPrefix(call.Function, "go:") {
			d.errorf(t.action, "call needs an executor with a runtime%s", d.someRuntime())
		}
	}
}

func (d *decoder) namedExecutor(t *draft) {
	name, ok := d.text(t.executor)
	if !ok {
		return
	}
	e, ok := d.pool(name)
	if !ok {
		d.errorf(t.executor, "%s: no such executor%s", shorten(name, 60), d.didYouMean(name, d.executorNames()))
		return
	}
	if why := canRun(e, t.Action); why != "" {
		d.errorf(t.executor, "%s can't run %s: %s", name, t.Action.Kind(), why)
		return
	}
	t.Executor = name
}

// someRuntime shows which executor call could name.
func (d *decoder) someRuntime() string {
	for i := range d.w.Executors {
		if e := &d.w.Executors[i]; e.Runtime != "" {
			return "; add executor: " + e.Name
		}
	}
	return "; define one, as executors: { py: { kind: process, runtime: python } }, and name it"
}
