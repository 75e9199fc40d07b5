package examples_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// figures are what is known of a month or a year, as the workflow gives them.
type figures struct {
	Year    int       `json:"year"`
	Month   int       `json:"month"` // 0 for a year
	Days    int       `json:"days"`
	Rain    float64   `json:"rain_mm"`
	Wet     int       `json:"wet_days"`
	Max     float64   `json:"max_c"`
	Min     float64   `json:"min_c"`
	Hottest float64   `json:"hottest_c"`
	Coldest float64   `json:"coldest_c"`
	Months  []figures `json:"months"`
}

// sums are the same, counted by this test itself and in whole tenths, so that
// nothing is rounded.
type sums struct {
	days, wet        int
	rain, max, min   int
	hottest, coldest int
}

func (s *sums) add(rain, high, low int) {
	if s.days == 0 {
		s.hottest, s.coldest = high, low
	}
	s.days++
	if rain > 0 {
		s.wet++
	}
	s.rain += rain
	s.max += high
	s.min += low
	s.hottest = max(s.hottest, high)
	s.coldest = min(s.coldest, low)
}

// mean is the mean of a sum of tenths.
func (s *sums) mean(tenths int) float64 { return float64(tenths) / 10 / float64(s.days) }

// observed is the file, summed up: under "2012" a year, under "2012-01" a month,
// under "01" that month of all years.
type observed map[string]*sums

func (o observed) add(key string, rain, high, low int) {
	if o[key] == nil {
		o[key] = &sums{}
	}
	o[key].add(rain, high, low)
}

// observe reads a file of observations without any fault.
func observe(t *testing.T, name string) observed {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	o := make(observed)
	for _, row := range rows[1:] {
		day := row[0]
		rain, high, low := tenths(t, row[1]), tenths(t, row[2]), tenths(t, row[3])
		for _, key := range []string{day[:4], day[:7], day[5:7]} {
			o.add(key, rain, high, low)
		}
	}
	return o
}

// tenths reads a number with exactly one decimal.
func tenths(t *testing.T, s string) int {
	t.Helper()
	whole, tenth, _ := strings.Cut(s, ".")
	n, err := strconv.Atoi(whole + tenth)
	if err != nil || len(tenth) != 1 {
		t.Fatalf("%q has not one decimal", s)
	}
	return n
}

// How far a figure may be from the exact one.
const (
	exact     = 1e-9
	twoPlaces = 0.005 + exact    // rounded once
	onePlace  = 0.05 + twoPlaces // made of figures of two places
	noPlace   = 0.5 + exact
)

func near(got, want, within float64) bool { return math.Abs(got-want) <= within }

// compare checks every figure of a month or a year.
func (o observed) compare(t *testing.T, got figures) {
	t.Helper()
	key := fmt.Sprintf("%04d", got.Year)
	if got.Month != 0 {
		key = fmt.Sprintf("%04d-%02d", got.Year, got.Month)
	}
	want := o[key]
	if want == nil {
		t.Errorf("%s is not in the file", key)
		return
	}
	if got.Days != want.days || got.Wet != want.wet {
		t.Errorf("%s: %d days, %d of them wet; want %d and %d", key, got.Days, got.Wet, want.days, want.wet)
	}
	for _, c := range []struct {
		what      string
		got, want float64
		within    float64
	}{
		{"rain", got.Rain, float64(want.rain) / 10, exact},
		{"mean maximum", got.Max, want.mean(want.max), twoPlaces},
		{"mean minimum", got.Min, want.mean(want.min), twoPlaces},
		{"hottest", got.Hottest, float64(want.hottest) / 10, exact},
		{"coldest", got.Coldest, float64(want.coldest) / 10, exact},
	} {
		if !near(c.got, c.want, c.within) {
			t.Errorf("%s: %s is %v, want %v", key, c.what, c.got, c.want)
		}
	}
}
