//go:build unix

package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"

	"flow/futures"
	"flow/internal/task"
	"flow/internal/wire"
)

// EncodeError says which part of an argument or result can't be sent to another process.
type EncodeError struct {
	Path string // a JSON pointer: "" is the whole value, "/rows/3" an element
	Err  error
}

func newEncodeError(err error) error {
	if e, ok := errors.AsType[*wire.EncodeError](err); ok {
		return &EncodeError{Path: e.Path, Err: e.Err}
	}
	return err
}

// Error implements error.
func (e *EncodeError) Error() string {
	where := "the argument"
	if e.Path != "" {
		where += " at " + e.Path
	}
	return fmt.Sprintf("executor: %s can't be encoded: %v", where, e.Err)
}

// Unwrap returns Err.
func (e *EncodeError) Unwrap() error { return e.Err }

// RemoteError is the error of a function in a worker process.
type RemoteError struct {
	Type      string // the bare name of its class
	Msg       string
	Traceback string // as its language prints one; "": there is none
	Lang      string // go, python, node, or what a Command says of itself
}

// Error returns "Type: Msg".
func (e *RemoteError) Error() string {
	if e.Msg == "" {
		return e.Type
	}
	return e.Type + ": " + e.Msg
}

// KeywordArgs gives the members of the argument, a map or a struct, as keyword arguments;
// Node, which has none, gets one object, and Self what it is. It is for Call alone.
func KeywordArgs() TaskOption {
	return remoteOption(func(o *remoteOptions) { o.args = wire.KeywordArg })
}

// Output has what the worker prints during the task go to stdout and stderr, each from
// one goroutine at a time, all of it before the future is done; nil drops it. Without
// this option it goes to those of this process. It is for Call alone.
func Output(stdout, stderr io.Writer) TaskOption {
	return remoteOption(func(o *remoteOptions) {
		o.stdout, o.stderr = io.Discard, io.Discard
		if stdout != nil {
			o.stdout = stdout
		}
		if stderr != nil {
			o.stderr = stderr
		}
	})
}

// CallEnv sets variables of the worker's environment for as long as the task runs. It is
// for Call alone.
func CallEnv(variables map[string]string) TaskOption {
	return taskOption(func(o *taskOptions) error {
		if err := checkEnv(variables); err != nil {
			return fmt.Errorf("CallEnv: %w", err)
		}
		return remoteOption(func(o *remoteOptions) { o.env = variables }).applyTask(o)
	})
}

// CallTimeout is Timeout, but counts from when the task gets a worker that is ready: the
// start of one, and its initialiser, are not the task's. The error Is cause, and so is
// that of the worker's interruption. It is for Call alone.
func CallTimeout(d time.Duration, cause error) TaskOption {
	return taskOption(func(o *taskOptions) error {
		if d <= 0 || cause == nil {
			return fmt.Errorf("CallTimeout(%s): must be positive, and have a cause", d)
		}
		return remoteOption(func(o *remoteOptions) { o.timeout, o.cause = d, cause }).applyTask(o)
	})
}

// StopWithin sets how long the worker has to end by itself when the task is aborted, runs
// out of time or its context ends, in place of the pool's KillGrace; it is ended at once
// when kill, which may be nil, ends as well. It is for Call alone.
func StopWithin(grace time.Duration, kill context.Context) TaskOption {
	return remoteOption(func(o *remoteOptions) { o.grace, o.kill = grace, kill })
}

// remoteCall is one call of a function in a worker.
type remoteCall struct {
	remoteOptions
	function string
	items    int // 0: it is no chunk
	plain    bool
	blobs    [][]byte
}

// Call has a worker of p call the function fn with in, and returns a future of what it
// returns. It is otherwise as Submit.
//
// in and the result are sent as JSON (as encoding/json/v2 has it; []byte and long texts
// as they are). What can't be encoded fails the future with an *EncodeError, an error of
// the function with a *RemoteError, the death of its worker with a *BrokenError. Where
// Out is json.RawMessage the result is not decoded.
//
// Abort, Timeout and the end of ctx end the worker, unless it heeds the wish to stop
// (Self: the function's context ends) within half of KillGrace; the error is then a
// *StopError. The pool goes on with another worker.
func Call[In, Out any](ctx context.Context, p *ProcessPool, fn string, in In, opts ...TaskOption) *futures.Future[Out] {
	o := newTaskOptions(opts)
	if p == nil || p.processPool == nil {
		return futures.Failed[Out](errNoProcessPool)
	}
	c := remoteCall{function: fn, plain: isRaw[Out]()}
	if o.remote != nil {
		c.remoteOptions, o.remote = *o.remote, nil
	}
	err := errNoFunctionName
	if fn != "" {
		c.blobs, err = wire.Encode(in, false)
	}
	if err != nil {
		failed := futures.NewPromise[Out](context.Background(), o.name)
		_ = failed.Fail(newEncodeError(err)) // it is pending
		return failed.Future()
	}
	inner := p.processPool
	return submit(ctx, inner.tasks, func(ctx context.Context) (Out, error) {
		var out Out
		f, err := inner.do(ctx, &c)
		if err != nil {
			return out, err
		}
		if err := wire.Decode(f.Blobs, &out); err != nil {
			return out, fmt.Errorf("executor: the result of %s %w", fn, err)
		}
		return out, nil
	}, &o)
}

var errNoFunctionName = errors.New("executor: no function")

// isRaw reports whether T is JSON as it is.
func isRaw[T any]() bool { return reflect.TypeFor[T]() == reflect.TypeFor[json.RawMessage]() }

// do has a worker make the call.
func (p *processPool) do(ctx context.Context, c *remoteCall) (*wire.Frame, error) {
	for {
		w, err := p.take(ctx, c)
		if err != nil {
			return nil, p.explain(ctx, c, err)
		}
		f, err := w.within(ctx, c)
		if err != errNotSent {
			return f, err
		}
	}
}

// within is do within the call's time limit.
func (w *remoteWorker) within(ctx context.Context, c *remoteCall) (*wire.Frame, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, c.cause)
		defer cancel()
	}
	return w.do(ctx, c)
}

// explain is the error of a task that got no worker.
func (p *processPool) explain(ctx context.Context, c *remoteCall, err error) error {
	p.mu.Lock()
	broken := p.broken
	p.mu.Unlock()
	switch {
	case broken != nil:
		return &BrokenError{Pool: p.pool.name, Task: taskName(ctx), Cause: broken, pool: true}
	case ctx.Err() != nil:
		return newStopError(ctx, c.function)
	case errors.Is(err, ErrShutdown):
		return &StopError{Path: c.function, Cause: err, err: err}
	}
	return err
}

// errNotSent: the worker died before it can have had the whole call.
var errNotSent = errors.New("executor: worker died before it got the task")

// do makes the call, and gives the worker back to the pool if it is still good.
func (w *remoteWorker) do(ctx context.Context, c *remoteCall) (*wire.Frame, error) {
	w.calls++
	id := w.calls
	w.lead(c)
	settled, given := make(chan struct{}), make(chan struct{})
	var undo func() bool
	stop := context.AfterFunc(ctx, func() {
		defer close(settled)
		undo = w.interrupt(id, given, c.grace, context.Cause(ctx))
	})
	if c.kill != nil {
		defer context.AfterFunc(c.kill, func() {
			if ctx.Err() != nil { // else nobody has asked for its end
				w.kill()
			}
		})()
	}
	h := wire.Header{Type: wire.Call, ID: id, Function: c.function, Args: c.args, Items: c.items, Plain: c.plain, Env: c.env}
	var f *wire.Frame
	err := w.tell(h, c.blobs)
	unsent, refused := errors.AsType[*wire.UnsentError](err)
	if err == nil {
		close(given)
		f, err = w.frames.Next()
	}
	intact := err == nil || refused
	if !stop() {
		<-settled
		intact = undo() && intact
	}
	drain(w.out, w.err)
	if refused {
		w.finish(intact)
		return nil, &EncodeError{Err: unsent}
	}
	if err != nil {
		return nil, w.lost(ctx, c, err)
	}
	if (f.Type != wire.Result && f.Type != wire.Results && f.Type != wire.Failed) || f.ID != id || f.Type == wire.Failed && f.Error == nil {
		return nil, w.pool.crashed(&BrokenError{Pool: w.pool.pool.name, Worker: w.name, Task: taskName(ctx), PID: w.pid, Cause: w.confused(f)})
	}
	w.finish(intact)
	if f.Type == wire.Failed {
		err := error(w.remote(f.Error))
		if ctx.Err() != nil {
			stop := newStopError(ctx, c.function)
			stop.err = errors.Join(ctx.Err(), err)
			err = stop
		}
		return nil, err
	}
	return f, nil
}

// lead has what the worker prints go to a call's writers; nil: to whom it goes between
// calls.
func (w *remoteWorker) lead(c *remoteCall) {
	if c == nil {
		c = new(remoteCall)
	}
	w.out.lead(c.stdout)
	w.err.lead(c.stderr)
}

// finish gives the worker back, or lets go of one that is about to be ended.
func (w *remoteWorker) finish(intact bool) {
	w.lead(nil)
	if intact {
		w.pool.put(w)
	} else {
		w.release()
	}
}

// lost is the error of a call whose worker has died, or was ended.
func (w *remoteWorker) lost(ctx context.Context, c *remoteCall, err error) error {
	e := w.died(ctx, taskName(ctx), err)
	w.pool.mu.Lock()
	closing := w.pool.closing
	w.pool.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return newStopError(ctx, c.function)
	case errors.Is(closing, ErrShutdown):
		return &StopError{Path: c.function, Cause: ErrShutdown, err: ErrShutdown}
	case isEPIPE(err) && closing == nil:
		_ = w.pool.count(e) // else one that never reads would be tried for ever
		return errNotSent
	}
	return w.pool.crashed(e)
}

// MapCall is Map with Call: it has workers of p call the function fn for each item of
// in. Chunk sends several at once.
func MapCall[In, Out any](ctx context.Context, p *ProcessPool, fn string, in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	m := &mapping[In, Out]{ctx: ctx, places: func() int { return 1 }}
	if p == nil || p.processPool == nil {
		return m.start(in, opts, errNoProcessPool)
	}
	if fn == "" {
		return m.start(in, opts, errNoFunctionName)
	}
	inner := p.processPool
	m.places = inner.tasks.places
	m.one = func(item In) *futures.Future[Out] { return Call[In, Out](ctx, p, fn, item) }
	m.several = func(batch []In) *futures.Future[[]outcome[Out]] {
		return submit(ctx, inner.tasks, func(ctx context.Context) ([]outcome[Out], error) {
			return callEach[In, Out](ctx, inner, fn, batch)
		}, new(taskOptions))
	}
	return m.start(in, opts, nil)
}

// callEach sends a chunk. What can't be encoded fails alone.
func callEach[In, Out any](ctx context.Context, p *processPool, fn string, batch []In) ([]outcome[Out], error) {
	out := make([]outcome[Out], len(batch))
	sent := make([]int, 0, len(batch)) // which item is which of those sent
	var list wire.Encoder
	for i, item := range batch {
		if err := list.Add(item); err != nil {
			out[i].err = newEncodeError(err)
			continue
		}
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return out, nil
	}
	c := &remoteCall{function: fn, items: list.Len(), plain: isRaw[Out](), blobs: list.List()}
	f, err := p.do(ctx, c)
	if err != nil {
		return nil, err
	}
	values, err := wire.Elements(f.Blobs)
	if err == nil && (len(values) != len(sent) || f.Type != wire.Results) {
		err = fmt.Errorf("has %d elements, not %d", len(values), len(sent))
	}
	if err != nil {
		return nil, fmt.Errorf("executor: the result of %s %w", fn, err)
	}
	for k, i := range sent {
		if err := wire.DecodeElement(values[k], f.Blobs, &out[i].value); err != nil {
			out[i].err = fmt.Errorf("executor: the result of %s %w", fn, err)
		}
	}
	for _, e := range f.Errors {
		if e.Item < 0 || e.Item >= len(sent) {
			return nil, fmt.Errorf("executor: the result of %s has an error of item %d, of %d", fn, e.Item, len(sent))
		}
		var none Out
		out[sent[e.Item]] = outcome[Out]{none, &RemoteError{Type: e.Type, Msg: e.Message, Traceback: e.Traceback, Lang: p.lang()}}
	}
	return out, nil
}

// taskName is the name of the task that ctx belongs to.
func taskName(ctx context.Context) string {
	if self := task.From(ctx); self != nil {
		return self.Name()
	}
	return ""
}
