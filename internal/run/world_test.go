package run_test

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// A world is what surrounds one machine in a test: a clock that jumps from one
// thing that happens to the next, pools, files, and attempts that do what a
// script says. Nothing in it is left to chance, so a case has one trace.
//
// What a script says of attempts, one task or instance a line:
//
//	load = exit 3 in 2s; ok [1,2]     the first attempt fails after 2 s, the next succeeds at once
//	load[1] = hang                    goes on until it is told to stop
//
// The verbs are ok with a result as JSON, exit with a status, timeout, error,
// lost, invalid, engine-lost (the attempt ended because its engine did) and hang;
// `in` says how long it takes, `linger` how much longer it takes when it is told
// to stop. The last attempt's line serves all later ones. What is not named
// succeeds with null, after no time; an `expr` really is computed.
type world struct {
	t       testing.TB
	mode    mode
	m       *run.Machine
	d       *run.Dispatcher
	q       *run.Queue
	host    *library
	script  map[string][]act
	start   time.Time
	now     time.Time
	cached  map[string]string
	seq     int
	agenda  []happening
	working map[string]*run.Ticket // by what: name[instance]
	facts   map[string]string
	order   []string
	retries map[string][]string
	watch   func(*run.Machine) // if not nil: is shown the machine after each event
	log     []byte             // the events so far, as they are stored
	logged  int64              // the time of the last of them
}

// mode says how a case is run: whatever the mode, the same comes of it.
type mode uint8

const (
	plain    mode = iota // values stand in the machine's state
	byRef                // each result is kept elsewhere, and passed by reference
	restored             // before each event the machine is restored from its snapshot
	replayed             // before each event it is made anew from the events so far, as they are stored
)

var modes = [...]string{plain: "plain", byRef: "by reference", restored: "restored", replayed: "replayed"}

// happening is something that is going to happen.
type happening struct {
	at    time.Time
	seq   int
	event run.Event
	free  *run.Ticket // the place that is free then
	what  string      // of an attempt's end
}

// epoch is when every run of a case begins.
var epoch = time.Date(2026, 1, 31, 6, 30, 0, 0, time.UTC)

func newWorld(t testing.TB, m mode, plan *dag.Plan, c *sentence) *world {
	t.Helper()
	w := &world{
		t: t, mode: m, m: run.New(plan), d: run.NewDispatcher(0, 0), start: epoch, now: epoch,
		host: &library{files: c.files, values: map[string]any{}, reads: map[string]int{}}, script: parseScript(t, c.does), cached: c.cached,
		working: map[string]*run.Ticket{}, facts: map[string]string{}, retries: map[string][]string{},
	}
	for i := range plan.Workflow.Executors {
		x := &plan.Workflow.Executors[i]
		if err := w.d.AddPool(x.Name, cmp.Or(x.Workers, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	w.q = w.d.Add()
	for line := range strings.Lines(c.events) {
		if line = strings.TrimSpace(line); line != "" {
			w.schedule(parseRequest(t, line))
		}
	}
	return w
}

func (w *world) schedule(h happening) {
	w.seq++
	h.seq = w.seq
	w.agenda = append(w.agenda, h)
}

// live runs the run to its end.
func (w *world) live(params map[string]any, only []int, info dag.RunInfo) {
	w.apply(run.Event{Kind: run.Started, Start: &run.Start{Version: run.Version, Run: info, Params: params, Only: only}})
	for {
		w.begin()
		if len(w.agenda) == 0 {
			break
		}
		// All that happens at one moment happens before anything new begins.
		w.now = slices.MinFunc(w.agenda, earlier).at
		for {
			k := slices.IndexFunc(w.agenda, func(h happening) bool { return h.at.Equal(w.now) })
			if k < 0 {
				break
			}
			h := w.agenda[k]
			w.agenda = slices.Delete(w.agenda, k, k+1)
			if h.free != nil {
				w.d.Release(*h.free)
				delete(w.working, h.what)
			}
			w.apply(h.event)
		}
	}
	if w.m.Result().Status == run.RunRunning {
		w.t.Fatal("the run hangs: nothing is going to happen any more")
	}
	w.collect()
}

func earlier(a, b happening) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) }

// begin starts what has a place.
func (w *world) begin() {
	for {
		t, ok := w.d.Next()
		if !ok {
			return
		}
		if !w.apply(run.Event{Kind: run.AttemptStarted, Task: t.Task, Instance: t.Instance, Attempt: t.Attempt}) {
			w.d.Release(t) // it was stopped while it was queued
			continue
		}
		w.attempt(t)
	}
}

// apply gives the machine an event, and reports whether it wanted it.
func (w *world) apply(e run.Event) bool {
	if w.mode == restored && e.Kind != run.Started {
		m, err := run.Restore(w.m.Plan(), w.m.Snapshot())
		if err != nil {
			w.t.Fatal(err)
		}
		w.m = m
	}
	if w.mode == replayed {
		w.m = replay(w.t, w.m.Plan(), w.log)
	}
	e.Time = w.now
	commands, err := w.m.Apply(e)
	if errors.Is(err, run.ErrStale) {
		return false
	}
	if err != nil {
		w.t.Fatalf("%+v: %v", e, err)
	}
	if w.log, err = run.AppendEvent(w.log, &e, w.logged); err != nil {
		w.t.Fatal(err)
	}
	w.logged = e.Time.UnixMilli()
	for _, c := range commands {
		w.obey(c)
	}
	w.noteStates()
	if w.watch != nil {
		w.watch(w.m)
	}
	return true
}

// replay folds stored events.
func replay(t testing.TB, plan *dag.Plan, log []byte) *run.Machine {
	t.Helper()
	m := run.New(plan)
	for last := int64(0); len(log) > 0; {
		e, rest, err := run.ReadEvent(log, last)
		if err == nil {
			_, err = m.Apply(e)
		}
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		log, last = rest, e.Time.UnixMilli()
	}
	return m
}

// noteStates adds to the states that each task and instance has gone through.
func (w *world) noteStates() {
	note := func(name string, s dag.Status) {
		if all := w.facts[name+".states"]; !strings.HasSuffix(" "+all, " "+s.String()) {
			w.facts[name+".states"] = strings.TrimSpace(all + " " + s.String())
		}
	}
	for i := range w.m.Plan().Nodes {
		note(w.task(int32(i)).ID, w.m.Outcome(i).Status)
		in := w.m.Instances(i)
		for k := range in {
			note(w.name(int32(i), int32(k)), in[k].Status)
		}
	}
}

// obey carries out one command.
func (w *world) obey(c run.Command) {
	switch c.Kind {
	case run.StartAttempt:
		if err := w.q.Enqueue(c, w.task(c.Task).Executor); err != nil {
			w.t.Fatal(err)
		}
	case run.StopAttempt:
		w.stop(w.name(c.Task, c.Instance))
	case run.SetTimer:
		w.schedule(happening{at: c.At, event: run.Event{
			Kind: run.TimerFired, Timer: c.Timer, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt}})
	case run.Evaluate:
		e := c.Evaluation.Do(w.host)
		if e.What == run.EvalInputs && e.Failure == nil {
			w.facts[w.name(c.Task, c.Instance)+".kept"] = encode(w.t, e.Value)
		}
		if e.What == run.EvalCache && e.Failure == nil {
			w.lookUp(&e)
		}
		w.schedule(happening{at: w.now, event: e})
	case run.RetryScheduled:
		name := w.name(c.Task, c.Instance)
		w.retries[name] = append(w.retries[name], c.At.Sub(w.now).String())
	}
}

// lookUp adds to a key the result that there is for it.
func (w *world) lookUp(e *run.Event) {
	answer := e.Value.(map[string]any)
	key := encode(w.t, w.host.resolve(answer["key"]))
	w.facts[w.name(e.Task, e.Instance)+".key"] = key
	if text, ok := w.cached[w.task(e.Task).ID+" "+key]; ok {
		answer["run"], answer["result"], answer["exit_code"] = "EARLIER", decode(w.t, text), 7
		if w.mode == byRef {
			answer["result"] = w.host.keep(answer["result"])
		}
	}
}

// stop ends an attempt that was told to, when it has lingered.
func (w *world) stop(what string) {
	t := w.working[what]
	if t == nil {
		return // it was queued
	}
	a := w.act(what, int(t.Attempt))
	for k := range w.agenda {
		if h := &w.agenda[k]; h.what == what {
			h.at = w.now.Add(a.linger)
			return
		}
	}
	w.schedule(w.end(t, what, w.now.Add(a.linger), stopped))
}

// stopped is how an attempt that hangs ends when it is told to.
var stopped = &dag.Failure{Reason: dag.ReasonError, Message: "stopped", ExitCode: 143}

func (w *world) end(t *run.Ticket, what string, at time.Time, f *dag.Failure) happening {
	h := happening{at: at, free: t, what: what, event: run.Event{
		Kind: run.AttemptEnded, Task: t.Task, Instance: t.Instance, Attempt: t.Attempt, Failure: f, ExitCode: -1}}
	if f != nil {
		h.event.ExitCode = int32(f.ExitCode)
	}
	return h
}

func (w *world) task(i int32) *dag.Task { return w.m.Plan().Nodes[i].Task }

// name is that of a task, or of an instance: load[2].
func (w *world) name(task, instance int32) string {
	id := w.task(task).ID
	if w.m.Instances(int(task)) != nil {
		id += "[" + strconv.Itoa(int(instance)) + "]"
	}
	return id
}

// act is what an attempt is to do: that of the instance, else of the task.
func (w *world) act(what string, attempt int) act {
	acts := w.script[what]
	if acts == nil {
		id, _, _ := strings.Cut(what, "[")
		acts = w.script[id]
	}
	if acts == nil {
		return act{verb: "ok", arg: "null"}
	}
	return acts[min(attempt, len(acts))-1]
}

// attempt begins an attempt that has its place: what it would be given is
// evaluated and noted, and its end is put on the agenda.
func (w *world) attempt(t run.Ticket) {
	what := w.name(t.Task, t.Instance)
	mark := what
	if t.Attempt > 1 {
		mark += "#" + strconv.Itoa(int(t.Attempt))
	}
	w.order = append(w.order, mark)
	w.facts[mark+".at"] = w.now.Sub(w.start).String()
	w.working[what] = &t
	value, f := w.surround(mark, w.task(t.Task), w.m.Scope(t.Task, t.Instance))
	if f != nil {
		w.schedule(w.end(&t, what, w.now, f))
		return
	}
	a := w.act(what, int(t.Attempt))
	if a.verb == "hang" && w.task(t.Task).Timeout == 0 {
		return
	}
	h := w.end(&t, what, w.now.Add(a.in), a.failure(w.t))
	switch limit := w.task(t.Task).Timeout; {
	case limit > 0 && (a.in > limit || a.verb == "hang"):
		h = w.end(&t, what, w.now.Add(limit), &dag.Failure{Reason: dag.ReasonTimeout, Message: "timed out after " + limit.String(), ExitCode: 143})
	case a.verb == "engine-lost":
		h.event.EngineLost = true
	case h.event.Failure == nil:
		if _, expr := w.task(t.Task).Action.(dag.Compute); !expr {
			value, h.event.ExitCode = decode(w.t, a.arg), 0
		}
		if h.event.Value = value; w.mode == byRef && value != nil {
			h.event.Value = w.host.keep(value)
		}
	}
	w.schedule(h)
}

// surround evaluates what an attempt is given, as a driver does, and notes it. Of
// an `expr` it returns the value.
func (w *world) surround(mark string, t *dag.Task, s *dag.Scope) (value any, f *dag.Failure) {
	note := func(name string, v any, err error) {
		if err != nil {
			f = &dag.Failure{Reason: dag.ReasonInvalid, Message: err.Error(), ExitCode: -1}
			return
		}
		w.facts[mark+"."+name] = encode(w.t, v)
	}
	s.Host = w.host
	env, inputs, err := s.Entries(nil)
	if note("env", env, err); f == nil {
		note("inputs", inputs, nil)
		s.Env, s.Inputs = env, inputs
	}
	if key := w.m.CacheKey(int32(t.Index), int32(s.Index)); key != nil {
		note("cachekey", key, nil)
	}
	if f == nil && t.Stdin != nil {
		v, err := t.Stdin.Eval(s)
		note("stdin", dag.Text(v), err)
	}
	switch a := t.Action.(type) {
	case dag.Compute:
		if f == nil {
			value, err = a.Expr.Eval(s)
			note("value", value, err)
		}
	case dag.Exec:
		for k := 0; k < len(a.Argv) && f == nil; k++ {
			v, err := a.Argv[k].Eval(s)
			note("argv"+strconv.Itoa(k), dag.Text(v), err)
		}
	case dag.Run:
		for k := 0; k < len(a.Script.Vars) && f == nil; k++ {
			v, err := a.Script.Vars[k].Expr.Eval(s)
			note("var"+strconv.Itoa(k), dag.Text(v), err)
		}
	}
	return value, f
}

// collect notes how everything ended.
func (w *world) collect() {
	res := w.m.Result()
	w.facts["run"] = strings.TrimSpace(res.Status.String() + " " + res.Reason.String())
	w.facts["run.message"] = res.Message
	w.facts["run.at"] = w.m.Summary().Ended.Sub(w.start).String()
	w.facts["order"] = strings.Join(w.order, " ")
	if res.Outputs != nil {
		w.facts["outputs"] = encode(w.t, res.Outputs)
	}
	for i := range w.m.Plan().Nodes {
		id := w.task(int32(i)).ID
		w.outcome(id, w.m.Outcome(i))
		in := w.m.Instances(i)
		if in != nil {
			w.facts[id+".instances"] = strconv.Itoa(len(in))
		}
		for k := range in {
			w.outcome(w.name(int32(i), int32(k)), &in[k])
		}
	}
	for name, delays := range w.retries {
		w.facts[name+".delays"] = strings.Join(delays, " ")
	}
	for name, n := range w.host.reads {
		w.facts["reads."+name] = strconv.Itoa(n)
	}
}

func (w *world) outcome(name string, o *dag.Outcome) {
	w.facts[name] = strings.TrimSpace(o.Status.String() + " " + o.Reason.String())
	w.facts[name+".attempts"] = strconv.Itoa(int(o.Attempts))
	if o.CachedFrom != "" {
		w.facts[name+".from"] = o.CachedFrom
	}
	w.facts[name+".exit_code"] = strconv.Itoa(int(o.ExitCode))
	w.facts[name+".result"] = encode(w.t, w.host.resolve(o.Result))
	if o.Err != nil {
		w.facts[name+".error"] = o.Err.Message
	}
	for field, ms := range map[string]int64{".started": o.Started, ".ended": o.Ended} {
		if ms != 0 {
			w.facts[name+field] = time.UnixMilli(ms).Sub(w.start).String()
		}
	}
}
