package cli

import (
	"encoding/json"
	"time"

	"flow/internal/schedule"
	"flow/internal/store"
	"flow/internal/web"
)

// ledger is the home as the scheduler and the pages see it.
type ledger struct{ *store.Store }

// Causes implements schedule.Ledger.
func (l ledger) Causes() (map[string]schedule.Cause, error) {
	all, err := l.Store.Causes()
	out := make(map[string]schedule.Cause, len(all))
	for k, c := range all {
		out[k] = schedule.Cause(c)
	}
	return out, err
}

// Decide implements schedule.Ledger.
func (l ledger) Decide(causes []schedule.Cause, rows, settle []schedule.Row) ([]bool, error) {
	cs := make([]store.Cause, len(causes))
	for i := range causes {
		cs[i] = store.Cause(causes[i])
	}
	return l.Store.Decide(cs, stored(rows), stored(settle))
}

func stored(rows []schedule.Row) []store.Row {
	rs := make([]store.Row, len(rows))
	for i := range rows {
		rs[i] = store.Row(rows[i])
	}
	return rs
}

// Settle implements schedule.Ledger.
func (l ledger) Settle(rows ...schedule.Row) error { return l.Store.Settle(stored(rows)...) }

// Unsettled implements schedule.Ledger.
func (l ledger) Unsettled() ([]schedule.Row, error) {
	rows, err := l.Store.Unsettled()
	out := make([]schedule.Row, len(rows))
	for i := range rows {
		out[i] = schedule.Row(rows[i])
	}
	return out, err
}

// EndedAfter implements schedule.Ends.
func (l ledger) EndedAfter(workflow string, after time.Time) ([]schedule.End, error) {
	runs, err := l.Store.EndedAfter(workflow, after)
	out := make([]schedule.End, len(runs))
	for i := range runs {
		out[i] = schedule.End{Run: runs[i].ID, Status: runs[i].Status, At: runs[i].Ended}
	}
	return out, err
}

// Ledger implements web.Ledger.
func (l ledger) Ledger(q web.LedgerQuery) ([]web.Fate, error) {
	rows, err := l.Store.Ledger(store.LedgerFilter{Workflow: q.Workflow, Run: q.Run, Trigger: q.Trigger, Before: q.Before, Limit: q.Limit})
	out := make([]web.Fate, len(rows))
	for i := range rows {
		r := &rows[i]
		fate, note := fateOf(r)
		what := r.Of
		if r.What != "" && r.Trigger != "manual" {
			what = r.What
		}
		out[i] = web.Fate{
			Workflow: r.Workflow, Trigger: r.Trigger, What: what, At: r.At, Decided: r.Decided,
			Fate: fate, Shifted: r.Shifted, Run: runOf(r), Note: note,
		}
	}
	return out, err
}

// orderOf is an order as the ledger keeps it.
func orderOf(o web.StartOptions) (schedule.Order, error) {
	params, err := encodeParams(o.Params)
	return schedule.Order{Params: json.RawMessage(params), Only: o.Only, From: o.From}, err
}
