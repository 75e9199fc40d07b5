package dag

import "time"

// Status is where a task, or one instance of it, stands. docs/states.md has the
// picture.
type Status uint8

const (
	Pending   Status = iota // waits for its inputs
	Queued                  // ready: waits for a worker
	Running                 // an attempt is at work
	Retrying                // waits for its next attempt
	Succeeded               // ended: it has a result
	Failed                  // ended: it has an error
	Skipped                 // ended without having been started
	Cancelled               // ended because somebody wanted it to
)

var statusNames = [...]string{"pending", "queued", "running", "retrying", "succeeded", "failed", "skipped", "cancelled"}

// String returns the status as it stands in expressions, JSON and on screen.
func (s Status) String() string { return statusNames[s] }

// Ended reports whether the status is final.
func (s Status) Ended() bool { return s >= Succeeded }

// Reason says why a task failed, was skipped or was cancelled; §9 of the
// language reference.
type Reason uint8

const (
	NoReason Reason = iota

	ReasonExit    // failed: the command ended with a status that isn't 0, or by a signal
	ReasonTimeout // failed or cancelled: timeout, deadline, or the run's timeout
	ReasonError   // failed: an exception, a refused request, a program that can't be started
	ReasonLost    // failed: its worker, or its engine, died
	ReasonInvalid // failed: an expression or a result could not be evaluated

	ReasonCondition   // skipped: its `if` was false
	ReasonUpstream    // skipped: something it depends on did not succeed
	ReasonFailFast    // skipped or cancelled: another task failed
	ReasonNotSelected // skipped: the run was asked for other tasks only

	ReasonUser    // cancelled: Ctrl-C, SIGTERM, `flow cancel`
	ReasonReplace // cancelled: a newer run took its place

	ReasonTaskFailed // a run failed: one of its tasks did
)

var reasonNames = [...]string{"", "exit", "timeout", "error", "lost", "invalid",
	"condition", "upstream", "fail_fast", "not_selected", "user", "replace", "task_failed"}

// String returns the reason as it stands in JSON and on screen, "" for none.
func (r Reason) String() string { return reasonNames[r] }

// Failure is why a task failed: `error` in expressions. It is immutable.
type Failure struct {
	Reason    Reason
	Message   string
	Type      string // the exception's class name, if there was one
	Traceback string
	ExitCode  int // 128+n after signal n; -1: there was no process, or it never ran
}

// Ref is a value that is kept elsewhere, by the hash of its JSON encoding.
type Ref struct {
	Hash string `json:"ref"`  // "sha256:" and 64 hexadecimal digits
	Size int64  `json:"size"` // bytes
}

// Outcome is what is known of a task: what `tasks.ID` shows to expressions.
// Once Status.Ended() it never changes again.
type Outcome struct {
	Status   Status
	Reason   Reason
	Attempts int32
	ExitCode int32 // of the last attempt's process; -1: there was none
	Started  int64 // of the first attempt, Unix milliseconds; 0: never
	Ended    int64 // Unix milliseconds; 0: not yet
	Result   any   // a plain value (see Plain), or a *Ref; nil unless succeeded (a failed fan-out: its list)
	Err      *Failure

	// CachedFrom is the id of the run that the result is from, where it was not made
	// again; "": it was.
	CachedFrom string
}

// Duration is the time from the first attempt's start to the end, 0 for what
// never started or has not ended.
func (o *Outcome) Duration() time.Duration {
	if o.Started == 0 || o.Ended == 0 {
		return 0
	}
	return time.Duration(o.Ended-o.Started) * time.Millisecond
}

// RunInfo is what `run` shows to expressions. Times are in the zone that they
// are to be shown in; the zero time is null.
type RunInfo struct {
	ID            string
	Workflow      string
	Trigger       string // "manual", "schedule", "file", "workflow", "webhook", "backfill"
	ScheduledAt   time.Time
	IntervalStart time.Time
	IntervalEnd   time.Time
	StartedAt     time.Time
	Attempt       int // from 1; a retry of the whole run counts up
}

// Now is the run's logical time, what now() returns: ScheduledAt, or else
// StartedAt. It is the same on every replay.
func (r *RunInfo) Now() time.Time {
	if !r.ScheduledAt.IsZero() {
		return r.ScheduledAt
	}
	return r.StartedAt
}
