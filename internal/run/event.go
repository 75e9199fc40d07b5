// Package run is the life of one run: its states, its events, the machine that
// holds the meaning of the workflow language, and the dispatcher that hands out
// places in pools.
//
// The package is pure: no clock, no goroutine, no disk, no network, no
// randomness. A driver feeds [Machine.Apply] with events, which are facts, and
// carries out the commands that it answers. A run is the fold of its events:
// applying the same events to a new machine gives the same state.
package run

import (
	"errors"
	"time"

	"flow/dag"
)

// Version is the version of the machine's meaning, recorded in Start. A machine
// replays the logs of its own version only.
const Version = 1

// EventKind says what happened.
type EventKind uint8

const (
	Started         EventKind = iota + 1 // the run began: Start is set. The first event of every run
	AttemptStarted                       // an attempt got its place and begins: Task, Instance, Attempt
	AttemptEnded                         // an attempt is over: Value, or Failure; ExitCode
	TimerFired                           // the time of a SetTimer has come: Timer, Task, Instance, Attempt
	Evaluated                            // the answer to an Evaluate: What, Task, Instance; Value, or Failure
	CancelRequested                      // somebody wants the run to end: Reason
)

// Event is one fact. Events of one run are applied one after another; their
// times never go backwards. It is one struct with a kind, and no interface,
// since a million of them must not be a million allocations.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Task     int32 // index in the plan
	Instance int32 // of a fan-out, from 0; else 0
	Attempt  int32 // from 1

	Start   *Start       // of Started
	Timer   TimerKind    // of TimerFired
	What    EvalKind     // of Evaluated
	Value   any          // a plain value (dag.Plain) or a *dag.Ref
	Failure *dag.Failure // nil: it went well

	// ExitCode is that of the attempt's process: 128+n after signal n, -1 where
	// there was none.
	ExitCode int32
	// EngineLost, with a Failure of reason lost: the attempt ended because its
	// engine did. It runs again and does not count.
	EngineLost bool
	// Reason, of CancelRequested: dag.ReasonUser or dag.ReasonReplace.
	Reason dag.Reason
	// Kill, of CancelRequested: at once, without waiting for anything, and
	// without `finally`. It may follow a CancelRequested without it.
	Kill bool
}

// Start is everything that a run knows from outside: what Started records, so
// that a replay needs nothing else.
type Start struct {
	Version int // Version of the machine that began the run
	Run     dag.RunInfo
	Params  map[string]any // read and checked (dag.Workflow.ReadParams)
	// Durations has an expected duration a task, by index, for the ranks. Nil:
	// every task counts the same.
	Durations []time.Duration
	// Only, where not nil, has the tasks that this run is about, by index; all
	// others of `tasks` are skipped, reason not_selected. It must hold what they
	// depend on.
	Only []int
}

// TimerKind says what a timer is for.
type TimerKind uint8

const (
	RetryTimer    TimerKind = iota + 1 // the delay before the next attempt: Task, Instance, Attempt (the one that failed)
	DeadlineTimer                      // a task's deadline: Task, Instance
	RunTimer                           // the run's timeout
)

// EvalKind says what an evaluation is of.
type EvalKind uint8

const (
	EvalIf      EvalKind = iota + 1 // a task's condition: a bool
	EvalFan                         // its for_each or matrix: a list or map
	EvalInputs                      // its inputs and env: a map with the keys inputs and env
	EvalRetryIf                     // its retry.if: a bool
	EvalOutputs                     // the run's outputs: a map
	EvalCache                       // its cache.key: see Machine.looked
)

// CommandKind says what the machine wants.
type CommandKind uint8

const (
	// StartAttempt: the attempt is ready. It is to be put into the queue of its
	// task's executor by its rank; when it has a place, the driver applies
	// AttemptStarted, asks Machine.Scope for what its expressions see, and
	// begins. (At once, where the task's Executor is "".)
	StartAttempt CommandKind = iota + 1
	// StopAttempt: a queued attempt is to be forgotten, a running one to be
	// stopped, Cause says why. Only running ones are answered by AttemptEnded.
	StopAttempt
	// SetTimer: at At (or as soon as possible after) TimerFired is to be
	// applied. There is no command to clear one: a timer whose cause is gone is
	// stale when it fires.
	SetTimer
	// Evaluate: Evaluation.Do is to be called with a Host, anywhere, and its
	// answer applied.
	Evaluate
	// TaskEnded: news, nothing to do. A task (Instance -1), or an instance of a
	// fan-out, has ended; Machine.Outcome and Machine.Instances tell how.
	TaskEnded
	// RetryScheduled: news. Attempt has failed, the next is due at At.
	RetryScheduled
	// Finish: the run has ended; Machine.Result tells how.
	Finish
)

// Command is one order (or piece of news) of the machine.
type Command struct {
	Kind     CommandKind
	Timer    TimerKind  // of SetTimer
	Cause    dag.Reason // of StopAttempt: user, replace, fail_fast or timeout
	Task     int32
	Instance int32
	Attempt  int32
	Rank     Rank      // of StartAttempt
	At       time.Time // of SetTimer and RetryScheduled

	Evaluation *Evaluation // of Evaluate
}

// Rank orders what is ready: higher Priority first, then longer Path (what
// remains to be done from this task to the end of the run, in milliseconds),
// then the place in the file, then the instance.
type Rank struct {
	Priority int32
	Path     int64
}

// before reports whether r goes first.
func (r Rank) before(s Rank) bool {
	if r.Priority != s.Priority {
		return r.Priority > s.Priority
	}
	return r.Path > s.Path
}

var (
	// ErrStale answers an event about something that is no longer current: a
	// repeated one, or one of an attempt or timer whose time has passed. It
	// changed nothing; delivery may repeat.
	ErrStale = errors.New("run: stale event")
	// ErrIllegal answers an event that can't be: before Started, of a task that
	// does not exist, of an attempt that was never asked for, with a time before
	// the last one's. It changed nothing.
	ErrIllegal = errors.New("run: illegal event")
)

// Result is how a run ended.
type Result struct {
	Status  Status
	Reason  dag.Reason // timeout, invalid or task_failed; user or replace; none of a run that succeeded
	Message string     // of invalid: what could not be evaluated
	Outputs map[string]any
}

// Status of a run.
type Status uint8

const (
	RunRunning   Status = iota // also while it winds up: finally, outputs
	RunSucceeded               // every task succeeded, was skipped, or failed with continue_on_error
	RunFailed                  // a task failed, the run's timeout passed, or outputs could not be evaluated
	RunCancelled               // somebody wanted it to end
)

var runStatusNames = [...]string{"running", "succeeded", "failed", "cancelled"}

// String returns the status as it stands in expressions, JSON and on screen.
func (s Status) String() string { return runStatusNames[s] }
