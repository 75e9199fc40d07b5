package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"flow/dag"
)

// Key is the identity of a schedule: by workflow, expression, zone, start and params.
func Key(w *dag.Workflow, s *dag.Schedule) string {
	parts := []string{"schedule", w.Name, s.Cron, s.Timezone, ""}
	if !s.Start.IsZero() {
		parts[4] = s.Start.UTC().Format(time.RFC3339)
	}
	for i := range s.Params {
		parts = append(parts, s.Params[i].Name+"="+s.Params[i].Value.String())
	}
	slices.Sort(parts[5:])
	return digest(parts)
}

// KeyOfTrigger is the identity of a trigger that is no schedule.
func KeyOfTrigger(w *dag.Workflow, t *dag.Trigger) string {
	return digest([]string{"trigger", w.Name, t.File, t.Workflow, strings.Join(t.Status, " "), t.Webhook})
}

// KeyOfPeople is the identity of what people start, of a workflow by that name.
func KeyOfPeople(workflow string) string { return digest([]string{"manual", workflow}) }

func digest(parts []string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s\n", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// jitterOf is a schedule's fixed delay, from 0 to most.
func jitterOf(key string, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	return time.Duration(h.Sum64() % uint64(most)).Truncate(time.Millisecond)
}
