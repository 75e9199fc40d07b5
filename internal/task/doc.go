// Package task knows who is waiting for whom.
//
// It is the seam between package futures, which waits, and package executor,
// which runs: neither has to know the other's types. A [Node] is one future
// together with the task that computes it, if there is one. It has a state that
// is settled once, a list of those who want to hear of that ([Watch]), and the
// edges to what it waits for itself ([Wait]). A [Context] says which task a
// goroutine is working for, and a [Host] is the pool's side of a task: the place
// it gives back while it waits.
//
// Before a task blocks it publishes its edges and looks for a circle through
// them ([Circle]), so that a deadlock is an error and not a hang. The algorithm
// follows the ownership-policy detector of C. Voss and V. Sarkar (PPoPP 2021),
// extended to waits for several targets.
//
// Everything here is safe for concurrent use unless its comment says otherwise.
package task
