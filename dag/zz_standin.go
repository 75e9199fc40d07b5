package dag

import "time"

// Stand-ins until their files are there.

func (c *compiler) script(t text, _ place, _ []string, _ *Task) *Script { return &Script{Text: t.s} }

// Uses is what the script mentions.
func (s *Script) Uses() *Uses { return &Uses{} }

// TypeName names the type of a plain value.
func TypeName(v any) string { return describe(v) }

func (d *decoder) checkCron(*entry, *time.Location) {}

// LastTime is the last time of the first schedule at or before now, else now.
func (w *Workflow) LastTime(now time.Time) time.Time { return now }
