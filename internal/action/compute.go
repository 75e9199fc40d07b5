package action

import (
	"context"

	"flow/dag"
)

// compute is `expr`.
type compute struct{}

func (compute) Do(ctx context.Context, a *Attempt) Outcome {
	a.Scope.Ended = func() bool { return ctx.Err() != nil }
	v, err := a.Task.Action.(dag.Compute).Expr.Eval(a.Scope)
	if o, over := a.interrupted(ctx, -1, ctx.Err()); over {
		return o
	}
	if err != nil {
		return invalid(err)
	}
	return Outcome{Value: v, ExitCode: -1}
}
