// Package store keeps runs: what they were asked to do, their events, their results and
// what they printed. docs/storage.md says what lies where and what a crash can cost.
//
// A [Store] is one home folder, which several processes may use at once; [Memory] is one
// that is gone with the process. The events of a run are written by one process at a
// time, through a [Journal]. All else is safe for concurrent use.
package store
