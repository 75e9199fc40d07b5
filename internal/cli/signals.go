package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"flow/engine"
	"flow/internal/home"
)

// signals are those that concern a run: the terminal's and the system's, which
// cancel it, and that of a newer run which is to take its place.
type signals struct {
	came chan os.Signal
	pipe chan os.Signal // those of output that nobody reads any more
}

func newSignals() *signals {
	s := &signals{came: make(chan os.Signal, 4), pipe: make(chan os.Signal, 1)}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, home.Replace} {
		if !signal.Ignored(sig) { // by nohup, or by a shell for a job in the background
			signal.Notify(s.came, sig)
		}
	}
	// A reader of our output that has gone must not take flow away from under its
	// tasks: a write fails then, and the run is cancelled. The signal is caught and
	// not ignored, since programs inherit what is ignored.
	signal.Notify(s.pipe, syscall.SIGPIPE)
	return s
}

func (s *signals) stop() {
	signal.Stop(s.came)
	signal.Stop(s.pipe)
}

// again puts a signal back that was taken from came.
func (s *signals) again(sig os.Signal) {
	select {
	case s.came <- sig:
	default: // others came meanwhile
	}
}

// during returns a context that ends with the first signal, for what goes before a run.
// done is called when that is over: with true, the run begins, and a signal that came too
// late for the wait is the run's.
func (s *signals) during(parent context.Context) (_ context.Context, done func(goesOn bool)) {
	ctx, cancel := context.WithCancelCause(parent)
	over, ended := make(chan struct{}), make(chan struct{})
	var came os.Signal
	go func() {
		defer close(ended)
		select {
		case came = <-s.came:
			cancel(errors.New(signalName(came)))
		case <-over:
		}
	}()
	return ctx, func(goesOn bool) {
		close(over)
		<-ended
		if goesOn && came != nil {
			s.again(came)
		}
		if !goesOn {
			return // the cause of its end may be asked for
		}
		cancel(nil)
	}
}

// patience is how long a run that is killed may take to end.
const patience = 5 * time.Second

// cancel cancels the run at the first signal and kills it at the second; it also
// cancels it when nobody reads its events any more. The function that it returns
// ends that.
func (s *signals) cancel(r *engine.Run, v view) (stop func()) {
	broken := v.broken()
	over, ended := make(chan struct{}), make(chan struct{})
	var impatient *time.Timer
	go func() {
		defer close(ended)
		for n := 0; ; {
			select {
			case <-over:
				return
			case <-broken:
				broken = nil
				r.Cancel()
			case sig := <-s.came:
				if sig == home.Replace {
					v.say("flow: a newer run takes the place of this one: cancelling it")
					r.Replace()
					continue
				}
				if n++; n > 1 || sig == syscall.SIGQUIT {
					r.Kill()
					if impatient == nil {
						impatient = time.AfterFunc(patience, func() {
							v.say("flow: the run does not end; leaving it")
							os.Exit(exitCancelled)
						})
					}
					continue
				}
				v.say("flow: " + signalName(sig) + ": cancelling the run; once more to kill it")
				r.Cancel()
			}
		}
	}()
	return func() {
		close(over)
		<-ended
		if impatient != nil {
			impatient.Stop()
		}
	}
}

func signalName(s os.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "interrupt"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return strings.ToLower(s.String())
}
