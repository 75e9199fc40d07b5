//go:build processpool

package main

import (
	"context"

	"flow/executor"
)

func init() {
	calls = append(calls, way{"flow: executor.Call", flowCall})
}

// flowCall returns what calls a Python function by flow's process pool, which has
// one worker.
func flowCall() func() error {
	ctx := context.Background()
	p, err := executor.NewProcessPool(executor.Python("python3"), executor.MaxWorkers(1))
	return func() error {
		if err != nil {
			return err
		}
		v, err := executor.Call[int, int](ctx, p, "operator:neg", 7).Result(ctx)
		return check(-7, v, err)
	}
}
