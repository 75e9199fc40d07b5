package run

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"flow/dag"
)

// prepare makes a task or an instance ready for its first attempt: its deadline
// begins, and what it takes from files is read.
func (m *Machine) prepare(i, instance int32) {
	s, o, _ := m.slot(i, instance)
	t := m.task(i)
	o.Status = dag.Queued
	if t.Deadline > 0 {
		s.deadline = at(m.now).Add(t.Deadline).UnixMilli()
		m.setDeadline(i, instance, s)
	}
	if readsFiles(t.Inputs) || readsFiles(t.Env) {
		s.phase = binding
		m.ask(EvalInputs, i, instance)
		return
	}
	m.look(i, instance)
}

// look asks whether an earlier result can be used, where the task has a cache.
func (m *Machine) look(i, instance int32) {
	if m.task(i).Cache == nil {
		m.enqueue(i, instance)
		return
	}
	s, _, _ := m.slot(i, instance)
	s.phase = looking
	m.ask(EvalCache, i, instance)
}

// looked goes on when that is known: v has the key, as the driver wants it back from
// CacheKey; and if there is a result for it, the run that it is from, the result, and the
// exit code.
func (m *Machine) looked(i, instance int32, v any, err error) {
	s, o, _ := m.slot(i, instance)
	found, ok := v.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("cache: its key was evaluated to %s", dag.TypeName(v))
	}
	if err != nil {
		m.failSlot(i, instance, invalid(err))
		return
	}
	if from, hit := found["run"].(string); hit {
		o.CachedFrom, o.Result = from, found["result"]
		if code, has := found["exit_code"].(int); has {
			o.ExitCode = int32(code)
		}
		m.endSlot(i, instance, dag.Succeeded, dag.NoReason)
		return
	}
	if s.held == nil {
		s.held = &held{}
	}
	s.held.key = found["key"]
	m.enqueue(i, instance)
}

// Counts reports whether the success that an AttemptEnded tells of would be the task's: its
// attempt runs, and was not told to stop.
func (m *Machine) Counts(e *Event) bool {
	s, _, err := m.slot(e.Task, e.Instance)
	return err == nil && m.stage != over && s.phase == running && s.attempt == e.Attempt && e.Failure == nil
}

// CacheKey returns what a task's or an instance's success is to be kept by; nil where it
// has no cache, or has ended.
func (m *Machine) CacheKey(task, instance int32) any {
	s, _, err := m.slot(task, instance)
	if err != nil || s.held == nil {
		return nil
	}
	return s.held.key
}

func (m *Machine) setDeadline(i, instance int32, s *slot) {
	m.emit(Command{Kind: SetTimer, Timer: DeadlineTimer, Task: i, Instance: instance, At: at(s.deadline)})
}

func (m *Machine) setRetry(i, instance int32, s *slot) {
	m.emit(Command{Kind: SetTimer, Timer: RetryTimer, Task: i, Instance: instance, Attempt: s.attempt, At: at(s.due)})
}

// readsFiles reports whether an entry has to be evaluated once and kept: it
// comes from files, which may change between attempts. All else is pure and is
// evaluated anew for each attempt, to the same values.
func readsFiles(bs []dag.Binding) bool {
	for k := range bs {
		if keeps(&bs[k]) {
			return true
		}
	}
	return false
}

// keeps says whether the machine keeps an entry's value: never that of one with
// a secret in it.
func keeps(b *dag.Binding) bool {
	u := b.Value.Uses()
	return u.Files && len(u.Secrets) == 0
}

// bound goes on when inputs and env have been evaluated.
func (m *Machine) bound(i, instance int32, v any, err error) {
	s, _, _ := m.slot(i, instance)
	kept, _ := v.(map[string]any)
	inputs, ok := kept["inputs"].(map[string]any)
	env, ok2 := kept["env"].(map[string]any)
	switch {
	case err != nil:
		m.failSlot(i, instance, invalid(err))
	case !ok || !ok2:
		m.failSlot(i, instance, invalid(fmt.Errorf("inputs were evaluated to %s", dag.TypeName(v))))
	default:
		s.held = &held{inputs: inputs, env: env}
		m.look(i, instance)
	}
}

// enqueue gives the next attempt to the dispatcher.
func (m *Machine) enqueue(i, instance int32) {
	s, o, _ := m.slot(i, instance)
	s.attempt++
	s.phase = ready
	o.Status = dag.Queued
	m.emit(m.startCommand(i, instance, s.attempt))
}

func (m *Machine) startCommand(i, instance, attempt int32) Command {
	return Command{
		Kind: StartAttempt, Task: i, Instance: instance, Attempt: attempt,
		Rank: Rank{Priority: int32(m.task(i).Priority), Path: m.nodes[i].path},
	}
}

// attemptStarted handles AttemptStarted.
func (m *Machine) attemptStarted(e *Event) {
	s, o, _ := m.slot(e.Task, e.Instance)
	s.phase = running
	o.Status = dag.Running
	o.Attempts++
	if o.Started == 0 {
		o.Started = m.now
	}
	if f := m.nodes[e.Task].fan; f != nil {
		t := &m.outs[e.Task]
		t.Status = dag.Running
		t.Attempts++
		if t.Started == 0 {
			t.Started = m.now
		}
	}
}

// attemptEnded handles AttemptEnded.
func (m *Machine) attemptEnded(e *Event) {
	s, o, _ := m.slot(e.Task, e.Instance)
	o.ExitCode = e.ExitCode
	switch {
	case s.phase == stopping:
		m.stopped(e.Task, e.Instance, e.Failure)
	case e.Failure == nil:
		o.Err = nil
		o.Result = e.Value
		m.endSlot(e.Task, e.Instance, dag.Succeeded, dag.NoReason)
	case e.EngineLost:
		s.lost++
		o.Attempts--
		if m.nodes[e.Task].fan != nil {
			m.outs[e.Task].Attempts--
		}
		m.enqueue(e.Task, e.Instance)
	default:
		o.Err = e.Failure
		m.judge(e.Task, e.Instance)
	}
}

// stopped ends what was told to stop: what its attempt still did does not
// count, whether it succeeded or not.
func (m *Machine) stopped(i, instance int32, f *dag.Failure) {
	s, o, _ := m.slot(i, instance)
	if s.late {
		m.failSlot(i, instance, m.pastDeadline(i, f, o.Err))
		return
	}
	o.Err = nil
	m.endSlot(i, instance, dag.Cancelled, s.stop)
}

// pastDeadline is the failure of a task at its deadline: stopped is how the attempt
// ended that was at work, and last how one failed before, each nil if there is none.
func (m *Machine) pastDeadline(i int32, stopped, last *dag.Failure) *dag.Failure {
	f := &dag.Failure{
		Reason: dag.ReasonTimeout, ExitCode: -1,
		Message: fmt.Sprintf("not done by its deadline of %s", m.task(i).Deadline),
	}
	switch {
	case stopped != nil:
		f.ExitCode = stopped.ExitCode
	case last != nil:
		f.ExitCode = last.ExitCode
	}
	if last != nil && last.Reason != dag.ReasonTimeout {
		f.Message += "; the last attempt failed: " + last.Message
	}
	return f
}

// judge decides whether a failed attempt is followed by another.
func (m *Machine) judge(i, instance int32) {
	s, o, _ := m.slot(i, instance)
	r := &m.task(i).Retry
	switch {
	case int(s.attempt-s.lost) >= max(1, r.Attempts), o.Err.Reason == dag.ReasonInvalid:
		m.failSlot(i, instance, o.Err)
	case r.If == nil:
		m.delay(i, instance)
	default:
		sc := m.Scope(i, instance)
		sc.Error = o.Err
		v, err := r.If.Eval(sc)
		if errors.Is(err, dag.ErrNeedsHost) {
			s.phase = judging
			m.ask(EvalRetryIf, i, instance)
			return
		}
		m.judged(i, instance, v, err)
	}
}

// judged goes on when retry.if is known.
func (m *Machine) judged(i, instance int32, v any, err error) {
	_, o, _ := m.slot(i, instance)
	yes, isBool := v.(bool)
	switch {
	case err == nil && !isBool:
		err = fmt.Errorf("`retry.if` must be true or false, not %s", dag.TypeName(v))
		fallthrough
	case err != nil:
		f := invalid(err)
		f.Message += "; the attempt had failed: " + o.Err.Message
		f.ExitCode = o.Err.ExitCode
		m.failSlot(i, instance, f)
	case yes:
		m.delay(i, instance)
	default:
		m.failSlot(i, instance, o.Err)
	}
}

// delay waits for the time of the next attempt.
func (m *Machine) delay(i, instance int32) {
	s, o, _ := m.slot(i, instance)
	d := m.retryDelay(i, instance, s.attempt-s.lost)
	due := at(m.now).Add(d)
	m.emit(Command{Kind: RetryScheduled, Task: i, Instance: instance, Attempt: s.attempt, At: due})
	if d <= 0 {
		m.enqueue(i, instance)
		return
	}
	s.phase, s.due = delayed, due.UnixMilli()
	o.Status = dag.Retrying
	m.setRetry(i, instance, s)
	if f := m.nodes[i].fan; f != nil {
		f.active--
		m.fill(i)
	}
}

// retryDelay is min(max_delay, delay × backoff^(n−1)) before attempt n+1, less
// up to jitter of it. The jitter is a hash, so a replay waits as long.
func (m *Machine) retryDelay(i, instance, n int32) time.Duration {
	r := &m.task(i).Retry
	d := float64(r.Delay)
	if r.Backoff > 1 {
		d *= math.Pow(r.Backoff, float64(n-1))
	}
	if r.MaxDelay > 0 {
		d = min(d, float64(r.MaxDelay))
	}
	if r.Jitter > 0 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d", m.start.Run.ID, m.task(i).ID, instance, n)
		d -= d * r.Jitter * (float64(mix(h.Sum64())>>11) / (1 << 53))
	}
	return time.Duration(min(d, math.MaxInt64/4)).Round(time.Millisecond)
}

// mix spreads the last bytes of an FNV hash over all bits (the finaliser of
// MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// again is called when a delay is over. An instance of a fan-out gave its place
// among max_parallel back meanwhile, and takes the next that is free.
func (m *Machine) again(i, instance int32) {
	f := m.nodes[i].fan
	if f == nil {
		m.enqueue(i, instance)
		return
	}
	f.slots[instance].phase = parked
	f.outs[instance].Status = dag.Queued
	f.again = append(f.again, instance)
	m.fill(i)
}

// timerFired handles TimerFired.
func (m *Machine) timerFired(e *Event) {
	switch e.Timer {
	case RunTimer:
		m.timedOut = true
		m.closeTasks(dag.ReasonTimeout)
	case RetryTimer:
		m.again(e.Task, e.Instance)
	case DeadlineTimer:
		s, o, _ := m.slot(e.Task, e.Instance)
		if s.phase == running {
			s.late = true
			m.stop(e.Task, e.Instance, dag.ReasonTimeout)
			return
		}
		if s.phase == ready {
			m.emit(Command{Kind: StopAttempt, Cause: dag.ReasonTimeout, Task: e.Task, Instance: e.Instance, Attempt: s.attempt})
		}
		m.failSlot(e.Task, e.Instance, m.pastDeadline(e.Task, nil, o.Err))
	}
}

// stop tells a running attempt to end.
func (m *Machine) stop(i, instance int32, cause dag.Reason) {
	s, _, _ := m.slot(i, instance)
	s.phase, s.stop = stopping, cause
	m.emit(Command{Kind: StopAttempt, Cause: cause, Task: i, Instance: instance, Attempt: s.attempt})
}

// invalid makes an evaluation's error a failure.
func invalid(err error) *dag.Failure {
	return &dag.Failure{Reason: dag.ReasonInvalid, Message: err.Error(), ExitCode: -1}
}
