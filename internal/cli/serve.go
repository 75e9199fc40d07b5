package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/home"
	"flow/internal/schedule"
	"flow/internal/store"
	"flow/internal/web"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	home       string
	durability string
	listen     string
	hosts      []string
	tokens     string
	cert, key  string
	drain      time.Duration
	jobs       int
	workers    int
	json       bool
	age        string
	keep       store.Keep
}

func newServe(std streams) *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Runs the workflows of a folder on their schedules, with an API and web pages",
		Long: `Runs the workflows of a folder (*.yaml and *.yml; . without DIR) when it is time, and
when what they wait for has happened. Files that are added, changed or removed count at
once; one that can't be used leaves its last good version in force. Runs that were
interrupted go on.

SIGTERM, or Ctrl-C, drains: nothing begins any more, what runs may end within --drain, and
what has not is gone on with by the next service. A second one on the same home stands by
and takes over when the first is gone.

Without tokens it listens on loopback addresses only. Tokens are those of a file, which
flow token makes, and the words of $FLOW_TOKENS and $FLOW_READ_TOKENS.`,
		Example: `  flow serve workflows
  flow serve /etc/flow --listen 0.0.0.0:7070 --tokens /etc/flow/tokens --tls-cert cert.pem --tls-key key.pem`,
		Args: atMost(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return serve(c.Context(), std, dir, f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.home, "home", "", homeFlag)
	fl.StringVar(&f.durability, "durability", "normal", "what a power cut may cost: `full` (nothing), normal (the last moments) or off")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:7070", "the `address` of the API and the pages; port 0 is any that is free")
	fl.StringSliceVar(&f.hosts, "host", nil, "`names` by which the service may be called, beside its address")
	fl.StringVar(&f.tokens, "tokens", "", "a `file` with the tokens that let people in: flow token makes them")
	fl.StringVar(&f.cert, "tls-cert", "", "a `file` with the certificate, for HTTPS")
	fl.StringVar(&f.key, "tls-key", "", "a `file` with its key")
	fl.DurationVar(&f.drain, "drain", 30*time.Second, "how long runs may go on after SIGTERM")
	fl.IntVar(&f.jobs, "jobs", 0, "attempts at once, in all pools together (0: no limit)")
	fl.IntVar(&f.workers, "workers", 0, "the size of every pool (0: as the files say)")
	fl.StringVar(&f.age, "older-than", "90d", "once a day, remove runs that ended longer ago than this `duration`, as flow gc does (0: never)")
	fl.IntVar(&f.keep.PerWorkflow, "keep", 0, "and all but so many of each workflow, the newest (0: all)")
	fl.BoolVar(&f.json, "json", false, "log as JSON")
	return c
}

// service is `flow serve` at work.
type service struct {
	flags  *serveFlags
	dir    string // of the workflows
	root   string // of the home
	log    *slog.Logger
	home   *engine.Home
	folder *schedule.Folder
	runner *serveRunner
	sched  *schedule.Service

	files   atomic.Pointer[[]*schedule.File]
	secrets hookSecrets
	hooks   struct {
		mu   sync.Mutex
		told time.Time
	}
	leads   atomic.Bool
	rescan  chan struct{}
	trouble atomic.Pointer[folderTrouble] // of the folder; nil: there is none
	looked  atomic.Int64                  // when it was looked at last, in Unix seconds
}

// serve is the command.
func serve(ctx context.Context, std streams, dir string, f *serveFlags) (err error) {
	if f.jobs < 0 || f.workers < 0 || f.workers > maxWorkers || f.drain < 0 || f.keep.PerWorkflow < 0 {
		return usage("", "--jobs, --workers, --drain and --keep are not negative, and --workers is at most %d", maxWorkers)
	}
	if f.age != "0" {
		if f.keep.Age, err = dag.ParseDuration(f.age); err != nil || f.keep.Age <= 0 {
			return usage("for example 90d", "--older-than %s: not a positive duration", f.age)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return usage("", "--tls-cert and --tls-key go together")
	}
	if f.cert != "" {
		if _, err := tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return usage("", "--tls-cert and --tls-key: %w", err)
		}
	}
	s := &service{flags: f, log: slog.New(newLogHandler(std.err, f.json)), rescan: make(chan struct{}, 1)}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if info, err := os.Stat(s.dir); err != nil || !info.IsDir() {
		return usage("flow serve DIR reads the *.yaml files of a folder", "%s: no such folder", dir)
	}
	tokens, err := readTokens(f)
	if err != nil {
		return err
	}
	if err := openToOthers(f, tokens); err != nil {
		return err
	}
	keep := keepFlags{home: f.home, durability: f.durability}
	if s.root, err = homeDir(f.home); err != nil {
		return err
	}
	if s.home, err = keep.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.home.Close()) }()
	sigs := make(chan os.Signal, 8)
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, home.Replace)
	defer signal.Stop(sigs)
	release, err := s.lead(ctx, sigs)
	if release == nil {
		return err
	}
	free := sync.OnceValue(release)
	defer func() { err = errors.Join(err, free()) }()
	return s.run(ctx, sigs, tokens, free)
}

// lead waits until this is the only service of its home; nil: it was told to end before.
func (s *service) lead(ctx context.Context, sigs <-chan os.Signal) (func() error, error) {
	for waiting := false; ; waiting = true {
		release, err := s.home.Lead()
		owned, taken := errors.AsType[*store.OwnedError](err)
		if !taken {
			return release, err
		}
		if !waiting {
			s.log.Info("another service has this home: standing by", "pid", owned.Owner.PID, "home", s.root)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case sig := <-sigs:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				return nil, nil
			}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// run does the work of the service that leads, until a signal.
func (s *service) run(ctx context.Context, sigs <-chan os.Signal, tokens []web.Token, free func() error) error {
	e := engine.New(engine.Jobs(s.flags.jobs), engine.Workers(s.flags.workers), engine.Subreaper(sweepName), engine.History(s.home))
	s.runner = newServeRunner(e, s.home, s.root, s.say)
	s.sched = schedule.NewService(ledger{s.home}, s.runner, s.say)
	s.runner.service = s.sched
	var err error
	if s.runner.traces, err = newTracer(s.say); err != nil {
		return errors.Join(usage("", "OTEL_EXPORTER_OTLP_ENDPOINT: %w", err), e.Close())
	}
	s.folder = schedule.NewFolder(s.dir, s.home, engine.Check)
	s.looked.Store(time.Now().Unix())
	if err = s.look(); err != nil {
		return errors.Join(&codeError{code: exitInternal, err: err}, e.Close())
	}
	pages, err := s.handler(tokens, s.names())
	if err != nil {
		return errors.Join(err, e.Close())
	}
	commands, err := s.handler(nil, nil)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	ln, err := s.listen(ctx, sigs)
	if err != nil || ln == nil {
		return errors.Join(err, e.Close())
	}
	srv, local := web.Server(pages), web.Server(commands)
	srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	local.ErrorLog = srv.ErrorLog
	if socket := listenToCommands(s.root); socket != nil {
		go func() { _ = local.Serve(socket) }() // until it is shut down
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { s.sched.Run(work) })
	go schedule.NewWatcher(s.sched, ledger{s.home}, s.say).Run(work)
	group.Go(func() { s.runner.look(work) })
	go s.watch(work)   // a folder that hangs must not keep the service from ending
	go s.collect(work) // whatever it is at may be left at any moment
	s.leads.Store(true)
	served := make(chan error, 1)
	go func() { served <- s.serveHTTP(srv, ln) }()
	if files := s.files.Load(); files == nil || len(*files) == 0 {
		s.log.Warn("there is no workflow yet: files *.yaml of the folder are some", "dir", s.dir)
	}
	s.log.Info("serving", "dir", s.dir, "home", s.root, "address", s.address(ln))

	var failed error
	for going := true; going; {
		select {
		case sig := <-sigs:
			going = s.heed(sig)
		case failed = <-served:
			going = false
		case <-ctx.Done():
			going = false
		}
	}
	stop() // no more decisions, and then whoever stands by may lead
	group.Wait()
	s.runner.close()
	s.leads.Store(false)
	failed = errors.Join(failed, s.shutDown(local), free())
	over := make(chan struct{})
	group.Go(func() { s.giveWay(srv, over) })
	s.drain(sigs)
	close(over)
	group.Wait()
	left := 0
	if unended, err := s.home.Unended(); err == nil {
		left = len(unended)
	}
	s.log.Info("stopped", "left for the next service", left)
	return errors.Join(failed, s.shutDown(srv), e.Close(), s.runner.traces.close())
}

// giveWay gives up the address, for which a service that drains has no need, as soon as
// another one leads.
func (s *service) giveWay(srv *http.Server, over <-chan struct{}) {
	for {
		if _, led := s.home.Leader(); led {
			_ = s.shutDown(srv) // it ends anyway
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-over:
			return
		}
	}
}

// heed does what a signal asks for; false: to end.
func (s *service) heed(sig os.Signal) bool {
	switch sig {
	case home.Replace:
		s.runner.asked()
	case syscall.SIGHUP:
		select {
		case s.rescan <- struct{}{}:
		default:
		}
	default:
		return false
	}
	return true
}

// drain lets runs end, for as long as they may, or until a second signal.
func (s *service) drain(sigs <-chan os.Signal) {
	limit, cancel := context.WithTimeout(context.Background(), s.flags.drain)
	defer cancel()
	if n := s.runner.working(); n > 0 {
		s.log.Info("draining", "runs", n, "limit", s.flags.drain.String())
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case sig := <-sigs:
				if sig == home.Replace {
					s.runner.asked()
				}
				if sig == syscall.SIGTERM || sig == syscall.SIGINT {
					s.log.Info("once more: what runs is gone on with by the next service")
					cancel()
					return
				}
			case <-over:
				return
			}
		}
	}()
	s.runner.drain(limit)
}

// handler answers requests; without tokens, of whoever owns the home.
func (s *service) handler(tokens []web.Token, hosts []string) (http.Handler, error) {
	return web.New(web.Options{
		Catalog: s, Control: s, Ledger: ledger{s.home}, Health: s, Runs: NewSiteRuns(s.home),
		Tokens: tokens, Hosts: hosts, Version: thisVersion().String(), Log: s.log,
	})
}

// patienceToListen is how long a service that drains may take to see that another one leads.
const patienceToListen = 10 * time.Second

// listen opens the address. Another service that drains may still have it for a moment.
func (s *service) listen(ctx context.Context, sigs <-chan os.Signal) (net.Listener, error) {
	told := false
	for began := time.Now(); ; {
		ln, err := net.Listen("tcp", s.flags.listen)
		if err == nil {
			return ln, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > patienceToListen {
			return nil, usage("--listen names another address, 127.0.0.1:0 any port that is free", "can't listen: %w", err)
		}
		if !told {
			told = true
			s.log.Warn("the address is in use: trying again", "address", s.flags.listen, "limit", patienceToListen.String())
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case sig := <-sigs:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				return nil, nil
			}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (s *service) names() []string {
	host, _, err := net.SplitHostPort(s.flags.listen)
	if err != nil || host == "" {
		host = "0.0.0.0"
	}
	return append([]string{host}, s.flags.hosts...)
}

func (s *service) address(ln net.Listener) string {
	scheme := "http://"
	if s.flags.cert != "" {
		scheme = "https://"
	}
	return scheme + ln.Addr().String()
}

func (s *service) serveHTTP(srv *http.Server, ln net.Listener) error {
	var err error
	if s.flags.cert != "" {
		err = srv.ServeTLS(ln, s.flags.cert, s.flags.key)
	} else {
		err = srv.Serve(ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return &codeError{code: exitInternal, err: err}
}

// shutDown gives requests a moment to end.
func (s *service) shutDown(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return srv.Close()
	}
	return nil
}

// say logs what the scheduler and the runner tell.
func (s *service) say(format string, args ...any) { s.log.Warn(fmt.Sprintf(format, args...)) }

// collect removes old runs, and old times, once a day, until ctx ends.
func (s *service) collect(ctx context.Context) {
	for wait := 10 * time.Minute; ; wait = 24 * time.Hour {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		c, err := s.home.GC(s.flags.keep, time.Now(), false)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("old runs can't be removed", "error", err)
		case len(c.Runs) > 0:
			s.log.Info("old runs removed", "runs", len(c.Runs))
		}
	}
}
