package store

import (
	"testing"

	"flow/internal/run"
)

// A commit of one event, and of a hundred.
func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), Normal)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	j, err := s.Begin(Run{ID: "01A", Started: epoch}, []byte("tasks"))
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	many := make([]run.Event, 100)
	for i := range many {
		many[i] = started(i)
	}
	for name, events := range map[string][]run.Event{"1": many[:1], "100": many} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := j.Append(events); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
