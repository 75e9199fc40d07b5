package examples_test

import (
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	observations = "data/seattle-weather.csv"
	out          = "out/weather/"
)

// TestWeather compares everything that the main example makes of the file with
// what this test makes of it.
func TestWeather(t *testing.T) {
	p := newPlace(t)
	s := p.mustRun(t, "weather.yaml")
	checkWeather(t, p, s)
	if log := p.read(t, out+"runs.log"); strings.Count(log, "\n") != 1 || !strings.HasSuffix(log, " succeeded\n") {
		t.Errorf("runs.log is not one line of a run that succeeded: %q", log)
	}

	// Another run in the same place replaces what it finds.
	made := p.made(t)
	checkWeather(t, p, p.mustRun(t, "weather.yaml"))
	if diff := cmp.Diff(made, p.made(t)); diff != "" {
		t.Errorf("the second run has made something else:\n%s", diff)
	}
	if log := p.read(t, out+"runs.log"); strings.Count(log, "\n") != 2 {
		t.Errorf("runs.log has not two lines: %q", log)
	}
}

// made is what a run leaves behind that does not depend on the day.
func (p *place) made(t *testing.T) map[string]string {
	t.Helper()
	made := make(map[string]string)
	for _, name := range []string{"clean.csv", "refused.txt", "weather.svg"} {
		made[name] = p.read(t, out+name)
	}
	report := p.read(t, out+"report.md")
	made["report.md"] = report[:strings.LastIndex(report, "Made on")]
	return made
}

// checkWeather checks all that a run over the whole file has to give.
func checkWeather(t *testing.T, p *place, s summary) {
	t.Helper()
	seen := observe(t, p.path(observations))
	checkFigures(t, seen, s)
	checkRecords(t, seen, s)
	checkReport(t, seen, p.read(t, out+"report.md"))
	checkChart(t, seen, p.read(t, out+"weather.svg"))
	if s.Tasks["load"].Status == "succeeded" {
		checkDatabase(t, seen, p.path(out+"weather.db"))
	}
}

// checkFigures checks each year and each month, and that none is missing.
func checkFigures(t *testing.T, seen observed, s summary) {
	t.Helper()
	years := result[[]figures](t, s, "year")
	if len(years) != 4 {
		t.Fatalf("%d years, want 4", len(years))
	}
	var months []figures
	for i, year := range years {
		if year.Year != 2012+i || len(year.Months) != 12 {
			t.Errorf("year %d is %d with %d months", i, year.Year, len(year.Months))
		}
		seen.compare(t, year)
		for m, month := range year.Months {
			if month.Year != year.Year || month.Month != m+1 {
				t.Errorf("month %d of %d is month %d of %d", m+1, year.Year, month.Month, month.Year)
			}
			seen.compare(t, month)
		}
		months = append(months, year.Months...)
	}
	if diff := cmp.Diff(months, result[[]figures](t, s, "months")); diff != "" {
		t.Errorf("the join of the months is not the months of the years:\n%s", diff)
	}
}

// checkRecords checks the outputs.
func checkRecords(t *testing.T, seen observed, s summary) {
	t.Helper()
	var days, rain, wettest int
	hottest, coldest := seen["2012"].hottest, seen["2012"].coldest
	for year := 2012; year <= 2015; year++ {
		y := seen[strconv.Itoa(year)]
		days += y.days
		rain += y.rain
		hottest, coldest = max(hottest, y.hottest), min(coldest, y.coldest)
		if wettest == 0 || y.rain > seen[strconv.Itoa(wettest)].rain {
			wettest = year
		}
	}
	want := map[string]any{
		"wettest_year": float64(wettest),
		"hottest_c":    float64(hottest) / 10,
		"coldest_c":    float64(coldest) / 10,
		"rain_mm":      float64((rain + 5) / 10),
	}
	if diff := cmp.Diff(want, s.Outputs["records"]); diff != "" {
		t.Errorf("records:\n%s", diff)
	}
	if s.Outputs["days"] != float64(days) || s.Outputs["refused"] != 0.0 {
		t.Errorf("%v days, %v refused; want %d and 0", s.Outputs["days"], s.Outputs["refused"], days)
	}
}

// checkReport reads the report's table back.
func checkReport(t *testing.T, seen observed, report string) {
	t.Helper()
	rows := 0
	for line := range strings.Lines(report) {
		cells := strings.Split(strings.Trim(line, "| \n"), "|")
		year, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue
		}
		rows++
		if len(cells) != 8 || seen[strconv.Itoa(year)] == nil {
			t.Errorf("not a line of the table: %q", line)
			continue
		}
		want := seen[strconv.Itoa(year)]
		for i, c := range []struct{ want, within float64 }{
			{float64(want.days), exact}, {float64(want.rain) / 10, exact}, {float64(want.wet), exact},
			{want.mean(want.max), onePlace}, {want.mean(want.min), onePlace},
			{float64(want.hottest) / 10, exact}, {float64(want.coldest) / 10, exact},
		} {
			got, err := strconv.ParseFloat(strings.TrimSpace(cells[i+1]), 64)
			if err != nil || !near(got, c.want, c.within) {
				t.Errorf("%d, column %d: %q, want %v", year, i+2, cells[i+1], c.want)
			}
		}
	}
	if rows != 4 {
		t.Errorf("the table has %d lines, want 4:\n%s", rows, report)
	}
}

// rect is a bar of the chart, with the text that shows under the pointer.
type rect struct {
	Class  string  `xml:"class,attr"`
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Title  string  `xml:"title"`
}

// checkChart checks that the chart is well-formed, that each bar says the mean of
// its month, and that all of it is within the picture.
func checkChart(t *testing.T, seen observed, svg string) {
	t.Helper()
	var temp, rain []string
	for _, r := range bars(t, svg) {
		if r.X < 0 || r.Y < 0 || r.X+r.Width > 880 || r.Y+r.Height > 490 || r.Height < 0 {
			t.Errorf("a bar outside of the picture: %+v", r)
		}
		switch {
		case !strings.Contains(r.Title, ":"): // the background, the legend
		case r.Class == "temp":
			temp = append(temp, r.Title)
		case r.Class == "rain":
			rain = append(rain, r.Title)
		}
	}
	names := strings.Fields("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
	if len(temp) != 12 || len(rain) != 12 {
		t.Fatalf("%d months of temperature and %d of precipitation", len(temp), len(rain))
	}
	for i, name := range names {
		s := seen[fmt.Sprintf("%02d", i+1)]
		var low, high, mm float64
		if n, _ := fmt.Sscanf(temp[i], name+": %f to %f °C", &low, &high); n != 2 || !near(low, s.mean(s.min), onePlace) || !near(high, s.mean(s.max), onePlace) {
			t.Errorf("the chart says %q, want %v to %v", temp[i], s.mean(s.min), s.mean(s.max))
		}
		if n, _ := fmt.Sscanf(rain[i], name+": %f mm", &mm); n != 1 || !near(mm, float64(s.rain)/10/4, noPlace) {
			t.Errorf("the chart says %q, want %v", rain[i], float64(s.rain)/10/4)
		}
	}
}

// bars reads all rectangles of a picture, to the end of the file.
func bars(t *testing.T, svg string) []rect {
	t.Helper()
	var found []rect
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("the chart is not well-formed: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "rect" {
			var r rect
			if err := d.DecodeElement(&r, &start); err != nil {
				t.Fatalf("the chart is not well-formed: %v", err)
			}
			found = append(found, r)
		}
	}
}

// checkDatabase reads the table back, and sums it up.
func checkDatabase(t *testing.T, seen observed, file string) {
	t.Helper()
	rows := strings.Split(query(t, file, "SELECT year, month, days, wet_days, rain_mm, max_c, min_c FROM months ORDER BY 1, 2"), "\n")
	if len(rows) != 48 {
		t.Fatalf("the table has %d rows, want 48", len(rows))
	}
	for i, row := range rows {
		key := fmt.Sprintf("%04d-%02d", 2012+i/12, i%12+1)
		want := seen[key]
		var year, month, days, wet int
		var rain, high, low float64
		n, err := fmt.Sscanf(strings.ReplaceAll(row, "|", " "), "%d %d %d %d %f %f %f", &year, &month, &days, &wet, &rain, &high, &low)
		if err != nil || n != 7 || fmt.Sprintf("%04d-%02d", year, month) != key || days != want.days || wet != want.wet ||
			!near(rain, float64(want.rain)/10, exact) || !near(high, want.mean(want.max), twoPlaces) || !near(low, want.mean(want.min), twoPlaces) {
			t.Errorf("%s in the database: %q, want %+v", key, row, *want)
		}
	}
	rain := 0
	for year := 2012; year <= 2015; year++ {
		rain += seen[strconv.Itoa(year)].rain
	}
	if got, want := query(t, file, "SELECT printf('%d days, %.1f mm', sum(days), sum(rain_mm)) FROM months"), fmt.Sprintf("1461 days, %.1f mm", float64(rain)/10); got != want {
		t.Errorf("the database sums up to %s, want %s", got, want)
	}
}

func query(t *testing.T, file, sql string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "sqlite3", "-batch", file, sql).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3: %v: %s", err, text)
	}
	return strings.TrimSpace(string(text))
}

// TestDataIsWhatItsReadmeSays: size, checksum and number of days.
func TestDataIsWhatItsReadmeSays(t *testing.T) {
	p := newPlace(t)
	text, readme := p.read(t, observations), p.read(t, "data/README.md")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	for _, want := range []string{sum, "48,219 bytes", "1,461 days"} {
		if !strings.Contains(readme, want) {
			t.Errorf("data/README.md does not say %q", want)
		}
	}
	if len(text) != 48219 || strings.Count(text, "\n") != 1462 {
		t.Errorf("the file has %d bytes and %d lines", len(text), strings.Count(text, "\n"))
	}
	if !strings.Contains(p.read(t, "workflows/weather.yaml"), "default: "+sum) {
		t.Error("weather.yaml expects another file")
	}
}
