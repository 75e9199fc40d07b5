package dag

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what was found into testdata")

// section is one file of an archive in the txtar format.
type section struct{ name, text string }

func readArchive(t testing.TB, path string) (comment string, sections []section) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			if name, ok := strings.CutSuffix(name, " --\n"); ok {
				sections = append(sections, section{name: name})
				continue
			}
		}
		if sections == nil {
			comment += line
		} else {
			sections[len(sections)-1].text += line
		}
	}
	return comment, sections
}

// TestFindings holds each finding as people see it. An archive has files in
// pairs: name.yaml, and name.want with what validate prints of it.
func TestFindings(t *testing.T) {
	archives, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			comment, sections := readArchive(t, path)
			want := make(map[string]string)
			for _, s := range sections {
				want[s.name] = s.text
			}
			var now strings.Builder
			now.WriteString(comment)
			for _, s := range sections {
				name, input := strings.CutSuffix(s.name, ".yaml")
				if !input {
					continue
				}
				got := findingsOf(t, s.name, s.text)
				now.WriteString("-- " + s.name + " --\n" + s.text + "-- " + name + ".want --\n" + got)
				if diff := cmp.Diff(want[name+".want"], got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", s.name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, []byte(now.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func findingsOf(t *testing.T, name, src string) string {
	t.Helper()
	w, found := Parse(name, []byte(src))
	var b bytes.Buffer
	if err := WriteDiagnostics(&b, found); err != nil {
		t.Fatal(err)
	}
	if (w == nil) != (countErrors(found) > 0) {
		t.Errorf("%s: workflow nil: %v, with %d errors", name, w == nil, countErrors(found))
	}
	return b.String()
}
