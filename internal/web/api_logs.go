package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"flow/internal/ansi"
	"flow/internal/run"
)

// logJSON is one log of a run.
type logJSON struct {
	Task     string `json:"task"`
	Instance *int   `json:"instance,omitzero"`
	Attempt  int    `json:"attempt"`
	Size     int64  `json:"size"`             // bytes, about
	Dropped  int64  `json:"dropped,omitzero"` // bytes of its middle that are left out, about
}

const (
	usualLogs = 100
	mostLogs  = 1000
)

func (s *site) getLogs(w http.ResponseWriter, r *http.Request) error {
	one, err := s.run(r)
	if err != nil {
		return err
	}
	skip, err := number(r, "skip", 0, 0, 1<<31)
	if err != nil {
		return err
	}
	limit, err := number(r, "limit", usualLogs, 1, mostLogs)
	if err != nil {
		return err
	}
	all, err := s.Runs.Logs(one.ID, r.URL.Query().Get("task"))
	if err != nil {
		return err
	}
	answer := map[string]any{"total": len(all)}
	all = all[min(int(skip), len(all)):]
	all = all[:min(int(limit), len(all))]
	out := make([]logJSON, len(all))
	for i, of := range all {
		out[i] = logJSON{Task: of.Task, Instance: instance(of.Instance), Attempt: of.Attempt}
		if out[i].Size, out[i].Dropped, err = s.Runs.LogSize(of); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	answer["logs"] = out
	send(w, http.StatusOK, answer)
	return nil
}

func instance(k int) *int {
	if k < 0 {
		return nil
	}
	return &k
}

// lineJSON is a line of a log.
type lineJSON struct {
	Time      run.Time    `json:"time"`
	Stream    string      `json:"stream"` // stdout or stderr
	Text      string      `json:"text"`
	Whole     bool        `json:"whole"` // the line ends here
	Continues bool        `json:"continues,omitzero"`
	Dropped   int64       `json:"dropped,omitzero"` // bytes left out before it, about
	Pos       int64       `json:"pos"`
	Spans     []ansi.Span `json:"spans,omitzero"` // for pages: Text, as it looks
}

func newLine(l *Line, forPage bool) lineJSON {
	j := lineJSON{Time: run.Time{Time: l.Time.UTC()}, Stream: "stdout", Text: l.Text, Whole: l.Whole, Continues: l.Continues, Dropped: l.Dropped, Pos: l.Pos}
	if l.Stderr {
		j.Stream = "stderr"
	}
	if forPage {
		j.Spans, j.Text = ansi.Spans(l.Text), ""
	}
	return j
}

// logAsked is which log a request wants. The task is one of the run's, so what becomes the
// name of a file is nothing that the request has made up.
func (s *site) logAsked(r *http.Request) (of LogOf, l *live, err error) {
	one, err := s.run(r)
	if err != nil {
		return of, nil, err
	}
	if l, err = s.lives.get(one.ID); err != nil {
		return of, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	task, ok := l.plan.Workflow.Task(r.PathValue("task"))
	if !ok {
		return of, nil, fmt.Errorf("the run has no such task: %w", ErrNotFound)
	}
	k, err := number(r, "instance", -1, 0, run.MaxInstances)
	if err != nil {
		return of, nil, err
	}
	of = LogOf{Run: one.ID, Task: task.ID, Instance: int(k)}
	if task.Fan != nil && k < 0 {
		of.Instance = 0
	} else if task.Fan == nil {
		of.Instance = -1
	}
	last := l.last(int32(task.Index), int32(max(0, of.Instance)))
	n, err := number(r, "attempt", int64(max(1, last)), 1, 1<<31)
	of.Attempt = int(n)
	return of, l, err
}

// last is the number of the last attempt of a task or an instance; 0: there is none.
// l.mu is held.
func (l *live) last(task, instance int32) int32 {
	for k := len(l.attempts) - 1; k >= 0; k-- {
		if a := &l.attempts[k]; a.task == task && a.instance == instance {
			return a.number
		}
	}
	return 0
}

// ended reports whether nothing more is printed by an attempt.
func (l *live) ended(of LogOf) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over() || l.run.Status != run.RunRunning.String() {
		return true
	}
	task, ok := l.plan.Workflow.Task(of.Task)
	if !ok {
		return true
	}
	for k := len(l.attempts) - 1; k >= 0; k-- {
		if a := &l.attempts[k]; int(a.task) == task.Index && int(a.instance) == max(0, of.Instance) && int(a.number) == of.Attempt {
			return a.ended != 0
		}
	}
	return false
}

const (
	usualPiece = 256 << 10
	mostPiece  = 1 << 20
)

func (s *site) getLog(w http.ResponseWriter, r *http.Request) error {
	of, _, err := s.logAsked(r)
	if err != nil {
		return err
	}
	v := r.URL.Query()
	switch {
	case v.Get("follow") != "":
		return s.stretch(w, r, false)
	case v.Get("format") == "text":
		return s.download(w, of)
	case v.Get("format") != "" && v.Get("format") != "json":
		return &InputError{Message: "format is json or text"}
	}
	limit, err := number(r, "limit", usualPiece, 1, mostPiece)
	if err != nil {
		return err
	}
	from, err := number(r, "from", 0, 0, 1<<53)
	if err != nil {
		return err
	}
	var p Piece
	if v.Has("before") {
		before, err := number(r, "before", 0, 0, 1<<53)
		if err != nil {
			return err
		}
		p, err = s.Runs.LogBefore(of, before, int(limit))
		if err != nil {
			return err
		}
	} else if p, err = s.Runs.LogFrom(of, from, int(limit)); err != nil {
		return err
	}
	lines := make([]lineJSON, len(p.Lines))
	for i := range p.Lines {
		lines[i] = newLine(&p.Lines[i], false)
	}
	send(w, http.StatusOK, map[string]any{
		"task": of.Task, "instance": instance(of.Instance), "attempt": of.Attempt,
		"lines": lines, "from": p.From, "next": p.Next, "first": p.First, "last": p.Last,
	})
	return nil
}

// download sends a log as it was printed, piece by piece.
func (s *site) download(w http.ResponseWriter, of LogOf) error {
	p, err := s.Runs.LogFrom(of, 0, usualPiece)
	if err != nil {
		return err
	}
	name := of.Run + "-" + of.Task
	if of.Instance >= 0 {
		name += "-" + strconv.Itoa(of.Instance)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%d.log"`, name, of.Attempt))
	to, out := http.NewResponseController(w), bufio.NewWriter(w)
	for {
		for i := range p.Lines {
			l := &p.Lines[i]
			if l.Dropped > 0 {
				fmt.Fprintf(out, "… about %d bytes are left out …\n", l.Dropped)
			}
			out.WriteString(l.Text)
			if l.Whole {
				out.WriteByte('\n')
			}
		}
		if err := out.Flush(); err != nil || p.Last || p.Next == p.From {
			return nil // it is whole, or whoever asked is gone
		}
		_ = to.SetWriteDeadline(time.Now().Add(writeTime))
		if p, err = s.Runs.LogFrom(of, p.Next, usualPiece); err != nil {
			s.Log.Error("web: log", "run", of.Run, "task", of.Task, "error", err)
			return nil // the head was sent long ago
		}
	}
}

// followLog is a log for the page, as it grows.
func (s *site) followLog(w http.ResponseWriter, r *http.Request) error {
	return s.stretch(w, r, true)
}

// stretch streams a log as it grows.
func (s *site) stretch(w http.ResponseWriter, r *http.Request, forPage bool) error {
	of, _, err := s.logAsked(r)
	if err != nil {
		return err
	}
	at, err := number(r, "from", 0, 0, 1<<53)
	if err != nil {
		return err
	}
	if last, err := after(r); err != nil {
		return err
	} else if last > 0 {
		at = last
	}
	l, err := s.lives.watch(of.Run)
	if err != nil {
		return err
	}
	defer l.release()
	f := s.lives.followLog(of)
	defer f.release(s.lives)
	st, err := s.stream(w, r)
	if err != nil {
		if st == nil {
			return err
		}
		st.done()
		return nil
	}
	defer st.done()
	for {
		changed := l.since(1<<62, 1).changed // before the question, so that nothing is missed
		ended := l.ended(of)                 // before the reading: what comes after it is the last
		p, grown, err := f.read(s.Runs, at, ended)
		if err != nil && !errors.Is(err, ErrNotFound) {
			s.Log.Error("web: log", "run", of.Run, "task", of.Task, "error", err)
			return nil // it comes back by id
		}
		for i := range p.Lines {
			next := p.Next
			if i+1 < len(p.Lines) {
				next = p.Lines[i+1].Pos
			}
			text, _ := json.Marshal(newLine(&p.Lines[i], forPage)) // of texts and numbers
			st.put("", strconv.FormatInt(next, 10), text)
			if st.buf.Len() > 64<<10 && st.flush() != nil {
				return nil
			}
		}
		at = p.Next
		if len(p.Lines) == 0 && ended {
			st.put("end", "", []byte("{}"))
			_ = st.flush() // it has all, or is gone
			return nil
		}
		if st.buf.Len() > 0 && st.flush() != nil {
			return nil
		}
		if len(p.Lines) == 0 && !st.rest(grown, changed) {
			return nil
		}
	}
}
