package run

import (
	"slices"
	"time"
)

// Timeline is a run and when its tasks could begin: where its time went.
type Timeline struct {
	Summary *Summary
	Ready   []time.Time // by task: when all that it depends on had ended, as far as it has
	Last    []int       // by task: what it depends on and ended last; -1: nothing

	m *Machine
}

// NewTimeline makes the timeline of a run as it stands. Its cost is linear in tasks and
// dependencies.
func NewTimeline(m *Machine) *Timeline {
	t := &Timeline{m: m, Summary: m.Summary()}
	n := len(t.Summary.Tasks)
	t.Ready, t.Last = make([]time.Time, n), make([]int, n)
	finally, begun := -1, t.Summary.Started.Time // what of `tasks` ended last, and when
	for k := range min(m.plan.Main, n) {
		if end := t.Summary.Tasks[k].Ended.Time; finally < 0 || end.After(begun) {
			finally = k
			if end.After(begun) {
				begun = end
			}
		}
	}
	for i := range n {
		t.Ready[i], t.Last[i] = t.Summary.Started.Time, -1
		for _, d := range m.plan.Nodes[i].Deps {
			t.after(i, int(d))
		}
		if i >= m.plan.Main && t.Last[i] < 0 { // `finally` begins when all the others have ended
			t.Ready[i], t.Last[i] = begun, finally
		}
	}
	return t
}

func (t *Timeline) after(i, d int) {
	if end := t.Summary.Tasks[d].Ended.Time; t.Last[i] < 0 || end.After(t.Ready[i]) {
		t.Last[i] = d
		if end.After(t.Ready[i]) {
			t.Ready[i] = end
		}
	}
}

// Path is the critical path: the tasks from the one that ended last back to the
// beginning, each the last one that the next had to wait for, in the order in which they
// ran. Tasks that never began are left out.
func (t *Timeline) Path() []int {
	at := -1
	for i := range t.Summary.Tasks {
		if end := t.Summary.Tasks[i].Ended; !t.Summary.Tasks[i].Started.IsZero() && (at < 0 || end.After(t.Summary.Tasks[at].Ended.Time)) {
			at = i
		}
	}
	var path []int
	for ; at >= 0; at = t.Last[at] {
		if !t.Summary.Tasks[at].Started.IsZero() {
			path = append(path, at)
		}
	}
	slices.Reverse(path)
	return path
}

// Roots are the tasks that failed, or were skipped by their condition or cancelled, which
// kept a task from running: up the graph, each once.
func (t *Timeline) Roots(i int) []int {
	var found []int
	seen := make(map[int]bool)
	for todo := []int{i}; len(todo) > 0; {
		k := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, d := range t.m.plan.Nodes[k].Deps {
			d := int(d)
			s := &t.Summary.Tasks[d]
			if seen[d] || s.Status == "succeeded" {
				continue
			}
			seen[d] = true
			if s.upstream() {
				todo = append(todo, d)
				continue
			}
			found = append(found, d)
		}
	}
	slices.Sort(found)
	return found
}

// Skipped are, for each of at most 64 tasks, those that were skipped because of it, in the
// order of the file: those that have it among their Roots. Its cost is linear in tasks,
// dependencies and what it returns, however many causes there are.
func (t *Timeline) Skipped(causes []int) [][]int {
	tasks := t.Summary.Tasks
	of := make([]uint64, len(tasks)) // by task: which of the causes are among its roots
	own := make(map[int]uint64, len(causes))
	for k, i := range causes {
		own[i] |= 1 << k
	}
	for _, i := range t.m.plan.Order {
		if int(i) >= len(tasks) {
			break // the run has not begun
		}
		for _, d := range t.m.plan.Nodes[i].Deps {
			switch s := &tasks[d]; {
			case s.Status == "succeeded":
			case s.upstream():
				of[i] |= of[d]
			default:
				of[i] |= own[int(d)]
			}
		}
	}
	all := make([][]int, len(causes))
	for i := range tasks {
		if !tasks[i].upstream() {
			continue
		}
		for k := range causes {
			if of[i]&(1<<k) != 0 {
				all[k] = append(all[k], i)
			}
		}
	}
	return all
}

// upstream reports whether the task was skipped because of one that it depends on.
func (s *TaskSummary) upstream() bool { return s.Status == "skipped" && s.Reason == "upstream" }
