package cli

import (
	"os"
	"os/signal"
	"strings"
	"syscall"

	"flow/engine"
	"flow/internal/home"
)

// signals are those that concern a run: the terminal's and the system's, which
// cancel it, and that of a newer run which is to take its place.
type signals struct{ came chan os.Signal }

func newSignals() *signals {
	s := &signals{came: make(chan os.Signal, 4)}
	signal.Notify(s.came, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, home.Replace)
	// A reader of our output that has gone must not take flow away from under its
	// tasks: a write fails then, and the run is cancelled.
	signal.Ignore(syscall.SIGPIPE)
	return s
}

func (s *signals) stop() { signal.Stop(s.came) }

// cancel cancels the run at the first signal and kills it at the second; it also
// cancels it when nobody reads its events any more. The function that it returns
// ends that.
func (s *signals) cancel(r *engine.Run, v view) (stop func()) {
	broken := v.broken()
	over, ended := make(chan struct{}), make(chan struct{})
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
				if n++; n > 1 {
					r.Kill()
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
