//go:build !linux || !amd64

package executor

// RefuseSpawn changes nothing here: there is one way to start programs.
func RefuseSpawn() (undo func()) { return func() {} }
