package run

import "time"

// rank fills in how much remains to be done from each task on: its own duration
// and the longest way behind it (Hu's level, "upward rank"). Tasks of `finally`
// come after everything, so ways end where they begin. One walk over the edges.
//
// Without durations every task counts one millisecond, and a path is a number
// of tasks.
func (m *Machine) rank(durations []time.Duration) {
	for k := len(m.plan.Order) - 1; k >= 0; k-- {
		i := m.plan.Order[k]
		longest := int64(0)
		for _, o := range m.plan.Nodes[i].Outs {
			if int(i) >= m.plan.Main || int(o) < m.plan.Main {
				longest = max(longest, m.nodes[o].path)
			}
		}
		own := int64(1)
		if durations != nil {
			own = max(0, durations[i].Milliseconds())
		}
		m.nodes[i].path = own + longest
	}
}
