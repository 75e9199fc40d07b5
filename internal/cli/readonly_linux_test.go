package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readOnly looks at a home that can't be written to, and tries to run in it.
const readOnly = `
flow run w.yaml
mount --bind home home && mount -o remount,ro,bind home
flow runs && flow show last && flow logs last && flow why last && flow plan w.yaml && flow fsck
echo "looked: $?"
flow run w.yaml; echo "run: $?"
flow retry last; echo "retry: $?"
flow run --no-history w.yaml; echo "no history: $?"
FLOW_HOME=home/new flow run w.yaml; echo "new: $?"
`

// A home that can't be written to can be looked at; a run in it is refused with a word.
func TestReadOnlyHome(t *testing.T) {
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", "mount --bind /tmp /tmp").CombinedOutput(); err != nil {
		t.Skipf("no mount namespaces here: %s", out)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "w.yaml"), []byte("tasks: { a: { run: echo hello } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("unshare", "--mount", "sh", "-c", readOnly)
	sh.Dir = dir
	sh.Env = append(os.Environ(), "FLOW_HOME=home", "TMPDIR="+dir)
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"looked: 0", "hello", "run: 3", "home can't be written to: ", "with --no-history none is needed", "retry: 3", "no history: 0", "the home can't be made: ", "new: 3"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}
