package web

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/ansi"
)

type flowRow struct {
	Workflow
	Description string
	Last        *Run
	Strip       []bar
	Usual       time.Duration // the median of those that succeeded
	Next        *Schedule
	When        string // what else starts it, where Next is nil
}

type workflowsView struct {
	page
	Rows   []flowRow
	Broken int
	Ready  string // why the service is not; "": it is
	Leader bool
}

func (s *site) workflowsPage(w http.ResponseWriter, r *http.Request) error {
	v := &workflowsView{page: s.page(r, "Workflows", "workflows"), Leader: s.Health.Leader()}
	v.Every = 5000
	if s.Health.Ready() != nil {
		v.Ready = "The service is not ready: what is due is not started. Its log says why."
	}
	all := s.Catalog.Workflows()
	q := strings.ToLower(r.URL.Query().Get("q"))
	for i := range all {
		if q != "" && !strings.Contains(strings.ToLower(all[i].Name), q) {
			continue
		}
		row := flowRow{Workflow: all[i]}
		runs, err := s.Runs.List(RunQuery{Workflow: row.Name, Limit: stripRuns})
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			row.Last = &runs[0]
		}
		row.Strip, row.Usual = strip(runs, v.Now), usual(runs)
		row.Next, row.When = soonest(row.Schedules), when(&row.Workflow)
		if row.Plan != nil {
			row.Description = row.Plan.Workflow.Description
		}
		if len(row.Broken) > 0 {
			v.Broken++
		}
		v.Rows = append(v.Rows, row)
	}
	return s.show(w, r, http.StatusOK, "workflows", v)
}

// when says what starts a workflow that has no next time.
func when(w *Workflow) string {
	var all []string
	if w.Plan != nil {
		for i := range w.Plan.Workflow.Triggers {
			switch t := &w.Plan.Workflow.Triggers[i]; {
			case t.File != "":
				all = append(all, "when "+t.File+" comes")
			case t.Workflow != "":
				all = append(all, "after "+t.Workflow)
			default:
				all = append(all, "webhook "+t.Webhook)
			}
		}
	}
	off := len(w.Schedules) > 0
	for i := range w.Schedules {
		off = off && !w.Schedules[i].Enabled
	}
	switch {
	case len(all) > 0:
		return strings.Join(all, ", ")
	case off:
		return "switched off"
	case len(w.Schedules) > 0:
		return "never again"
	}
	return "by hand"
}

// usual is the median of how long runs that succeeded took.
func usual(runs []Run) time.Duration {
	var all []time.Duration
	for i := range runs {
		if runs[i].Status == "succeeded" {
			all = append(all, runs[i].Ended.Sub(runs[i].Started))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// soonest is the schedule whose time comes next; nil: none does.
func soonest(all []Schedule) *Schedule {
	var next *Schedule
	for i := range all {
		c := &all[i]
		if c.Enabled && !c.Next.IsZero() && (next == nil || c.Next.Before(next.Next)) {
			next = c
		}
	}
	return next
}

type workflowView struct {
	page
	Workflow
	Description, Owner string
	Tags               []string
	Tasks              int
	Graph              template.HTML
	Layers             []layer
	Runs               []Run
	Strip              []bar
	Usual              time.Duration
	Fates              []Fate
	Lines              []sourceLine
	More               int    // lines that are not shown
	Waits              string // the run that was started and has not begun
}

type sourceLine struct {
	Number  int
	Text    string
	Finding string // what is wrong with it; "": nothing
}

func (s *site) workflowPage(w http.ResponseWriter, r *http.Request) error {
	flow, err := s.workflow(r.PathValue("name"))
	if err != nil {
		return err
	}
	v := &workflowView{page: s.page(r, flow.Name, "workflows"), Workflow: *flow}
	if flow.Plan != nil {
		f := flow.Plan.Workflow
		v.Description, v.Owner, v.Tags, v.Tasks = f.Description, f.Owner, f.Tags, len(f.Tasks)
		if v.Graph, err = graph(flow.Plan, nil, r.URL.Query().Get("graph") == "all"); err != nil {
			return err
		}
		if v.Graph == "" {
			v.Layers = layers(flow.Plan, nil)
		}
	}
	if id := v.Query("waits"); isID(id) {
		if _, err := s.Runs.Find(id); errors.Is(err, ErrNotFound) {
			v.Waits = id
		}
	}
	runs, err := s.Runs.List(RunQuery{Workflow: flow.Name, Limit: stripRuns})
	if err != nil {
		return err
	}
	v.Strip, v.Usual, v.Runs = strip(runs, v.Now), usual(runs), runs[:min(len(runs), 10)]
	if v.Fates, err = s.Ledger.Ledger(LedgerQuery{Workflow: flow.Name, Limit: 10}); err != nil {
		return err
	}
	found := make(map[int]string)
	for _, d := range flow.Broken {
		if found[d.Pos.Line] == "" {
			found[d.Pos.Line] = d.Message
		}
	}
	text := strings.TrimSuffix(string(flow.Source), "\n")
	most := 500
	if v.Query("source") == "all" {
		most = 100_000
	}
	for line := range strings.SplitSeq(text, "\n") {
		n := len(v.Lines) + 1
		if n > most {
			v.More = strings.Count(text, "\n") + 1 - most
			break
		}
		v.Lines = append(v.Lines, sourceLine{n, harmless(line), found[n]})
	}
	return s.show(w, r, http.StatusOK, "workflow", v)
}

// harmless is a line without what would turn the text around it.
func harmless(line string) string {
	all := ansi.Spans(line)
	var b strings.Builder
	for _, p := range all {
		b.WriteString(p.Text)
	}
	return b.String()
}

// maxCards is how many cards a graph has at most; of more, the page shows layers.
const maxCards = 160

// graph is the picture of a plan; "": it would be too large.
func graph(p *dag.Plan, status []dag.Status, all bool) (template.HTML, error) {
	most := maxCards
	if all {
		most = 5000
	}
	var b bytes.Buffer
	err := dag.DrawInline(&b, p, status, most)
	if errors.Is(err, dag.ErrTangle) {
		return "", nil
	}
	return template.HTML(b.String()), err // dag escapes what it writes
}

// layer is what of a plan is as many steps from its beginning.
type layer struct {
	Number  int
	Tasks   int
	Names   string
	Finally bool
	Parts   []part // by status; of a plan without a run one part
}

// part is a share of something.
type part struct {
	Status   string
	Count    int
	X, Width float64 // of 1000
}

// depths are how many steps each task is from the beginning; those of `finally` come last.
func depths(p *dag.Plan) []int {
	depth, deepest := make([]int, len(p.Nodes)), 0
	for _, i := range p.Order {
		if int(i) >= p.Main && len(p.Nodes[i].Deps) == 0 {
			depth[i] = deepest + 1
		}
		for _, d := range p.Nodes[i].Deps {
			depth[i] = max(depth[i], depth[d]+1)
		}
		if int(i) >= p.Main {
			depth[i] = max(depth[i], deepest+1)
		} else {
			deepest = max(deepest, depth[i])
		}
	}
	return depth
}

func layers(p *dag.Plan, status []dag.Status) []layer {
	depth := depths(p)
	var all []layer
	count := make(map[int]map[string]int)
	for i := range p.Nodes {
		d := depth[i]
		for len(all) <= d {
			all = append(all, layer{Number: len(all)})
			count[len(all)-1] = make(map[string]int)
		}
		l := &all[d]
		if l.Tasks++; l.Tasks <= 4 {
			if l.Names != "" {
				l.Names += ", "
			}
			l.Names += clip(p.Nodes[i].Task.ID, 30)
		} else if l.Tasks == 5 {
			l.Names += ", …"
		}
		l.Finally = i >= p.Main
		word := "pending"
		if status != nil {
			word = status[i].String()
		}
		count[d][word]++
	}
	for k := range all {
		all[k].Parts = parts(count[k])
	}
	return all
}

// weights are statuses in the order in which bars and counts have them.
var weights = []string{"failed", "cancelled", "retrying", "running", "queued", "succeeded", "skipped", "pending"}

func parts(count map[string]int) []part {
	total := 0
	for _, n := range count {
		total += n
	}
	var all []part
	x := 0.0
	for _, s := range weights {
		if n := count[s]; n > 0 {
			width := 1000 * float64(n) / float64(total)
			all = append(all, part{s, n, x, width})
			x += width
		}
	}
	return all
}

type runsView struct {
	page
	Runs  []Run
	Next  string
	Names []string
}

func (s *site) runsPage(w http.ResponseWriter, r *http.Request) error {
	q, err := runQuery(r, usualRuns)
	if err != nil {
		return err
	}
	v := &runsView{page: s.page(r, "Runs", "runs")}
	if q.Before == "" {
		v.Every = 3000
	}
	if v.Runs, v.Next, err = s.list(q); err != nil {
		return err
	}
	for _, flow := range s.Catalog.Workflows() {
		v.Names = append(v.Names, flow.Name)
	}
	if q.Workflow != "" && !slices.Contains(v.Names, q.Workflow) {
		v.Names = append(v.Names, q.Workflow)
	}
	return s.show(w, r, http.StatusOK, "runs", v)
}

type schedulesView struct {
	page
	Schedules []Schedule
	Fates     []Fate
	Next      time.Time
	Names     []string
}

func (s *site) schedulesPage(w http.ResponseWriter, r *http.Request) error {
	q, err := ledgerQuery(r)
	if err != nil {
		return err
	}
	v := &schedulesView{page: s.page(r, "Schedules", "schedules")}
	if q.Before.IsZero() {
		v.Every = 10_000
	}
	for _, flow := range s.Catalog.Workflows() {
		v.Names = append(v.Names, flow.Name)
		if q.Workflow == "" || q.Workflow == flow.Name {
			v.Schedules = append(v.Schedules, flow.Schedules...)
		}
	}
	sort.SliceStable(v.Schedules, func(a, b int) bool {
		x, y := &v.Schedules[a], &v.Schedules[b]
		if x.Next.IsZero() != y.Next.IsZero() {
			return y.Next.IsZero()
		}
		return x.Next.Before(y.Next)
	})
	if v.Fates, v.Next, err = s.fates(q); err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "schedules", v)
}
