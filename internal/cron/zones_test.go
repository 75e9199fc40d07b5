package cron

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"go/build"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// expressions are of each kind. None of them names a Sunday at the end of a range.
var expressions = []string{
	"* * * * *", "*/7 * * * *", "*/20 * * * *", "*/7 * 31 12 *", // a star minute
	"0 * * * *", "30 */2 * * *", "15,45 */3 * * *", "59 * * * 1-5", // a star hour
	"0 0 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *", "30 23 * * *", "59 23 31 12 *", "0 0 31 12 *", // fixed
	"0-59 2 * * *", "0-30/10 0-4 * * *", "30 22-23 * * *", "5/25 0-23/2 * * *", // ranges
	"0,15,30,45 2 * * *", "30 1,2,3 * * *", "30 0,23 * 1,3,4,10-12 *", // lists
	"30 2 1-15 * *", "0 0 1 * *", "0 0 28-31 * *", "30 2 29 2 *", "30 1 * * 0", "0 3 * 3,10,11 sun", "30 23 * * 6,7", "15 2 */2 * ?", // days
	"30 2 1-7 * 0", "0 0 */2 * 1", "30 1 25-31 * 7", "0 * 29 2 1", "*/30 1-3 31 12 5", // either day
}

// zone is a zone of the database.
type zone struct {
	name string
	loc  *time.Location
}

// database are the zones of Go's copy of the database, one of those that are the same.
// Each rule that goes on for ever is one more: a zone that has nothing else, as every
// zone has beyond the years that are listed for it.
func database(t *testing.T) []zone {
	t.Helper()
	file := filepath.Join(build.Default.GOROOT, "lib", "time", "zoneinfo.zip")
	archive, err := zip.OpenReader(file)
	if err != nil {
		t.Skipf("Go's zones are not here: %v", err)
	}
	defer archive.Close()
	var all []zone
	known := make(map[string]bool)
	add := func(name string, data []byte) {
		if known[string(data)] {
			return
		}
		known[string(data)] = true
		loc, err := time.LoadLocationFromTZData(name, data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, zone{name, loc})
	}
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		add(f.Name, data)
		lines := bytes.Split(data, []byte("\n"))
		rule := string(lines[len(lines)-2])
		add(rule, ruleOnly(rule, 0))
		if strings.Contains(rule, ",") {
			add(rule+" from July 2007", ruleOnly(rule, time.Date(2007, 7, 15, 1, 0, 0, 0, time.UTC).Unix()))
		}
	}
	return all
}

// ruleOnly is a zone of a rule alone, as RFC 9636 has it. since is when it begins to
// hold, if not 0: before, clocks are at UTC.
func ruleOnly(rule string, since int64) []byte {
	var b bytes.Buffer
	for _, wide := range []bool{false, true} {
		times := uint32(0)
		if since != 0 {
			times = 1
		}
		b.WriteString("TZif2" + strings.Repeat("\x00", 15))
		binary.Write(&b, binary.BigEndian, []uint32{0, 0, 0, times, 1, 4})
		switch {
		case times == 0:
		case wide:
			binary.Write(&b, binary.BigEndian, since)
			b.WriteByte(0)
		default:
			binary.Write(&b, binary.BigEndian, int32(since))
			b.WriteByte(0)
		}
		b.WriteString("\x00\x00\x00\x00\x00\x00UTC\x00")
	}
	b.WriteString("\n" + rule + "\n")
	return b.Bytes()
}

// transitions are the moments of 2000 to 2040 when the clocks of a zone change.
func transitions(loc *time.Location) []time.Time {
	var out []time.Time
	const step = 6 * 60 * 60
	end := time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for t := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); t < end; t += step {
		if before := offsetAt(t, loc); before != offsetAt(t+step, loc) {
			low, high := t, t+step
			for low+1 < high {
				if m := (low + high) / 2; offsetAt(m, loc) == before {
					low = m
				} else {
					high = m
				}
			}
			out = append(out, time.Unix(high, 0).UTC())
		}
	}
	return out
}

// TestZones holds Next and Prev against the walk around clock changes of 2000 to 2040 and
// around the ends of leap years and of Februaries: here of some zones, with
// FLOW_TEST_ZONES=all everywhere, which takes minutes.
func TestZones(t *testing.T) {
	all := os.Getenv("FLOW_TEST_ZONES") == "all"
	schedules := make(map[string]*literal)
	for _, e := range expressions {
		schedules[e] = readLiterally(e)
	}
	var zones, changes, compared, found atomic.Int64
	look := func(z zone, step, at int) {
		parsed := make(map[string]*Schedule)
		for _, e := range expressions {
			s, err := Parse(e, "", time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			s.loc = z.loc
			parsed[e] = s
		}
		moments := transitions(z.loc)
		changes.Add(int64(len(moments)))
		for year := 2000; year <= 2040; year += 4 {
			moments = append(moments, time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC))
		}
		for i := at % step; i < len(moments); i += step {
			w := newWalk(z.loc, moments[i].Add(-24*time.Hour), moments[i].Add(30*time.Hour))
			for _, e := range expressions {
				n, err := w.compare(parsed[e], schedules[e])
				if err != nil {
					t.Errorf("%s: %q around %s: %v", z.name, e, moments[i].Format(time.RFC3339), err)
				}
				compared.Add(1)
				found.Add(int64(n))
			}
		}
		zones.Add(1)
	}
	var wg sync.WaitGroup
	places := make(chan bool, runtime.GOMAXPROCS(0))
	for i, z := range database(t) {
		if !all && i%19 != 0 {
			continue
		}
		places <- true
		wg.Go(func() {
			defer func() { <-places }()
			if all || strings.HasSuffix(z.name, "2007") { // what is odd about these is at one moment
				look(z, 1, 0)
			} else {
				look(z, 5, i/19)
			}
		})
	}
	wg.Wait()
	t.Logf("%d zones with %d changes: %d comparisons of %d times", zones.Load(), changes.Load(), compared.Load(), found.Load())
}
