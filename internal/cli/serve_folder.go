package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"flow/engine"
	"flow/internal/cron"
	"flow/internal/schedule"
)

// folderEvery is how often the folder is looked at even if nothing tells of a change: on
// some file systems nothing ever does.
const folderEvery = 2 * time.Second

// watch reads the folder whenever something in it changes, until ctx ends.
func (s *service) watch(ctx context.Context) {
	var events <-chan fsnotify.Event
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		events = w.Events
	}
	for soon := 0; ctx.Err() == nil; {
		if w != nil {
			_ = w.Add(s.dir) // which may be another folder of the same name by now
		}
		wait := folderEvery
		if soon > 0 { // a file that is written to is read once it holds still
			soon, wait = soon-1, 250*time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-s.rescan:
			s.folder.Forget()
		case <-events:
			soon = 10
			continue
		case <-ctx.Done():
			return
		}
		s.lookAgain()
	}
}

// lookAgain reads the folder, and says once what is wrong with it.
func (s *service) lookAgain() {
	err := s.look()
	was := s.trouble.Load()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		s.log.Error("the workflows can't be read; those of before stay", "error", err)
		s.trouble.Store(&folderTrouble{err})
	case err == nil && was != nil:
		s.log.Info("the workflows can be read again")
		s.trouble.Store(nil)
	}
	s.looked.Store(time.Now().Unix())
}

// folderTrouble is why the folder could not be read.
type folderTrouble struct{ error }

// look reads the folder, and tells the scheduler.
func (s *service) look() error {
	changed, err := s.folder.Look(time.Now())
	if err != nil || !changed {
		return err
	}
	before := s.files.Load()
	files := s.folder.Files()
	s.files.Store(&files)
	s.sched.Update(s.folder.Versions())
	s.tellChanges(before, files)
	return nil
}

// tellChanges logs what has changed of the files.
func (s *service) tellChanges(before *[]*schedule.File, now []*schedule.File) {
	old, changed := make(map[string]*schedule.File), make(map[string]bool)
	if before != nil {
		for _, f := range *before {
			old[f.Path] = f
		}
	}
	for _, f := range now {
		was := old[f.Path]
		delete(old, f.Path)
		changed[f.Path] = was == nil || was.Plan != f.Plan
		switch {
		case was == f:
		case len(f.Broken) > 0:
			in := "nothing of it is in force"
			if f.Plan != nil {
				in = "its last good version stays in force"
			}
			s.log.Error(f.Broken[0].String(), "findings", len(f.Broken), "and", in)
		case was == nil:
			s.log.Info("workflow", "name", f.Name(), "file", filepath.Base(f.Path))
		case was.Plan != f.Plan:
			s.log.Info("workflow changed", "name", f.Name(), "file", filepath.Base(f.Path))
		}
	}
	hooks := make(map[string]string)
	for _, f := range now {
		if f.Plan == nil {
			continue
		}
		if changed[f.Path] {
			s.tryStarts(f)
		}
		for i := range f.Plan.Workflow.Triggers {
			path := f.Plan.Workflow.Triggers[i].Webhook
			if first, twice := hooks[path]; twice && path != "" {
				s.log.Warn("two workflows have the same webhook: the first gets its requests", "webhook", path, "first", first, "other", f.Name())
			} else {
				hooks[path] = f.Name()
			}
		}
	}
	for path := range old {
		s.log.Info("workflow removed", "file", filepath.Base(path))
	}
}

// tryStarts tells of schedules whose runs will not begin.
func (s *service) tryStarts(f *schedule.File) {
	w := f.Plan.Workflow
	for i := range w.Schedules {
		d := &w.Schedules[i]
		c, err := cron.Parse(d.Cron, d.Timezone, d.Start)
		if err != nil || !d.Enabled {
			continue
		}
		t, ok := schedule.Next(c, d, time.Now())
		if !ok {
			continue
		}
		o := engine.Options{Trigger: "schedule", ScheduledAt: t.At, IntervalStart: t.At, IntervalEnd: t.At, Bound: d.Params}
		if _, err := engine.NewStart(f.Plan, o, t.At); err != nil {
			s.log.Warn("the runs of a schedule will fail", "workflow", w.Name, "schedule", named(d), "error", err)
		}
	}
}
