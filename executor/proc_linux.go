package executor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// This file is what is read of /proc, and how a process that was found there is
// signalled.

// numbers reads a list of process numbers.
func numbers(text []byte) []int {
	var pids []int
	for word := range bytes.FieldsSeq(text) {
		if pid, err := strconv.Atoi(string(word)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sendTo signals the process that was looked at, through a pidfd, so that no other
// gets it that has got the number meanwhile.
func sendTo(pid int, p stat, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ENOSYS {
		return syscall.Kill(pid, sig)
	}
	if err != nil {
		return nil // it has ended
	}
	defer unix.Close(fd)
	if now, ok := lookAt(pid); ok && now.start == p.start {
		return unix.PidfdSendSignal(fd, sig, nil, 0)
	}
	return nil
}

// stat is what /proc tells of a process.
type stat struct {
	ended          bool // it waits to be collected
	group, session int
	start          string // when, in ticks since the system's
}

// lookAt reads a process's stat; false if there is none.
func lookAt(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	// pid (name) state ppid pgrp session …; the name may contain anything.
	const state, group, session, start = 0, 2, 3, 19
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= start {
		return stat{}, false
	}
	p := stat{ended: fields[state] == "Z" || fields[state] == "X", start: fields[start]}
	p.group, _ = strconv.Atoi(fields[group])
	p.session, _ = strconv.Atoi(fields[session])
	return p, true
}

// childrenOf are the children of all threads of a process.
func childrenOf(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []int
	for _, t := range threads {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/children")
		if err == nil {
			all = append(all, numbers(text)...)
		}
	}
	return all
}

// tokenOf reads the token that a process was started with, if any. bare is true
// where there is no environment at all.
func tokenOf(pid int) (token string, bare bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if errors.Is(err, fs.ErrPermission) {
		return "", false // it is another user's by now
	}
	const name = tokenName + "="
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.HasPrefix(kv, []byte(name)) {
			return string(kv[len(name):]), false
		}
	}
	return "", len(env) == 0
}
