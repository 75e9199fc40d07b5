package dag

// Diagnostic is one finding in a workflow file: what, where, and what to do.
type Diagnostic struct {
	File    string
	Pos     Pos
	Len     int    // characters from Pos that it is about; at least 1 where Pos is set
	Warning bool   // else an error
	Message string // lower case, no full stop; what is wrong, and what to do
	Source  string // the line of the file at Pos, without its end; shown above the caret
}
