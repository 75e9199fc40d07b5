package web

import (
	"net/http"
	"strings"
)

// route is one thing that can be asked for.
type route struct {
	method, path string
	access       access
	handle       func(w http.ResponseWriter, r *http.Request) error
}

func (s *site) api() []route {
	return []route{
		{"GET", "/api/v1/workflows", reading, s.getWorkflows},
		{"GET", "/api/v1/workflows/{name}", reading, s.getWorkflow},
		{"GET", "/api/v1/runs", reading, s.getRuns},
		{"POST", "/api/v1/runs", writing, s.postRun},
		{"GET", "/api/v1/runs/{id}", reading, s.getRun},
		{"POST", "/api/v1/runs/{id}/cancel", writing, s.postCancel},
		{"POST", "/api/v1/runs/{id}/retry", writing, s.postRetry},
		{"POST", "/api/v1/runs/{id}/resume", writing, s.postResume},
		{"GET", "/api/v1/runs/{id}/events", reading, s.getEvents},
		{"GET", "/api/v1/runs/{id}/timeline", reading, s.getTimeline},
		{"GET", "/api/v1/runs/{id}/logs", reading, s.getLogs},
		{"GET", "/api/v1/runs/{id}/logs/{task}", reading, s.getLog},
		{"GET", "/api/v1/values/{hash}", reading, s.getValue},
		{"GET", "/api/v1/schedules", reading, s.getSchedules},
		{"GET", "/api/v1/ledger", reading, s.getLedger},
		{"GET", "/api/v1/health", open, s.getHealth},
		{"GET", "/api/v1/ready", open, s.getReady},
		{"GET", "/api/v1/openapi.json", open, s.getOpenAPI},
		{"POST", "/hooks/{path...}", open, s.postHook},
		{"GET", "/metrics", reading, s.getMetrics},
	}
}

func (s *site) forPeople() []route {
	return []route{
		{"GET", "/{$}", reading, s.workflowsPage},
		{"GET", "/workflows/{name}", reading, s.workflowPage},
		{"GET", "/workflows/{name}/start", writing, s.startPage},
		{"POST", "/workflows/{name}/start", writing, s.startRun},
		{"GET", "/runs", reading, s.runsPage},
		{"GET", "/runs/{id}", reading, s.runPage},
		{"GET", "/runs/{id}/graph", reading, s.runGraph},
		{"POST", "/runs/{id}/cancel", writing, s.cancelRun},
		{"POST", "/runs/{id}/retry", writing, s.retryRun},
		{"POST", "/runs/{id}/resume", writing, s.resumeRun},
		{"GET", "/runs/{id}/tasks/{task}", reading, s.taskPage},
		{"GET", "/runs/{id}/tasks/{task}/follow", reading, s.followLog},
		{"GET", "/schedules", reading, s.schedulesPage},
		{"GET", "/login", open, s.loginPage},
		{"POST", "/login", open, s.login},
		{"POST", "/logout", open, s.logout},
		{"GET", "/static/{file}", open, s.getStatic},
	}
}

// handler is all of the site.
func (s *site) handler() http.Handler {
	s.routes = append(s.api(), s.forPeople()...)
	mux := http.NewServeMux()
	for i := range s.routes {
		mux.Handle(s.routes[i].method+" "+s.routes[i].path, s.serve(&s.routes[i]))
	}
	return s.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// What is not there is only told to who is let in; the mux knows whether it is
		// the method.
		probe := answer{header: make(http.Header)}
		h.ServeHTTP(&probe, r)
		err := &statusError{http.StatusNotFound, "there is nothing at this address", ""}
		if probe.code == http.StatusMethodNotAllowed {
			err = &statusError{probe.code, "not by this method", "there is " + probe.header.Get("Allow")}
			w.Header().Set("Allow", probe.header.Get("Allow"))
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/") && r.URL.RawQuery == "" && forPeople(r) && len(r.URL.Path) > 1 {
			http.Redirect(w, r, "/"+strings.Trim(r.URL.Path, "/"), http.StatusFound)
			return
		}
		s.fail(w, r, err)
	}))
}

// answer is one that nobody gets.
type answer struct {
	header http.Header
	code   int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(code int)        { a.code = code }

// serve lets those in who may use a route.
func (s *site) serve(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me := &who{}
		if rt.access != open {
			var err error
			if me, err = s.guard.caller(r); me == nil {
				s.refuse(w, r, err)
				return
			}
			if rt.access == writing && !me.Write {
				s.fail(w, r, &statusError{http.StatusForbidden, "this token is for reading only", ""})
				return
			}
		}
		if err := rt.handle(w, r.WithContext(with(r.Context(), me))); err != nil {
			s.fail(w, r, err)
		}
	})
}

// refuse answers who is not known: people are asked for a token.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err != nil:
		s.fail(w, r, err)
	case forPeople(r) && r.Method == http.MethodGet:
		http.Redirect(w, r, "/login?to="+escapeQuery(r.URL.RequestURI()), http.StatusSeeOther)
	default:
		s.fail(w, r, &statusError{http.StatusUnauthorized, "a token is needed", "Authorization: Bearer TOKEN"})
	}
}
