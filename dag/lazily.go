package dag

import (
	"regexp"
	"sync"
)

// lazily compiles an expression when it is first needed, since most files need none:
// all of them together are a twentieth of the time of a short command.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
