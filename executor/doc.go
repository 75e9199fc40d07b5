// Package executor runs work, at most n at a time, and gives a future of it.
//
// A [Pool] runs Go functions on goroutines: [Submit] hands it one and returns a
// future, [Then] and the option [After] make tasks that wait for others without
// holding a worker. A [Launcher] runs child processes that leave nothing behind.
//
// # Places
//
// MaxWorkers limits how many tasks run, not how many goroutines there are. A
// task that waits for a future, with the context it was given, gives its place
// back: to the task it waits for, if that is queued in the same pool and starts
// at once, and else to the queue. So a pool of one worker whose task waits for a
// task of the same pool finishes. [Blocking] does the same for any other wait.
//
// When its wait is over a task gets a place again before new tasks do. One whose
// context ended the wait goes on at once, so that nothing can hold it up; the
// pool then runs above its limit until the next task ends, and starts none.
//
// # What a pool can't see
//
// Waits for futures are seen, and a circle of them is an error. A channel or a mutex is
// not: [OnStall] tells of a pool in which nothing moves, and where its tasks wait.
// [OnUnobserved] tells of failures that nobody has looked at. In profiles, the goroutines
// of a pool have its name, the worker's and the task's.
//
// # Ownership
//
// A pool owns its goroutines; Close or Shutdown ends them and waits for them. A
// pool that is dropped without either runs what it has accepted and then ends.
package executor
