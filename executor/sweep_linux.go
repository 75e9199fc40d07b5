package executor

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// rollFD is where a watcher has the roll.
const rollFD = 4

// sweep looks for processes by their token, and by their session if the roll has it:
// what they were children of is gone.
func sweep(base string) error {
	var sessions map[int]bool
	if roll := os.NewFile(rollFD, "roll"); roll != nil {
		sessions, _ = sessionsOf(roll, base) // there is none where a person calls it
		roll.Close()
	}
	return sweepAll(base, sessions)
}

func sweepAll(base string, sessions map[int]bool) error {
	clean := 0
	for range mostSweeps {
		found, err := sweepOnce(base, sessions)
		switch {
		case err != nil:
			return err
		case found > 0:
			clean = 0
		case clean == enoughSweeps:
			return nil
		default:
			clean++
		}
		time.Sleep(sweepPause)
	}
	return errors.New("executor: sweep: there are processes that don't end")
}

// A sweep takes a minute at most, and has to find nothing several times.
const (
	sweepPause   = 10 * time.Millisecond
	enoughSweeps = int(doubtful / sweepPause)
	mostSweeps   = 6000
)

// sweepOnce ends what it finds, and forgets the sessions that nobody is in any more.
func sweepOnce(base string, sessions map[int]bool) (found int, err error) {
	seen := make(map[int]bool)
	defer maps.DeleteFunc(sessions, func(pid int, _ bool) bool { return !seen[pid] })
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("executor: sweep: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, ok := lookAt(pid)
		if !ok || p.ended {
			continue
		}
		ours := sessions[p.session]
		if !ours {
			token, _ := tokenOf(pid)
			ours = strings.HasPrefix(token, base+".")
		}
		if ours && sendTo(pid, p, syscall.SIGKILL) == nil {
			seen[p.session] = true
			found++
		}
	}
	return found, nil
}
