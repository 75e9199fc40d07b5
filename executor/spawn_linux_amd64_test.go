package executor

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpawn holds that programs are really started by clone3, not left to package
// syscall.
func TestSpawn(t *testing.T) {
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(null)
	limit := &unix.Rlimit{Cur: 100, Max: 100}
	attr := &syscall.ProcAttr{Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)}}
	var number int32
	spawn := func(path string, limit *unix.Rlimit) (pid, pidfd int, ok bool, err error) {
		return spawnProcess(path, []string{path, "-c", "exit $(ulimit -n)"}, attr, limit, func() *int32 { return &number })
	}

	pid, pidfd, ok, err := spawn("/bin/sh", limit)
	if noSpawn.Load() {
		t.Skip("this system refuses clone3")
	}
	if !ok || err != nil || pidfd < 0 {
		t.Fatalf("%d, %d, %v, %v", pid, pidfd, ok, err)
	}
	defer syscall.Close(pidfd)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 100 || int(number) != pid {
		t.Errorf("%v, %v; the number is %d of %d", status, err, number, pid)
	}

	if _, _, ok, err := spawn("/no/such", limit); !ok || err != syscall.ENOENT {
		t.Errorf("no such program: %v, %v", ok, err)
	}
	if _, err := syscall.Wait4(int(number), nil, 0, nil); err != syscall.ECHILD {
		t.Errorf("what could not be started was not collected: %v", err)
	}
	if _, _, ok, _ := spawn("/bin/sh", nil); ok {
		t.Error("started although the limits are not known")
	}
	defer RefuseSpawn()()
	if _, _, ok, _ := spawn("/bin/sh", limit); ok {
		t.Error("started although the system has refused")
	}
}
