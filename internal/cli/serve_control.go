package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/cron"
	"flow/internal/schedule"
	"flow/internal/store"
	"flow/internal/web"
)

// Workflows implements web.Catalog.
func (s *service) Workflows() []web.Workflow {
	files := s.files.Load()
	if files == nil {
		return nil
	}
	now := time.Now()
	all := make([]web.Workflow, 0, len(*files))
	for _, f := range *files {
		w := web.Workflow{Name: f.Name(), File: f.Path, Plan: f.Plan, Broken: f.Broken, Source: f.Source}
		if f.Plan != nil {
			w.Schedules = schedulesOf(f.Plan.Workflow, now)
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b web.Workflow) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// schedulesOf are the schedules of a workflow, with their next times.
func schedulesOf(w *dag.Workflow, now time.Time) []web.Schedule {
	var all []web.Schedule
	for i := range w.Schedules {
		d := &w.Schedules[i]
		one := web.Schedule{
			Workflow: w.Name, Cron: d.Cron, Timezone: d.Timezone, Overlap: d.Overlap, Catchup: d.Catchup,
			Index: i, Enabled: d.Enabled,
		}
		if s, err := cron.Parse(d.Cron, d.Timezone, d.Start); err == nil && d.Enabled {
			if t, ok := schedule.Next(s, d, now); ok {
				one.Next, one.Shifted = t.At, t.Shifted
			}
		}
		all = append(all, one)
	}
	return all
}

// workflow returns the file of the workflow of that name that is in force; nil: there is none.
func (s *service) workflow(name string) *schedule.File {
	files := s.files.Load()
	if files == nil {
		return nil
	}
	for _, f := range *files {
		if f.Plan != nil && f.Plan.Workflow.Name == name {
			return f
		}
	}
	return nil
}

// Ready implements web.Health.
func (s *service) Ready() error {
	if trouble := s.trouble.Load(); trouble != nil {
		return trouble
	}
	if late := time.Since(time.Unix(s.looked.Load(), 0)); late > time.Minute {
		return fmt.Errorf("the folder of the workflows was not read for %s", late.Round(time.Second))
	}
	return s.sched.Ready()
}

// Leader implements web.Health.
func (s *service) Leader() bool { return s.leads.Load() }

// Start implements web.Control.
func (s *service) Start(ctx context.Context, name string, o web.StartOptions) (string, error) {
	f := s.workflow(name)
	if f == nil {
		return "", fmt.Errorf("workflow %s: %w", name, web.ErrNotFound)
	}
	start, err := engine.NewStart(f.Plan, engine.Options{Params: o.Params, Only: o.Only}, time.Now())
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	if len(o.From) > 0 {
		if _, err := engine.NewEarlier(s.home, f.Plan, o.From, start.Params); err != nil {
			return "", &web.InputError{Err: err}
		}
	}
	order, err := orderOf(o)
	if err != nil {
		return "", &web.InputError{Err: err}
	}
	return s.fire(ctx, schedule.KeyOfPeople(name), o.Key, order)
}

// fire starts a run that somebody asks for. With a key, what was asked for with the same
// one is what is meant.
func (s *service) fire(ctx context.Context, cause, key string, order schedule.Order) (string, error) {
	id := engine.NewID()
	sight := schedule.Sight{Key: cause, At: time.Now(), What: id, Run: id, Order: order}
	if key != "" {
		sight.What = "key " + key
	}
	begun := s.runner.expect(id)
	defer s.runner.expected(id)
	runs, err := s.sched.Saw(ctx, []schedule.Sight{sight}, nil)
	if errors.Is(err, schedule.ErrStopped) {
		return "", fmt.Errorf("%w: %w", web.ErrConflict, err)
	}
	if errors.As(err, new(*schedule.GoneError)) {
		return "", fmt.Errorf("%w: %w", web.ErrNotFound, err)
	}
	if err != nil {
		return "", err
	}
	if runs[0] != id {
		return runs[0], s.same(runs[0], &order)
	}
	return id, s.begins(ctx, begun)
}

// begins waits for a moment until a run has begun, or was refused. One that waits for its
// turn begins later.
func (s *service) begins(ctx context.Context, begun <-chan error) error {
	select {
	case err := <-begun:
		if err != nil {
			return fmt.Errorf("%w: %w", web.ErrConflict, err)
		}
	case <-time.After(patienceToBegin):
	case <-ctx.Done():
	}
	return nil
}

// same tells what has become of a run that was asked for before with the same key, where
// that is not what is asked for now.
func (s *service) same(id string, order *schedule.Order) error {
	rows, err := s.home.Ledger(store.LedgerFilter{Run: id, Limit: 1})
	if err != nil || len(rows) == 0 {
		return err
	}
	r := &rows[0]
	if r.Fate == schedule.Failed || r.Fate == schedule.Skipped {
		return fmt.Errorf("%w: asked for before with this key, and %s: %s", web.ErrConflict, r.Fate, r.Note)
	}
	if text, err := json.Marshal(order); err != nil || string(text) != r.Params {
		return fmt.Errorf("%w: this key was used before, for another request: run %s", web.ErrConflict, id)
	}
	return nil
}

// patienceToBegin is how long who asks for a run waits for its beginning.
const patienceToBegin = 2 * time.Second

// Cancel implements web.Control.
func (s *service) Cancel(_ context.Context, id string) error {
	if run := s.runner.find(id); run != nil {
		run.Cancel()
		return nil
	}
	if s.runner.withdraw(id) {
		return nil
	}
	rec, err := s.home.Get(id)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if !rec.Ended.IsZero() {
		return fmt.Errorf("%w: run %s has ended: %s", web.ErrConflict, id, rec.Status)
	}
	return s.home.WishCancel(id, false) // of one that is interrupted: it is gone on with, and ends in order
}

// Retry implements web.Control.
func (s *service) Retry(ctx context.Context, id string, o web.RetryOptions) (string, error) {
	rec, err := s.home.Get(id)
	if err != nil {
		return "", fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if rec.Ended.IsZero() {
		return "", fmt.Errorf("%w: run %s has not ended", web.ErrConflict, id)
	}
	if s.workflow(rec.Workflow) == nil {
		return "", fmt.Errorf("%w: workflow %s is no longer in the folder; flow retry %s runs it without the service", web.ErrConflict, rec.Workflow, id)
	}
	if err := engine.CheckRetry(s.home, &rec, engine.Again{Tasks: o.Tasks, Downstream: o.Downstream}); err != nil {
		return "", &web.InputError{Err: err}
	}
	return s.fire(ctx, schedule.KeyOfPeople(rec.Workflow), "", schedule.Order{Retry: id, Tasks: o.Tasks, Downstream: o.Downstream})
}

// Resume implements web.Control.
func (s *service) Resume(ctx context.Context, id string) error {
	rec, err := s.home.Get(id)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, web.ErrNotFound)
	}
	if !rec.Ended.IsZero() {
		return fmt.Errorf("%w: run %s has ended: %s", web.ErrConflict, id, rec.Status)
	}
	if _, owned := s.home.Owner(id); owned {
		return fmt.Errorf("%w: run %s is running", web.ErrConflict, id)
	}
	begun := s.runner.expect(id)
	defer s.runner.expected(id)
	s.runner.resume(&rec)
	return s.begins(ctx, begun)
}
