package examples_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func sha256Of(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// fakePackage puts a program npm into the place, which fails so many times and then
// gives an archive with the flights of the sample in both of the package's forms. The
// workflow is made to expect this archive, and not to wait for long before it tries
// again.
func (p *place) fakePackage(t *testing.T, failures int) {
	t.Helper()
	archive := packed(t, map[string]string{
		"package/package.json":          "{}",
		"package/data/flights-2k.json":  p.read(t, sampleFlights),
		"package/data/flights-3m.csv":   withoutYears(sample(t, p)),
		"package/data/airports.csv":     p.read(t, sampleAirports),
		"package/data/flights-20k.json": "[]",
	})
	p.write(t, "bin/package.tgz", string(archive))
	p.write(t, "bin/npm", fmt.Sprintf(`#!/bin/sh
[ "$*" = "pack --silent --fetch-retries=0 vega-datasets@2.8.1" ] || exit 64
echo >>"$0.calls"
if [ "$(($(wc -l <"$0.calls")))" -le %d ]; then
  echo "npm error network: connect ECONNREFUSED" >&2
  exit 1
fi
cp "${0%%/*}/package.tgz" vega-datasets-2.8.1.tgz
echo vega-datasets-2.8.1.tgz
`, failures))
	if err := os.Chmod(p.path("bin/npm"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+p.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	p.edit(t, "sha1: a38202efff1bc763c3120954f55a7d1c9758af3f", fmt.Sprintf("sha1: %x", sha1.Sum(archive)))
	p.edit(t, "delay: 2s", "delay: 10ms")
}

// edit replaces what stands once in the workflow.
func (p *place) edit(t *testing.T, before, after string) {
	t.Helper()
	const name = "workflows/flights.yaml"
	text := p.read(t, name)
	if strings.Count(text, before) != 1 {
		t.Fatalf("%q does not stand once in %s", before, name)
	}
	p.write(t, name, strings.Replace(text, before, after, 1))
}

// packed is an archive as npm makes it.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutYears is a file of flights as the package's larger one.
func withoutYears(f flown) string {
	var b strings.Builder
	b.WriteString("date,delay,distance,origin,destination\n")
	for _, one := range f.flights {
		date := strings.NewReplacer("2001/", "", "/", "", " ", "", ":", "").Replace(one.Date)
		fmt.Fprintf(&b, "%s,%d,%d,%s,%s\n", date, one.Delay, one.Distance, one.Origin, one.Destination)
	}
	return b.String()
}

// TestFlightsPackage: both of the package's files give the same figures, and the
// download is tried again.
func TestFlightsPackage(t *testing.T) {
	t.Parallel()
	for rows, failures := range map[string]int{"2k": 0, "200k": 2} {
		t.Run(rows, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.fakePackage(t, failures)
			s := p.mustRun(t, "flights.yaml", "-p", "source=npm", "-p", "rows="+rows)
			sample(t, p).checkFlights(t, s, p.read(t, flightsReport))
			if n := s.Tasks["download"].Attempts; n != failures+1 {
				t.Errorf("%d attempts, want %d", n, failures+1)
			}
		})
	}
}

// TestFlightsPackageRefused: no package, another one, and no npm.
func TestFlightsPackageRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		prepare  func(t *testing.T, p *place)
		failed   string
		attempts int
		says     string
	}{
		{"no network", func(t *testing.T, p *place) { p.fakePackage(t, 3) }, "download", 3, "connect ECONNREFUSED"},
		{"no npm", func(t *testing.T, p *place) { p.onlyPrograms(t, "sh") }, "download", 1, "exit status 127"},
		{"another package", func(t *testing.T, p *place) {
			p.fakePackage(t, 0)
			p.write(t, "bin/package.tgz", "something else")
		}, "unpack", 1, "vega-datasets-2.8.1.tgz is not what was expected: its SHA-1 is "},
		{"a file is missing", func(t *testing.T, p *place) {
			p.fakePackage(t, 0)
			p.edit(t, "package/data/airports.csv", "package/data/harbours.csv")
		}, "unpack", 1, "harbours.csv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			c.prepare(t, p)
			s, end := p.run(t, "flights.yaml", "-p", "source=npm")
			task := s.Tasks[c.failed]
			if s.Status != "failed" || end.code != 1 || task.Status != "failed" || task.Attempts != c.attempts || task.Error == nil || !strings.Contains(task.Error.Message, c.says) {
				t.Errorf("%s, exit code %d; %s: %s after %d attempts: %+v; want %d, and %q",
					s.Status, end.code, c.failed, task.Status, task.Attempts, task.Error, c.attempts, c.says)
			}
		})
	}
}

// TestFlightsFromNpm fetches the real package: FLOW_TEST_NETWORK=1 says that there is
// a network.
func TestFlightsFromNpm(t *testing.T) {
	if os.Getenv("FLOW_TEST_NETWORK") == "" {
		t.Skip("FLOW_TEST_NETWORK is not set")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed")
	}
	for rows, flights := range map[string]float64{"2k": 2000, "200k": 231083} {
		t.Run(rows, func(t *testing.T) {
			p := newPlace(t)
			s := p.mustRun(t, "flights.yaml", "-p", "source=npm", "-p", "rows="+rows)
			if s.Outputs["flights"] != flights || s.Outputs["dropped"] != 0.0 {
				t.Errorf("%v flights, %v dropped; want %v and 0", s.Outputs["flights"], s.Outputs["dropped"], flights)
			}
			bars(t, p.read(t, flightsReport))
		})
	}
}
