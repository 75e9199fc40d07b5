package executor

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hasSubreapers tells whether the system knows such a thing.
const hasSubreapers = true

// kin are the processes that this one has adopted: those that children of its
// launcher left behind, in whatever group or session, since it is their subreaper.
// They are told apart by, in this order, the token in their environment, their
// session, and by who was there when they came.
//
// The system lists them in a file, which is empty almost always: to learn that a
// child has left nothing costs a microsecond. Processes that are listed are
// children, so their numbers stay theirs until they are collected here; nothing
// else is ever waited for.
type kin struct {
	base     string
	before   bool     // whether this process was a subreaper already
	list     *os.File // the children of the main thread: only those that came by adoption
	listFD   int
	session  int // of this process: who is in it was not left behind by a child
	foreign  map[int]bool
	guessing bool // whether what nothing tells of may be ended

	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	families map[string]*Family // by token
	sessions map[int]*Family    // by the leader's pid, the last one that had it
	leaders  map[int]bool       // that Run collects; they come to the main thread if theirs ends
	known    map[int]*relative
	buf      []byte
}

// kinship is what the kin keep in a family.
type kinship struct {
	sessions []int
	level    syscall.Signal // the last one that it was told; 0: none
	heard    map[processID]syscall.Signal
}

// relative is an adopted process.
type relative struct {
	family   *Family
	ours     bool
	suspects map[*Family]bool // where family is nil: those that were there when it came
	doubts   time.Time        // until when it is to be looked at again before that counts
}

// doubtful is how long a process may be without any environment while it becomes
// another program, or ends.
const doubtful = 50 * time.Millisecond

// processID is a process: a number may be used again, but not with the same start.
type processID struct {
	pid   int
	start string
}

// adopt makes this process the subreaper of its children, and returns who looks
// after those that come to it.
func adopt(base string) (*kin, error) {
	var before int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&before)), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("executor: subreaper: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("executor: subreaper: %w", err)
	}
	self := os.Getpid()
	list, err := os.Open(fmt.Sprintf("/proc/self/task/%d/children", self))
	if err != nil {
		return nil, fmt.Errorf("executor: subreaper: %w (/proc must be mounted, and be that of this process's pid namespace)", err)
	}
	me, ok := lookAt(self)
	if !ok {
		list.Close()
		return nil, fmt.Errorf("executor: subreaper: /proc does not show this process")
	}
	k := &kin{
		base: base, list: list, listFD: int(list.Fd()), before: before != 0, session: me.session, foreign: make(map[int]bool),
		// To process 1 of a container comes whatever lost its parent anywhere in it.
		guessing: self != 1,
		stop:     make(chan struct{}),
		families: make(map[string]*Family), sessions: make(map[int]*Family), leaders: make(map[int]bool), known: make(map[int]*relative),
		buf: make([]byte, 4096),
	}
	for _, pid := range k.adopted() {
		k.foreign[pid] = true // it was there before
	}
	k.done.Go(k.collect)
	return k, nil
}

// isMainThread reports whether this is the thread that stands for the process.
func isMainThread() bool { return unix.Gettid() == mainThread }

var mainThread = os.Getpid()

// collectEvery is how often those are collected that have ended while the child
// that left them goes on.
const collectEvery = time.Second

func (k *kin) collect() {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			k.mu.Lock()
			k.look()
			k.mu.Unlock()
		}
	}
}

func (k *kin) close() {
	if k == nil {
		return
	}
	close(k.stop)
	k.done.Wait()
	k.mu.Lock()
	k.listFD = -1
	k.list.Close()
	k.mu.Unlock()
	if !k.before {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) // it was not refused before
	}
}

func (k *kin) add(f *Family) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.families[f.token] = f
}

func (k *kin) joined(f *Family, pid int) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f.sessions = append(f.sessions, pid)
	k.sessions[pid] = f
	k.leaders[pid] = true
}

// collected tells that a leader has been collected.
func (k *kin) collected(pid int) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.leaders, pid)
}

func (k *kin) remove(f *Family) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.families, f.token)
	for _, pid := range f.sessions {
		if k.sessions[pid] == f {
			delete(k.sessions, pid)
		}
	}
	for _, r := range k.known {
		delete(r.suspects, f)
	}
}

// adopted are the children that came by adoption, ended ones included.
func (k *kin) adopted() []int {
	for {
		n := readStart(k.listFD, k.buf)
		if n < 0 {
			return nil
		}
		if n < len(k.buf) {
			return numbers(k.buf[:n])
		}
		k.buf = make([]byte, 2*len(k.buf))
	}
}

// look collects those that have ended and learns whose the others are. It returns
// the living ones that are ours. It is called with the lock held.
//
// The children of one that has ended have been adopted before that can be seen: so
// it looks again as long as it finds such.
func (k *kin) look() []int {
	for {
		living, ended := k.pass(k.adopted())
		if !ended {
			return living
		}
	}
}

// pass is look for those that were there a moment ago. ended tells whether one of
// them is no more.
func (k *kin) pass(pids []int) (living []int, ended bool) {
	there := make(map[int]bool, len(pids))
	for _, pid := range pids {
		there[pid] = true
		if k.foreign[pid] || k.leaders[pid] {
			continue
		}
		p, ok := lookAt(pid)
		if !ok || p.session == k.session { // not shown to us: another user's, by hidepid
			continue
		}
		if p.ended && collected(pid) {
			delete(k.known, pid)
			ended = true
			continue
		}
		r := k.known[pid]
		if r == nil || !r.doubts.IsZero() {
			r = k.meet(pid, p, r)
			k.known[pid] = r
		}
		if r.ours {
			living = append(living, pid)
		}
	}
	for pid := range k.known {
		if !there[pid] {
			delete(k.known, pid)
		}
	}
	return living, ended
}

// collected collects a child that has ended. One whose first thread alone has ended
// looks as if it had, but can't be collected.
func collected(pid int) bool {
	got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return got == pid || err == unix.ECHILD
}

// meet learns whose an adopted process is. before is what was known of it, if
// anything.
func (k *kin) meet(pid int, p stat, before *relative) *relative {
	token, bare := tokenOf(pid)
	if f, ok := k.byToken(token); ok {
		return &relative{family: f, ours: true}
	}
	if f := k.sessions[p.session]; f != nil {
		return &relative{family: f, ours: true}
	}
	for _, f := range k.families {
		if _, ok := f.heard[processID{pid, p.start}]; ok {
			return &relative{family: f, ours: true}
		}
	}
	if before != nil {
		if !bare || time.Now().After(before.doubts) {
			before.doubts = time.Time{}
		}
		return before
	}
	r := &relative{ours: k.guessing, suspects: make(map[*Family]bool)}
	for _, f := range k.families {
		r.suspects[f] = true
	}
	if bare && r.ours {
		r.doubts = time.Now().Add(doubtful)
	}
	return r
}

// byToken reports whether a token is of this launcher's, and whose: nil if that
// family is no more.
func (k *kin) byToken(token string) (*Family, bool) {
	rest, ok := strings.CutPrefix(token, k.base+".")
	if !ok {
		return nil, false
	}
	n, _, _ := strings.Cut(rest, "/")
	return k.families[k.base+"."+n], true
}

// of reports whether a relative is one of the family's to end.
func (r *relative) of(f *Family) bool {
	if r.family != nil {
		return r.family == f
	}
	return len(r.suspects) == 0 || len(r.suspects) == 1 && r.suspects[f]
}

// signal sends sig to what members of the family have left, with all below, and
// to what is below of those that still run. The groups of these are left out:
// whoever runs them tells them.
func (k *kin) signal(f *Family, sig syscall.Signal) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.level != syscall.SIGKILL {
		f.level = sig
	}
	k.tell(f)
}

// lives reports whether anything is left of the family but running members, and
// tells who came since to end as well.
func (k *kin) lives(f *Family) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tell(f)
}

// without reports whether nobody at all is adopted, when the family's only leader
// has ended: then it has left nothing, in its group neither.
func (k *kin) without(f *Family) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.adopted()) == 0
}

// tell sends the family's signal to each process that has not had it, and reports
// whether any that was adopted lives. It is called with the lock held.
func (k *kin) tell(f *Family) bool {
	var mine []int
	lives := false
	for _, pid := range k.look() {
		switch r := k.known[pid]; {
		case !r.doubts.IsZero():
			lives = true // it may be
		case r.of(f):
			mine = append(mine, pid)
		}
	}
	leaders := f.living()
	if f.level == 0 || len(mine) == 0 && len(leaders) == 0 {
		return lives || len(mine) > 0
	}
	t := teller{family: f, told: make(map[int]bool, len(leaders))}
	for _, pid := range leaders {
		t.told[pid] = true
	}
	for _, pid := range mine {
		if t.tree(pid) == unix.EPERM {
			k.known[pid].ours = false // another user's by now: it can't be ended
			continue
		}
		lives = true
	}
	for _, pid := range leaders {
		_ = t.tree(pid) // what of it can't be ended will be adopted
	}
	return lives
}

// teller walks the processes of a family and sends them its signal.
type teller struct {
	family *Family
	told   map[int]bool // groups that somebody else tells
}

// tree tells a process and all below it. The error is that of the process itself.
func (t *teller) tree(pid int) error {
	p, ok := lookAt(pid)
	if !ok {
		return nil
	}
	below := childrenOf(pid) // before it ends and they are somebody else's
	var err error
	if !t.told[p.group] {
		err = t.tell(pid, p)
	}
	for _, child := range below {
		_ = t.tree(child) // what of it can't be ended will be adopted
	}
	return err
}

func (t *teller) tell(pid int, p stat) error {
	f, id := t.family, processID{pid, p.start}
	if f.heard[id] == f.level {
		return nil
	}
	if f.heard == nil {
		f.heard = make(map[processID]syscall.Signal)
	}
	f.heard[id] = f.level
	return sendTo(pid, p, f.level)
}
