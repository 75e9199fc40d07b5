package executor

import (
	"os"
	"os/exec"
	"testing"
)

func TestRoll(t *testing.T) {
	r, err := newRoll("base")
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()

	enter := func(pid int) int {
		t.Helper()
		at, number := r.reserve()
		if at < 0 {
			t.Fatal("no room")
		}
		*number = int32(pid)
		return at
	}
	started := func() (*exec.Cmd, int) {
		t.Helper()
		at, number := r.reserve()
		c := exec.Command("/bin/cat")
		in, err := c.StdinPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); _ = c.Wait() }) // cat never fails
		*number = int32(c.Process.Pid)
		return c, at
	}
	runs, _ := started()
	struck, at := started()
	r.strike(at)
	r.strike(-1) // of a process that is not on it
	older := os.Getppid()
	if again := enter(older); again != at {
		t.Errorf("entry %d, although %d is free", again, at)
	}
	const ended = 1 << 30 // no system has so many
	enter(ended)

	sessions, err := sessionsOf(r.file, "base")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		pid  int
		want bool
	}{
		{"one that runs", runs.Process.Pid, true},
		{"one that was struck", struck.Process.Pid, false},
		{"one whose number is an older process's now", older, false},
		{"one that has ended, whose session may live", ended, true},
	} {
		if sessions[c.pid] != c.want {
			t.Errorf("%s: %v", c.what, sessions[c.pid])
		}
	}
	if len(sessions) != 2 {
		t.Errorf("%v", sessions)
	}
	if _, err := sessionsOf(r.file, "bas"); err == nil {
		t.Error("another launcher's was read")
	}

	used := r.next
	for range rollRoom - used {
		enter(ended)
	}
	if at, number := r.reserve(); at != -1 || number != nil {
		t.Errorf("entry %d of a full roll", at)
	}
	r.strike(7)
	if at := enter(ended); at != 7 {
		t.Errorf("entry %d, although 7 is free", at)
	}
	r.close()
	if at, _ := r.reserve(); at != -1 {
		t.Error("an entry of a closed roll")
	}
	r.strike(7)
	(*roll)(nil).strike(7)
}
