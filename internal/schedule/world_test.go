package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"flow/dag"
)

// book is a ledger in memory. It outlives keepers, as a home does.
type book struct {
	causes map[string]Cause
	rows   map[spot]*Row
	open   map[spot]*Row   // of these: Begun is false
	last   map[string]*Row // by key: the newest with a run that has begun
	broken error           // what every change answers, having done nothing
	flaky  func() bool     // whether a change fails, where broken is nil
}

type spot struct {
	key  string
	at   int64
	what string
}

func newBook() *book {
	return &book{causes: map[string]Cause{}, rows: map[spot]*Row{}, open: map[spot]*Row{}, last: map[string]*Row{}}
}

func spotOf(r *Row) spot { return spot{r.Key, r.At.UnixMilli(), r.What} }

func (b *book) Causes() (map[string]Cause, error) {
	all := make(map[string]Cause, len(b.causes))
	maps.Copy(all, b.causes)
	return all, nil
}

func (b *book) Decide(causes []Cause, rows, settle []Row) ([]bool, error) {
	if err := b.fails(); err != nil {
		return nil, err
	}
	for _, c := range causes {
		b.causes[c.Key] = c
	}
	fresh := make([]bool, len(rows))
	for i := range rows {
		at := spotOf(&rows[i])
		if old := b.rows[at]; old == nil || old.Run == "" && old.Begun && old.Decided.After(rows[i].Decided) {
			r := rows[i]
			b.rows[at], fresh[i] = &r, true
			b.file(at, &r)
		}
	}
	b.settle(settle)
	return fresh, nil
}

func (b *book) Settle(rows ...Row) error {
	if err := b.fails(); err != nil {
		return err
	}
	b.settle(rows)
	return nil
}

// fails is what a change answers: broken, or from time to time, an error.
func (b *book) fails() error {
	if b.broken == nil && b.flaky != nil && b.flaky() {
		return errDisk
	}
	return b.broken
}

func (b *book) settle(rows []Row) {
	for i := range rows {
		if r := b.rows[spotOf(&rows[i])]; r != nil {
			r.Fate, r.Decided, r.Run, r.Begun, r.Note = rows[i].Fate, rows[i].Decided, rows[i].Run, rows[i].Begun, rows[i].Note
			if r.Fate == Failed || r.Fate == Skipped {
				r.Params = ""
			}
			b.file(spotOf(r), r)
		}
	}
}

// file keeps open and last.
func (b *book) file(at spot, r *Row) {
	if delete(b.open, at); !r.Begun {
		b.open[at] = r
	} else if last := b.last[r.Key]; r.Run != "" && r.Fate != Failed && r.Fate != Skipped && (last == nil || r.At.After(last.At)) {
		b.last[r.Key] = r
	}
}

func (b *book) Unsettled() ([]Row, error) {
	var all []Row
	for _, r := range b.open {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Row) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	return all, nil
}

func (b *book) Seen(key, what string) (string, bool, error) {
	for at, r := range b.rows {
		if at.key == key && at.what == what {
			return r.Run, true, nil
		}
	}
	return "", false, nil
}

func (b *book) LastRun(key string) (string, error) {
	if last := b.last[key]; last != nil {
		return last.Run, nil
	}
	return "", nil
}

// machine is where runs are: it outlives keepers too. Each run takes as long as lasts says.
type machine struct {
	t     testing.TB
	n     int
	runs  map[string]*aRun
	going map[string]*aRun // of these: not over
	now   time.Time
	lasts func(f *Firing) time.Duration
	lose  bool // what is launched never begins: the process dies before
	fails error
	asked []string // to make room
	news  []News
	order []string // of the beginnings, as "workflow at"
}

type aRun struct {
	Firing
	began int
	ends  time.Time
	over  bool
}

func newMachine(t testing.TB) *machine {
	return &machine{t: t, runs: map[string]*aRun{}, going: map[string]*aRun{}, lasts: func(*Firing) time.Duration { return time.Second }}
}

func (m *machine) NewID() string {
	m.n++
	return fmt.Sprintf("R%06d", m.n)
}

func (m *machine) Launch(f Firing) {
	if m.lose {
		return
	}
	if m.fails != nil {
		m.news = append(m.news, News{Run: f.Run, Err: m.fails, Ended: true})
		return
	}
	r := m.runs[f.Run]
	if r == nil {
		r = &aRun{Firing: f, ends: m.now.Add(m.lasts(&f))}
		r.began++
		m.runs[f.Run], m.going[f.Run] = r, r
		m.order = append(m.order, fmt.Sprint(f.Version.Plan.Workflow.Name, " ", f.At.UTC().Format("02 15:04")))
	}
	m.news = append(m.news, News{Run: f.Run, Begun: true, Ended: r.over})
}

func (m *machine) Replace(run string) {
	m.asked = append(m.asked, run)
	if r := m.runs[run]; r != nil {
		r.ends = m.now
	}
}

func (m *machine) Live(run string) (bool, error) { return m.runs[run] != nil && !m.runs[run].over, nil }

// pass lets the time of the runs pass, and returns what is to be told.
func (m *machine) pass(now time.Time) []News {
	m.now = now
	for id, r := range m.going {
		if !r.ends.After(now) {
			r.over = true
			delete(m.going, id)
			m.news = append(m.news, News{Run: id, Ended: true})
		}
	}
	slices.SortStableFunc(m.news, func(a, b News) int { return cmp.Compare(a.Run, b.Run) })
	news := m.news
	m.news = nil
	return news
}

// version reads a workflow.
func version(t testing.TB, text string) *Version {
	t.Helper()
	w, found := dag.Parse("w.yaml", []byte(text))
	if w == nil {
		t.Fatal(found)
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	return &Version{File: "/w.yaml", Plan: plan}
}

// place is a keeper in its world.
type stage struct {
	t        *testing.T
	book     *book
	machine  *machine
	keeper   *Keeper
	versions []*Version
	now      time.Time
}

func newStage(t *testing.T, now string, texts ...string) *stage {
	t.Helper()
	s := &stage{t: t, book: newBook(), machine: newMachine(t), now: at(t, now)}
	for _, text := range texts {
		s.versions = append(s.versions, version(t, text))
	}
	s.restart()
	return s
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// restart makes a new keeper, as a service does that begins.
func (s *stage) restart() {
	s.t.Helper()
	k, err := NewKeeper(s.book, s.machine)
	if err == nil {
		err = k.Update(s.versions, s.now)
	}
	s.keeper, s.machine.now, s.machine.lose, s.machine.news = k, s.now, false, nil
	if err == nil {
		err = k.TakeOver(s.now)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.step()
}

// step does what is to be done at this moment.
func (s *stage) step() {
	s.t.Helper()
	s.machine.now = s.now
	for more := true; more; {
		var err error
		if more, err = s.keeper.Tick(s.now); err != nil {
			s.t.Fatal(err)
		}
		for news := s.machine.pass(s.now); len(news) > 0; news = s.machine.pass(s.now) {
			if err := s.keeper.Tell(news, s.now); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// until lets time pass, with a step whenever something is due.
func (s *stage) until(end string) {
	s.t.Helper()
	limit := at(s.t, end)
	for {
		next := limit
		if due, ok := s.keeper.Next(); ok && due.Before(next) {
			next = due
		}
		for _, r := range s.machine.going {
			if r.ends.Before(next) {
				next = r.ends
			}
		}
		s.now = next
		s.step()
		if !next.Before(limit) {
			return
		}
	}
}

// fates are the rows, as "15:04 fate" with the day before where it is another.
func (s *stage) fates() []string {
	var rows []*Row
	for _, r := range s.book.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *Row) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Workflow, b.Workflow)) })
	var all []string
	for _, r := range rows {
		text := r.At.UTC().Format("02 15:04") + " " + r.Fate
		if r.Shifted {
			text += " shifted"
		}
		all = append(all, text)
	}
	return all
}

var errDisk = errors.New("no space left on device")
