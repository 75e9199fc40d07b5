package dag

import "regexp"

// ParamType is the declared type of a param.
type ParamType uint8

// The types of params, and the plain values that they have in expressions.
const (
	ParamString   ParamType = iota // string
	ParamInt                       // int
	ParamFloat                     // float64
	ParamBool                      // bool
	ParamDate                      // string, "YYYY-MM-DD"
	ParamDuration                  // seconds, int or float64
	ParamList                      // []any
	ParamMap                       // map[string]any
)

var paramTypeNames = [...]string{"string", "int", "float", "bool", "date", "duration", "list", "map"}

// String returns the type as it stands in a file.
func (t ParamType) String() string { return paramTypeNames[t] }

// Param is one declared param; §4 of the language reference.
type Param struct {
	Name        string
	Pos         Pos
	Description string
	Type        ParamType
	Required    bool
	Default     *Value // nil: none; not set where Required
	Enum        []any  // nil: any; plain values of Type
	Pattern     *regexp.Regexp
	// Min and Max are nil, or a plain value of Type: for text, lists and maps
	// an int that bounds their length (in characters, in entries).
	Min, Max any
}
