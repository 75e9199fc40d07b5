package dag

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"0s": 0, "10s": 10 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "1d1ns": 24*time.Hour + 1, "3µs": 3 * time.Microsecond,
		"106751d": 106751 * 24 * time.Hour,
	}
	for s, want := range good {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	bad := map[string]string{
		"": "no duration", "10": "no unit", "0": "no unit", "1.5": "no unit", "-5s": "negative", "-1d": "no duration", "5 minutes": "no duration",
		"1h1d": "no duration", "1d0": "no duration", "d": "no duration", "1d-5s": "negative", "+5s": "no duration", "106752d": "too long", "106751d24h": "too long",
		"9999999999h": "no duration", "1e3s": "no duration", "1_0s": "no duration", "infd": "no duration", "1dd": "no duration",
	}
	for s, want := range bad {
		if got, err := ParseDuration(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", s, got, err, want)
		}
	}
}

func TestParseDurationReadsGos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(0).Draw(t, "d"))
		if got, err := ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%v: %v, %v", d, got, err)
		}
	})
}

func TestParseSize(t *testing.T) {
	good := map[string]int64{
		"0B": 0, "5B": 5, "1kB": 1000, "1KB": 1000, "1KiB": 1024, "1.5KiB": 1536, "512MiB": 512 << 20, "2 GB": 2e9, "1TiB": 1 << 40, "3TB": 3e12, "7MB": 7e6, "1GiB": 1 << 30,
	}
	for s, want := range good {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	bad := map[string]string{
		"": "no size", "5": "no unit", "-5MB": "negative", "5mb": "no unit of size", "5 apples": "no unit of size", "MB": "no size", "1e3B": "no size",
		"9999999999TiB": "too large", "0x5B": "no size", "1.5.5MB": "no size",
	}
	for s, want := range bad {
		if got, err := parseSize(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", s, got, err, want)
		}
	}
}
