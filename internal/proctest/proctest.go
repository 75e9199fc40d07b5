// Package proctest is for tests that look for what was left behind: processes, and
// descriptors of this one (Linux).
package proctest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Marked are the processes whose command line has a mark in it: number and command.
func Marked(t testing.TB, mark string) []string {
	t.Helper()
	var found []string
	for _, pid := range numbers(t) {
		line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && bytes.Contains(line, []byte(mark)) {
			found = append(found, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// Uncollected are the children of this process that have ended and were not waited
// for: number and name.
func Uncollected(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, pid := range numbers(t) {
		text, _ := os.ReadFile(filepath.Join("/proc", pid, "stat")) // it may be gone by now
		name, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] == "Z" && f[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, name+")")
		}
	}
	return found
}

// OpenFiles are the descriptors of this process: number and what it leads to.
func OpenFiles(t testing.TB) []string {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil { // else it was the folder itself
			files = append(files, e.Name()+" "+to)
		}
	}
	return files
}

// numbers are those of all processes.
func numbers(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
