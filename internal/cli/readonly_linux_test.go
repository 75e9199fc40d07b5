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

// full fills the disk of a home, looks at it, and makes room again.
const full = `
mkdir disk && mount -t tmpfs -o size=2m tmpfs disk || exit 9
flow run w.yaml >/dev/null || exit 8
flow run big.yaml >out 2>err; echo "big: $?"; grep -o 'is stopped, .* goes on with it' err
flow run --no-history w.yaml >/dev/null || exit 7
dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null
flow runs && flow show last && flow why last && flow logs last >/dev/null && flow plan w.yaml >/dev/null && flow gc --dry-run
echo "looked: $?"
flow run w.yaml; echo "run: $?"
flow resume last; echo "resume: $?"
flow gc --keep-total 1; echo "gc: $?"
flow runs
flow fsck; echo "fsck: $?"
umount disk

# No files that could make room: only rows.
mount -t tmpfs -o size=2m tmpfs disk || exit 6
for i in 1 2 3 4; do flow run rows.yaml >/dev/null 2>&1 || exit 5; done
dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null
flow gc --keep-total 1 --json; echo "rows: $?"
rm disk/fill
flow fsck && flow run rows.yaml 2>&1; echo "afterwards: $?"
umount disk
`

// A disk that is full stops a run, which can be resumed; it can be looked at, and gc makes
// room on it.
func TestFullDisk(t *testing.T) {
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=2m tmpfs /mnt").CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rows.yaml": "name: rows\ntasks: { a: { expr: '1' } }\n",
		"w.yaml":    "name: w\ntasks: { a: { run: 'echo hello; head -c 300000 /dev/urandom | base64 -w0' } }\n",
		"big.yaml":  "name: big\ntasks: { a: { for_each: '${{ 1..40 }}', run: 'echo \"$n\"; head -c 90000 /dev/urandom | base64 -w0', inputs: { n: '${{ item }}' } } }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sh := exec.Command("unshare", "--mount", "sh", "-c", full)
	sh.Dir = dir
	sh.Env = append(os.Environ(), "FLOW_HOME=disk/home", "TMPDIR="+dir)
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.3000s", err, out)
	}
	for _, want := range []string{
		"big: 3", "goes on with it", "interrupted", "looked: 0", "run: 3", "resume: 3", "is its disk full?",
		"removed: 1 run;", "gc: 0", "nothing is wrong", "fsck: 0",
		`"results":0,"bytes":0,"strays":0,"times":0,"dry_run":false}`, "rows: 0", "afterwards: 0",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%.3000s", want, out)
		}
	}
	if strings.Count(string(out), "removed: ") != 2 { // once for --dry-run: "would be removed"
		t.Errorf("it is told several times:\n%.3000s", out)
	}
}

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
