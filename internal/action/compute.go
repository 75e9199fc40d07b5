package action

import (
	"context"

	"flow/dag"
)

// compute is `expr`.
type compute struct{}

func (compute) Do(_ context.Context, a *Attempt) Outcome {
	v, err := a.Task.Action.(dag.Compute).Expr.Eval(a.Scope)
	if err != nil {
		return invalid(err)
	}
	return Outcome{Value: v, ExitCode: -1}
}
