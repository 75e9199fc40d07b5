package dag

import "errors"

// Scope is everything that an expression can name, at one moment of one run.
// Evaluating reads it and changes nothing in it, so several goroutines may
// evaluate in the same Scope as long as nobody writes to it.
//
// A Scope is small (it points to the run's own state), so one a task attempt
// costs little.
type Scope struct {
	Workflow *Workflow
	Task     *Task // whose `inputs` and `env` are meant; nil in outputs

	Params map[string]any
	Run    *RunInfo
	// Outcomes has one entry a task of the workflow, by Task.Index. Only those
	// of tasks that the expression mentions are read: for a task's expressions,
	// its dependencies, which have ended and don't change any more.
	Outcomes []Outcome

	// Of an instance of a fan-out. Key is nil for lists. Matrix is nil unless
	// the task has one.
	Item   any
	Index  int
	Key    any
	Matrix map[string]any

	// What the status functions answer.
	Success, Failure, Cancelled bool
	RunStatus                   string   // run.status: so far; in finally and outputs
	Error                       *Failure // error, in retry.if
	Found                       any      // result, in until

	// Inputs and Env, where not nil, are the task's evaluated inputs and
	// environment; otherwise an expression that names one evaluates it.
	Inputs map[string]any
	Env    map[string]any

	// Ended, if not nil, ends the evaluation with an error once it returns true, soon
	// rather than at once.
	Ended func() bool

	// Host gives what lies outside the run's state. Nil in the machine: an
	// expression that needs it fails with ErrNeedsHost then.
	Host Host
}

// Host gives expressions what is not part of a run's state: large values,
// secrets, and the files of the machine.
type Host interface {
	Load(*Ref) (any, error)             // a plain value
	Secret(name string) (string, error) // the value of a declared secret
	ReadFile(path string) (string, error)
	HashFiles(globs []string) (string, error) // hexadecimal SHA-256
}

// ErrNeedsHost is what evaluating answers where a Scope without a Host does not
// suffice: a value that is kept elsewhere, a secret, a file.
var ErrNeedsHost = errors.New("dag: evaluation needs a host")

// Uses is what an expression, a value or a script mentions.
type Uses struct {
	Tasks   []int    // by index, each once, in order of mention
	Secrets []string // names, directly or through env and inputs
	Params  []string
	Files   bool // calls read_file or hash_files, directly or through env and inputs
	Fan     bool // names item, index, key or matrix, directly or through inputs and env
	Status  bool // calls success, failure, cancelled or always
	// Moment: names run.id, run.status, a time of the run, or calls now(),
	// directly or through inputs and env: what is known only when a run begins.
	Moment bool
}
