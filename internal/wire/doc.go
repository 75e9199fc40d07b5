// Package wire is the language of worker processes: frames on a pair of pipes, and
// values in them. docs/worker-protocol.md specifies both.
package wire
