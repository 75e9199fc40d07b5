package executor

import (
	"cmp"
	"slices"
)

// list is a doubly linked list of tasks through the tasks themselves; a task is
// in at most one. The zero value is empty.
type list struct {
	first, last *work
	n           int
}

func (l *list) pushBack(w *work) {
	w.prev, w.next = l.last, nil
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
	l.n++
}

func (l *list) pushFront(w *work) {
	w.prev, w.next = nil, l.first
	if l.first != nil {
		l.first.prev = w
	} else {
		l.last = w
	}
	l.first = w
	l.n++
}

func (l *list) remove(w *work) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next = nil, nil
	l.n--
}

// queue holds the tasks that are ready, higher priorities first and within one
// in the order of coming. All its operations take constant time, times the
// logarithm of the number of priorities in use where that is more than one.
// (One heap of tasks would cost that of the number of tasks, for the usual case
// of no priorities at all.)
type queue struct {
	urgent list // before all priorities
	levels []*level
	by     map[int]*level
	n      int
}

// level is the tasks of one priority.
type level struct {
	list
	priority int
}

func (q *queue) len() int { return q.n }

func (q *queue) push(w *work) {
	w.list = &q.level(w.priority()).list
	w.list.pushBack(w)
	q.n++
}

// pushUrgent puts w before everything else.
func (q *queue) pushUrgent(w *work) {
	w.list = &q.urgent
	w.list.pushFront(w)
	q.n++
}

// front returns the next task, or nil.
func (q *queue) front() *work {
	if q.n == 0 {
		return nil
	}
	if q.urgent.first != nil {
		return q.urgent.first
	}
	for q.levels[0].first == nil {
		q.dropTop()
	}
	return q.levels[0].first
}

// remove takes w, which is in the queue, out of it.
func (q *queue) remove(w *work) {
	w.list.remove(w)
	w.list = nil
	q.n--
}

// all returns the tasks in no particular order of priorities.
func (q *queue) all() []*work {
	all := make([]*work, 0, q.n)
	for w := q.urgent.first; w != nil; w = w.next {
		all = append(all, w)
	}
	for _, l := range q.levels {
		for w := l.first; w != nil; w = w.next {
			all = append(all, w)
		}
	}
	return all
}

// first returns the first n tasks or less.
func (q *queue) first(n int) []*work {
	var first []*work
	lists := []*list{&q.urgent}
	levels := slices.Clone(q.levels)
	slices.SortFunc(levels, func(a, b *level) int { return cmp.Compare(b.priority, a.priority) })
	for _, l := range levels {
		lists = append(lists, &l.list)
	}
	for _, l := range lists {
		for w := l.first; w != nil && len(first) < n; w = w.next {
			first = append(first, w)
		}
	}
	return first
}

// level returns the level of a priority. Empty ones stay until they come to the
// top with others beneath, so that the only one is not made anew all the time.
func (q *queue) level(priority int) *level {
	if len(q.levels) > 0 && q.levels[0].priority == priority {
		return q.levels[0]
	}
	if l, ok := q.by[priority]; ok {
		return l
	}
	if q.by == nil {
		q.by = make(map[int]*level)
	}
	l := &level{priority: priority}
	q.by[priority] = l
	q.levels = append(q.levels, l)
	for i := len(q.levels) - 1; i > 0; {
		up := (i - 1) / 2
		if q.levels[up].priority >= q.levels[i].priority {
			break
		}
		q.levels[up], q.levels[i] = q.levels[i], q.levels[up]
		i = up
	}
	return l
}

// dropTop removes the level on top of the heap.
func (q *queue) dropTop() {
	delete(q.by, q.levels[0].priority)
	last := len(q.levels) - 1
	q.levels[0], q.levels[last] = q.levels[last], nil
	q.levels = q.levels[:last]
	for i := 0; ; {
		top := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.levels[c].priority > q.levels[top].priority {
				top = c
			}
		}
		if top == i {
			return
		}
		q.levels[i], q.levels[top] = q.levels[top], q.levels[i]
		i = top
	}
}
