package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"flow/dag"
)

// Summary is a run as it stands, in the form of the command line's JSON.
type Summary struct {
	Type     string        `json:"type"` // "summary"
	Run      string        `json:"run"`
	Workflow string        `json:"workflow"`
	Status   string        `json:"status"`
	Reason   string        `json:"reason,omitzero"`
	Message  string        `json:"message,omitzero"`
	Started  Time          `json:"started_at,omitzero"`
	Ended    Time          `json:"ended_at,omitzero"`
	Outputs  Outputs       `json:"outputs"` // never nil
	Tasks    TaskSummaries `json:"tasks"`
}

// Why is why a run did not succeed, in a line: its own message, or that of the first task
// by the file that failed; "" of one that did.
func (s *Summary) Why() string {
	why := s.Message
	for i := 0; why == "" && i < len(s.Tasks) && s.Status != "succeeded"; i++ {
		if t := &s.Tasks[i]; t.Error != nil {
			why = t.ID + ": " + t.Error.Message
		}
	}
	line, _, _ := strings.Cut(why, "\n")
	return line
}

// TaskSummaries is written as one JSON object, in the order of the file.
type TaskSummaries []TaskSummary

// TaskSummary is one task of a Summary.
type TaskSummary struct {
	ID        string         `json:"-"`
	Status    string         `json:"status"`
	Reason    string         `json:"reason,omitzero"`
	Attempts  int            `json:"attempts"`
	Cached    bool           `json:"cached"`
	From      string         `json:"cached_from,omitzero"` // the run that the result is from
	ExitCode  *int           `json:"exit_code,omitzero"`
	Started   Time           `json:"started_at,omitzero"`
	Ended     Time           `json:"ended_at,omitzero"`
	Result    *Plain         `json:"result,omitzero"` // of what succeeded, null too; of a failed fan-out
	Error     *ErrorSummary  `json:"error,omitzero"`
	Instances *InstanceCount `json:"instances,omitzero"` // of a fan-out
}

// ErrorSummary is why a task failed.
type ErrorSummary struct {
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Type      string `json:"type,omitzero"`
	ExitCode  *int   `json:"exit_code,omitzero"`
	Traceback string `json:"traceback,omitzero"`
}

// InstanceCount counts the instances of a fan-out.
type InstanceCount struct {
	Total     int `json:"total"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cached    int `json:"cached,omitzero"` // of those that succeeded
}

// Time is written as the language shows times: RFC 3339, to the millisecond,
// with a fraction only if it isn't 0. The zero Time is left out by omitzero.
type Time struct{ time.Time }

// IsZero reports whether there is no time.
func (t Time) IsZero() bool { return t.Time.IsZero() }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(dag.Text(t.Time)) }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error { return t.Time.UnmarshalJSON(b) }

// Outputs are the run's outputs by name: plain values, written by the language's
// rules.
type Outputs map[string]any

// MarshalJSON implements json.Marshaler.
func (o Outputs) MarshalJSON() ([]byte, error) { return dag.EncodeJSON(map[string]any(o)) }

// UnmarshalJSON implements json.Unmarshaler.
func (o *Outputs) UnmarshalJSON(b []byte) error {
	v, err := dag.DecodeJSON(b)
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return errors.New("outputs are no map")
	}
	*o = m
	return nil
}

// Plain is a plain value, or a *dag.Ref, written by the language's rules.
type Plain struct{ Value any }

// MarshalJSON implements json.Marshaler. What is kept elsewhere stands as
// {"ref": its hash, "size": its bytes}, also within the list or map of a fan-out.
func (p Plain) MarshalJSON() ([]byte, error) { return dag.EncodeJSON(p.Value) }

// UnmarshalJSON implements json.Unmarshaler. What is kept elsewhere is a map then.
func (p *Plain) UnmarshalJSON(b []byte) (err error) {
	p.Value, err = dag.DecodeJSON(b)
	return err
}

// UnmarshalJSON implements json.Unmarshaler.
func (ts *TaskSummaries) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("tasks are no map"), err)
	}
	*ts = nil
	for dec.More() {
		id, err := dec.Token()
		if err != nil {
			return err
		}
		t := TaskSummary{ID: id.(string)} // the names of members are
		if err := dec.Decode(&t); err != nil {
			return err
		}
		*ts = append(*ts, t)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (ts TaskSummaries) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for k := range ts {
		if k > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(ts[k].ID); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(&ts[k]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Summary returns the run as it stands: before Started, one without an id and
// without tasks. Its cost is linear in tasks and instances. Machine and summary
// share values.
func (m *Machine) Summary() *Summary {
	s := &Summary{
		Type:   "summary",
		Status: m.result.Status.String(), Reason: m.result.Reason.String(), Message: m.result.Message,
		Started: m.time(m.began), Outputs: m.result.Outputs,
		Tasks: make(TaskSummaries, len(m.nodes)),
	}
	if m.start != nil {
		s.Run, s.Workflow = m.start.Run.ID, m.start.Run.Workflow
	}
	if m.stage == over {
		s.Ended = m.time(m.now)
	}
	if s.Outputs == nil {
		s.Outputs = Outputs{}
	}
	for i := range m.nodes {
		s.Tasks[i] = m.taskSummary(int32(i))
	}
	return s
}

func (m *Machine) taskSummary(i int32) TaskSummary {
	o := &m.outs[i]
	t := TaskSummary{
		ID: m.task(i).ID, Status: o.Status.String(), Reason: o.Reason.String(), Attempts: int(o.Attempts),
		Cached: o.CachedFrom != "", From: o.CachedFrom, ExitCode: exitCode(int(o.ExitCode)), Started: m.time(o.Started), Ended: m.time(o.Ended),
	}
	if o.Status == dag.Succeeded || o.Result != nil {
		t.Result = &Plain{o.Result}
	}
	if o.Status == dag.Failed && o.Err != nil {
		t.Error = &ErrorSummary{
			Reason: o.Err.Reason.String(), Message: o.Err.Message, Type: o.Err.Type,
			ExitCode: exitCode(o.Err.ExitCode), Traceback: o.Err.Traceback,
		}
	}
	if f := m.nodes[i].fan; f != nil {
		t.Instances = &InstanceCount{Total: len(f.outs)}
		for k := range f.outs {
			switch f.outs[k].Status {
			case dag.Succeeded:
				t.Instances.Succeeded++
				if f.outs[k].CachedFrom != "" {
					t.Instances.Cached++
				}
			case dag.Failed:
				t.Instances.Failed++
			}
		}
	}
	return t
}

// time is a moment in the zone in which the run shows times.
func (m *Machine) time(ms int64) Time {
	if ms == 0 {
		return Time{}
	}
	return Time{time.UnixMilli(ms).In(m.start.Run.StartedAt.Location())}
}

func exitCode(c int) *int {
	if c < 0 {
		return nil
	}
	return &c
}
