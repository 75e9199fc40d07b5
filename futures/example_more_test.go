package futures_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"flow/futures"
)

// An adapter for something that calls back.
func ExampleNewPromise() {
	fetch := func(done func(body string, err error)) { go done("hello", nil) }

	ctx := context.Background()
	p := futures.NewPromise[string](ctx, "fetch")
	fetch(func(body string, err error) {
		if err != nil {
			p.Fail(err)
			return
		}
		p.Set(body)
	})
	fmt.Println(p.Future().Result(ctx))
	fmt.Println(p.Set("again"))
	// Output:
	// hello <nil>
	// futures: invalid state: future "fetch" is finished
}

func ExampleResolved() {
	fmt.Println(futures.Resolved("from the cache").Result(context.Background()))
	// Output: from the cache <nil>
}

func ExampleFailed() {
	fmt.Println(futures.Failed[int](errors.New("no such row")).Result(context.Background()))
	// Output: 0 no such row
}

func ExampleFlatten() {
	ctx := context.Background()
	outer := futures.NewPromise[*futures.Future[int]](ctx, "outer")
	flat := futures.Flatten(outer.Future())
	outer.Set(futures.Resolved(7))
	fmt.Println(flat.Result(ctx))
	// Output: 7 <nil>
}

// A set to which is added what comes of its members.
func ExampleSet() {
	ctx := context.Background()
	var s futures.Set[int]
	s.Add(futures.Resolved(4))
	for {
		f, err := s.Next(ctx)
		if err == io.EOF {
			break
		}
		v, _ := f.Result(ctx)
		fmt.Println(v)
		if v > 1 {
			s.Add(futures.Resolved(v / 2))
		}
	}
	// Output:
	// 4
	// 2
	// 1
}

func ExampleFuture_OnDone() {
	p := futures.NewPromise[int](context.Background(), "answer")
	p.Future().OnDone(func(f *futures.Future[int]) { fmt.Println(f.TryResult()) })
	p.Set(42)
	// Output: 42 <nil> true
}

func ExampleFuture_Abort() {
	ctx := context.Background()
	p := futures.NewPromise[int](ctx, "download")
	p.SetRunningOrNotifyCancel()
	fmt.Println("cancelled:", p.Future().Cancel(), "aborted:", p.Future().Abort(errors.New("user left")))
	<-p.Context().Done() // whoever does the work stops
	p.Fail(context.Cause(p.Context()))
	fmt.Println(p.Future().Result(ctx))
	// Output:
	// cancelled: false aborted: true
	// 0 user left
}
