package web

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Catalog knows the workflows.
type Catalog interface {
	Workflows() []Workflow // sorted by name
}

// Workflow is a workflow file.
type Workflow struct {
	Name, File string
	Plan       *dag.Plan        // the last good one; nil: there was never one
	Broken     []dag.Diagnostic // the file as it is now can't be used
	Source     []byte
	Schedules  []Schedule
}

// Schedule is one schedule of a workflow.
type Schedule struct {
	Workflow, Cron, Timezone, Overlap, Catchup string

	Index   int
	Enabled bool
	Next    time.Time // zero: there is none
	Shifted bool      // Next was moved by a change of the clocks
}

// Control starts runs, and changes their course.
type Control interface {
	Start(ctx context.Context, workflow string, o StartOptions) (run string, err error)
	Cancel(ctx context.Context, run string) error
	Retry(ctx context.Context, run string, o RetryOptions) (string, error)
	Resume(ctx context.Context, run string) error
	// Hook answers POST /hooks/{path...}. It checks the request's signature itself:
	// no token is asked for.
	Hook(ctx context.Context, path string, h http.Header, body []byte) (run string, err error)
}

// StartOptions say how a run begins.
type StartOptions struct {
	Params     map[string]any // text is read by the type of the param
	Only, From []string
	Key        string // starts with the same one are one start; "": none
}

// RetryOptions say what of a run is to run again.
type RetryOptions struct {
	Tasks      []string // nil: what did not succeed
	Downstream bool     // and what depends on them
}

// Ledger has each time at which something was to be started, and what became of it.
type Ledger interface {
	Ledger(q LedgerQuery) ([]Fate, error) // the newest first
}

// LedgerQuery says which fates are wanted.
type LedgerQuery struct {
	Workflow string    // "": of all
	Run      string    // that which is to start this run; "": of all
	Trigger  string    // "": of all
	Before   time.Time // of earlier times only; zero: of all
	Limit    int
}

// Fate is what became of one time.
type Fate struct {
	Workflow, Trigger, What string

	At, Decided time.Time
	Fate        string
	Shifted     bool
	Run, Note   string
}

// Health tells how the service is.
type Health interface {
	Ready() error
	Leader() bool
}

// Runs are all runs that there are, whoever runs them.
type Runs interface {
	// List returns runs, the newest first.
	List(q RunQuery) ([]Run, error)
	// Find returns a run by its whole id; ErrNotFound.
	Find(id string) (Run, error)
	// Text is the workflow's text as it was when the run began.
	Text(id string) ([]byte, error)
	// Summary is the JSON of the summary of a run that has ended; nil of another.
	Summary(id string) ([]byte, error)
	// Events returns the events of a run from the nth on; known is the time of the one
	// before.
	Events(id string, n int64, known time.Time) iter.Seq2[run.Event, error]
	// Count counts runs, and adds up how long those that have ended took.
	Count() ([]Count, error)

	// Logs returns which attempts of a task, or of all where that is "", have printed
	// something, by task, instance and attempt.
	Logs(id, task string) ([]LogOf, error)
	// LogSize is how much of a log is kept, and how much was left out, in bytes, about.
	LogSize(of LogOf) (size, dropped int64, err error)
	// LogFrom and LogBefore return lines from a place on, and before one; before 0 are
	// those at the end. They return lines of at most limit bytes, and at least one, if
	// there is one. Of a log that is not there the error is ErrNotFound.
	LogFrom(of LogOf, from int64, limit int) (Piece, error)
	LogBefore(of LogOf, before int64, limit int) (Piece, error)
	// Value is the JSON of a large result.
	Value(ref *dag.Ref) ([]byte, error)
}

// RunQuery says which runs are wanted.
type RunQuery struct {
	Workflow string // "": of all
	Status   string // "": any; else running, interrupted, succeeded, failed or cancelled
	Before   string // an id: older ones only; "": the newest
	Limit    int
}

// Run is what is known of a run without its events.
type Run struct {
	ID, Workflow, File string

	Status          string // running, interrupted (whoever ran it is gone), succeeded, failed or cancelled
	Reason, Message string
	Started, Ended  time.Time // Ended is zero: it has not
	Trigger         string
	RetryOf         string // "": it is no retry
	Tasks           int
}

// Count is of the runs of one workflow with one status.
type Count struct {
	Workflow, Status string

	Runs    int
	Seconds float64 // that those that have ended took, together
}

// LogOf names the log of an attempt.
type LogOf struct {
	Run, Task string
	Instance  int // -1: the task is no fan-out
	Attempt   int
}

// Line is a line of a log, or a part of one.
type Line struct {
	Time      time.Time
	Stderr    bool
	Text      string
	Whole     bool  // the line ends here
	Dropped   int64 // how many bytes are left out before it, about
	Pos       int64
	Continues bool // it is more of the line before; Time and Stderr are those of that
}

// Piece is some lines of a log.
type Piece struct {
	Lines       []Line
	From, Next  int64
	First, Last bool // there is nothing before From; nothing behind Next yet
}

// InputError says that what was asked for can't be, and why: status 400.
type InputError struct {
	Message, Hint string
	Diagnostics   []dag.Diagnostic
	Err           error // may hold *dag.ParamError, also joined: shown beside their fields
}

// Error implements error.
func (e *InputError) Error() string {
	if e.Message == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

var (
	// ErrNotFound says that there is no such thing: status 404.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that it can't be done as things stand: status 409.
	ErrConflict = errors.New("conflict")
	// ErrForbidden says that a signature is missing or wrong: status 403.
	ErrForbidden = errors.New("forbidden")
)
