//go:build unix && !linux

package executor

import (
	"errors"
	"syscall"
)

// hasSubreapers tells whether the system knows such a thing.
const hasSubreapers = false

// kin would be the processes that this one has adopted: only Linux has subreapers.
type kin struct{}

type kinship struct{}

func adopt(string) (*kin, error) { return nil, errors.New("executor: a subreaper needs Linux") }

func (k *kin) close()                         {}
func (k *kin) add(*Family)                    {}
func (k *kin) joined(*Family, int)            {}
func (k *kin) collected(int)                  {}
func (k *kin) remove(*Family)                 {}
func (k *kin) signal(*Family, syscall.Signal) {}
func (k *kin) lives(*Family) bool             { return false }
func (k *kin) without(*Family) bool           { return false }

func sweepAll(string, map[int]bool) error { return nil } // nothing tells whose a process is

func sweep(string) error { return errors.New("executor: a sweep needs Linux") }

// isMainThread does not matter where nothing is adopted.
func isMainThread() bool { return false }

// pollers are not needed.
type pollers struct{}

func (ps *pollers) close() {}
