package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"flow/dag"
)

// instancesPage is how many instances a page shows, and attempts.
const instancesPage = 50

type taskView struct {
	page
	Run       Run
	Task      *dag.Task
	Kind      string
	Status    string
	Reason    string
	Cached    string // the run that its result is from
	Started   time.Time
	Ended     time.Time
	Ready     time.Time
	After     string // what it waited for longest
	Causes    []string
	Needs     []string
	Feeds     []string
	Error     *dag.Failure
	Result    string
	ResultRef *dag.Ref
	Attempts  []attemptRow
	Instances []instanceRow
	Total     int
	Failed    int
	Page      int
	Pages     int
	Can       struct{ Retry bool }
	Log       logView
}

type attemptRow struct {
	Number   int
	Current  bool // its log is shown
	Status   string
	Started  time.Time
	Took     time.Duration
	Exit     string
	Message  string
	Instance int // -1: it is of no fan-out
}

type instanceRow struct {
	Number   int
	Current  bool
	Status   string
	Reason   string
	Attempts int
	Took     time.Duration
	Begun    bool
	Message  string
}

// logView is a piece of a log.
type logView struct {
	Of       LogOf
	Query    string
	Lines    []Line
	From     int64
	Next     int64
	First    bool
	Last     bool
	Follow   bool // more may come
	Nothing  bool // nothing was printed
	Size     int64
	Dropped  int64
	Search   string
	Searched int64 // bytes that were looked at; -1: all
	Resume   int64
}

func (s *site) taskPage(w http.ResponseWriter, r *http.Request) error {
	of, l, err := s.logAsked(r)
	if err != nil {
		return err
	}
	v := s.taskView(r, l, of)
	if v.Log, err = s.logView(r, l, of); err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "task", v)
}

func (s *site) taskView(r *http.Request, l *live, of LogOf) *taskView {
	l.mu.Lock()
	defer l.mu.Unlock()
	task, _ := l.plan.Workflow.Task(of.Task) // it was found already
	i := task.Index
	line := l.timeline()
	t := &line.Summary.Tasks[i]
	v := &taskView{page: s.page(r, task.ID+" "+shortID(l.id), "runs"), Run: l.run, Task: task, Status: t.Status, Reason: t.Reason, Started: t.Started.Time, Ended: t.Ended.Time, Ready: line.Ready[i], Cached: t.From}
	v.Icon, v.Live = t.Status, !l.over()
	if v.Live && t.Ended.IsZero() {
		v.Every = 2000
	}
	if task.Action != nil {
		v.Kind = task.Action.Kind()
	}
	if k := line.Last[i]; k >= 0 && !t.Started.IsZero() {
		v.After = line.Summary.Tasks[k].ID
	}
	if t.Status == "skipped" || t.Status == "cancelled" {
		for _, k := range line.Roots(i) {
			v.Causes = append(v.Causes, line.Summary.Tasks[k].ID)
		}
	}
	for _, d := range l.plan.Nodes[i].Deps {
		v.Needs = append(v.Needs, l.plan.Nodes[d].Task.ID)
	}
	for _, d := range l.plan.Nodes[i].Outs {
		v.Feeds = append(v.Feeds, l.plan.Nodes[d].Task.ID)
	}
	v.Can.Retry = v.Me.Write && l.over() && !task.Finally
	var outs []dag.Outcome
	if l.start != nil {
		outs = l.teller.Machine().Instances(i)
		o := l.teller.Machine().Outcome(i)
		if o.Status == dag.Failed && o.Err != nil {
			v.Error = failureOf(o.Err)
		}
		switch value := o.Result.(type) {
		case *dag.Ref:
			v.ResultRef = value
		default:
			if o.Status == dag.Succeeded || value != nil {
				v.Result = shown(value)
			}
		}
	}
	v.instances(outs, of)
	v.attempts(l, of, i)
	return v
}

// failureOf is a failure as it is shown.
func failureOf(f *dag.Failure) *dag.Failure {
	c := *f
	c.Message, c.Type = visible(clip(f.Message, 4000)), visible(f.Type)
	c.Traceback = visible(clip(f.Traceback, 20_000))
	return &c
}

func (v *taskView) instances(outs []dag.Outcome, of LogOf) {
	only := v.Query("only")
	var found []int
	for k := range outs {
		if outs[k].Status == dag.Failed {
			v.Failed++
		}
		if only == "" || outs[k].Status.String() == only {
			found = append(found, k)
		}
	}
	v.Total = len(outs)
	v.Pages = max(1, (len(found)+instancesPage-1)/instancesPage)
	v.Page, _ = strconv.Atoi(v.Query("page"))
	if v.Query("page") == "" && only == "" { // the page that the instance is on
		v.Page = of.Instance/instancesPage + 1
	}
	v.Page = min(max(1, v.Page), v.Pages)
	for _, k := range found[(v.Page-1)*instancesPage : min(v.Page*instancesPage, len(found))] {
		o := &outs[k]
		row := instanceRow{Number: k, Current: k == of.Instance, Status: o.Status.String(), Reason: o.Reason.String(), Attempts: int(o.Attempts), Begun: o.Started != 0}
		if o.Started != 0 {
			end := v.Now.UnixMilli()
			if o.Ended != 0 {
				end = o.Ended
			}
			row.Took = time.Duration(max(0, end-o.Started)) * time.Millisecond
		}
		if o.Err != nil && o.Status == dag.Failed {
			row.Message = visible(clip(o.Err.Message, 300))
		}
		v.Instances = append(v.Instances, row)
	}
}

func (v *taskView) attempts(l *live, of LogOf, i int) {
	for k := range l.attempts {
		a := &l.attempts[k]
		if int(a.task) != i || int(a.instance) != max(0, of.Instance) || len(v.Attempts) >= 200 {
			continue
		}
		row := attemptRow{Number: int(a.number), Current: int(a.number) == of.Attempt, Status: "running", Started: time.UnixMilli(a.started), Instance: of.Instance}
		end := v.Now
		if a.ended != 0 {
			end, row.Status = time.UnixMilli(a.ended), "succeeded"
			if f := a.failure; f != nil {
				row.Status, row.Message = "failed", visible(clip(f.Message, 300))
				if f.Reason == dag.ReasonLost {
					row.Status = "cancelled"
				}
			}
			if a.exit >= 0 {
				row.Exit = strconv.Itoa(int(a.exit))
			}
		} else if l.run.Status != "running" {
			row.Status = "cancelled"
		}
		row.Took = max(0, end.Sub(row.Started))
		v.Attempts = append(v.Attempts, row)
	}
}

// Of a page's log: how much is shown at once, and how much is searched.
const (
	shownLog   = 96 << 10
	shownLines = 1500
	searchLog  = 64 << 20
	hits       = 500
)

func (s *site) logView(r *http.Request, l *live, of LogOf) (v logView, err error) {
	v = logView{Of: of, Query: logQuery(of), Follow: !l.ended(of), Search: strings.TrimSpace(r.URL.Query().Get("search")), Searched: -1}
	if v.Size, v.Dropped, err = s.Runs.LogSize(of); errors.Is(err, ErrNotFound) {
		v.Nothing, v.First, v.Last = true, true, true
		return v, nil
	} else if err != nil {
		return v, err
	}
	from, err := number(r, "from", -1, 0, 1<<53)
	if err != nil {
		return v, err
	}
	before, err := number(r, "before", 0, 0, 1<<53)
	if err != nil {
		return v, err
	}
	if v.Search != "" {
		return v, s.search(&v, max(0, from))
	}
	var p Piece
	if from >= 0 {
		p, err = s.Runs.LogFrom(of, from, shownLog)
	} else {
		p, err = s.Runs.LogBefore(of, before, shownLog)
	}
	if err != nil {
		return v, err
	}
	if n := len(p.Lines); n > shownLines && from >= 0 {
		p.Next, p.Last = p.Lines[shownLines].Pos, false
		p.Lines = p.Lines[:shownLines]
	} else if n > shownLines {
		p.Lines = p.Lines[n-shownLines:]
		p.From, p.First = p.Lines[0].Pos, false
	}
	v.Lines, v.From, v.Next, v.First, v.Last = p.Lines, p.From, p.Next, p.First, p.Last
	if from < 0 && before == 0 {
		v.Last = true
	}
	v.Follow = v.Follow && v.Last
	return v, nil
}

// search finds the lines with a text in them, in as much of a log as is read at once.
func (s *site) search(v *logView, from int64) error {
	what := strings.ToLower(v.Search)
	v.Follow, v.First, v.Last = false, true, true
	read := 0
	for at := from; ; {
		p, err := s.Runs.LogFrom(v.Of, at, usualPiece)
		if err != nil {
			return err
		}
		for i := range p.Lines {
			read += len(p.Lines[i].Text) + 16
			if strings.Contains(strings.ToLower(p.Lines[i].Text), what) {
				if v.Lines = append(v.Lines, p.Lines[i]); len(v.Lines) == hits {
					v.Searched, v.Resume = int64(read), p.Lines[i].Pos+1
					if i+1 < len(p.Lines) {
						v.Resume = p.Lines[i+1].Pos
					} else {
						v.Resume = p.Next
					}
					return nil
				}
			}
		}
		if p.Last || p.Next == at {
			return nil
		}
		if at = p.Next; read > searchLog {
			v.Searched, v.Resume = int64(read), at
			return nil
		}
	}
}

// SearchOn is where the search goes on.
func (v *logView) SearchOn() string {
	return v.Query + "&from=" + strconv.FormatInt(v.Resume, 10) + "&search=" + escapeQuery(v.Search)
}

// Title names what a log is of.
func (v *logView) Title() string {
	title := fmt.Sprintf("attempt %d", v.Of.Attempt)
	if v.Of.Instance >= 0 {
		title = fmt.Sprintf("instance %d, %s", v.Of.Instance, title)
	}
	return title
}
