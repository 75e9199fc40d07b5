package engine

import (
	"math"
	"runtime"
	"sync"

	"flow/dag"
	"flow/internal/run"
)

// evaluator carries out the machine's Evaluate commands: as many at once as there
// are processors, since each may read a file of any size. The run owns it, and
// closes it before its folder goes.
type evaluator struct {
	do func(*run.Evaluation)

	mu      sync.Mutex
	waiting []*run.Evaluation
	working int
	closed  bool
	workers sync.WaitGroup
}

// add never blocks. After close it does nothing: nobody waits for the answer.
func (v *evaluator) add(e *run.Evaluation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	v.waiting = append(v.waiting, e)
	if v.working < runtime.GOMAXPROCS(0) {
		v.working++
		v.workers.Go(v.work)
	}
}

func (v *evaluator) work() {
	for {
		v.mu.Lock()
		if len(v.waiting) == 0 || v.closed {
			v.working--
			v.mu.Unlock()
			return
		}
		e := v.waiting[0]
		v.waiting = v.waiting[1:]
		v.mu.Unlock()
		v.do(e)
	}
}

// close forgets what waits, and waits for what is being evaluated.
func (v *evaluator) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.workers.Wait()
}

// evaluate carries out one command; its answer is recorded, so secrets are masked in it. Large values are kept as files before they
// get into the run's state: a thousand instances that read the same file share
// one.
func (r *Run) evaluate(e *run.Evaluation) {
	event := e.Do(r.host)
	if e.What == run.EvalCache && event.Failure == nil {
		r.lookUp(&event)
	} else {
		event.Value = r.mask.Value(event.Value)
	}
	event.Failure = r.maskFailure(event.Failure)
	if both, ok := event.Value.(map[string]any); ok && e.What == run.EvalInputs {
		for _, entries := range both {
			if err := r.keepEntries(entries); err != nil {
				if r.journal != nil { // as with a result
					r.in.put(message{fatal: err})
				}
				event.Value = nil
				event.Failure = &dag.Failure{Reason: dag.ReasonInvalid, Message: "a value can't be kept: " + err.Error(), ExitCode: -1}
			}
		}
	}
	r.in.put(message{event: event})
}

// keepEntries keeps the large ones of a task's evaluated inputs or env.
func (r *Run) keepEntries(entries any) error {
	m, _ := entries.(map[string]any)
	for name, v := range m {
		kept, err := r.host.keep(v, math.MaxInt64)
		if err != nil {
			return err
		}
		m[name] = kept
	}
	return nil
}
