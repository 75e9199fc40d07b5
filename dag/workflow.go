// Package dag says what a workflow is: the model of a workflow file, the
// parser with its diagnostics, the expression language, the checks, the
// plan (the graph of one workflow, ready to be run) and its pictures.
//
// The package is pure but for [Load], which reads one file: no clock, no
// goroutine, no process, no network. Everything that [Parse] returns is
// immutable and may be shared between goroutines and runs.
package dag

import "time"

// Pos is a place in a workflow file: line and column, both from 1, the column
// in characters. The zero Pos is nowhere (a default, or a value built in
// memory).
type Pos struct{ Line, Col int }

// Workflow is one checked workflow file. Its tasks hold every default of the
// file already, so that nobody has to look a second time.
type Workflow struct {
	Name        string
	Description string
	Owner       string
	Tags        []string

	File string // as it was named to the parser; stands in messages
	Dir  string // the file's folder: what relative paths start from

	Schedules   []Schedule
	Triggers    []Trigger
	Params      []Param
	Secrets     []Secret
	Executors   []Executor // the built-in `default` and `thread` first, unless the file defines them itself
	Timeout     time.Duration
	FailFast    bool
	Concurrency Concurrency
	Tasks       []*Task // of `tasks`, then of `finally`, each in file order; Task.Index is the place in this slice
	Outputs     []Binding
	Tests       []Case

	src *source // the file's text, for findings of others; nil for one built in Go
}

// Binding gives a name to a value: an entry of `inputs`, `env`, `outputs`, ….
type Binding struct {
	Name  string
	Pos   Pos
	Value *Value
}

// Task is one node of the workflow: one action and what surrounds it.
type Task struct {
	ID          string
	Index       int // place in Workflow.Tasks, and the node's index in the Plan
	Pos         Pos
	Description string
	Finally     bool

	Action Action
	Inputs []Binding
	Needs  []int // tasks named by `needs`, by index, in order of mention
	Deps   []int // every task that it names, by `needs` or in an expression: by index, ascending, each once
	If     *Expr // nil: success(), in `finally` always()

	Fan         *Fan // nil: one instance
	MaxParallel int  // instances at once; 0: no limit

	Executor string        // name of an entry of Workflow.Executors; "" for actions that hold no worker
	Timeout  time.Duration // of one attempt; 0: none
	Deadline time.Duration // from the moment the task is first ready; 0: none
	Retry    Retry

	ContinueOnError bool
	Result          Result
	Env             []Binding // the file's, defaults' and the task's own merged, later wins; order of first mention
	Dir             *Value    // nil: Workflow.Dir
	Shell           []string  // nil: sh -eu
	Stdin           *Value
	Grace           time.Duration
	Limits          Limits
	Priority        int
	Cache           *Cache
	Secrets         []string // those that it mentions, anywhere: sorted
}

// Action is what a task does; one of the types below.
type Action interface {
	// Kind is the action's key in the file: "run", "exec", "call", "expr",
	// "http", "sql", "workflow" or "wait".
	Kind() string
}

type (
	// Run is a shell script. Values stand in it as variables, never as text.
	Run struct{ Script *Script }
	// Exec starts one program without a shell. Argv has at least one element.
	Exec struct{ Argv []*Value }
	// Call calls a function in a warm worker: "module:function" or "go:Name".
	Call struct{ Function string }
	// Compute is `expr`: a pure computation.
	Compute struct{ Expr *Expr }
	// HTTP is one request. Nil values were not given.
	HTTP struct {
		Method, URL  *Value
		Headers      []Binding
		Query        []Binding
		JSON, Body   *Value
		Expect       []int // accepted statuses; nil: 200 to 299
		AllowPrivate bool
	}
	// SQL runs statements against a database. Exactly one of Query and File is set.
	SQL struct {
		Database    *Value
		Query, File *Value
		Args        *Value
	}
	// Child runs another workflow file; the task's inputs are its params.
	Child struct{ File string }
	// Wait is a sensor. Exactly one of File, HTTP, SQL, For and At is set.
	Wait struct {
		File  *Value
		HTTP  *HTTP
		SQL   *SQL
		For   *Value // a duration
		At    *Value // a time
		Until *Expr
		Every time.Duration
	}
)

func (Run) Kind() string     { return "run" }
func (Exec) Kind() string    { return "exec" }
func (Call) Kind() string    { return "call" }
func (Compute) Kind() string { return "expr" }
func (HTTP) Kind() string    { return "http" }
func (SQL) Kind() string     { return "sql" }
func (Child) Kind() string   { return "workflow" }
func (Wait) Kind() string    { return "wait" }

// Fan says how a task becomes many instances: exactly one of Each and Matrix
// is set.
type Fan struct {
	Each    *Value    // evaluates to a list or a map
	Matrix  []Binding // each evaluates to a list; the first varies slowest
	Exclude *Value    // nil, or evaluates to a list of maps
	Include *Value    // nil, or evaluates to a list of maps
}

// Retry says when a failed attempt is followed by another. The zero value
// means one attempt and no more.
type Retry struct {
	Attempts int // in all; 0 counts as 1
	Delay    time.Duration
	Backoff  float64 // factor from one delay to the next; at least 1
	MaxDelay time.Duration
	Jitter   float64 // 0 to 1
	If       *Expr
}

// ResultFormat says how a command's output becomes its result.
type ResultFormat uint8

// The formats of `result`.
const (
	ResultText  ResultFormat = iota // without trailing newlines
	ResultJSON                      // exactly one JSON value
	ResultLines                     // a list of lines
	ResultNone                      // null
)

// Result says where a command's result comes from: its standard output, or a
// file, relative to the task's folder.
type Result struct {
	Format ResultFormat
	File   *Value // nil: standard output
}

// Limits are the rlimits of a task's process; 0 means no limit.
type Limits struct {
	Memory    int64 // bytes of address space
	CPUTime   time.Duration
	OpenFiles int64
	Processes int64
}

// Cache says under which key an earlier success may be reused.
type Cache struct {
	Key *Value
	TTL time.Duration // 0: for ever
}

// Executor is a pool that tasks run on.
type Executor struct {
	Name              string
	Pos               Pos
	Process           bool // kind: process, else thread
	Workers           int  // 0: process, the number of CPUs; thread, 64
	Runtime           string
	Path              []string
	Initializer       string
	MaxTasksPerWorker int
	Interpreter       string // python: or node:
}

// Concurrency bounds the runs of one workflow at once. MaxRuns 0: no bound.
type Concurrency struct {
	MaxRuns int
	OnLimit string // "queue", "skip" or "replace"
}

// Secret names a value that is never kept; exactly one source is set.
type Secret struct {
	Name    string
	Pos     Pos
	Env     string
	File    string
	Command []string
}

// Schedule is one entry of `schedule`; §8 of the language reference.
type Schedule struct {
	Pos           Pos
	Cron          string
	Timezone      string // IANA name; "UTC" by default
	Start, End    time.Time
	Params        []Binding
	Enabled       bool
	Overlap       string // skip, queue, replace, allow
	Catchup       string // none, latest, all
	CatchupWindow time.Duration
	Jitter        time.Duration
}

// Trigger is one entry of `on`; exactly one of File, Workflow and Webhook is set.
type Trigger struct {
	Pos      Pos
	File     string
	Workflow string
	Status   []string // of Workflow: which ends count; nil: succeeded
	Webhook  string
	Secret   string // of Webhook: the name of the secret that signs requests
}

// Task returns the task with that id, and whether there is one.
func (w *Workflow) Task(id string) (*Task, bool) {
	// The parser keeps no map: a workflow is asked by name only from a command
	// line, a handful of times.
	for _, t := range w.Tasks {
		if t.ID == id {
			return t, true
		}
	}
	return nil, false
}

// Source is the text that the workflow was read from, as UTF-8 without a byte order mark;
// "" for one built in Go.
func (w *Workflow) Source() string {
	if w.src == nil {
		return ""
	}
	return w.src.text
}

// Executor returns the executor with that name, and whether there is one.
func (w *Workflow) Executor(name string) (*Executor, bool) {
	for i := range w.Executors {
		if w.Executors[i].Name == name {
			return &w.Executors[i], true
		}
	}
	return nil, false
}
