package engine

import (
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Event is news of a run, for people and programs that watch it; its JSON is
// the line that `flow run --json` prints. Fields that don't belong to a type
// are left out.
type Event struct {
	Seq  int64    `json:"seq"` // from 1, without gaps
	Time run.Time `json:"time"`
	Type string   `json:"type"`

	Run      string `json:"run,omitzero"`      // of run_started, run_ended
	Workflow string `json:"workflow,omitzero"` // of run_started, run_ended
	Task     string `json:"task,omitzero"`
	Instance *int   `json:"instance,omitzero"` // of an instance of a fan-out, from 0
	Attempt  int    `json:"attempt,omitzero"`
	Status   string `json:"status,omitzero"` // of attempt_ended, task_ended, run_ended
	Reason   string `json:"reason,omitzero"`
	Message  string `json:"message,omitzero"` // of what failed
	ExitCode *int   `json:"exit_code,omitzero"`

	At        run.Time        `json:"at,omitzero"`           // of retry_scheduled: when
	Duration  time.Duration   `json:"-"`                     // of attempt_ended and task_ended
	Seconds   float64         `json:"duration_s,omitzero"`   // the same
	From      string          `json:"cached_from,omitzero"`  // of task_ended: the run that its result is from; of run_started: the run whose results stand in it
	Differ    []string        `json:"other_params,omitzero"` // of run_started with that: the params that it had otherwise
	Instances int             `json:"instances,omitzero"`    // of task_ended of a fan-out: how many there were
	Total     int             `json:"tasks,omitzero"`        // of run_started: how many
	Tail      string          `json:"-"`                     // of attempt_ended, where it failed: the last lines that it printed
	Expected  []time.Duration `json:"-"`                     // of run_started: how long each task is expected to take, by its place in the file; nil: not known
	Index     int             `json:"-"`                     // the task's place in the file
}

// The types of events.
const (
	RunStarted     = "run_started"
	TaskReady      = "task_ready"
	AttemptStarted = "attempt_started"
	AttemptEnded   = "attempt_ended"
	RetryScheduled = "retry_scheduled"
	TaskEnded      = "task_ended" // a task; with an instance, one instance of a fan-out
	RunEnded       = "run_ended"
)

// news passes an event on to whoever watches. Its time is that of what the machine
// was told last.
func (r *Run) news(e Event) {
	if r.watch == nil {
		return
	}
	r.seq++
	e.Seq = r.seq
	e.Time = run.Time{Time: r.now.Truncate(time.Millisecond).In(r.zone)}
	e.Seconds = e.Duration.Seconds()
	r.watch(e)
}

// about begins an event about a task or an instance (-1: the task itself).
func (r *Run) about(kind string, task, instance int32) Event {
	e := Event{Type: kind, Task: r.plan.Nodes[task].Task.ID, Index: int(task)}
	if instance >= 0 && r.m.Instances(int(task)) != nil {
		k := int(instance)
		e.Instance = &k
	}
	return e
}

// outcome fills in how a task or an instance stands.
func (e *Event) outcome(o *dag.Outcome) {
	e.Status, e.Reason, e.Duration = o.Status.String(), o.Reason.String(), o.Duration()
	if o.Err != nil && o.Status == dag.Failed {
		e.Message = o.Err.Message
	}
	e.Attempt, e.From = int(o.Attempts), o.CachedFrom
	if o.ExitCode >= 0 {
		c := int(o.ExitCode)
		e.ExitCode = &c
	}
}
