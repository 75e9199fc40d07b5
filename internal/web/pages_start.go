package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"flow/dag"
)

// field is one param of the form that starts a run.
type field struct {
	Name, Type, Description string

	Required bool
	Default  string   // as it stands in the file; "": none
	Choices  []string // nil: it is written
	Long     bool     // it has several lines
	Input    string   // the kind of input
	Hint     string   // what may be written
	Value    string
	Error    string
}

type startView struct {
	page
	Workflow
	Fields     []field
	Key        string
	Only, From string
	Error      *problem
}

func (s *site) startView(r *http.Request) (*startView, error) {
	flow, err := s.workflow(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	v := &startView{page: s.page(r, "Start "+flow.Name, "workflows"), Workflow: *flow, Key: rand.Text()}
	if flow.Plan == nil {
		return nil, &InputError{Message: flow.Name + " can't be started: its file is not valid", Diagnostics: flow.Broken}
	}
	for i := range flow.Plan.Workflow.Params {
		v.Fields = append(v.Fields, newField(&flow.Plan.Workflow.Params[i]))
	}
	return v, nil
}

func newField(p *dag.Param) field {
	f := field{Name: p.Name, Type: p.Type.String(), Description: p.Description, Required: p.Required, Input: "text"}
	if p.Default != nil {
		f.Default = p.Default.String()
		if v, ok := p.Default.Literal(); ok {
			f.Default = dag.Text(v)
		}
	}
	for _, v := range p.Enum {
		f.Choices = append(f.Choices, dag.Text(v))
	}
	switch p.Type {
	case dag.ParamBool:
		f.Choices = []string{"true", "false"}
	case dag.ParamDate:
		f.Input, f.Hint = "date", "year-month-day"
	case dag.ParamList, dag.ParamMap:
		f.Long, f.Hint = true, "JSON"
	case dag.ParamDuration:
		f.Hint = "as 90s, 15m or 2h30m"
	}
	if p.Pattern != nil {
		f.Hint = "must match " + strings.TrimSuffix(strings.TrimPrefix(p.Pattern.String(), "^(?:"), ")$")
	}
	switch {
	case p.Min != nil && p.Max != nil:
		f.Hint = strings.TrimPrefix(f.Hint+", from "+dag.Text(p.Min)+" to "+dag.Text(p.Max), ", ")
	case p.Min != nil:
		f.Hint = strings.TrimPrefix(f.Hint+", at least "+dag.Text(p.Min), ", ")
	case p.Max != nil:
		f.Hint = strings.TrimPrefix(f.Hint+", at most "+dag.Text(p.Max), ", ")
	}
	return f
}

// Says is what is said below a field.
func (f field) Says() string {
	parts := []string{f.Description, f.Hint}
	if f.Input == "date" && f.Default != "" {
		parts = append(parts, "default: "+f.Default)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " · ")
}

func (s *site) startPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.startView(r)
	if err != nil {
		return err
	}
	for i := range v.Fields {
		v.Fields[i].Value = r.URL.Query().Get("p." + v.Fields[i].Name)
	}
	return s.show(w, r, http.StatusOK, "start", v)
}

func (s *site) startRun(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	v, err := s.startView(r)
	if err != nil {
		return err
	}
	o := StartOptions{Params: make(map[string]any), Key: r.PostForm.Get("key")}
	if len(o.Key) > 200 {
		o.Key = ""
	}
	v.Only, v.From = r.PostForm.Get("only"), r.PostForm.Get("from")
	o.Only, o.From = words(v.Only), words(v.From)
	wrong := false
	for i := range v.Fields {
		f := &v.Fields[i]
		f.Value = strings.ReplaceAll(r.PostForm.Get("p."+f.Name), "\r\n", "\n")
		if f.Value == "" {
			if f.Required && f.Default == "" {
				f.Error, wrong = "is required", true
			}
			continue
		}
		o.Params[f.Name] = f.Value
		if _, err := v.Plan.Workflow.Params[i].Read(f.Value); err != nil {
			f.Error, wrong = err.Error(), true
		}
	}
	if o.Only != nil && o.From != nil {
		wrong = true
		v.Error = &problem{Message: "“only” and “from” are two different selections: leave one of them empty"}
	}
	id := ""
	if !wrong {
		if id, err = s.Control.Start(r.Context(), v.Name, o); err == nil {
			to := "/runs/" + id
			if _, err := s.Runs.Find(id); errors.Is(err, ErrNotFound) { // it waits for its turn
				to = "/workflows/" + url.PathEscape(v.Name) + "?waits=" + id
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		}
		p := explain(err)
		if p.code >= http.StatusInternalServerError {
			return err
		}
		v.Error = &p
		for i := range v.Fields {
			if text := p.Params[v.Fields[i].Name]; text != "" {
				v.Fields[i].Error = text
			}
		}
	}
	return s.show(w, r, http.StatusBadRequest, "start", v)
}

// words splits what is separated by commas or blanks; nil: there is none.
func words(text string) []string {
	all := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(all) == 0 {
		return nil
	}
	return all
}

// change answers a button that changes a run's course: with the page of the run, or of the
// one that has begun.
func (s *site) change(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, id string) (string, error)) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	one, err := s.run(r)
	if err != nil {
		return err
	}
	id, err := do(r.Context(), one.ID)
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("web: a run without an id")
	}
	http.Redirect(w, r, "/runs/"+id, http.StatusSeeOther)
	return nil
}

func (s *site) cancelRun(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, func(ctx context.Context, id string) (string, error) { return id, s.Control.Cancel(ctx, id) })
}

func (s *site) resumeRun(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, func(ctx context.Context, id string) (string, error) { return id, s.Control.Resume(ctx, id) })
}

func (s *site) retryRun(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, func(ctx context.Context, id string) (string, error) {
		var o RetryOptions
		if task := r.PostForm.Get("task"); task != "" {
			o = RetryOptions{[]string{task}, true}
		}
		return s.Control.Retry(ctx, id, o)
	})
}
