package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

type whoKey struct{}

func with(ctx context.Context, me *who) context.Context { return context.WithValue(ctx, whoKey{}, me) }

// whose is who a request is from.
func whose(r *http.Request) *who {
	if me, ok := r.Context().Value(whoKey{}).(*who); ok {
		return me
	}
	return &who{}
}

func escapeQuery(s string) string { return url.QueryEscape(s) }

// local is a path of this site; anything else is its beginning.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

type loginView struct {
	page
	To, Error string
}

func (s *site) loginPage(w http.ResponseWriter, r *http.Request) error {
	if len(s.guard.tokens) == 0 {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.show(w, r, http.StatusOK, "login", &loginView{page: s.page(r, "Sign in", ""), To: local(r.URL.Query().Get("to"))})
}

func (s *site) login(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	to := local(r.PostForm.Get("to"))
	t, err := s.guard.check(strings.TrimSpace(r.PostForm.Get("token")), r.RemoteAddr)
	if err != nil {
		return err
	}
	if t == nil {
		return s.show(w, r, http.StatusUnauthorized, "login", &loginView{page: s.page(r, "Sign in", ""), To: to, Error: "That is not a token of this site, or it has expired."})
	}
	value, until := s.guard.newSession(t)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode, Expires: until})
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode, MaxAge: -1})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// secure reports whether the browser came by TLS; a proxy that says so falsely only harms
// its own.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// badForm is why a form can't be read.
func badForm(err error) error {
	if p := explain(err); p.code == http.StatusRequestEntityTooLarge {
		return err
	}
	return &InputError{Message: "the form can't be read", Err: err}
}
