package examples_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sampleFlights  = "workflows/flights/flights.json"
	sampleAirports = "workflows/flights/airports.csv"
	flightsReport  = "out/flights/report.html"
)

// flight is a row of the file.
type flight struct {
	Date        string `json:"date"`
	Delay       int    `json:"delay"`
	Distance    int    `json:"distance"`
	Origin      string `json:"origin"`
	Destination string `json:"destination"`
}

// delayFigures are what is known of an airport or a month, as the workflow gives them.
type delayFigures struct {
	Airport string  `json:"airport"`
	City    string  `json:"city"`
	Month   string  `json:"month"`
	Flights int     `json:"flights"`
	Mean    float64 `json:"mean"`
	Median  float64 `json:"median"`
	Late    float64 `json:"late"`
}

// flown are flights without any fault, and the params that their figures depend on.
type flown struct {
	flights    []flight
	cities     map[string]string // by code
	by         string
	late       float64 // minutes
	minFlights int
}

// sample is the example's own data, with the defaults of the params.
func sample(t *testing.T, p *place) flown {
	t.Helper()
	f := flown{cities: make(map[string]string), by: "destination", late: 15, minFlights: 10}
	if err := json.Unmarshal([]byte(p.read(t, sampleFlights)), &f.flights); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(p.read(t, sampleAirports))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		f.cities[row[0]] = row[2]
	}
	return f
}

// groups are the delays by whatever of.
func (f flown) groups(of func(flight) string) map[string][]int {
	found := make(map[string][]int)
	for _, one := range f.flights {
		found[of(one)] = append(found[of(one)], one.Delay)
	}
	return found
}

func (f flown) months() map[string][]int {
	return f.groups(func(one flight) string { return strings.ReplaceAll(one.Date[:7], "/", "-") })
}

func (f flown) airports() map[string][]int {
	return f.groups(func(one flight) string {
		if f.by == "origin" {
			return one.Origin
		}
		return one.Destination
	})
}

// ranked are the codes of the airports that have enough flights, the latest first.
func (f flown) ranked() []string {
	delays := f.airports()
	codes := slices.DeleteFunc(slices.Sorted(maps.Keys(delays)), func(code string) bool { return len(delays[code]) < f.minFlights })
	slices.SortStableFunc(codes, func(a, b string) int { // sums times counts: nothing is rounded
		return total(delays[b])*len(delays[a]) - total(delays[a])*len(delays[b])
	})
	return codes
}

func total(delays []int) (sum int) {
	for _, d := range delays {
		sum += d
	}
	return sum
}

func meanOf(delays []int) float64 { return float64(total(delays)) / float64(len(delays)) }

// check compares the figures of an airport or a month with its delays.
func (f flown) check(t *testing.T, what string, got delayFigures, delays []int) {
	t.Helper()
	if got.Flights != len(delays) || len(delays) == 0 {
		t.Errorf("%s: %d flights, want %d", what, got.Flights, len(delays))
		return
	}
	sorted := slices.Sorted(slices.Values(delays))
	n, late := len(sorted), 0
	for _, d := range sorted {
		if float64(d) > f.late {
			late++
		}
	}
	median := float64(sorted[(n-1)/2]+sorted[n/2]) / 2
	if !near(got.Mean, meanOf(delays), twoPlaces) || !near(got.Median, median, exact) || !near(got.Late, 100*float64(late)/float64(n), twoPlaces) {
		t.Errorf("%s: %+v, want a mean of %v, a median of %v, %d of %d late", what, got, meanOf(delays), median, late, n)
	}
}

// checkFlights checks all that a run over these flights has to give.
func (f flown) checkFlights(t *testing.T, s summary, report string) {
	t.Helper()
	months := slices.Sorted(maps.Keys(f.months()))
	cleaned := result[[]delayFigures](t, s, "clean")
	if len(cleaned) != len(months) {
		t.Fatalf("%d months, want %d", len(cleaned), len(months))
	}
	for i, month := range months {
		if cleaned[i].Month != month {
			t.Errorf("month %d is %s, want %s", i, cleaned[i].Month, month)
		}
		f.check(t, month, cleaned[i], f.months()[month])
	}

	delays := result[struct {
		Unranked int
		Ranked   []delayFigures
	}](t, s, "delays")
	want := f.ranked()
	var got []string
	for _, a := range delays.Ranked {
		got = append(got, a.Airport)
		f.check(t, a.Airport, a, f.airports()[a.Airport])
		if a.City != f.cities[a.Airport] {
			t.Errorf("%s is in %q, want %q", a.Airport, a.City, f.cities[a.Airport])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the order of the airports:\n%s", diff)
	}
	if n := len(f.airports()) - len(want); delays.Unranked != n {
		t.Errorf("%d airports are not ranked, want %d", delays.Unranked, n)
	}

	worst, _ := s.Outputs["worst"].(map[string]any)
	best, _ := s.Outputs["best"].(map[string]any)
	if s.Outputs["flights"] != float64(len(f.flights)) || worst["airport"] != want[0] || best["airport"] != want[len(want)-1] {
		t.Errorf("outputs: %v; want %d flights, %s the worst, %s the best", s.Outputs, len(f.flights), want[0], want[len(want)-1])
	}
	f.checkReport(t, report)
}

// checkReport checks that the report is well-formed, and what its chart and its table
// of airports say.
func (f flown) checkReport(t *testing.T, report string) {
	t.Helper()
	want := f.ranked()
	drawn := want
	if len(want) > 25 {
		drawn = slices.Concat(want[:12], want[len(want)-12:])
	}
	shown := bars(t, report)
	if len(shown) != len(drawn) {
		t.Fatalf("%d bars, want %d", len(shown), len(drawn))
	}
	if meanOf(f.airports()[drawn[0]]) <= 0 {
		t.Fatalf("no airport is late: %v", drawn)
	}
	zero, minute := shown[0].X, shown[0].Width/meanOf(f.airports()[drawn[0]])
	for i, code := range drawn {
		delays := f.airports()[code]
		title := strings.ReplaceAll(shown[i].Title, "−", "-")
		name, rest, _ := strings.Cut(title, ": ")
		var mean float64
		var n int
		if _, err := fmt.Sscanf(strings.ReplaceAll(rest, ",", ""), "%f min %d flight", &mean, &n); err != nil || name != code || n != len(delays) || !near(mean, meanOf(delays), onePlace) {
			t.Errorf("bar %d says %q, want %s: %.1f min, %d flights (%v)", i, title, code, meanOf(delays), len(delays), err)
		}
		class := "early"
		if meanOf(delays) > 0 {
			class = "late"
		}
		left, right := zero+min(0, meanOf(delays))*minute, zero+max(0, meanOf(delays))*minute
		if r := shown[i]; r.Class != class || r.X < 190 || r.X+r.Width > 760.1 || !near(r.X, left, 0.5) || !near(r.X+r.Width, right, 0.5) {
			t.Errorf("the bar of %s is %+v, want it %s, from %.1f to %.1f", code, r, class, left, right)
		}
	}
	var rows []string
	for _, row := range regexp.MustCompile(`<tr><td>([0-9A-Z]{3})</td>`).FindAllStringSubmatch(report, -1) {
		rows = append(rows, row[1])
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("the table of airports:\n%s", diff)
	}
}

// TestFlights compares everything that is made of the sample with what this test makes
// of it.
func TestFlights(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	f := sample(t, p)
	if len(f.flights) != 500 {
		t.Fatalf("the sample has %d flights", len(f.flights))
	}
	s := p.mustRun(t, "flights.yaml")
	f.checkFlights(t, s, p.read(t, flightsReport))
	if s.Tasks["warn"].Status != "skipped" || s.Outputs["dropped"] != 0.0 || s.Outputs["report"] != "../"+flightsReport {
		t.Errorf("warn: %s, outputs: %v", s.Tasks["warn"].Status, s.Outputs)
	}

	f.by, f.late, f.minFlights = "origin", 0.5, 1
	s = p.mustRun(t, "flights.yaml", "-p", "by=origin", "-p", "late=30s", "-p", "min_flights=1", "-p", "report=../out/a b/c.html")
	f.checkFlights(t, s, p.read(t, "out/a b/c.html"))
}

// TestFlightsOddRows: what can't be used is counted by its reason, and the figures are
// those of the others.
func TestFlightsOddRows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	f := sample(t, p)
	// So that the names have to be escaped: the report is to be well-formed still.
	f.cities["PHX"] = `<Phoenix> & "Mesa"`
	p.write(t, sampleAirports, strings.Replace(p.read(t, sampleAirports), ",Phoenix,", `,"<Phoenix> & ""Mesa""",`, 1))
	odd := []string{
		`{"date":null,"delay":1,"distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"2001/02/29 10:00","delay":1,"distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"yesterday","delay":1,"distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"2001/02/28 10:00","delay":null,"distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"2001/02/28 10:00","delay":"much","distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"2001/02/28 10:00","distance":1,"origin":"SFO","destination":"LAX"}`,
		`{"date":"2001/04/01 10:00","delay":null,"distance":1,"origin":"SFO","destination":"LAX"}`, // a month of which nothing is left
		`{"date":"2001/02/28 10:00","delay":1,"distance":1,"origin":"???","destination":"LAX"}`,
		`{"date":"2001/02/28 10:00","delay":1,"distance":1,"origin":"SFO","destination":null}`,
	}
	p.write(t, sampleFlights, strings.Replace(p.read(t, sampleFlights), "\n]", ",\n"+strings.Join(odd, ",\n")+"\n]", 1))
	s := p.mustRun(t, "flights.yaml")

	want := map[string]int{"no_date": 3, "no_delay": 4, "unknown_airport": 2}
	if diff := cmp.Diff(want, result[map[string]int](t, s, "dropped")); diff != "" {
		t.Errorf("dropped:\n%s", diff)
	}
	if s.Outputs["dropped"] != 9.0 || s.Tasks["warn"].Status != "succeeded" {
		t.Errorf("dropped: %v, warn: %s", s.Outputs["dropped"], s.Tasks["warn"].Status)
	}
	report := p.read(t, flightsReport)
	if says := "Dropped: 9 flights (3 no date, 4 no delay, 2 unknown airport)."; !strings.Contains(report, says) {
		t.Errorf("the report does not say %q", says)
	}
	cleaned := result[[]delayFigures](t, s, "clean")
	if last := cleaned[len(cleaned)-1]; len(cleaned) != 4 || last.Month != "2001-04" || last.Flights != 0 {
		t.Errorf("the months: %+v", cleaned)
	}
	s.Tasks["clean"] = taskEnd{Result: mustJSON(t, cleaned[:3])}
	f.checkFlights(t, s, report)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestFlightsRefuses: params that are not what they should be, and files.
func TestFlightsRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, flights string
		params        []string
		code          int
		failed        string // the task that fails
		says          string
	}{
		{"source", "", []string{"source=web"}, 2, "", `param source: "web" is not one of sample, npm`},
		{"rows", "", []string{"rows=3k"}, 2, "", `param rows: "3k" is not one of 2k, 200k`},
		{"by", "", []string{"by=city"}, 2, "", `param by: "city" is not one of destination, origin`},
		{"late", "", []string{"late=-1s"}, 2, "", "param late: -1s"},
		{"min_flights", "", []string{"min_flights=0"}, 2, "", "param min_flights: 0"},
		{"report", "", []string{"report=report.pdf"}, 2, "", `param report: "report.pdf"`},
		{"rows of the sample", "", []string{"rows=200k"}, 1, "check", "rows=200k needs source=npm: the sample has 500 rows"},
		{"too few flights", "", []string{"min_flights=501"}, 1, "delays", "no airport has min_flights=501 flights"},
		{"no flights", "[]", nil, 1, "split", "flights/flights.json has no flight with a date"},
		{"other columns", `[{"day": "Monday"}]`, nil, 1, "split", "flights/flights.json has no flight with a date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if c.flights != "" {
				p.write(t, sampleFlights, c.flights)
			}
			args := []string{"run", "workflows/flights.yaml"}
			for _, param := range c.params {
				args = append(args, "-p", param)
			}
			end := p.flow(t, args...)
			if end.code != c.code || !strings.Contains(end.stdout+end.stderr, c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", end.code, c.code, c.says, end.stdout, end.stderr)
			}
			if c.failed != "" && !strings.Contains(end.stderr, "failed     "+c.failed+" ") {
				t.Errorf("%s has not failed:\n%s", c.failed, end.stderr)
			}
			if _, err := os.Stat(p.path(flightsReport)); err == nil {
				t.Error("there is a report")
			}
		})
	}
}

// TestFlightsSampleIsWhatItsReadmeSays: sizes, checksums and numbers of rows.
func TestFlightsSampleIsWhatItsReadmeSays(t *testing.T) {
	p := newPlace(t)
	readme := p.read(t, "workflows/flights/README.md")
	for _, name := range []string{sampleFlights, sampleAirports} {
		for _, want := range []string{sha256Of(p.read(t, name)), thousands(len(p.read(t, name))) + " bytes"} {
			if !strings.Contains(readme, want) {
				t.Errorf("the README does not say %q of %s", want, name)
			}
		}
	}
	if f := sample(t, p); !strings.Contains(readme, fmt.Sprintf("%d flights", len(f.flights))) || !strings.Contains(readme, fmt.Sprintf("%d airports", len(f.cities))) {
		t.Errorf("the README does not say that there are %d flights and %d airports", len(f.flights), len(f.cities))
	}
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
