package executor_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"

	"flow/executor"
)

// labels returns the pprof labels of the goroutine that runs a function, as a profile
// shows them: there is no other way to read them.
func labels(t *testing.T, of string) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Error(err)
	}
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(record, of) {
			_, labels, _ := strings.Cut(record, "# labels: ")
			labels, _, _ = strings.Cut(labels, "\n")
			return labels
		}
	}
	return "no such goroutine"
}

func TestRow151Labels(t *testing.T) {
	p := newPool(t, executor.MaxWorkers(1), executor.NamePrefix("p"))
	submit := func(ctx context.Context, opts ...executor.TaskOption) string {
		return value(t, executor.Submit(ctx, p, func(ctx context.Context) (string, error) {
			l := func(key string) string { v, _ := pprof.Label(ctx, key); return v }
			own := fmt.Sprint(l("pool"), l("worker"), l("task"), l("user"), " ")
			pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("more", "of its own")))
			pprof.SetGoroutineLabels(ctx)
			return own + labels(t, "executor_test.labels"), nil
		}, opts...))
	}
	user := pprof.WithLabels(t.Context(), pprof.Labels("user", "u"))
	for _, tc := range []struct {
		ctx  context.Context
		opts []executor.TaskOption
		want string
	}{
		{t.Context(), []executor.TaskOption{executor.Name("a")}, `pp_1a {"pool":"p", "task":"a", "worker":"p_1"}`},
		{user, []executor.TaskOption{executor.Name("b")}, `pp_1bu {"pool":"p", "task":"b", "user":"u", "worker":"p_1"}`},
	} {
		if got := submit(tc.ctx, tc.opts...); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
	// One without a name is seen by its worker, whatever the task before it has done.
	value(t, executor.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("more", "of its own")))
		return 0, nil
	}))
	_, release := blocker(t, p)
	defer release()
	if got, want := labels(t, "executor_test.blocker.func1"), `{"pool":"p", "worker":"p_1"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
