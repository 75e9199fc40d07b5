// Package futures has values that will be known later: set once, read by many,
// and waited for without deadlock.
//
// A [Future] is the reading side. It is pending, then perhaps running, and ends
// cancelled or finished, with a value or an error; [Future.Result] waits for
// that. A [Promise] is the writing side, for those who run things: package
// executor's pools, adapters and tests. The two are separate so that a reader
// can't keep a promise that is not its own.
//
// [Wait], [AsCompleted], [Gather] and [Set] wait for many at once; [Flatten]
// turns a future of a future into one.
//
// It is the counterpart of Python's concurrent.futures, with these differences
// on purpose: every wait takes a context, a cancelled future counts as done for
// every wait, callbacks can be removed and can't harm each other, AsCompleted
// begins at its call, and a circle of waits is a [DeadlockError].
//
// # Deadlocks
//
// The context that an executor hands to a task says which task it is. A wait
// with that context, or one derived from it, counts as the task's: it gives the
// task's place in its pool back meanwhile, and it fails with a DeadlockError if
// what it waits for waits, over any number of steps, for the task. So a task
// passes its own context to every wait. A goroutine that a task starts and does
// not wait for should wait with another one, such as context.Background().
//
// A done future costs an atomic load to read and allocates nothing. The channel
// behind Done exists only after somebody asked for it.
package futures
