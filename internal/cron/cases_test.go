package cron

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// TestCases reads cases of a file, that of FLOW_TEST_CRON: {"cases": [{"id", "expr", "tz",
// "from", "expected"}]}, where null and "error" are for what is refused.
func TestCases(t *testing.T) {
	name := os.Getenv("FLOW_TEST_CRON")
	if name == "" {
		t.Skip("FLOW_TEST_CRON is not set")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct{ ID, Expr, TZ, From, Expected string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		s, err := Parse(c.Expr, c.TZ, time.Time{})
		if c.Expected == "" || c.Expected == "error" {
			if err == nil {
				t.Errorf("%s: %q is not refused", c.ID, c.Expr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		if got, ok := s.Next(at(t, c.From)); !ok || !got.At.Equal(at(t, c.Expected)) {
			t.Errorf("%s: next of %q in %s after %s: %s, want %s", c.ID, c.Expr, c.TZ, c.From, got.At, c.Expected)
		}
	}
	t.Logf("%d cases", len(file.Cases))
}
