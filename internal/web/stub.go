package web

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

type Token struct {
	Name     string
	Hash     string
	ReadOnly bool
	Expires  time.Time
}
type Options struct {
	Catalog Catalog
	Control Control
	Ledger  Ledger
	Health  Health
	Runs    Runs
	Tokens  []Token
	Hosts   []string
	Version string
	Log     *slog.Logger
	Now     func() time.Time
	Poll    time.Duration
}

func New(o Options) (http.Handler, error) { return http.NotFoundHandler(), nil }
func Server(h http.Handler) *http.Server  { return &http.Server{Handler: h} }
var _ = errors.New
