package run

import (
	"time"

	"flow/dag"
)

// News is what people and programs that watch a run are told; its JSON is a line of
// `flow run --json`. Fields that don't belong to a type are left out.
type News struct {
	Seq  int64  `json:"seq"` // from 1, without gaps
	Time Time   `json:"time"`
	Type string `json:"type"`

	Run      string `json:"run,omitzero"`
	Workflow string `json:"workflow,omitzero"`
	Task     string `json:"task,omitzero"`
	Instance *int   `json:"instance,omitzero"` // of an instance of a fan-out, from 0
	Attempt  int    `json:"attempt,omitzero"`
	Status   string `json:"status,omitzero"`
	Reason   string `json:"reason,omitzero"`
	Message  string `json:"message,omitzero"`
	ExitCode *int   `json:"exit_code,omitzero"`

	At        Time    `json:"at,omitzero"` // of retry_scheduled
	Seconds   float64 `json:"duration_s,omitzero"`
	From      string  `json:"cached_from,omitzero"`
	Instances int     `json:"instances,omitzero"`
	Total     int     `json:"tasks,omitzero"`
}

// Teller makes news of the events of a run, which it applies to its machine: so the news
// of a run that is over, or that another process runs, are those that were told when it
// happened. It is not safe for concurrent use.
type Teller struct {
	m     *Machine
	seq   int64
	now   Time
	zone  *time.Location
	began map[work]time.Time
	news  []News
}

// work is an attempt's place.
type work struct{ task, instance int32 }

// NewTeller returns the teller of a run that has yet to begin.
func NewTeller(plan *dag.Plan) *Teller {
	return &Teller{m: New(plan), zone: plan.Workflow.Zone(), began: make(map[work]time.Time)}
}

// Machine is the run as it stands.
func (t *Teller) Machine() *Machine { return t.m }

// Seq is the number of the last news; 0: there are none yet.
func (t *Teller) Seq() int64 { return t.seq }

// Tell applies an event. The news are good until the next call.
func (t *Teller) Tell(e *Event) ([]News, error) {
	t.news = t.news[:0]
	if e.Start != nil {
		e.Start.Run.StartedAt = e.Start.Run.StartedAt.In(t.zone)
	}
	over := t.m.result.Status != RunRunning
	commands, err := t.m.Apply(*e)
	if err != nil {
		return nil, err
	}
	t.now = Time{e.Time.Truncate(time.Millisecond).In(t.zone)}
	switch e.Kind {
	case Started:
		t.add(News{Type: "run_started", Run: e.Start.Run.ID, Workflow: t.m.plan.Workflow.Name, Total: len(t.m.nodes)})
	case AttemptStarted:
		t.began[work{e.Task, e.Instance}] = e.Time
		n := t.about("attempt_started", e.Task, e.Instance)
		n.Attempt = int(e.Attempt)
		t.add(n)
	case AttemptEnded:
		if !over {
			t.attempt(e)
		}
	}
	for i := range commands {
		t.command(&commands[i])
	}
	return t.news, nil
}

func (t *Teller) add(n News) {
	t.seq++
	n.Seq, n.Time = t.seq, t.now
	t.news = append(t.news, n)
}

func (t *Teller) about(kind string, task, instance int32) News {
	n := News{Type: kind, Task: t.m.task(task).ID}
	if instance >= 0 && t.m.nodes[task].fan != nil {
		k := int(instance)
		n.Instance = &k
	}
	return n
}

func (t *Teller) attempt(e *Event) {
	n := t.about("attempt_ended", e.Task, e.Instance)
	n.Attempt, n.Status, n.ExitCode = int(e.Attempt), dag.Succeeded.String(), exitCode(int(e.ExitCode))
	if f := e.Failure; f != nil {
		n.Status, n.Reason, n.Message = dag.Failed.String(), f.Reason.String(), f.Message
	}
	at := work{e.Task, e.Instance}
	n.Seconds = e.Time.Sub(t.began[at]).Seconds()
	delete(t.began, at)
	t.add(n)
}

func (t *Teller) command(c *Command) {
	switch c.Kind {
	case StartAttempt:
		if c.Attempt == 1 {
			t.add(t.about("task_ready", c.Task, c.Instance))
		}
	case RetryScheduled:
		n := t.about("retry_scheduled", c.Task, c.Instance)
		n.Attempt, n.At = int(c.Attempt), Time{c.At.In(t.zone)}
		t.add(n)
	case TaskEnded:
		t.ended(c)
	case Finish:
		r := &t.m.result
		t.add(News{Type: "run_ended", Run: t.m.start.Run.ID, Workflow: t.m.plan.Workflow.Name,
			Status: r.Status.String(), Reason: r.Reason.String(), Message: r.Message})
	}
}

func (t *Teller) ended(c *Command) {
	n, o := t.about("task_ended", c.Task, c.Instance), t.m.Outcome(int(c.Task))
	instances := t.m.Instances(int(c.Task))
	if c.Instance >= 0 {
		o = &instances[c.Instance]
	}
	n.Status, n.Reason, n.From = o.Status.String(), o.Reason.String(), o.CachedFrom
	n.Seconds, n.ExitCode = o.Duration().Seconds(), exitCode(int(o.ExitCode))
	if o.Err != nil && o.Status == dag.Failed {
		n.Message = o.Err.Message
	}
	if n.Attempt = int(o.Attempts); c.Instance < 0 && len(instances) > 0 {
		n.Instances, n.Attempt = len(instances), 0
	}
	t.add(n)
}
