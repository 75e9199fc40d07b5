package web

import (
	"bytes"
	_ "embed" // the description of the API
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Bounds of lists.
const (
	usualRuns = 50
	mostRuns  = 500
)

// runJSON is a run in a list, as `flow runs --json` prints it.
type runJSON struct {
	Run      string   `json:"run"`
	Workflow string   `json:"workflow"`
	Status   string   `json:"status"`
	Reason   string   `json:"reason,omitzero"`
	Started  run.Time `json:"started_at"`
	Ended    run.Time `json:"ended_at,omitzero"`
	Tasks    int      `json:"tasks"`
	Trigger  string   `json:"trigger"`
	Of       string   `json:"retry_of,omitzero"`
}

func utc(t time.Time) run.Time {
	if t.IsZero() {
		return run.Time{}
	}
	return run.Time{Time: t.UTC()}
}

// statuses are those that runs may be asked for by.
var statuses = []string{"running", "interrupted", "succeeded", "failed", "cancelled"}

// number reads a number of a query.
func number(r *http.Request, name string, usual, least, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, &InputError{Message: fmt.Sprintf("%s=%.40q: it is a number from %d to %d", name, text, least, most)}
	}
	return n, nil
}

// runQuery reads which runs are wanted.
func runQuery(r *http.Request, usual int) (RunQuery, error) {
	v := r.URL.Query()
	n, err := number(r, "limit", int64(usual), 1, mostRuns)
	if err != nil {
		return RunQuery{}, err
	}
	q := RunQuery{Workflow: v.Get("workflow"), Status: v.Get("status"), Before: v.Get("before"), Limit: int(n)}
	if q.Before != "" && !isID(q.Before) {
		return q, fmt.Errorf("there is no such run: %w", ErrNotFound)
	}
	if q.Status == "" {
		return q, nil
	}
	if slices.Contains(statuses, q.Status) {
		return q, nil
	}
	return q, &InputError{Message: fmt.Sprintf("there is no status %.40q", q.Status), Hint: "running, interrupted, succeeded, failed or cancelled"}
}

// isID reports whether a text could be the id of a run.
func isID(text string) bool {
	if len(text) == 0 || len(text) > 64 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// list is one page of runs, and where the next one begins; "": nowhere.
func (s *site) list(q RunQuery) (all []Run, next string, err error) {
	q.Limit++
	all, err = s.Runs.List(q)
	if err == nil && len(all) >= q.Limit {
		all = all[:q.Limit-1]
		next = all[len(all)-1].ID
	}
	return all, next, err
}

func (s *site) getRuns(w http.ResponseWriter, r *http.Request) error {
	q, err := runQuery(r, usualRuns)
	if err != nil {
		return err
	}
	all, next, err := s.list(q)
	if err != nil {
		return err
	}
	out := make([]runJSON, len(all))
	for i := range all {
		one := &all[i]
		out[i] = runJSON{one.ID, one.Workflow, one.Status, one.Reason, utc(one.Started), utc(one.Ended), one.Tasks, one.Trigger, one.RetryOf}
	}
	answer := map[string]any{"runs": out}
	if next != "" {
		answer["next"] = next
	}
	send(w, http.StatusOK, answer)
	return nil
}

// body reads a request's JSON.
func body(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &statusError{http.StatusUnsupportedMediaType, "the body is not said to be JSON", "Content-Type: application/json"}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return &InputError{Message: "the body can't be read: " + err.Error()}
	}
	if dec.More() {
		return &InputError{Message: "the body has more than one JSON value"}
	}
	return nil
}

func (s *site) postRun(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Workflow string          `json:"workflow"`
		Params   json.RawMessage `json:"params"`
		Only     []string        `json:"only"`
		From     []string        `json:"from"`
	}
	if err := body(r, &in); err != nil {
		return err
	}
	if in.Workflow == "" {
		return &InputError{Message: "workflow is missing", Hint: `{"workflow": "…", "params": {}}`}
	}
	if in.Only != nil && in.From != nil {
		return &InputError{Message: "only and from are two different selections"}
	}
	o := StartOptions{Only: in.Only, From: in.From, Key: r.Header.Get("Idempotency-Key")}
	if len(o.Key) > 200 {
		return &InputError{Message: "Idempotency-Key is longer than 200 characters"}
	}
	if len(in.Params) > 0 {
		v, err := dag.DecodeJSON(in.Params)
		params, ok := v.(map[string]any)
		if err != nil || !ok && v != nil {
			return &InputError{Message: "params are no object", Err: err}
		}
		o.Params = params
	}
	id, err := s.Control.Start(r.Context(), in.Workflow, o)
	if err != nil {
		return err
	}
	return started(w, id)
}

// started answers with a new run.
func started(w http.ResponseWriter, id string) error {
	w.Header().Set("Location", "/api/v1/runs/"+id)
	send(w, http.StatusCreated, map[string]string{"run": id})
	return nil
}

// summary is the JSON of a run's summary as it stands.
func (s *site) summary(id string) ([]byte, error) {
	if text, err := s.Runs.Summary(id); err != nil || text != nil {
		return text, err
	}
	l, err := s.lives.get(id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return json.Marshal(l.teller.Machine().Summary())
}

func (s *site) getRun(w http.ResponseWriter, r *http.Request) error {
	one, err := s.run(r)
	if err != nil {
		return err
	}
	text, err := s.summary(one.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(bytes.TrimSpace(text), '\n')) // whoever asked may be gone
	return nil
}

// run is the one that a request is about.
func (s *site) run(r *http.Request) (Run, error) {
	id := r.PathValue("id")
	if !isID(id) {
		return Run{}, fmt.Errorf("there is no such run: %w", ErrNotFound)
	}
	one, err := s.Runs.Find(id)
	if !errors.Is(err, ErrNotFound) {
		return one, err
	}
	if rows, bad := s.Ledger.Ledger(LedgerQuery{Run: id, Limit: 1}); bad == nil && len(rows) > 0 {
		err = &statusError{http.StatusNotFound, fmt.Sprintf("run %s of %s waits for its turn", id, rows[0].Workflow), "it begins when the one before it has ended; it can be cancelled"}
	}
	return one, err
}

func (s *site) postCancel(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id") // one that waits for its turn is not among the runs yet
	if err := s.Control.Cancel(r.Context(), id); err != nil {
		return err
	}
	send(w, http.StatusAccepted, map[string]string{"run": id})
	return nil
}

func (s *site) postRetry(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Tasks      []string `json:"tasks"`
		Downstream bool     `json:"downstream"`
	}
	one, err := s.run(r)
	if err == nil {
		err = body(r, &in)
	}
	if err != nil {
		return err
	}
	id, err := s.Control.Retry(r.Context(), one.ID, RetryOptions{in.Tasks, in.Downstream})
	if err != nil {
		return err
	}
	return started(w, id)
}

func (s *site) postResume(w http.ResponseWriter, r *http.Request) error {
	one, err := s.run(r)
	if err == nil {
		err = s.Control.Resume(r.Context(), one.ID)
	}
	if err != nil {
		return err
	}
	send(w, http.StatusAccepted, map[string]string{"run": one.ID})
	return nil
}

// timedTask is where the time of a task went.
type timedTask struct {
	Task     string   `json:"task"`
	Ready    run.Time `json:"ready_at"`
	Started  run.Time `json:"started_at,omitzero"`
	Ended    run.Time `json:"ended_at,omitzero"`
	After    string   `json:"after,omitzero"` // the task that it waited for longest
	Critical bool     `json:"critical"`
}

func (s *site) getTimeline(w http.ResponseWriter, r *http.Request) error {
	l, err := s.lives.get(r.PathValue("id"))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.timeline()
	tasks := line.Summary.Tasks
	out := make([]timedTask, len(tasks))
	for i := range tasks {
		out[i] = timedTask{Task: tasks[i].ID, Ready: run.Time{Time: line.Ready[i]}, Started: tasks[i].Started, Ended: tasks[i].Ended}
		if k := line.Last[i]; k >= 0 {
			out[i].After = tasks[k].ID
		}
	}
	for _, i := range line.Path() {
		out[i].Critical = true
	}
	send(w, http.StatusOK, struct {
		Run     string      `json:"run"`
		Started run.Time    `json:"started_at,omitzero"`
		Ended   run.Time    `json:"ended_at,omitzero"`
		Tasks   []timedTask `json:"tasks"`
	}{l.id, line.Summary.Started, line.Summary.Ended, out})
	return nil
}

// timeline is that of the run as it stands. l.mu is held.
func (l *live) timeline() *run.Timeline {
	if l.line == nil || l.lineAt != l.n {
		l.line, l.lineAt = run.NewTimeline(l.teller.Machine()), l.n
	}
	return l.line
}

func (s *site) getHealth(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, map[string]string{"status": "alive", "version": s.Version})
	return nil
}

func (s *site) getReady(w http.ResponseWriter, r *http.Request) error {
	answer, code := map[string]any{"status": "ready", "leader": s.Health.Leader()}, http.StatusOK
	if err := s.Health.Ready(); err != nil {
		answer["status"], code = "not ready", http.StatusServiceUnavailable
		s.Log.Warn("web: not ready", "error", err)
	}
	send(w, code, answer)
	return nil
}

func (s *site) postHook(w http.ResponseWriter, r *http.Request) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	id, err := s.Control.Hook(r.Context(), r.PathValue("path"), r.Header, text)
	if err != nil {
		return err
	}
	answer := map[string]string{}
	if id != "" {
		answer["run"] = id
	}
	send(w, http.StatusAccepted, answer)
	return nil
}

//go:embed openapi.json
var openAPI []byte

func (s *site) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // whoever asked may be gone
	return nil
}

func (s *site) getValue(w http.ResponseWriter, r *http.Request) error {
	text, err := s.Runs.Value(&dag.Ref{Hash: r.PathValue("hash")})
	if err != nil {
		return errors.Join(ErrNotFound, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="value.json"`)
	_, _ = w.Write(text) // whoever asked may be gone
	return nil
}
