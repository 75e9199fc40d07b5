package dag

import (
	"strings"
	"testing"
	"time"
)

func TestLastTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 30, 6, 30, 0, 0, berlin)
	for schedule, want := range map[string]time.Time{
		"":                    now,
		"schedule: 0 6 * * *": time.Date(2026, 3, 29, 8, 0, 0, 0, berlin), // 06:00 UTC of the day before is the last
		"schedule: { cron: 30 6 * * *, timezone: Europe/Berlin }":                             now,
		"schedule: { cron: 0 6 * * 1-5, timezone: Europe/Berlin }":                            time.Date(2026, 3, 30, 6, 0, 0, 0, berlin),
		"schedule: [{ cron: 31 6 * * *, timezone: Europe/Berlin }, 0 0 1 1 *]":                time.Date(2026, 3, 29, 6, 31, 0, 0, berlin),
		"schedule: { cron: 31 6 * * *, timezone: Europe/Berlin, end: 2026-03-28T06:31 }":      time.Date(2026, 3, 27, 6, 31, 0, 0, berlin),
		"schedule: { cron: 31 6 * * *, timezone: Europe/Berlin, start: 2026-03-30T06:00 }":    now,
		"schedule: { cron: \"@every 1h\", timezone: Europe/Berlin, start: 2026-03-30T05:15 }": time.Date(2026, 3, 30, 6, 15, 0, 0, berlin),
	} {
		w := mustParse(t, schedule+"\ntasks: { a: { run: ls } }")
		if got := w.LastTime(now); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", schedule, got, want)
		}
	}
}

func TestZone(t *testing.T) {
	for schedule, want := range map[string]string{
		"": "UTC", "schedule: 0 6 * * *": "UTC", "schedule: { cron: 0 6 * * *, timezone: Asia/Tokyo }": "Asia/Tokyo",
	} {
		w := mustParse(t, schedule+"\ntasks: { a: { run: ls } }")
		if got := w.Zone().String(); got != want {
			t.Errorf("%s: %s", schedule, got)
		}
	}
}

func TestNearestZone(t *testing.T) {
	for name, want := range map[string]string{
		"europe/berlin": "Europe/Berlin", "Europe/Berln": "Europe/Berlin", "berlin": "Europe/Berlin", "New York": "America/New_York",
		"Amercia/New_York": "America/New_York", "America/NewYork": "America/New_York", "Asia/Tokio": "Asia/Tokyo", "utc": "UTC", "Kolkatta": "Asia/Kolkata",
		"PST": "", "CEST": "", "Mars/Olympus": "", "": "", "+02:00": "", "Local": "", strings.Repeat("x", 10_000): "",
	} {
		if got := NearestZone(name); got != want {
			t.Errorf("%.40q: %q, want %q", name, got, want)
		}
	}
	for name := range strings.FieldsSeq(zoneNames) {
		if _, err := time.LoadLocation(name); err != nil {
			t.Error(err)
		}
	}
}
