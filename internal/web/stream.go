package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Of streams.
const (
	maxReaders = 4_000
	heartbeat  = 15 * time.Second
	atATime    = 200
)

// stream writes server-sent events.
type stream struct {
	w    http.ResponseWriter
	to   *http.ResponseController
	ctx  context.Context
	done func()
	slow time.Duration // a reader that takes longer for a piece is dropped
	buf  bytes.Buffer
}

// errHead says that only the head of a stream was asked for.
var errHead = errors.New("web: a head has no events")

var errReaders = &statusError{http.StatusServiceUnavailable, "there are too many readers", "try again soon"}

// stream begins an answer of server-sent events. Its done is to be called.
func (s *site) stream(w http.ResponseWriter, r *http.Request) (*stream, error) {
	if s.lives.readers.Add(1) > maxReaders {
		s.lives.readers.Add(-1)
		return nil, errReaders
	}
	st := &stream{slow: s.Patience, w: w, to: http.NewResponseController(w), ctx: r.Context(), done: func() { s.lives.readers.Add(-1) }}
	_ = st.to.SetReadDeadline(time.Time{}) // nothing more is read; not there in tests without a connection
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return st, errHead
	}
	st.buf.WriteString("retry: 2000\n\n")
	return st, st.flush()
}

// put adds an event. Neither name nor id nor text have a line break: they are made by
// flow.
func (st *stream) put(name, id string, text []byte) {
	if name != "" {
		fmt.Fprintf(&st.buf, "event: %s\n", name)
	}
	if id != "" {
		fmt.Fprintf(&st.buf, "id: %s\n", id)
	}
	st.buf.WriteString("data: ")
	st.buf.Write(text)
	st.buf.WriteString("\n\n")
}

// flush sends what was added.
func (st *stream) flush() error {
	_ = st.to.SetWriteDeadline(time.Now().Add(st.slow))
	_, err := st.w.Write(st.buf.Bytes())
	st.buf.Reset()
	if st.buf.Cap() > 64<<10 {
		st.buf = bytes.Buffer{}
	}
	if err != nil {
		return err
	}
	return st.to.Flush()
}

// rest waits until something of two has changed; false: the reader is gone, or the server is to
// stop.
func (st *stream) rest(changed, other <-chan struct{}) bool {
	beat := time.NewTimer(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-other:
			return true
		case <-beat.C:
			st.buf.WriteString(":\n\n")
			if st.flush() != nil {
				return false
			}
			beat.Reset(heartbeat)
		case <-closing(st.ctx):
			return false
		case <-st.ctx.Done():
			return false
		}
	}
}

// after is the number of the last event that a reader has.
func after(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &InputError{Message: fmt.Sprintf("%.40q is not the id of an event", text)}
	}
	return n, nil
}

// getEvents streams the news of a run.
func (s *site) getEvents(w http.ResponseWriter, r *http.Request) error {
	seq, err := after(r)
	if err != nil {
		return err
	}
	l, err := s.lives.watch(r.PathValue("id"))
	if err != nil {
		return err
	}
	defer l.release()
	if g := l.since(seq, 1); g.over && len(g.items) == 0 && !g.missed {
		w.WriteHeader(http.StatusNoContent) // which tells a browser to come no more
		return nil
	}
	st, err := s.stream(w, r)
	if err != nil {
		if st == nil {
			return err
		}
		st.done()
		return nil
	}
	defer st.done()
	for status := ""; ; {
		g := l.since(seq, atATime)
		if g.missed {
			if seq, err = s.lives.replay(r.Context(), l, seq, st.old); err != nil {
				return nil // it comes back by id
			}
			continue
		}
		for _, it := range g.items {
			st.put("", strconv.FormatInt(it.seq, 10), it.text)
			seq = it.seq
		}
		if len(g.items) == 0 && g.over {
			st.put("end", "", quoted("status", g.status))
			_ = st.flush() // it has all, or is gone
			return nil
		}
		if g.status != status {
			status = g.status
			st.put("status", "", quoted("status", status))
		}
		if st.buf.Len() > 0 && st.flush() != nil {
			return nil
		}
		if len(g.items) == 0 && !st.rest(g.changed, nil) {
			return nil
		}
	}
}

// old sends news that are read again.
func (st *stream) old(it item) error {
	st.put("", strconv.FormatInt(it.seq, 10), it.text)
	if st.buf.Len() < 16<<10 {
		return nil
	}
	return st.flush()
}

func quoted(name, text string) []byte {
	b, _ := json.Marshal(map[string]string{name: text}) // of texts
	return b
}

// follow is a log that is followed: looked at once for all who do.
type follow struct {
	of       LogOf
	watchers int // guarded by lives.mu
	stop     chan struct{}

	mu      sync.Mutex
	size    int64
	changed chan struct{}
	pieces  []cachedPiece // the last ones that were read
}

type cachedPiece struct {
	from int64
	Piece
}

// tailPiece is how much of a log is sent at once, in bytes.
const tailPiece = 64 << 10

func (ls *lives) followLog(of LogOf) *follow {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	f := ls.tail[of]
	if f == nil {
		f = &follow{of: of, changed: make(chan struct{}), stop: make(chan struct{})}
		ls.tail[of] = f
		go f.look(ls)
	}
	f.watchers++
	return f
}

func (f *follow) release(ls *lives) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if f.watchers--; f.watchers == 0 {
		close(f.stop)
		delete(ls.tail, f.of)
	}
}

// look tells readers when the log has grown.
func (f *follow) look(ls *lives) {
	for {
		t := time.NewTimer(ls.pause())
		select {
		case <-f.stop:
			t.Stop()
			return
		case <-t.C:
		}
		size, dropped, err := ls.runs.LogSize(f.of)
		if err != nil {
			continue // nothing is printed yet
		}
		f.mu.Lock()
		if now := size + dropped; now != f.size {
			f.size, f.pieces = now, nil
			close(f.changed)
			f.changed = make(chan struct{})
		}
		f.mu.Unlock()
	}
}

// read returns what follows a place, and a channel that is closed when there is more.
// Of a log that has ended it is what is there now, whether or not it was seen to grow.
func (f *follow) read(runs Runs, from int64, ended bool) (Piece, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.pieces {
		if f.pieces[i].from == from && (!ended || len(f.pieces[i].Lines) > 0) {
			return f.pieces[i].Piece, f.changed, nil
		}
	}
	p, err := runs.LogFrom(f.of, from, tailPiece)
	if err != nil {
		return Piece{From: from, Next: from, Last: true}, f.changed, err
	}
	if len(f.pieces) >= 4 {
		f.pieces = f.pieces[1:]
	}
	f.pieces = append(f.pieces, cachedPiece{from, p})
	return p, f.changed, nil
}
