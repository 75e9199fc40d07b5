//go:build unix

package executor

import (
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Family is a number of children of one [Launcher] that end as one, with all that
// they started: the programs of a script, for example. A Child without a Family is
// one of its own.
//
// What a member leaves running when it ends goes on, and is ended by End. It is
// safe for concurrent use.
type Family struct {
	kin   *kin   // nil: nothing is adopted
	token string // what all members have in their environment
	how   *spawner

	mu      sync.Mutex
	leaders []int // processes that Run waits for
	groups  []int // of leaders that have ended, with somebody left in them
	listed  []int // where the roll has those that have ended

	kinship // what the kin know of it, under their lock
}

// NewFamily returns a family without members. Its End must be called.
func (l *Launcher) NewFamily() (*Family, error) {
	if _, _, err := l.enter(); err != nil {
		return nil, err
	}
	defer l.children.Done()
	return l.newFamily(), nil
}

// newFamily is NewFamily for who has entered.
func (l *Launcher) newFamily() *Family {
	f := &Family{kin: l.kin, token: l.token.next(), how: &l.spawner}
	f.kin.add(f)
	return f
}

// End ends what is left of the family: SIGTERM, SIGKILL after grace (0: ten
// seconds) or when kill ends (nil: never), and returns when nothing is left. No member may be running,
// and none be started after.
func (f *Family) End(grace time.Duration, kill context.Context) {
	e := ender{family: f}
	f.mu.Lock()
	e.groups = f.groups
	listed := f.listed
	f.groups, f.listed = nil, nil
	f.mu.Unlock()
	if kill != nil {
		defer context.AfterFunc(kill, e.kill)()
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	e.end(grace)
	e.clear()
	f.kin.remove(f)
	f.how.strike(listed...)
}

// Stop asks what members have left running to end. It does not wait.
func (f *Family) Stop() { f.kin.signal(f, syscall.SIGTERM) }

// joined counts a leader in.
func (f *Family) joined(pid int) {
	f.mu.Lock()
	f.leaders = append(f.leaders, pid)
	f.mu.Unlock()
	f.kin.joined(f, pid)
}

// left counts a leader out that has ended and has not been collected.
func (f *Family) left(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaders = slices.DeleteFunc(f.leaders, func(p int) bool { return p == pid })
}

// keep remembers a leader that has been collected: where the roll has it, and its
// group, if somebody is in it who is not adopted.
func (f *Family) keep(pid, listed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = append(f.listed, listed)
	if f.kin == nil && syscall.Kill(-pid, 0) == nil {
		f.groups = append(f.groups, pid)
	}
}

// living are the leaders that have not ended.
func (f *Family) living() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.leaders)
}

// ender ends process groups and what is left of a family. The zero value, with its
// groups and its family, is ready.
type ender struct {
	groups []int
	family *Family // nil: none

	mu    sync.Mutex
	gone  bool // all of it: the numbers may be others' now
	timer *time.Timer
}

// end asks what is there to end, and makes it after grace. Only the first call
// counts.
func (e *ender) end(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone || e.timer != nil {
		return
	}
	e.signal(syscall.SIGTERM)
	e.timer = time.AfterFunc(grace, e.kill)
}

// told reports whether end has been called.
func (e *ender) told() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.timer != nil
}

// leave lets go of what is there: end and kill do nothing from now on.
func (e *ender) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// kill ends what is there at once.
func (e *ender) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone {
		e.signal(syscall.SIGKILL)
	}
}

// signal fails only where nobody is there, or all that is may not be signalled by
// us.
func (e *ender) signal(sig syscall.Signal) {
	for _, g := range e.groups {
		_ = syscall.Kill(-g, sig)
	}
	if e.family != nil {
		e.family.kin.signal(e.family, sig)
	}
}

// clear waits until nothing is left of what was told to end. Almost always that is
// so at once. Nothing tells of the end of a process that is not a child of ours,
// so it looks, ever less often.
func (e *ender) clear() {
	const often, seldom = time.Millisecond, 32 * time.Millisecond
	for pause := often; e.lives(pause == seldom); pause = min(2*pause, seldom) {
		time.Sleep(pause)
	}
	e.leave()
}

// lives reports whether anything is left. A closer look is dear.
func (e *ender) lives(closer bool) bool {
	if e.family != nil && e.family.kin.lives(e.family) {
		return true
	}
	return slices.ContainsFunc(e.groups, func(g int) bool {
		return syscall.Kill(-g, 0) == nil && (!closer || groupLives(g))
	})
}

// tokenName is the environment variable that tells whose a process is: a path of
// tokens, of the launcher that started it last of all.
const tokenName = "FLOW_TOKEN"

// token makes the tokens of a launcher's families.
type token struct {
	base string // of the launcher, in the tokens of those outside of it
	mu   sync.Mutex
	n    int
}

// makeBase makes the base, once.
func (t *token) makeBase() {
	if t.base == "" {
		t.base = newBase(rand.Text())
	}
}

// next returns a token that no other family has.
func (t *token) next() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	return t.base + "." + strconv.Itoa(t.n)
}

// withToken returns an environment with a token, or none, for the one that it may
// have.
func withToken(env []string, token string) []string {
	out := make([]string, 0, len(env)+1)
	if token != "" {
		out = append(out, tokenName+"="+token)
	}
	for _, kv := range env {
		if !strings.HasPrefix(kv, tokenName+"=") {
			out = append(out, kv)
		}
	}
	return out
}

// newBase returns the first part of a launcher's tokens: a number that nobody else
// has, after the token that this process itself was started with.
func newBase(number string) string {
	if outer := os.Getenv(tokenName); outer != "" {
		return outer + "/" + number
	}
	return number
}
