package dag

import (
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
