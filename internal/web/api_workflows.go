package web

import (
	"fmt"
	"net/http"
	"time"
)

// workflowJSON is a workflow in the API.
type workflowJSON struct {
	Name        string         `json:"name"`
	File        string         `json:"file"`
	Description string         `json:"description,omitzero"`
	Owner       string         `json:"owner,omitzero"`
	Tags        []string       `json:"tags,omitzero"`
	Tasks       int            `json:"tasks"`
	Usable      bool           `json:"usable"` // there is a good version, maybe not that of the file as it is now
	Broken      []diagnostic   `json:"broken,omitzero"`
	Params      []paramJSON    `json:"params,omitzero"`
	Schedules   []scheduleJSON `json:"schedules"`
	Source      string         `json:"source,omitzero"` // of one workflow
}

type paramJSON struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitzero"`
	Required    bool   `json:"required"`
	Default     string `json:"default,omitzero"` // as it stands in the file
	Enum        []any  `json:"enum,omitzero"`
}

type scheduleJSON struct {
	Workflow string    `json:"workflow"`
	Index    int       `json:"index"`
	Cron     string    `json:"cron"`
	Timezone string    `json:"timezone"`
	Overlap  string    `json:"overlap"`
	Catchup  string    `json:"catchup"`
	Enabled  bool      `json:"enabled"`
	Next     time.Time `json:"next,omitzero"`
	Shifted  bool      `json:"shifted,omitzero"`
}

func schedules(all []Schedule) []scheduleJSON {
	out := make([]scheduleJSON, len(all))
	for i, s := range all {
		out[i] = scheduleJSON{s.Workflow, s.Index, s.Cron, s.Timezone, s.Overlap, s.Catchup, s.Enabled, s.Next, s.Shifted}
	}
	return out
}

func newWorkflowJSON(w *Workflow) workflowJSON {
	j := workflowJSON{Name: w.Name, File: w.File, Schedules: schedules(w.Schedules), Usable: w.Plan != nil}
	if len(w.Broken) > 0 {
		j.Broken = diagnostics(w.Broken)
	}
	if w.Plan == nil {
		return j
	}
	f := w.Plan.Workflow
	j.Description, j.Owner, j.Tags, j.Tasks = f.Description, f.Owner, f.Tags, len(f.Tasks)
	for i := range f.Params {
		p := &f.Params[i]
		j.Params = append(j.Params, paramJSON{p.Name, p.Type.String(), p.Description, p.Required, p.Default.String(), p.Enum})
	}
	return j
}

func (s *site) getWorkflows(w http.ResponseWriter, _ *http.Request) error {
	all := s.Catalog.Workflows()
	out := make([]workflowJSON, len(all))
	for i := range all {
		out[i] = newWorkflowJSON(&all[i])
	}
	send(w, http.StatusOK, map[string]any{"workflows": out})
	return nil
}

// workflow finds a workflow by name.
func (s *site) workflow(name string) (*Workflow, error) {
	all := s.Catalog.Workflows()
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("there is no workflow of that name: %w", ErrNotFound)
}

func (s *site) getWorkflow(w http.ResponseWriter, r *http.Request) error {
	flow, err := s.workflow(r.PathValue("name"))
	if err != nil {
		return err
	}
	j := newWorkflowJSON(flow)
	j.Source = string(flow.Source)
	send(w, http.StatusOK, j)
	return nil
}

func (s *site) getSchedules(w http.ResponseWriter, _ *http.Request) error {
	out := []scheduleJSON{}
	for _, flow := range s.Catalog.Workflows() {
		out = append(out, schedules(flow.Schedules)...)
	}
	send(w, http.StatusOK, map[string]any{"schedules": out})
	return nil
}

type fateJSON struct {
	Workflow string    `json:"workflow"`
	Trigger  string    `json:"trigger"`
	What     string    `json:"what"`
	At       time.Time `json:"at"`
	Fate     string    `json:"fate"`
	Decided  time.Time `json:"decided_at,omitzero"`
	Shifted  bool      `json:"shifted,omitzero"`
	Run      string    `json:"run,omitzero"`
	Note     string    `json:"note,omitzero"`
}

func (s *site) getLedger(w http.ResponseWriter, r *http.Request) error {
	q, err := ledgerQuery(r)
	if err != nil {
		return err
	}
	all, next, err := s.fates(q)
	if err != nil {
		return err
	}
	out := make([]fateJSON, len(all))
	for i, f := range all {
		out[i] = fateJSON{f.Workflow, f.Trigger, f.What, f.At, f.Fate, f.Decided, f.Shifted, f.Run, f.Note}
	}
	answer := map[string]any{"ledger": out}
	if !next.IsZero() {
		answer["next"] = next
	}
	send(w, http.StatusOK, answer)
	return nil
}

func ledgerQuery(r *http.Request) (LedgerQuery, error) {
	n, err := number(r, "limit", usualRuns, 1, mostRuns)
	q := LedgerQuery{Workflow: r.URL.Query().Get("workflow"), Limit: int(n)}
	if before := r.URL.Query().Get("before"); err == nil && before != "" {
		if q.Before, err = time.Parse(time.RFC3339Nano, before); err != nil {
			return q, &InputError{Message: "before is no time", Hint: "as in 2026-01-31T06:30:00Z"}
		}
	}
	return q, err
}

// fates is one page of the ledger, whole moments: those of one are not torn apart.
func (s *site) fates(q LedgerQuery) (all []Fate, next time.Time, err error) {
	want := q.Limit
	for q.Limit = want + 1; ; q.Limit *= 2 {
		if all, err = s.Ledger.Ledger(q); err != nil || len(all) <= want {
			return all, time.Time{}, err
		}
		for k := want; k < len(all); k++ {
			if !all[k].At.Equal(all[k-1].At) {
				return all[:k], all[k-1].At, nil
			}
		}
		if len(all) < q.Limit {
			return all, time.Time{}, nil
		}
	}
}
