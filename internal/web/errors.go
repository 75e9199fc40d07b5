package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"flow/dag"
)

// statusError is an answer that is no success.
type statusError struct {
	code          int
	message, hint string
}

// Error implements error.
func (e *statusError) Error() string { return e.message }

// diagnostic is a dag.Diagnostic as JSON.
type diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitzero"`
	Column  int    `json:"column,omitzero"`
	Warning bool   `json:"warning,omitzero"`
	Message string `json:"message"`
	Source  string `json:"source,omitzero"`
}

func diagnostics(found []dag.Diagnostic) []diagnostic {
	all := make([]diagnostic, len(found))
	for i, d := range found {
		all[i] = diagnostic{d.File, d.Pos.Line, d.Pos.Col, d.Warning, d.Message, d.Source}
	}
	return all
}

// problem is what an answer that is no success says.
type problem struct {
	Message     string            `json:"message"`
	Hint        string            `json:"hint,omitzero"`
	Diagnostics []diagnostic      `json:"diagnostics,omitzero"`
	Params      map[string]string `json:"params,omitzero"` // what is wrong with which
	code        int
}

// explain says what an error means for who asked.
func explain(err error) problem {
	var input *InputError
	var status *statusError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &status):
		return problem{Message: status.message, Hint: status.hint, code: status.code}
	case errors.As(err, &input):
		p := problem{Message: input.Error(), Hint: input.Hint, code: http.StatusBadRequest, Params: paramErrors(input.Err)}
		if len(input.Diagnostics) > 0 {
			p.Diagnostics = diagnostics(input.Diagnostics)
		}
		return p
	case errors.As(err, &large):
		return problem{Message: "the request is too large", Hint: "at most 1 MiB", code: http.StatusRequestEntityTooLarge}
	case errors.Is(err, ErrNotFound):
		return problem{Message: err.Error(), code: http.StatusNotFound}
	case errors.Is(err, ErrConflict):
		return problem{Message: err.Error(), code: http.StatusConflict}
	case errors.Is(err, ErrForbidden):
		return problem{Message: err.Error(), code: http.StatusForbidden}
	}
	return problem{Message: "flow itself went wrong", Hint: "its log says more", code: http.StatusInternalServerError}
}

// paramErrors finds what is wrong with which param in an error that may join several.
func paramErrors(err error) map[string]string {
	found := make(map[string]string)
	for todo := []error{err}; len(todo) > 0; {
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch e := e.(type) {
		case nil:
		case *dag.ParamError:
			found[e.Name] = e.Message
		case interface{ Unwrap() error }:
			todo = append(todo, e.Unwrap())
		case interface{ Unwrap() []error }:
			todo = append(todo, e.Unwrap()...)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// fail answers with an error: JSON for programs, a page for people.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for it
	}
	p := explain(err)
	if p.code == http.StatusInternalServerError {
		s.Log.Error("web", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if p.code == http.StatusTooManyRequests || p.code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	if p.code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="flow"`)
	}
	if forPeople(r) {
		s.errorPage(w, r, p)
		return
	}
	send(w, p.code, map[string]problem{"error": p})
}

// forPeople reports whether a request is for a page.
func forPeople(r *http.Request) bool {
	for _, prefix := range []string{"/api/", "/hooks/", "/metrics", "/static/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return false
		}
	}
	return true
}

// send answers with JSON.
func send(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer can't be written as JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // whoever asked may be gone
}
