package dag

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a duration as workflow files write it: Go's units
// (ns, us, ms, s, m, h) and d for 24 hours, as in "1d12h". It is never
// negative; a number without a unit is an error.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New("no duration; write one such as 30s or 1h30m")
	}
	if numberKind(s) != noNumber {
		return 0, fmt.Errorf("%s has no unit; write %ss, %sm or %sh", s, s, s, s)
	}
	days := time.Duration(0)
	rest := s
	if before, after, ok := strings.Cut(s, "d"); ok {
		f, err := strconv.ParseFloat(before, 64)
		if err != nil || f < 0 || strings.Trim(before, "0123456789.") != "" {
			return 0, badDuration(s)
		}
		if f*float64(day) >= math.MaxInt64 {
			return 0, fmt.Errorf("%s is too long; the longest is %dd", s, math.MaxInt64/day)
		}
		days, rest = time.Duration(f*float64(day)), after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil || strings.HasPrefix(rest, "+") || rest == "0" || rest == "-0":
		return 0, badDuration(s)
	case d < 0 || rest[0] == '-':
		return 0, fmt.Errorf("%s is negative", s)
	}
	if _, carry := bits.Add64(uint64(days), uint64(d), 0); carry != 0 || days+d < 0 {
		return 0, fmt.Errorf("%s is too long; the longest is %dd", s, math.MaxInt64/day)
	}
	return days + d, nil
}

func badDuration(s string) error {
	return fmt.Errorf("%q is no duration; write one such as 30s, 10m, 1h30m or 2d", s)
}

// parseSize reads a number of bytes: a whole number or a decimal fraction, and
// a unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024).
func parseSize(s string) (int64, error) {
	i := len(s)
	for i > 0 && (s[i-1] < '0' || s[i-1] > '9') {
		i--
	}
	number, unit := s[:i], strings.TrimSpace(s[i:])
	if numberKind(number) == noNumber || strings.ContainsAny(number, "eE") {
		return 0, fmt.Errorf("%q is no size; write one such as 512MiB or 2GB", s)
	}
	if number[0] == '-' {
		return 0, fmt.Errorf("%s is negative", s)
	}
	if unit == "" {
		return 0, fmt.Errorf("%s has no unit; write %sMiB, %sGB, or %sB for bytes", s, s, s, s)
	}
	factor, ok := sizeUnit(unit)
	if !ok {
		return 0, fmt.Errorf("%q is no unit of size; there are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB", unit)
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n <= math.MaxInt64/factor {
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(factor) >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is too large", s)
	}
	return int64(f * float64(factor)), nil
}

func sizeUnit(unit string) (int64, bool) {
	switch unit {
	case "B":
		return 1, true
	case "kB", "KB":
		return 1e3, true
	case "MB":
		return 1e6, true
	case "GB":
		return 1e9, true
	case "TB":
		return 1e12, true
	case "KiB":
		return 1 << 10, true
	case "MiB":
		return 1 << 20, true
	case "GiB":
		return 1 << 30, true
	case "TiB":
		return 1 << 40, true
	}
	return 0, false
}
