//go:build !linux

package executor_test

// other reports whether this process is another program than the tests.
func other([]string) (code int, is bool) { return 0, false }

// watcherArgs are a launcher's Watcher.
var watcherArgs []string
