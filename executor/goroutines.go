package executor

import (
	"bytes"
	"cmp"
	"runtime"
	"strconv"
	"strings"
)

// sight is what the runtime says of a goroutine.
type sight struct {
	reason string // why it waits, or "running"
	site   string
}

// goroutineID returns the number of the calling goroutine, as stacks are headed with.
func goroutineID() int64 {
	var head [64]byte
	id, _, _ := parseHead(string(head[:runtime.Stack(head[:], false)]))
	return id
}

// mostStacks bounds the text of all stacks, a few hundred thousand goroutines.
const mostStacks = 64 << 20

// sightings finds goroutines by their numbers. It stops the program meanwhile: a dump of
// all stacks is the one thing that tells why a goroutine waits. (A profile has its
// labels and its stack, and not the reason.)
func sightings(ids []int64) map[int64]sight {
	wanted := make(map[int64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := make(map[int64]sight, len(ids))
	if len(ids) == 0 {
		return found
	}
	for stack := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		head, frames, _ := bytes.Cut(stack, []byte("\n"))
		if id, reason, ok := parseHead(string(head)); ok && wanted[id] {
			found[id] = sight{reason, site(string(frames))}
		}
	}
	return found
}

func allStacks() []byte {
	for size := 1 << 20; ; size *= 4 {
		text := make([]byte, size)
		if n := runtime.Stack(text, true); n < size || size >= mostStacks {
			return text[:n]
		}
	}
}

// parseHead reads "goroutine 7 [chan receive, 2 minutes]:".
func parseHead(head string) (id int64, reason string, ok bool) {
	rest, ok := strings.CutPrefix(head, "goroutine ")
	number, rest, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseInt(number, 10, 64)
	_, rest, bracket := strings.Cut(rest, "[")
	reason, _, _ = strings.Cut(rest, "]")
	reason, _, _ = strings.Cut(reason, ",")
	return id, strings.TrimSuffix(reason, " (durable)"), ok && bracket && err == nil
}

// site returns where a goroutine is: its innermost call that is not of those packages
// which only pass a wait on.
func site(frames string) string {
	lines := strings.Split(frames, "\n")
	first := ""
	for i := 0; i+1 < len(lines) && !strings.HasPrefix(lines[i], "created by "); i += 2 {
		name := lines[i][:max(0, strings.LastIndexByte(lines[i], '('))] // without its arguments
		at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		where := name + " (" + at + ")"
		if !passesOn(name) {
			return where
		}
		first = cmp.Or(first, where)
	}
	return first
}

func passesOn(function string) bool {
	for _, prefix := range []string{
		"runtime.", "internal/", "sync.", "syscall.", "time.", "os.", "net.", "context.", "golang.org/x/sync/",
		"flow/executor.", "flow/futures.", "flow/internal/task.",
	} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}
