// Package web is what a browser and programs see of flow: the pages, and the API under
// /api/v1. It shows runs while they go on and afterwards, and starts, cancels, retries and
// resumes them.
//
// It decides nothing: what there is it asks of small interfaces, which it declares, and it
// is no part of a run. A run that is being looked at is read again a few times a second,
// once for all who look; so it does not matter which process runs it.
package web

import (
	"crypto/rand"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

// Options are what a site is made of.
type Options struct {
	Catalog Catalog
	Control Control
	Ledger  Ledger
	Health  Health
	Runs    Runs

	// Tokens let people in. Without any, everybody who reaches the address is let in:
	// that is for loopback addresses only, which is for the caller to see to.
	Tokens []Token
	// Hosts are the names by which the site may be called, loopback names aside. An
	// address that stands for all (0.0.0.0, ::) allows every address, and no name.
	Hosts   []string
	Version string
	Log     *slog.Logger     // nil: nowhere
	Now     func() time.Time // nil: time.Now
	Poll    time.Duration    // how often a run is looked at again; 0: 250 ms
	// Patience is how long a reader of a stream may take for a piece of it. One that
	// takes longer is dropped, and comes back by id. 0: 10 s.
	Patience time.Duration
}

// site answers requests.
type site struct {
	Options
	guard  *guard
	lives  *lives
	pages  *template.Template
	routes []route
	static map[string]asset
}

// New returns the handler of a site.
func New(o Options) (http.Handler, error) {
	if o.Catalog == nil || o.Control == nil || o.Ledger == nil || o.Health == nil || o.Runs == nil {
		return nil, errors.New("web: an option is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll == 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &site{Options: o, lives: newLives(o.Runs, o.Poll)}
	var err error
	if s.guard, err = newGuard(&s.Options, []byte(rand.Text())); err != nil {
		return nil, err
	}
	if s.static, err = assets(); err != nil {
		return nil, err
	}
	if s.pages, err = s.templates(); err != nil {
		return nil, err
	}
	return s.handler(), nil
}
