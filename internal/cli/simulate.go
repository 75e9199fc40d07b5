package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/sim"
)

func newSimulate(std streams) *cobra.Command {
	f := &runFlags{}
	var durations string
	c := &cobra.Command{
		Use:   "simulate FILE",
		Short: "Runs a workflow on virtual time: how long, and with how many workers",
		Long: `Runs a workflow on virtual time, the longest remaining path first: how long it
would take, the critical path, what no schedule can beat, how busy the workers
are, and what more of them would give. Nothing is started.

--durations names a JSON file, a map of task id to seconds ({"extract": 12.5});
of a fan-out, those of one instance. A task that is not in it counts the median
of those that are. Without the file they are the medians of the last runs that
succeeded; without such a run each counts one second. A fan-out over a value that
exists only at run time counts as one instance.`,
		Example: `  flow simulate nightly.yaml --durations nightly.json
  flow simulate nightly.yaml --workers 16 --json`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return simulateFile(std, args[0], f, durations)
		},
	}
	fl := c.Flags()
	fl.StringArrayVarP(&f.params, "param", "p", nil, "a param of the workflow, `name=value`; repeatable")
	fl.IntVar(&f.workers, "workers", 0, "the size of every pool (0: as the file says)")
	fl.StringVar(&durations, "durations", "", "a JSON `file`: how long each task takes, in seconds (else as in the last runs)")
	fl.StringVar(&f.keep.home, "home", "", homeFlag)
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func simulateFile(std streams, file string, f *runFlags, durations string) error {
	plan, start, err := f.begin(std, file)
	if err != nil {
		return err
	}
	forecast, err := sim.Foresee(plan, start, sim.World{Places: engine.Places(f.workers)})
	if err != nil {
		return err
	}
	known, err := readDurations(durations, plan)
	if err == nil && durations == "" {
		err = known.remember(f.keep.home, plan, start.Params)
	}
	if err != nil {
		return err
	}
	s := simulation{plan: plan, loads: forecast.Loads(known.of), places: engine.Places(f.workers), known: known}
	if err := s.run(); err != nil {
		return err
	}
	if f.json {
		return encoder(std.out).Encode(s.json())
	}
	_, err = io.WriteString(std.out, s.text(newStyle(std.out)))
	return err
}

// durations are how long tasks take.
type durations struct {
	given  []time.Duration // by task; -1: not said
	others time.Duration   // what any other counts
	some   bool            // a file was given, or there is a history
	runs   int             // of how many runs that is
	absent int             // tasks that it does not name
}

// remember takes the durations of a workflow's last runs, if there are any.
func (d *durations) remember(flag string, plan *dag.Plan, params map[string]any) error {
	return lookIfThere(flag, func(h *engine.Home) error {
		if h == nil {
			return nil
		}
		expected, runs, err := engine.Expected(h, plan, params)
		if expected != nil {
			d.given, d.runs, d.some, d.absent = expected, runs, true, 0
		}
		return err
	})
}

func (d *durations) of(i int) time.Duration {
	if d.given[i] < 0 {
		return d.others
	}
	return d.given[i]
}

// readDurations reads a JSON map of task id to seconds; "" is none.
func readDurations(file string, p *dag.Plan) (*durations, error) {
	d := &durations{given: make([]time.Duration, len(p.Nodes)), others: time.Second, absent: len(p.Nodes)}
	for i := range d.given {
		d.given[i] = -1
	}
	if file == "" {
		return d, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	seconds := make(map[string]*float64)
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&seconds); err != nil {
		return nil, badDurations(file, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, usage("", "%s: more than one JSON value", file)
	}
	d.some = true
	ids := slices.Sorted(maps.Keys(seconds))
	tasks, err := p.Find(ids)
	if err != nil {
		return nil, usage("the ids are those of "+p.Workflow.File, "%s: %w", file, err)
	}
	for k, i := range tasks {
		s := seconds[ids[k]]
		switch {
		case s == nil:
			return nil, usage("leave it out where it is not known", "%s: %s: null is no number of seconds", file, ids[k])
		case *s < 0 || *s > math.MaxInt32:
			return nil, usage("", "%s: %s: %v seconds: not between 0 and %d", file, ids[k], *s, math.MaxInt32)
		}
		d.given[i] = time.Duration(*s * float64(time.Second))
		d.absent--
	}
	d.others = median(d.given)
	return d, nil
}

// badDurations says what is wrong with a file of durations.
func badDurations(file string, err error) error {
	if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := ""
		if bad.Field != "" {
			where = bad.Field + ": "
		}
		return usage(`for example {"extract": 12.5}`, "%s: %sa map of task id to seconds is needed; here is: %s", file, where, bad.Value)
	}
	return usage(`for example {"extract": 12.5}`, "%s: not JSON: %v", file, err)
}

// median is that of the durations that were given, a second where none was.
func median(given []time.Duration) time.Duration {
	sorted := slices.DeleteFunc(slices.Clone(given), func(d time.Duration) bool { return d < 0 })
	if len(sorted) == 0 {
		return time.Second
	}
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// simulation is what `flow simulate` shows.
type simulation struct {
	plan   *dag.Plan
	loads  []sim.Load
	places func(*dag.Executor) int
	known  *durations

	as    *sim.Estimate   // as it is
	scale []*sim.Estimate // with half, once, twice, … as many places in every pool
}

// mostScale is how often the number of workers is doubled at most.
const mostScale = 12

func (s *simulation) run() error {
	times := func(num, den int) (*sim.Estimate, error) {
		return sim.Simulate(s.plan, s.loads, func(x *dag.Executor) int { return max(1, s.places(x)*num/den) }, 0)
	}
	half, err := times(1, 2)
	if err != nil {
		return err
	}
	if s.as, err = times(1, 1); err != nil {
		return err
	}
	if half.Workers < s.as.Workers {
		s.scale = append(s.scale, half)
	}
	s.scale = append(s.scale, s.as)
	for k, last := 1, s.as; k <= mostScale && last.Makespan > last.Critical; k++ {
		e, err := times(1<<k, 1)
		if err != nil {
			return err
		}
		if e.Makespan >= last.Makespan {
			break // more would give nothing
		}
		s.scale = append(s.scale, e)
		last = e
	}
	return nil
}

// simulated is `simulate --json`; more says what other numbers of workers would give.
type simulated struct {
	scaled
	Bound    float64  `json:"lower_bound_s"`
	Critical float64  `json:"critical_path_s"`
	Work     float64  `json:"work_s"`
	Path     []string `json:"critical_path"`
	More     []scaled `json:"more"`
}

type scaled struct {
	Workers     int     `json:"workers"`
	Makespan    float64 `json:"makespan_s"`
	Utilisation float64 `json:"utilisation"`
}

func scaledOf(e *sim.Estimate) scaled {
	return scaled{e.Workers, e.Makespan.Seconds(), e.Utilisation()}
}

func (s *simulation) json() simulated {
	out := simulated{
		scaled: scaledOf(s.as), Bound: s.as.Bound.Seconds(), Critical: s.as.Critical.Seconds(), Work: s.as.Work.Seconds(),
		Path: s.path(), More: []scaled{},
	}
	for _, e := range s.scale {
		if e != s.as {
			out.More = append(out.More, scaledOf(e))
		}
	}
	return out
}

func (s *simulation) path() []string {
	ids := make([]string, len(s.as.Path))
	for k, i := range s.as.Path {
		ids[k] = s.plan.Nodes[i].Task.ID
	}
	return ids
}

func (s *simulation) text(st style) string {
	var b strings.Builder
	e := s.as
	fmt.Fprintf(&b, "%s  %s on %s, nothing is run\n\n", st.bold(s.plan.Workflow.Name), count(len(s.loads), "task"), count(e.Workers, "worker"))
	row := func(what string, d time.Duration, note string) {
		fmt.Fprintf(&b, "  %s %10s  %s\n", st.faint(pad(what, 13)), duration(d), note)
	}
	above := ""
	if e.Bound > 0 {
		above = fmt.Sprintf("%.1f%% above the lower bound", 100*(e.Makespan.Seconds()/e.Bound.Seconds()-1))
		if e.Makespan == e.Bound {
			above = "no schedule is shorter"
		}
	}
	row("makespan", e.Makespan, above)
	row("lower bound", e.Bound, "the critical path, or the work over the workers")
	row("critical path", e.Critical, fit(strings.Join(s.path(), " → "), 100))
	row("work", e.Work, fmt.Sprintf("the workers are busy %.0f%% of the time", 100*e.Utilisation()))
	switch {
	case !s.known.some:
		b.WriteString("\n  " + st.faint("each task counts one second: --durations says better, or a run") + "\n")
	case s.known.runs > 0:
		fmt.Fprintf(&b, "\n  %s\n", st.faint("durations: the medians of the last "+count(s.known.runs, "run")))
	case s.known.absent > 0:
		fmt.Fprintf(&b, "\n  %s\n", st.faint(fmt.Sprintf("%s without a duration: each counts the median, %s", count(s.known.absent, "task"), duration(s.known.others))))
	}
	fmt.Fprintf(&b, "\n  %s\n", st.faint("workers    makespan   faster   busy"))
	for _, x := range s.scale {
		line := fmt.Sprintf("  %7d  %10s  %6.2f×  %4.0f%%", x.Workers, duration(x.Makespan), ratio(e.Makespan, x.Makespan), 100*x.Utilisation())
		if x == e {
			line = st.bold(line)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 1
	}
	return a.Seconds() / b.Seconds()
}
