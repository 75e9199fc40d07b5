package executor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sweep looks for processes by their token only: what they were children of is
// gone.
func sweep(base string) error {
	clean := 0
	for range mostSweeps {
		found, err := sweepOnce(base)
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

func sweepOnce(base string) (found int, err error) {
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
		if token, _ := tokenOf(pid); strings.HasPrefix(token, base+".") && sendTo(pid, p, syscall.SIGKILL) == nil {
			found++
		}
	}
	return found, nil
}
