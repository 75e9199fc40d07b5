package web

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// tasksPage is how many tasks a page shows.
const tasksPage = 100

type runView struct {
	page
	Run      Run
	Status   string
	Reason   string
	Message  string
	Torn     bool          // not all of its events can be read
	Usual    time.Duration // of the runs before it, while it goes on
	Zone     string
	Counts   []part
	Total    int
	Done     int
	Failures []failure
	Others   int // failures that are not shown
	Graph    template.HTML
	Layers   []layer
	Axis     []string
	Rows     []taskRow
	Found    int
	Page     int
	Pages    int
	Params   []pair
	Outputs  []pair
	Path     []string // the critical path
	Seq      int64
	Can      struct{ Cancel, Retry, Resume bool }
}

type pair struct{ Name, Text string }

// taskRow is a task in the table.
type taskRow struct {
	ID, Status, Reason string
	Kind               string
	Attempts           int
	Cached             bool
	Instances          *run.InstanceCount
	Took               time.Duration
	Begun              bool
	Critical           bool
	Error              string
	Bars               []rect
	Says               string // the bar in words
}

// failure is why a run failed, as far as it is one task's.
type failure struct {
	Task, Reason, Message string
	Allowed               bool
	Instances             *run.InstanceCount
	Tail                  []Line
	Log                   string // the query of its log
	Skipped               []string
	MoreSkipped           int
}

func (s *site) runPage(w http.ResponseWriter, r *http.Request) error {
	v, tails, err := s.runView(r)
	if err != nil {
		return err
	}
	if v.Live {
		runs, err := s.Runs.List(RunQuery{Workflow: v.Run.Workflow, Limit: stripRuns})
		if err != nil {
			return err
		}
		v.Usual = usual(runs)
	}
	for i, of := range tails { // without holding the run
		p, err := s.Runs.LogBefore(of, 0, 16<<10)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		v.Failures[i].Tail = p.Lines[max(0, len(p.Lines)-12):]
	}
	return s.show(w, r, http.StatusOK, "run", v)
}

func (s *site) runView(r *http.Request) (*runView, []LogOf, error) {
	one, err := s.run(r)
	if err != nil {
		return nil, nil, err
	}
	l, err := s.lives.get(one.ID)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.teller.Machine()
	line := l.timeline()
	sum := line.Summary
	v := &runView{page: s.page(r, l.run.Workflow+" "+shortID(l.id), "runs"), Run: l.run, Status: sum.Status, Reason: sum.Reason, Message: sum.Message, Torn: l.err != nil, Seq: l.teller.Seq()}
	if sum.Status == "running" { // whoever ran it may be gone
		v.Status = l.run.Status
	}
	v.Zone = l.plan.Workflow.Zone().String()
	v.Icon, v.Live = v.Status, !l.over()
	v.Can.Cancel = v.Me.Write && v.Status == "running"
	v.Can.Resume = v.Me.Write && v.Status == "interrupted"
	v.Can.Retry = v.Me.Write && l.over() && v.Status != "succeeded"
	if v.Live && v.Status == "running" {
		v.Every = int(min(max(v.Now.Sub(l.run.Started)/200, 2*time.Second), 15*time.Second).Milliseconds())
	}
	count := make(map[string]int)
	for i := range sum.Tasks {
		count[sum.Tasks[i].Status]++
		if !sum.Tasks[i].Ended.IsZero() || sum.Tasks[i].Status == "skipped" {
			v.Done++
		}
	}
	v.Counts, v.Total = parts(count), len(sum.Tasks)
	tails := v.failures(l, line)
	if err := v.draw(l, m, r); err != nil {
		return nil, nil, err
	}
	v.table(l, line, r)
	if l.start != nil {
		v.Params = pairs(l.start.Params, l.paramNames())
	}
	v.Outputs = pairs(sum.Outputs, l.outputNames())
	return v, tails, nil
}

// paramNames are the names of the params, in the order of the file.
func (l *live) paramNames() (names []string) {
	for i := range l.plan.Workflow.Params {
		names = append(names, l.plan.Workflow.Params[i].Name)
	}
	return names
}

// outputNames are the names of the outputs, in the order of the file.
func (l *live) outputNames() (names []string) {
	for i := range l.plan.Workflow.Outputs {
		names = append(names, l.plan.Workflow.Outputs[i].Name)
	}
	return names
}

// pairs are names and values as people read them.
func pairs(m map[string]any, names []string) (all []pair) {
	for _, name := range names {
		if v, ok := m[name]; ok {
			all = append(all, pair{name, shown(v)})
		}
	}
	return all
}

// shown is a value for people: text as it is, all else as JSON.
func shown(v any) string {
	text, ok := v.(string)
	if !ok {
		b, err := dag.EncodeJSON(v)
		if err != nil {
			return err.Error()
		}
		text = string(b)
	}
	return clip(visible(text), 4000)
}

// visible is a text without what would turn it around, or is seen by nobody.
func visible(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = harmless(lines[i])
	}
	return strings.Join(lines, "\n")
}

// shownFailures is how many failures a page shows.
const shownFailures = 5

// failures finds what failed, the first first, and says whose logs tell more.
func (v *runView) failures(l *live, line *run.Timeline) (tails []LogOf) {
	tasks := line.Summary.Tasks
	var failed []int
	for i := range tasks {
		if tasks[i].Status == "failed" {
			failed = append(failed, i)
		}
	}
	slices.SortStableFunc(failed, func(a, b int) int { // what the run may go on with comes last
		x, y := l.plan.Nodes[a].Task.ContinueOnError, l.plan.Nodes[b].Task.ContinueOnError
		if x != y {
			return cmp.Compare(flag(x), flag(y))
		}
		return tasks[a].Ended.Compare(tasks[b].Ended.Time)
	})
	v.Others = max(0, len(failed)-shownFailures)
	failed = failed[:min(len(failed), shownFailures)]
	at := make(map[int]int)
	for _, i := range failed {
		t := &tasks[i]
		f := failure{Task: t.ID, Reason: t.Reason, Allowed: l.plan.Nodes[i].Task.ContinueOnError, Instances: t.Instances}
		if t.Error != nil {
			f.Message = visible(clip(t.Error.Message, 2000))
		}
		of := l.failedLog(i)
		f.Log = logQuery(of)
		at[i] = len(v.Failures)
		v.Failures, tails = append(v.Failures, f), append(tails, of)
	}
	if len(failed) == 0 {
		return nil
	}
	for k := range tasks {
		if tasks[k].Status != "skipped" || tasks[k].Reason != "upstream" {
			continue
		}
		for _, root := range line.Roots(k) {
			if j, ok := at[root]; ok {
				f := &v.Failures[j]
				if len(f.Skipped) < 12 {
					f.Skipped = append(f.Skipped, tasks[k].ID)
				} else {
					f.MoreSkipped++
				}
				break
			}
		}
	}
	return tails
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// failedLog is the log of the attempt by which a task failed: of a fan-out, of the first
// instance that did.
func (l *live) failedLog(i int) LogOf {
	of := LogOf{Run: l.id, Task: l.plan.Nodes[i].Task.ID, Instance: -1, Attempt: 1}
	instance := int32(0)
	if outs := l.teller.Machine().Instances(i); outs != nil || l.plan.Nodes[i].Task.Fan != nil {
		of.Instance = 0
		for k := range outs {
			if outs[k].Status == dag.Failed {
				of.Instance, instance = k, int32(k)
				break
			}
		}
	}
	of.Attempt = int(max(1, l.last(int32(i), instance)))
	return of
}

func logQuery(of LogOf) string {
	q := "?attempt=" + strconv.Itoa(of.Attempt)
	if of.Instance >= 0 {
		q += "&instance=" + strconv.Itoa(of.Instance)
	}
	return q
}

// statusOf is the status of each task. l.mu is held.
func (l *live) statusOf() []dag.Status {
	m := l.teller.Machine()
	all := make([]dag.Status, len(l.plan.Nodes))
	if l.start == nil {
		return all
	}
	for i := range all {
		all[i] = m.Outcome(i).Status
	}
	return all
}

// picture is a graph as it was after some events.
type picture struct {
	n    int64
	all  bool
	made bool
	html template.HTML
}

// draw makes the graph, once for all who look at the same moment.
func (v *runView) draw(l *live, _ *run.Machine, r *http.Request) (err error) {
	all := r.URL.Query().Get("graph") == "all"
	status := l.statusOf()
	if !l.picture.made || l.picture.n != l.n || l.picture.all != all {
		html, err := graph(l.plan, status, all)
		if err != nil {
			return err
		}
		l.picture = picture{l.n, all, true, html}
	}
	if v.Graph = l.picture.html; v.Graph == "" {
		v.Layers = layers(l.plan, status)
	}
	return nil
}

func (s *site) runGraph(w http.ResponseWriter, r *http.Request) error {
	one, err := s.run(r)
	if err != nil {
		return err
	}
	l, err := s.lives.get(one.ID)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Disposition", `attachment; filename="`+l.id+`.svg"`)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	return dag.DrawSVG(w, l.plan, l.statusOf(), false)
}

// table fills in the rows of one page of tasks.
func (v *runView) table(l *live, line *run.Timeline, r *http.Request) {
	q := r.URL.Query()
	tasks := line.Summary.Tasks
	critical := make(map[int]bool)
	for _, i := range line.Path() {
		critical[i] = true
		v.Path = append(v.Path, tasks[i].ID)
	}
	var depth []int
	layer, err := strconv.Atoi(q.Get("layer"))
	if err == nil {
		depth = depths(l.plan)
	}
	text := strings.ToLower(q.Get("q"))
	var found []int
	for i := range tasks {
		if q.Get("status") != "" && tasks[i].Status != q.Get("status") || depth != nil && depth[i] != layer ||
			text != "" && !strings.Contains(strings.ToLower(tasks[i].ID), text) || q.Get("path") != "" && !critical[i] {
			continue
		}
		found = append(found, i)
	}
	switch q.Get("sort") {
	case "start":
		slices.SortStableFunc(found, func(a, b int) int { return begunAt(&tasks[a]).Compare(begunAt(&tasks[b])) })
	case "time":
		slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(v.span(&tasks[b]), v.span(&tasks[a])) })
	}
	v.Found = len(found)
	v.Pages = max(1, (len(found)+tasksPage-1)/tasksPage)
	v.Page, _ = strconv.Atoi(q.Get("page"))
	v.Page = min(max(1, v.Page), v.Pages)
	found = found[(v.Page-1)*tasksPage : min(v.Page*tasksPage, len(found))]

	scale := v.scale(line)
	tries := make(map[int32][]*attempt) // of those that are shown
	for _, i := range found {
		tries[int32(i)] = nil
	}
	for k := range l.attempts {
		a := &l.attempts[k]
		if some, ok := tries[a.task]; ok && len(some) < 50 && l.plan.Nodes[a.task].Task.Fan == nil {
			tries[a.task] = append(some, a)
		}
	}
	for _, i := range found {
		t := &tasks[i]
		row := taskRow{ID: t.ID, Status: t.Status, Reason: t.Reason, Attempts: t.Attempts, Cached: t.Cached, Instances: t.Instances, Took: v.span(t), Begun: !t.Started.IsZero(), Critical: critical[i]}
		if a := l.plan.Nodes[i].Task.Action; a != nil {
			row.Kind = a.Kind()
		}
		if t.Error != nil {
			row.Error = visible(clip(t.Error.Message, 300))
		}
		row.Bars, row.Says = scale.bars(t, line.Ready[i], line.Last[i] >= 0 || i >= l.plan.Main, tries[int32(i)])
		v.Rows = append(v.Rows, row)
	}
}

// begunAt is when a task began; far away, if it has not.
func begunAt(t *run.TaskSummary) time.Time {
	if t.Started.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return t.Started.Time
}

// span is how long a task took, or takes so far.
func (v *runView) span(t *run.TaskSummary) time.Duration {
	switch {
	case t.Started.IsZero():
		return 0
	case t.Ended.IsZero():
		return max(0, v.Now.Sub(t.Started.Time))
	}
	return t.Ended.Sub(t.Started.Time)
}
