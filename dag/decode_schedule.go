package dag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// entry is a schedule while it is read.
type entry struct {
	Schedule
	cron       *node
	start, end *node
}

var scheduleObject = newObject(object[entry]{
	name: "a schedule", title: "schedule", doc: "When the service starts the workflow.",
	keys: []key[entry]{
		{name: "cron", must: true, read: func(d *decoder, n *node, e *entry) { e.Cron, _ = d.filled(n); e.cron = n }, shape: `{"$ref":"#/$defs/cron"}`, doc: "Five fields (minute, hour, day, month, weekday), @daily, …, or @every 15m."},
		{name: "timezone", read: func(d *decoder, n *node, e *entry) { d.timezone(n, e) }, shape: shapeFilled, doc: "IANA name of the zone. Default: UTC."},
		{name: "start", read: func(d *decoder, n *node, e *entry) { e.start = n }, shape: shapeFilled, doc: "The first moment at which it may fire: a date, or a time."},
		{name: "end", read: func(d *decoder, n *node, e *entry) { e.end = n }, shape: shapeFilled, doc: "The moment from which it fires no more: a date, or a time."},
		{name: "params", read: readScheduleParams, shape: shapeValues, doc: "Params of the runs that it starts."},
		{name: "enabled", read: func(d *decoder, n *node, e *entry) { e.Enabled = d.bool(n) }, shape: shapeBool, doc: "Default: true."},
		{name: "overlap", read: func(d *decoder, n *node, e *entry) {
			e.Overlap = d.word(n, e.Overlap, "skip", "queue", "replace", "allow")
		}, shape: `{"enum":["skip","queue","replace","allow"]}`, doc: "What if this schedule's last run is still going. Default: skip."},
		{name: "catchup", read: func(d *decoder, n *node, e *entry) { e.Catchup = d.word(n, e.Catchup, "none", "latest", "all") }, shape: `{"enum":["none","latest","all"]}`, doc: "For the times missed while the service was down. Default: none."},
		{name: "catchup_window", read: func(d *decoder, n *node, e *entry) { e.CatchupWindow = d.every(n) }, shape: shapeDuration, doc: "How far back catchup looks. Default: 24h."},
		{name: "jitter", read: func(d *decoder, n *node, e *entry) { e.Jitter, _ = d.duration(n) }, shape: shapeDuration, doc: "A fixed delay up to this long. Default: none."},
	},
})

func (d *decoder) word(n *node, otherwise string, words ...string) string {
	if s, ok := d.oneOf(n, words...); ok {
		return s
	}
	return otherwise
}

func (d *decoder) readSchedules(n *node) {
	if n == nil {
		return
	}
	for c := range d.each(n) {
		d.key, d.at = "schedule", c
		e := entry{Schedule: Schedule{Pos: d.place(c), Timezone: "UTC", Enabled: true, Overlap: "skip", Catchup: "none", CatchupWindow: day}}
		if c.Kind == mapKind {
			if !scheduleObject.read(d, c, c, &e) {
				continue
			}
		} else {
			if c.Kind != scalarKind {
				d.errorf(c, "schedule is a cron expression, an entry with cron, or a list of them, not %s", nodeKind(c))
				continue
			}
			e.Cron, _ = d.filled(c)
			e.cron = c
		}
		d.finishSchedule(&e)
		d.w.Schedules = append(d.w.Schedules, e.Schedule)
	}
}

func (d *decoder) timezone(n *node, e *entry) {
	s, ok := d.filled(n)
	if !ok {
		return
	}
	if _, err := loadZone(s); err != nil {
		hint := "; write one as Europe/Berlin"
		if near := NearestZone(shorten(s, 60)); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		d.errorf(n, "timezone: %q is no zone of the IANA database%s", shorten(s, 60), hint)
		return
	}
	e.Timezone = s
}

var errNoZone = errors.New("no zone")

// loadZone finds a zone by its IANA name. Local is none: a schedule would mean
// something else on each machine.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" || name == "" {
		return nil, errNoZone
	}
	return time.LoadLocation(name)
}

// finishSchedule reads what depends on the zone, and asks cron.
func (d *decoder) finishSchedule(e *entry) {
	zone, err := loadZone(e.Timezone)
	if err != nil {
		zone = time.UTC
	}
	e.Start = d.moment(e.start, "start", zone)
	e.End = d.moment(e.end, "end", zone)
	if !e.Start.IsZero() && !e.End.IsZero() && !e.End.After(e.Start) {
		d.errorf(e.end, "end is not after start; the schedule would never fire")
		return
	}
	if e.cron != nil && e.Cron != "" {
		d.checkCron(e, zone)
	}
}

// ParseMoment reads a date, or a date and a time: RFC 3339, or without an offset, and then
// in the zone.
func ParseMoment(s string, zone *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// moment reads a date or a time; one without an offset is in the schedule's zone.
func (d *decoder) moment(n *node, key string, zone *time.Location) time.Time {
	if n == nil {
		return time.Time{}
	}
	d.key = key
	s, ok := d.filled(n)
	if !ok {
		return time.Time{}
	}
	if t, ok := ParseMoment(s, zone); ok {
		return t
	}
	d.errorf(n, "%s: %q is no date or time; write one as 2026-01-31 or 2026-01-31T06:30", key, shorten(s, 40))
	return time.Time{}
}

func readScheduleParams(d *decoder, n *node, e *entry) {
	for k, v := range d.entries(n) {
		p, ok := d.param(k.Value)
		if !ok {
			d.errorf(k, "params: %s: no such param%s", shorten(k.Value, 60), d.didYouMean(k.Value, d.w.paramNames))
			continue
		}
		b := Binding{Name: k.Value, Pos: d.place(k), Value: d.value(v, inScheduleParams)}
		if b.Value == nil {
			continue
		}
		if literal, known := b.Value.Literal(); known {
			if value, err := p.fileValue(literal); err != nil {
				d.errorf(v, "%s: %v", p.Name, err)
			} else {
				b.Value = NewValue(value)
			}
		}
		e.Params = append(e.Params, b)
	}
}

var triggerObject = newObject(object[Trigger]{
	name: "on", title: "trigger", doc: "What starts the workflow: exactly one of file, workflow and webhook.",
	also: `"oneOf":[{"required":["file"]},{"required":["workflow"]},{"required":["webhook"]}],"dependentRequired":{"status":["workflow"],"secret":["webhook"]}`,
	keys: []key[Trigger]{
		{name: "file", read: func(d *decoder, n *node, t *Trigger) { t.File, _ = d.filled(n) }, shape: shapeFilled, doc: "A glob, relative to the workflow file: a file that appears or changes."},
		{name: "workflow", read: func(d *decoder, n *node, t *Trigger) { t.Workflow, _ = d.id(n) }, shape: shapeID, doc: "The name of another workflow: the end of a run of it."},
		{name: "status", read: readTriggerStatus, shape: `{"oneOf":[{"enum":["succeeded","failed","cancelled"]},{"type":"array","items":{"enum":["succeeded","failed","cancelled"]}}]}`, doc: "Which ends of the other workflow count. Default: succeeded."},
		{name: "webhook", read: readWebhook, shape: shapeFilled, doc: "A path: a POST request to it."},
		{name: "secret", read: readTriggerSecret, shape: `{"$ref":"#/$defs/variable"}`, doc: "The secret that signs the requests, one of `secrets`."},
	},
})

func (d *decoder) readTriggers(n *node) {
	if n == nil {
		return
	}
	for c := range d.each(n) {
		d.key, d.at = "on", c
		t := Trigger{Pos: d.place(c)}
		if !triggerObject.read(d, c, c, &t) {
			continue
		}
		d.exactlyOne(c, "on", "file", "workflow", "webhook")
		d.together(c, "status", "workflow")
		d.together(c, "secret", "webhook")
		if find(c, "webhook") != nil && find(c, "secret") == nil {
			d.warnf(c, "a webhook without a secret: whoever reaches the service can start the workflow")
		}
		if t.Workflow != "" && t.Workflow == d.w.Name {
			d.warnf(c, "the workflow starts itself when it ends: again and again, for ever")
		}
		d.w.Triggers = append(d.w.Triggers, t)
	}
}

// together reports a key that stands without the one that it belongs to.
func (d *decoder) together(n *node, key, with string) {
	if i := findKey(n.Content, key); i >= 0 && find(n, with) == nil {
		d.errorf(n.Content[i], "%s goes with %s", key, with)
	}
}

func readTriggerStatus(d *decoder, n *node, t *Trigger) {
	for c := range d.each(n) {
		s, ok := d.oneOf(c, "succeeded", "failed", "cancelled")
		if ok && !slices.Contains(t.Status, s) {
			t.Status = append(t.Status, s)
		}
	}
}

func readWebhook(d *decoder, n *node, t *Trigger) {
	s, ok := d.filled(n)
	if ok && strings.ContainsAny(s, " \t\n?#%") {
		d.errorf(n, "webhook: %q is no path; write one as deploy or hooks/deploy", shorten(s, 60))
	}
	t.Webhook = strings.Trim(s, "/")
}

func readTriggerSecret(d *decoder, n *node, t *Trigger) {
	s, ok := d.filled(n)
	if ok && !d.secrets[s] {
		d.errorf(n, "secret: %s: no such secret%s; it is named under secrets", shorten(s, 60), d.didYouMean(s, d.secretNames))
	}
	t.Secret = s
}

func (d *decoder) secretNames(yield func(string) bool) {
	for i := range d.w.Secrets {
		if !yield(d.w.Secrets[i].Name) {
			return
		}
	}
}
