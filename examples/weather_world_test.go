package examples_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// programs is all that the main example may need from a system, less sh, awk and
// sqlite3.
var programs = []string{"head", "tr", "wc", "mkdir"}

// badRows are rows that are to be refused, and why.
var badRows = []struct{ row, why string }{
	{"2016-01-01,0.0,5.0", "3 columns"},
	{"2016-01-01,0.0,5.0,1.0,2.0,sun,more", "7 columns"},
	{"", "0 columns"},
	{",0.0,5.0,1.0,2.0,sun", "no date"},
	{"2016/01/01,0.0,5.0,1.0,2.0,sun", "no date"},
	{"2016-13-01,0.0,5.0,1.0,2.0,sun", "no such day"},
	{"2015-02-29,0.0,5.0,1.0,2.0,sun", "no such day"},
	{"2012-02-29,0.0,5.0,1.0,2.0,sun", "the day stands twice"},
	{"2016-01-01,much,5.0,1.0,2.0,rain", "no number"},
	{"2016-01-01,0.0,,1.0,2.0,sun", "no number"},
	{"2016-01-01,0.0,5.0,nan,2.0,sun", "no number"},
	{"2016-01-01,0.0,5.0,1.0,1e3,sun", "no number"},
	{"2016-01-01,-1.0,5.0,1.0,2.0,sun", "negative precipitation"},
	{"2016-01-01,0.0,1.0,5.0,2.0,sun", "maximum below minimum"},
}

// withBadRows is the file with the bad rows among the good ones, and what has to
// stand in refused.txt.
func withBadRows(good string) (text, refused string) {
	var b, r strings.Builder
	number, bad := 0, badRows
	for line := range strings.Lines(good) {
		// One after each hundredth line; the repeated day comes after the day.
		if number > 0 && number%100 == 0 && len(bad) > 0 {
			number++
			fmt.Fprintf(&b, "%s\n", bad[0].row)
			fmt.Fprintf(&r, "line %d: %s: %s\n", number, bad[0].why, bad[0].row)
			bad = bad[1:]
		}
		number++
		b.WriteString(line)
	}
	return b.String(), r.String()
}

// TestWeatherBadRows: bad rows are counted and listed, and the figures are those
// of the good ones.
func TestWeatherBadRows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text, refused := withBadRows(p.read(t, observations))
	if got := strings.Count(refused, "\n"); got != len(badRows) {
		t.Fatalf("%d bad rows were mixed in, want %d", got, len(badRows))
	}
	p.write(t, "data/bad.csv", text)
	args := []string{"-p", "file=../data/bad.csv", "-p", "sha256="}

	// As many as are allowed: the run goes on with the others.
	s, end := p.run(t, "weather.yaml", append(args, fmt.Sprintf("-pmax_bad=%d", len(badRows)))...)
	if s.Status != "succeeded" || s.Outputs["refused"] != float64(len(badRows)) {
		t.Fatalf("%s, %v refused; want %d\n%s", s.Status, s.Outputs["refused"], len(badRows), end.stderr)
	}
	if diff := cmp.Diff(refused, p.read(t, out+"refused.txt")); diff != "" {
		t.Errorf("refused.txt:\n%s", diff)
	}
	checkFigures(t, observe(t, p.path(observations)), s)
	if report, want := p.read(t, out+"report.md"), fmt.Sprintf("Rows of `bad.csv`: 1461 used, %d refused.", len(badRows)); !strings.Contains(report, want) {
		t.Errorf("the report does not say %q:\n%s", want, report)
	}

	// One more than are allowed: nothing is made of the file.
	s, end = p.run(t, "weather.yaml", append(args, fmt.Sprintf("-pmax_bad=%d", len(badRows)-1))...)
	if s.Status != "failed" || end.code != 1 || s.Tasks["clean"].Status != "failed" || s.Tasks["year"].Reason != "upstream" {
		t.Errorf("%s, exit code %d, clean %s, year skipped for %q", s.Status, end.code, s.Tasks["clean"].Status, s.Tasks["year"].Reason)
	}
	want := fmt.Sprintf("%d rows were refused, more than max_bad=%d", len(badRows), len(badRows)-1)
	if why := s.Tasks["clean"].Error; why == nil || !strings.Contains(why.Message, want) {
		t.Errorf("clean has failed for %+v, want %q", why, want)
	}
	if log := p.read(t, out+"runs.log"); !strings.HasSuffix(log, " failed\n") {
		t.Errorf("the failed run is not noted: %q", log)
	}
}

// TestWeatherRefuses: files and params that are not what they should be.
func TestWeatherRefuses(t *testing.T) {
	t.Parallel()
	const (
		file      = "file=../data/my.csv"
		unchecked = "sha256="
		head      = "date,precipitation,temp_max,temp_min,wind,weather\n"
		changed   = head + "2016-01-01,0.0,5.0,1.0,2.0,sun\n"
	)
	for _, c := range []struct {
		name, text string
		params     []string
		code       int
		failed     string // the task that fails
		says       string
	}{
		{"changed", changed, []string{file}, 1, "check", fmt.Sprintf("../data/my.csv has changed: its SHA-256 is %x, it should be 0845", sha256.Sum256([]byte(changed)))},
		{"columns", "day,rain\n", []string{file, unchecked}, 1, "check", `../data/my.csv has other columns than expected: "day,rain"`},
		{"empty", "", []string{file, unchecked}, 1, "check", `../data/my.csv has other columns than expected: ""`},
		{"missing", changed, []string{"file=../data/none.csv"}, 1, "check", `nothing matches ["../data/none.csv"]`},
		{"no good row", head + "x\n", []string{file, unchecked}, 1, "clean", "../data/my.csv has no good row"},
		{"a short checksum", changed, []string{file, "sha256=0845"}, 2, "", "sha256"},
		{"a negative limit", changed, []string{file, "max_bad=-1"}, 2, "", "max_bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.write(t, "data/my.csv", c.text)
			args := []string{"run", "workflows/weather.yaml"}
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
			if _, err := os.Stat(p.path(out + "report.md")); err == nil {
				t.Error("there is a report")
			}
		})
	}
}

// TestWeatherOtherFile: ends of lines as Windows writes them, and a place with a
// cold winter, which the scales have to hold.
func TestWeatherOtherFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(t, "data/my crlf.csv", strings.ReplaceAll(p.read(t, observations), "\n", "\r\n"))
	s := p.mustRun(t, "weather.yaml", "-p", "file=../data/my crlf.csv", "-p", "sha256=", "-p", "out=../out/weather/../weather")
	checkWeather(t, p, s)

	p.write(t, "data/cold.csv", "date,precipitation,temp_max,temp_min,wind,weather\n"+
		"2020-01-01,250.5,-20.5,-41.0,2.0,snow\n2020-07-01,0.0,44.5,12.0,2.0,sun\n")
	p.mustRun(t, "weather.yaml", "-p", "file=../data/cold.csv", "-p", "sha256=")
	for _, r := range bars(t, p.read(t, out+"weather.svg")) {
		months := strings.Contains(r.Title, ":")
		if months && r.Class == "temp" && (r.Y < 78 || r.Y+r.Height > 270) || months && r.Class == "rain" && r.Y < 320 {
			t.Errorf("a bar outside of its axes: %+v", r)
		}
	}
}

// TestWeatherEverywhere: the results are the same, byte for byte, with each awk
// and each shell, and without sqlite3.
func TestWeatherEverywhere(t *testing.T) {
	t.Parallel()
	usual := newPlace(t)
	usual.mustRun(t, "weather.yaml")
	want := usual.made(t)
	for _, c := range []struct {
		name     string
		programs []string
	}{
		{"mawk", []string{"sh", "awk=mawk"}},
		{"gawk", []string{"sh", "awk=gawk"}},
		{"one true awk", []string{"sh", "awk=original-awk"}},
		{"busybox", []string{"sh=busybox", "awk=busybox", "sqlite3"}},
		{"dash", []string{"sh=dash", "awk", "sqlite3"}},
		{"bash", []string{"sh=bash", "awk", "sqlite3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.onlyPrograms(t, append(c.programs, programs...)...)
			s := p.mustRun(t, "weather.yaml")
			checkWeather(t, p, s)
			if diff := cmp.Diff(want, p.made(t)); diff != "" {
				t.Errorf("not what is made elsewhere:\n%s", diff)
			}
			load, database := "skipped", any(nil)
			if strings.Contains(strings.Join(c.programs, " "), "sqlite3") {
				load, database = "succeeded", "../out/weather/weather.db"
			}
			if s.Tasks["load"].Status != load || s.Outputs["database"] != database {
				t.Errorf("load: %s, database: %v; want %s, %v", s.Tasks["load"].Status, s.Outputs["database"], load, database)
			}
		})
	}
}

// TestWeatherOnThreads: the shell inside flow makes the same, where there is no
// other shell.
func TestWeatherOnThreads(t *testing.T) {
	t.Parallel()
	usual, p := newPlace(t), newPlace(t)
	usual.mustRun(t, "weather.yaml")
	p.onlyPrograms(t, append(programs, "awk", "sqlite3")...)
	p.onThreads(t, "weather.yaml")
	checkWeather(t, p, p.mustRun(t, "weather.yaml"))
	if diff := cmp.Diff(usual.made(t), p.made(t)); diff != "" {
		t.Errorf("not what processes make:\n%s", diff)
	}
}

// TestWeatherLockedDatabase: the load is tried again when another process has had
// the database for itself.
func TestWeatherLockedDatabase(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed")
	}
	p := newPlace(t)
	p.write(t, out+"weather.db", "")
	unlock := lock(t, p.path(out+"weather.db"))

	cmd := p.command(t, "run", "--json", "workflows/weather.yaml")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		last = lines.Text()
		if strings.Contains(last, `"retry_scheduled"`) && strings.Contains(last, `"load"`) {
			unlock()
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	s := readSummary(t, last, stderr.String())
	if load := s.Tasks["load"]; load.Status != "succeeded" || load.Attempts != 2 {
		t.Errorf("load: %s after %d attempts, want succeeded after 2", load.Status, load.Attempts)
	}
	checkWeather(t, p, s)
}

// lock takes a database for itself until unlock is called; more than once does no
// harm.
func lock(t *testing.T, file string) (unlock func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sqlite3", "-batch", file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "BEGIN EXCLUSIVE;\n.shell echo locked\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || answer != "locked\n" {
		t.Fatalf("sqlite3 has said %q (%v), want locked", answer, err)
	}
	return func() {
		stdin.Close()
		_ = cmd.Wait() // that it has ended is all that matters
	}
}
