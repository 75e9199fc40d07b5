package cron

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// This is the only file that knows the library. Of it the parser of one field
// is used: its Next loses times in the hour that is skipped in spring, has
// those of the repeated hour in autumn twice, and gives up after five years.

// fields are the sets of an expression, a bit for each value.
type fields struct {
	minute, hour, dom, month, dow uint64
	anyDom, anyDow                bool // bare * or ?
}

// field is what is known of one of the five.
type field struct {
	name   string
	spec   string // an expression with %s in its place
	values int    // how many there are
	unit   string
}

var fieldTable = [5]field{
	{"minute", "%s * * * *", 60, "minutes"},
	{"hour", "* %s * * *", 24, "hours"},
	{"day of month", "* * %s * *", 31, "days"},
	{"month", "* * * %s *", 12, "months"},
	{"day of week", "* * * * %s", 7, "days"},
}

// parser panics on time zones and knows abbreviations; it gets neither.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// parseFields reads the five fields.
func (s *Schedule) parseFields(texts []string, expr string) error {
	if len(texts) != len(fieldTable) {
		hint := "five fields are wanted: minute, hour, day of month, month, day of week"
		if len(texts) == 6 {
			hint += "; there are no seconds"
		}
		fields := "fields"
		if len(texts) == 1 {
			fields = "field"
		}
		return &Error{Text: expr, Message: fmt.Sprintf("%d %s; %s", len(texts), fields, hint)}
	}
	var sets [5]uint64
	for i, text := range texts {
		set, err := parseField(i, text)
		if err != nil {
			return err
		}
		sets[i] = set
	}
	s.fields = fields{
		minute: sets[0], hour: sets[1], dom: sets[2], month: sets[3], dow: sets[4],
		anyDom: bare(texts[2]), anyDow: bare(texts[4]),
	}
	s.fixed = !star(texts[0]) && !star(texts[1])
	s.warnings = warn(texts, s.fields)
	return nil
}

// bare reports whether a field is a star and no more.
func bare(text string) bool { return text == "*" || text == "?" }

// star reports whether a field begins with one.
func star(text string) bool { return strings.HasPrefix(text, "*") || strings.HasPrefix(text, "?") }

// parseField reads one field to a set.
func parseField(i int, text string) (uint64, error) {
	f := fieldTable[i]
	fail := func(format string, args ...any) (uint64, error) {
		return 0, &Error{Field: f.name, Text: text, Message: fmt.Sprintf(format, args...)}
	}
	for _, r := range text {
		if !strings.ContainsRune("0123456789*?/,-", r) && !('a' <= r|0x20 && r|0x20 <= 'z') {
			return fail("%q means nothing here; there are numbers, names, * , - and /", r)
		}
	}
	items := strings.Split(text, ",")
	for k, item := range items {
		if item == "" {
			return fail("something is missing beside a comma")
		}
		if rest := strings.TrimLeft(item, "*?"); len(rest) < len(item)-1 || len(rest) < len(item) && rest != "" && rest[0] != '/' {
			return fail("%s: a star stands alone, or before a step as in */5", item)
		}
		if i == 4 {
			items[k] = sundays(item)
		}
	}
	parsed, err := parser.Parse(fmt.Sprintf(f.spec, strings.Join(items, ",")))
	if err != nil {
		msg := reword(err.Error())
		if i == 4 {
			msg = strings.Replace(msg, "maximum (6)", "maximum (7)", 1)
		}
		return fail("%s", msg)
	}
	s := parsed.(*cron.SpecSchedule)
	set := [5]uint64{s.Minute, s.Hour, s.Dom, s.Month, s.Dow}[i]
	return set &^ (1 << 63), nil // without the library's own mark of a star
}

// sundays writes a part of the day of week without 7, which the library takes
// for an error, and so that a range may end with Sunday.
func sundays(item string) string {
	span, step, stepped := strings.Cut(item, "/")
	low, high, ranged := strings.Cut(span, "-")
	if strings.EqualFold(high, "sun") {
		high = "7"
	}
	if low != "7" && high != "7" {
		return item
	}
	from, ok := dayNumber(low)
	by := 1
	if stepped {
		n, err := strconv.Atoi(step)
		if err != nil || n < 1 {
			return item
		}
		by = n
	}
	if !ok || ranged && high != "7" {
		return item
	}
	var days []string
	for d := from; d <= 7; d += by {
		days = append(days, strconv.Itoa(d%7))
	}
	return strings.Join(days, ",")
}

// dayNumber reads a weekday from 0 to 7.
func dayNumber(s string) (int, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()[:3]) {
			return int(d), true
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && 0 <= n && n <= 7
}

// reword makes the library's messages ours.
func reword(msg string) string {
	if at := strings.LastIndex(msg, ": "); at > 0 && strings.Contains(msg, "range") {
		msg = msg[:at]
	}
	if rest, ok := strings.CutPrefix(msg, "failed to parse int from "); ok {
		word, _, _ := strings.Cut(rest, ":")
		if word == "" {
			return "a number is missing"
		}
		return word + " is neither a number nor a name"
	}
	return msg
}

// warn says what is probably not meant.
func warn(texts []string, f fields) []string {
	var out []string
	for i, text := range texts {
		by, ok := strings.CutPrefix(text, "*/")
		n, err := strconv.Atoi(by)
		if !ok || err != nil || n <= 1 {
			continue
		}
		if v := fieldTable[i].values; i == 2 || v%n != 0 {
			out = append(out, fmt.Sprintf("%s %q: not every %d %s, for it begins anew each time around: %s", fieldTable[i].name, text, n,
				fieldTable[i].unit, listed([5]uint64{f.minute, f.hour, f.dom, f.month, f.dow}[i])))
		}
	}
	if (bare(texts[0]) || texts[0] == "*/1") && !star(texts[1]) {
		out = append(out, fmt.Sprintf("minute %q with hour %q: it fires each minute of that hour; for once write minute 0", texts[0], texts[1]))
	}
	if !f.anyDom && !f.anyDow {
		out = append(out, "day of month and day of week: it fires when either matches, not only when both do")
	}
	return out
}

// listed shows the first values of a set.
func listed(set uint64) string {
	var vs []string
	for ; set != 0; set &= set - 1 {
		if len(vs) == 3 {
			return strings.Join(vs, ", ") + ", …"
		}
		vs = append(vs, strconv.Itoa(bits.TrailingZeros64(set)))
	}
	return strings.Join(vs, ", ")
}
