package task

// Watcher hears of nodes that are settled.
type Watcher interface {
	// Notify is called once for a watch, on the goroutine that settled the
	// node, with no lock held. It must not block unless the watch is Late.
	Notify(w *Watch)
}

// Watch is one registration with one node. Its owner embeds or allocates it,
// many at once if it likes, so that registering costs nothing more. To, Index
// and Late are set before Watch is called.
type Watch struct {
	To    Watcher
	Index int  // the owner's number for it
	Late  bool // a callback: runs after all that are not

	prev, next *Watch // the ring; nil: not registered
}

// Watch registers w, which must not be registered already. False means that the
// node is settled: w is not registered and will not be notified.
func (n *Node) Watch(w *Watch) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.State().Done() {
		return false
	}
	if n.first == nil {
		w.prev, w.next = w, w
		n.first = w
		return true
	}
	last := n.first.prev
	w.prev, w.next = last, n.first
	last.next, n.first.prev = w, w
	return true
}

// Unwatch removes w, which was registered with n. It reports whether w was still
// waiting, and so will never be notified. It takes constant time.
func (n *Node) Unwatch(w *Watch) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.State().Done() || w.next == nil {
		return false
	}
	if n.first == w {
		n.first = w.next
	}
	if n.first == w {
		n.first = nil
	}
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next = nil, nil
	return true
}

// detach opens the ring that begins at w: the last one's next becomes nil.
func (w *Watch) detach() *Watch {
	if w != nil {
		w.prev.next = nil
		w.prev = nil
	}
	return w
}

// notify tells all of a detached ring: first those that wake somebody, so that
// a slow callback delays nobody, then the callbacks.
func notify(w *Watch) {
	var late, tail *Watch
	for w != nil {
		next := w.next
		w.prev, w.next = nil, nil
		switch {
		case !w.Late:
			w.To.Notify(w)
		case late == nil:
			late, tail = w, w
		default:
			tail.next, tail = w, w
		}
		w = next
	}
	callBack(late)
}

// callBack notifies one by one. The rest runs even if one of them ends its
// goroutine with runtime.Goexit.
func callBack(w *Watch) {
	for w != nil {
		next := w.next
		w.next = nil
		call(w, next)
		w = next
	}
}

func call(w, rest *Watch) {
	returned := false
	defer func() {
		if !returned {
			callBack(rest)
		}
	}()
	w.To.Notify(w)
	returned = true
}
