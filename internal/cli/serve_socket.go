package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
)

// socketName is where the service of a home listens for commands of whoever owns that:
// the folder lets nobody else in.
const socketName = "service/socket"

// listenToCommands opens the socket; nil: the home's path is too long for one, or its file
// system has none. Commands do without it then.
func listenToCommands(root string) net.Listener {
	path := filepath.Join(root, socketName)
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil || os.Chmod(filepath.Dir(path), 0o700) != nil {
		return nil
	}
	_ = os.Remove(path) // of a service that was killed: this one has the lead
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil
	}
	return ln
}

// remote is the service of a home, as commands see it.
type remote struct{ client *http.Client }

// serviceOf returns the service that has a home; nil: none has, or it can't be reached.
func serviceOf(h *engine.Home) *remote {
	if _, leads := h.Leader(); !leads || h.Dir() == "" {
		return nil
	}
	path := filepath.Join(h.Dir(), socketName)
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	r := &remote{client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}}
	if r.call(http.MethodGet, "/api/v1/health", nil, nil) != nil {
		return nil
	}
	return r
}

// call asks the service for something. An error is what it says.
func (r *remote) call(method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("the service: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("the service: %w", err)
	}
	if resp.StatusCode >= 300 {
		var told struct {
			Error struct{ Message, Hint string }
		}
		if json.Unmarshal(text, &told) != nil || told.Error.Message == "" {
			return fmt.Errorf("the service answered %s", resp.Status)
		}
		code := exitUsage
		if resp.StatusCode >= 500 {
			code = exitInternal
		}
		return &codeError{code: code, err: &refusedError{told.Error.Message, resp.StatusCode}, hint: told.Error.Hint}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// refusedError is what the service says of what it won't do.
type refusedError struct {
	message string
	status  int // of HTTP
}

// Error implements error.
func (e *refusedError) Error() string { return e.message }

// watchEvery is how often a run that another process has in hand is looked at.
const watchEvery = 100 * time.Millisecond

// watchRun shows a run that another process has in hand, from its first event to its end.
// A signal asks for its end; a second one leaves it.
func watchRun(ctx context.Context, std streams, h *engine.Home, id string, f *runFlags) (*engine.Summary, error) {
	signals := newSignals()
	defer signals.stop()
	rec, err := awaitRun(h, id, signals)
	if err != nil {
		return nil, err
	}
	plan, err := engine.Pinned(h, &rec)
	if err != nil {
		return nil, err
	}
	v := newView(std, plan, f)
	teller, n, last := run.NewTeller(plan), int64(0), time.Time{}
	for asked, waits := false, false; ; {
		for e, err := range h.EventsFrom(&rec, n, last) {
			if err != nil {
				return nil, errors.Join(err, v.close(teller.Machine().Summary()))
			}
			news, err := teller.Tell(&e)
			if err != nil {
				return nil, err
			}
			n, last = n+1, e.Time
			for i := range news {
				v.event(eventOf(plan, &news[i]))
			}
		}
		if status := teller.Machine().Result().Status; status != run.RunRunning {
			summary := teller.Machine().Summary()
			return summary, v.close(summary)
		}
		_, owned := h.Owner(id)
		if !owned && !waits {
			v.say("flow: the run waits for the service to go on with it")
		}
		waits = !owned
		select {
		case <-time.After(watchEvery):
		case sig := <-signals.came:
			if asked {
				return nil, &codeError{code: exitCancelled, err: fmt.Errorf("run %s is left to itself", id)}
			}
			asked = true
			v.say("flow: " + signalName(sig) + ": the run is asked to end; once more to leave it to itself")
			if err := h.WishCancel(id, false); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// awaitRun waits until a run has begun; an error is why it won't.
func awaitRun(h *engine.Home, id string, signals *signals) (store.Run, error) {
	for {
		rec, err := h.Get(id)
		if !errors.Is(err, store.ErrNoRun) {
			return rec, err
		}
		rows, err := h.Ledger(store.LedgerFilter{Run: id, Limit: 1})
		if err != nil {
			return rec, err
		}
		if len(rows) > 0 && rows[0].Begun && runOf(&rows[0]) == "" {
			return rec, &codeError{code: exitFailed, err: fmt.Errorf("the run did not begin: %s", rows[0].Note)}
		}
		select {
		case <-time.After(watchEvery):
		case <-signals.came:
			return rec, &codeError{code: exitCancelled, err: fmt.Errorf("run %s has not begun yet: it waits for its turn in the service; flow cancel %s takes it back", id, id)}
		}
	}
}

// eventOf is news of a run as whoever runs it would have told them.
func eventOf(plan *dag.Plan, n *run.News) engine.Event {
	e := engine.Event{
		Seq: n.Seq, Time: n.Time, Type: n.Type, Run: n.Run, Workflow: n.Workflow, Task: n.Task, Instance: n.Instance, Attempt: n.Attempt,
		Status: n.Status, Reason: n.Reason, Message: n.Message, ExitCode: n.ExitCode, At: n.At, Seconds: n.Seconds,
		Duration: time.Duration(n.Seconds * float64(time.Second)), From: n.From, Instances: n.Instances, Total: n.Total,
	}
	if t, ok := plan.Workflow.Task(n.Task); ok {
		e.Index = t.Index
	}
	return e
}
