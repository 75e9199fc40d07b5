package dag

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"flow/internal/cron"
)

// checkCron reads a schedule's expression, and tells what is wrong with it or
// suspicious about it, below the field that it is about.
func (d *decoder) checkCron(e *entry, zone *time.Location) {
	s, err := cron.Parse(e.Cron, e.Timezone, e.Start)
	if err != nil {
		bad, ok := errors.AsType[*cron.Error](err)
		if !ok {
			d.errorf(e.cron, "cron: %v", err)
			return
		}
		at, length := d.fieldPlace(e.cron, bad)
		d.src.errorAt(at, length, "cron: %s", strings.TrimPrefix(bad.Error(), "cron: "))
		return
	}
	for _, w := range s.Warnings() {
		d.warnf(e.cron, "cron: %s", w)
	}
	if e.End.IsZero() {
		return
	}
	after := e.Start.Add(-time.Nanosecond)
	if e.Start.IsZero() {
		if _, ok := s.Prev(e.End); !ok {
			d.errorf(e.cron, "cron: it never fires before end")
		}
		return
	}
	if next, ok := s.Next(after); !ok || !next.At.Before(e.End) {
		d.errorf(e.cron, "cron: it never fires between start and end")
	}
}

// fieldPlace finds the field that an error is about.
func (d *decoder) fieldPlace(n *node, err *cron.Error) (Pos, int) {
	names := []string{"minute", "hour", "day of month", "month", "day of week"}
	whole := d.src.pos(d.src.begin(n))
	i := slices.Index(names, err.Field)
	if i < 0 {
		return whole, d.src.length(n)
	}
	t := scalarText(n, d.src)
	at := 0
	for k, field := range strings.Fields(t.s) {
		at += strings.Index(t.s[at:], field)
		if k == i {
			return t.at(at), utf8.RuneCountInString(field)
		}
		at += len(field)
	}
	return whole, d.src.length(n)
}
