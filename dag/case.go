package dag

import "time"

// Case is one entry of `tests`: a run with mocked tasks, on virtual time.
type Case struct {
	Name   string
	Pos    Pos
	Params map[string]any  // plain values, as given to ReadParams
	Now    time.Time       // the run's logical time; zero: the epoch
	Mocks  map[string]Mock // by task id
	Expect Expect
}

// Mock stands in for a task's action. Attempt n gets Ends[n-1], or the last.
type Mock struct {
	Pos  Pos
	Ends []MockEnd
}

// MockEnd is how one attempt of a mocked task ends.
type MockEnd struct {
	Result   any      // a plain value; of no meaning with Error
	Error    *Failure // nil: it succeeds
	Duration time.Duration
}

// Expect is what a Case asks of the run's end.
type Expect struct {
	Pos     Pos
	Status  string // succeeded, failed or cancelled; "": any
	Tasks   []ExpectTask
	Outputs []ExpectValue
}

// ExpectTask is what a Case asks of one task.
type ExpectTask struct {
	Task     int // index in Workflow.Tasks
	Pos      Pos
	Status   string // a final status of a task; "": any
	Reason   string // "": any
	Attempts int    // 0: any
	Result   *ExpectValue
}

// ExpectValue is a plain value that an output or a result has to equal.
type ExpectValue struct {
	Name  string
	Pos   Pos
	Value any
}
