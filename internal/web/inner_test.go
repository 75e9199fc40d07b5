package web

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"flow/dag"
)

// TestLimiter: addresses are counted by themselves, and not without bound.
func TestLimiter(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(func() time.Time { return now })
	for k := range 3 * maxLimits {
		l.count(fmt.Sprintf("10.%d.%d.%d:1", k>>16, k>>8&255, k&255))
	}
	if len(l.full) > maxLimits {
		t.Errorf("%d addresses are kept", len(l.full))
	}
	for range failures {
		if !l.may("[2001:db8::1]:1") {
			t.Fatal("refused too soon")
		}
		l.count("[2001:db8::1]:1")
	}
	if l.may("[2001:db8::2]:9") {
		t.Error("another address of the same customer may go on")
	}
	if !l.may("[2001:db8:1::1]:1") || !l.may("192.0.2.1:1") {
		t.Error("others are refused")
	}
	if now = now.Add(2 * penalty); !l.may("[2001:db8::1]:1") {
		t.Error("refused for ever")
	}
}

// TestColours: text can be read on what it stands on, light and dark.
func TestColours(t *testing.T) {
	style, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	for k, name := range []string{"light", "dark"} {
		colour := make(map[string]float64)
		for _, m := range regexp.MustCompile(`--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\);`).FindAllStringSubmatch(string(style[:strings.Index(string(style), "--mono")]), -1) {
			colour[m[1]] = luminance(t, m[2+k])
		}
		for _, back := range []string{"ground", "sheet", "sunk", "wash", "bad-wash", "warn-wash"} {
			for _, front := range []string{"ink", "muted", "accent", "good", "bad", "warn"} {
				if c := contrast(colour[front], colour[back]); c < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f", name, front, back, c)
				}
			}
		}
		if c := contrast(colour["on-accent"], colour["accent"]); c < 4.5 {
			t.Errorf("%s: buttons have a contrast of %.2f", name, c)
		}
		for _, m := range regexp.MustCompile(`\.f(\d+) \{ color: light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)`).FindAllStringSubmatch(string(style), -1) {
			if c := contrast(luminance(t, m[2+k]), colour["sheet"]); c < 4.5 {
				t.Errorf("%s: colour %s of logs has a contrast of %.2f", name, m[1], c)
			}
		}
	}
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

// luminance is that of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(c uint64) float64 {
		v := float64(c&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

// What starts a workflow is told, though it has no next time.
func TestWhen(t *testing.T) {
	for text, want := range map[string]string{
		"": "by hand",
		"on: [{ file: in/*.csv }, { workflow: load }]\n":                     "when in/*.csv comes, after load",
		"secrets: { k: { env: K } }\non: [{ webhook: deploy, secret: k }]\n": "webhook deploy",
		"schedule: [{ cron: '@daily', enabled: false }]\n":                   "switched off",
	} {
		w, found := dag.Parse("w.yaml", []byte("name: w\n"+text+"tasks: { a: { run: 'true' } }\n"))
		if w == nil {
			t.Fatal(found)
		}
		plan, err := dag.NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		one := Workflow{Plan: plan}
		for i := range w.Schedules {
			one.Schedules = append(one.Schedules, Schedule{Enabled: w.Schedules[i].Enabled})
		}
		if got := when(&one); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
