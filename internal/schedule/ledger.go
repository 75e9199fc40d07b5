// Package schedule starts workflows when it is time, and when something has happened that
// they wait for: each time once, whatever crashes, sleeps, is set back or runs beside it.
//
// The Keeper decides. It knows no clock: it is told the time, answers when it wants to be
// told next, and writes what it has decided into the ledger before anything is started.
// The Service tells it, by the clock on the wall.
package schedule

import "time"

// Cause is a schedule, or another trigger, as the ledger knows it.
type Cause struct {
	Key      string // unique: its identity
	Workflow string
	Trigger  string // schedule, file, workflow, webhook or manual
	What     string // for people: the expression and its zone, the file, …
	// Upto is the moment up to which each of its times has a row, and before which there
	// is none.
	Upto time.Time
	// Active: its times count. One that is not starts anew when it becomes so.
	Active bool
}

// Row is one time of a cause and its fate.
type Row struct {
	Key     string // of the cause
	At      time.Time
	What    string // of a trigger that is no schedule: what it saw; else ""
	Fate    string
	Shifted bool
	Decided time.Time
	Run     string // the id of the run that it was to start; "": none. Of what has failed or was skipped, there is no such run
	Begun   bool   // that run has begun, or can't
	Note    string
	Params  string // JSON: an Order; "": it is of a schedule

	Workflow, Trigger, Of string // of the cause: filled in where rows are read (Of is its What)
}

// The fates of a time. A row is queued or fired at first; what is queued is fired or caught
// up once its turn comes.
const (
	Fired    = "fired"     // its run was started, at most Grace late
	CaughtUp = "caught_up" // its run was started later, since the file says so (catchup)
	Queued   = "queued"    // its run starts when the one before it has ended (overlap)
	Skipped  = "skipped"   // the one before it had not ended (overlap), or there was no place (concurrency)
	Missed   = "missed"    // nobody was there to start it
	Disabled = "disabled"  // the schedule is switched off
	Failed   = "failed"    // its run could not begin
)

// Ledger keeps causes and rows. A row's Key, At and What are unique.
type Ledger interface {
	Causes() (map[string]Cause, error)
	// Decide records, in one transaction, causes as they are now, rows where there is none
	// yet, and what has changed of rows that are there (see Settle). A row without a run that
	// was decided on at a moment that is still to come, by a clock that was wrong, counts as
	// none. It tells which rows are new.
	Decide(causes []Cause, rows, settle []Row) (fresh []bool, err error)
	// Settle changes rows that are there: Fate, Decided, Run, Begun and Note. Of those that
	// have failed or were skipped, Params goes.
	Settle(rows ...Row) error
	// Unsettled returns the rows with Begun false, the oldest first.
	Unsettled() ([]Row, error)
	// Seen returns the run of the row that a cause has for a sight, and whether there is one.
	Seen(key, what string) (run string, seen bool, err error)
	// LastRun returns the newest run that a cause has started; "": none.
	LastRun(key string) (string, error)
}

// Runner starts runs and knows of them. None of its methods waits for a run.
type Runner interface {
	// Launch starts a run. Whoever made the runner is told of what becomes of it: that it
	// has begun, was refused, or has ended. A run with that id that is there already is not
	// started again; what becomes of it is told as well.
	Launch(Firing)
	// Replace asks a run to make room.
	Replace(run string)
	// Live reports whether a run has begun and has not ended, whoever runs it.
	Live(run string) (bool, error)
	// NewID returns a new run's id.
	NewID() string
}

// Firing is a run that is to be started.
type Firing struct {
	Run      string // its id
	Version  *Version
	Trigger  string
	At       time.Time // scheduled_at, in the schedule's zone
	From, To time.Time // the interval
	Schedule int       // which of the workflow's; -1: none
	Order    Order     // of what is no schedule
	Key      string    // of the cause
}
