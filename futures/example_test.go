package futures_test

import (
	"context"
	"errors"
	"fmt"

	"flow/futures"
)

func ExamplePromise() {
	ctx := context.Background()
	p := futures.NewPromise[int](ctx, "answer")
	go p.Set(42)
	v, err := p.Future().Result(ctx)
	fmt.Println(v, err)
	// Output: 42 <nil>
}

func ExampleFuture_Err() {
	ctx, cancel := context.WithCancel(context.Background())
	task, wait := futures.Failed[int](errors.New("no such row")).Err(ctx)
	fmt.Println("task:", task, "wait:", wait)

	cancel()
	task, wait = futures.NewPromise[int](ctx, "slow").Future().Err(ctx)
	fmt.Println("task:", task, "wait:", wait)
	// Output:
	// task: no such row wait: <nil>
	// task: <nil> wait: 1 (of 1) futures unfinished
}

func ExampleAsCompleted() {
	ctx := context.Background()
	slow := futures.NewPromise[string](ctx, "slow")
	quick := futures.Resolved("quick")
	for f, err := range futures.AsCompleted(ctx, slow.Future(), quick) {
		if err != nil {
			fmt.Println(err)
			break
		}
		v, _ := f.Result(ctx)
		fmt.Println(v)
		if f == quick {
			slow.Set("slow")
		}
	}
	// Output:
	// quick
	// slow
}

func ExampleGather() {
	ctx := context.Background()
	sum, err := futures.Gather(ctx, futures.Resolved(1), futures.Resolved(2))
	fmt.Println(sum, err)
	_, err = futures.Gather(ctx, futures.Resolved(1), futures.Failed[int](errors.New("no luck")))
	fmt.Println(err)
	// Output:
	// [1 2] <nil>
	// no luck
}

func ExampleWait() {
	ctx := context.Background()
	a, b := futures.Resolved(1), futures.NewPromise[string](ctx, "b")
	done, rest, err := futures.Wait(ctx, futures.FirstCompleted, a, b.Future())
	fmt.Println(len(done), rest, err)
	// Output: 1 [future "b" (pending)] <nil>
}
