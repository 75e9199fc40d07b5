package store

import (
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// code is SQLite's primary code of an error, 0 for others.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// IsFull reports whether an error tells that a home's disk has no room left.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || isFull(err) }

// IsBroken reports whether an error is one of the home, and not of what was asked of it.
func IsBroken(err error) bool { return code(err) != 0 || errors.As(err, new(*TornError)) }

// isFull reports whether there is no room; where the files beside the database can't grow,
// SQLite only speaks of an error of input or output.
func isFull(err error) bool {
	return code(err) == lib.SQLITE_FULL || code(err) == lib.SQLITE_IOERR
}
func isBusy(err error) bool { return code(err) == lib.SQLITE_BUSY || code(err) == lib.SQLITE_LOCKED }

// IsReadOnly reports whether an error tells that a home can't be written to.
func IsReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || code(err) == lib.SQLITE_READONLY || code(err) == lib.SQLITE_CANTOPEN
}
