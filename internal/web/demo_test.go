package web_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
	"flow/internal/web"
)

func marshal(s *run.Summary) ([]byte, error) { return json.Marshal(s) }

const ordersFlow = `name: daily-orders
description: Clean yesterday's orders and load them into the warehouse
owner: data@example.org
tags: [etl, finance]
schedule:
  - cron: "30 6 * * 1-5"
    timezone: Europe/Berlin
    overlap: skip
    catchup: latest
  - cron: "0 22 * * 0"
    timezone: UTC
params:
  day: { type: date, default: "${{ run.interval_start }}", description: The day whose orders are loaded }
  region: { type: string, enum: [eu, us, apac], default: eu, description: Where the orders come from }
  limit: { type: int, default: 5000, min: 1, max: 100000, description: How many orders at most }
  dry: { type: bool, default: false, description: Load nothing }
  tables: { type: list, default: [orders, refunds] }
defaults: { retry: { attempts: 3, delay: 2s } }
tasks:
  extract: { exec: [./fetch-orders], description: Orders of the shop's API, inputs: { day: "${{ params.day }}" }, result: json }
  currencies: { exec: [./rates] }
  clean: { exec: [./clean], needs: [extract] }
  convert: { exec: [./convert], needs: [clean, currencies] }
  load:
    for_each: ["warehouse", "search", "finance", "crm", "archive"]
    max_parallel: 3
    exec: [./load, "${{ item }}"]
    needs: convert
  quality: { exec: [./check, --strict], needs: load, description: "Counts, sums and keys that must be unique" }
  report: { exec: [./report], needs: quality }
  publish: { exec: [./publish], needs: report }
  notify: { exec: [./notify], needs: report, continue_on_error: true }
finally:
  cleanup: { exec: [rm, -rf, tmp] }
outputs:
  loaded: "${{ tasks.load.result }}"
  rows: "${{ tasks.extract.result.rows }}"
`

const buildFlow = `name: build-release
description: Compile, test and package for four platforms
params:
  version: { type: string, required: true, pattern: "v[0-9]+\\.[0-9]+\\.[0-9]+", description: What the release is called }
tasks:
  checkout: { exec: [git, clone, x] }
  generate: { exec: [make, generate], needs: checkout }
  lint: { exec: [make, lint], needs: checkout }
  unit: { exec: [make, test], needs: generate }
  build: { matrix: { os: [linux, darwin], arch: [amd64, arm64] }, exec: [make, build], needs: generate }
  integration: { exec: [make, integration], needs: [build, unit] }
  package: { exec: [make, package], needs: [build, lint] }
  sign: { exec: [make, sign], needs: [package, integration] }
  upload: { exec: [make, upload], needs: sign }
`

// bigFlow has 2,000 tasks that differ, in layers.
func bigFlow(n int) string {
	var b strings.Builder
	b.WriteString("name: mesh\ndescription: A large build, in layers\ntasks:\n")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		fmt.Fprintf(&b, "  step-%04d: { exec: [\"true\"]", i)
		if i >= 80 {
			from := i/80*80 - 80
			fmt.Fprintf(&b, ", needs: [step-%04d, step-%04d]", from+r.IntN(40), from+40+r.IntN(40))
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

var ordersLog = map[string][]string{
	"extract": {"fetching https://shop.example.org/orders?day=2026-11-24", "page 1 of 4: 1,250 orders", "page 2 of 4: 1,250 orders", "page 3 of 4: 1,250 orders", "page 4 of 4: 871 orders", "\x1b[32mdone\x1b[0m: 4,621 orders in 3.2s"},
	"clean":   {"reading 4,621 orders", "\x1b[33mwarning\x1b[0m: 12 orders without a country, taken as DE", "\x1b[1mdropped\x1b[0m 31 duplicates", "wrote 4,590 orders"},
	"quality": {"checking counts … \x1b[32mok\x1b[0m", "checking sums … \x1b[32mok\x1b[0m", "checking keys …", "!\x1b[1;31mFAILED\x1b[0m order_id is not unique: 3 rows", "!  order_id=881204  \x1b[2mwarehouse, search\x1b[0m", "!  order_id=881377  \x1b[2mwarehouse, crm\x1b[0m", "!  order_id=881502  \x1b[2mwarehouse, search\x1b[0m", "!1 of 3 checks failed"},
	"load":    {"connecting to db.example.org:5432", "\x1b[36mCOPY\x1b[0m orders FROM STDIN", "4,590 rows in 1.4s", "\x1b[32mcommitted\x1b[0m"},
	"report":  {"rendering report.html", "14 charts, 3 tables"},
}

func ordersDoes(seed uint64, fail string) func(string, int, int) (time.Duration, *dag.Failure, any) {
	r := rand.New(rand.NewPCG(seed, 7))
	base := map[string]float64{"extract": 34, "currencies": 6, "clean": 21, "convert": 12, "load": 18, "quality": 26, "report": 15, "publish": 4, "notify": 2, "cleanup": 1}
	return func(task string, instance, attempt int) (time.Duration, *dag.Failure, any) {
		took := time.Duration(base[task] * (0.7 + 0.6*r.Float64()) * float64(time.Second))
		if task == "currencies" && attempt == 1 && seed%3 == 0 {
			return took / 2, &dag.Failure{Reason: dag.ReasonTimeout, Message: "the attempt took longer than 10s", ExitCode: -1}, nil
		}
		if task == fail && (task != "load" || instance == 3) {
			return took, &dag.Failure{Reason: dag.ReasonExit, Message: "the command ended with status 3", ExitCode: 3}, nil
		}
		switch task {
		case "extract":
			return took, nil, map[string]any{"rows": 4621, "day": "2026-11-24"}
		case "load":
			return took, nil, 4590 + instance
		}
		return took, nil, "ok"
	}
}

// demo fills a world with what a team might have.
func demo(w *world) (failed, live, big string) {
	now := time.Now()
	orders, build := w.add("daily-orders", ordersFlow), w.add("build-release", buildFlow)
	w.add("backup", "schedule: \"15 2 * * *\"\ndescription: Nightly dump of the shop's database\ntasks:\n  dump: { run: pg_dump shop }\n")
	w.add("broken", "description: A file with a mistake\ntasks:\n  load:\n    rn: ./load\n    needs: [extract]\n")
	mesh := w.add("mesh", bigFlow(2000))
	w.add("hello", "description: The smallest workflow\ntasks:\n  hello: { run: echo hello }\n")
	prints := func(task string, _, _ int) []string { return ordersLog[task] }
	for k := range 22 {
		p := past{at: now.Add(-time.Duration(22-k)*24*time.Hour - 3*time.Hour), trigger: "schedule", does: ordersDoes(uint64(k), ""), prints: prints}
		switch k {
		case 6:
			p.does = ordersDoes(uint64(k), "extract")
		case 15:
			p.does = ordersDoes(uint64(k), "load")
		}
		id := w.record(orders, p)
		w.fates = append([]web.Fate{{Workflow: "daily-orders", Trigger: "schedule", What: "30 6 * * 1-5 Europe/Berlin", At: p.at.Truncate(time.Minute), Decided: p.at.Add(310 * time.Millisecond), Fate: []string{"fired", "fired", "fired", "caught_up"}[k%4], Shifted: k == 9, Run: id}}, w.fates...)
		if k == 12 {
			w.fates = append([]web.Fate{{Workflow: "backup", Trigger: "schedule", What: "15 2 * * * UTC", At: p.at.Add(time.Hour), Decided: p.at.Add(3 * time.Hour), Fate: "missed", Note: "nobody was there"}, {Workflow: "daily-orders", Trigger: "schedule", What: "0 22 * * 0 UTC", At: p.at.Add(2 * time.Hour), Decided: p.at.Add(2 * time.Hour), Fate: "skipped", Note: "the run before it had not ended"}}, w.fates...)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for k := range 14 {
		does := func(string, int, int) (time.Duration, *dag.Failure, any) {
			return time.Duration(20+r.IntN(90)) * time.Second, nil, "ok"
		}
		if k%5 == 3 {
			does = func(task string, instance, _ int) (time.Duration, *dag.Failure, any) {
				if task == "build" && instance == 2 {
					return 71 * time.Second, &dag.Failure{Reason: dag.ReasonExit, Message: "the command ended with status 2", ExitCode: 2}, nil
				}
				return 40 * time.Second, nil, "ok"
			}
		}
		w.record(build, past{at: now.Add(-time.Duration(14-k) * 5 * time.Hour), params: map[string]any{"version": fmt.Sprintf("v1.4.%d", k)}, does: does})
	}
	big = w.record(mesh, past{at: now.Add(-2 * time.Hour), places: 64, does: func(task string, _, _ int) (time.Duration, *dag.Failure, any) {
		if task == "step-1234" {
			return 3 * time.Second, &dag.Failure{Reason: dag.ReasonError, Message: "undefined reference to `frobnicate'", Type: "LinkError", ExitCode: -1}, nil
		}
		return time.Duration(1+r.IntN(20)) * time.Second, nil, nil
	}})
	failed = w.record(orders, past{at: now.Add(-40 * time.Minute), does: ordersDoes(40, "quality"), prints: prints})
	w.record(build, past{at: now.Add(-20 * time.Minute), params: map[string]any{"version": "v1.5.0"}, until: 100 * time.Second, does: func(string, int, int) (time.Duration, *dag.Failure, any) { return 40 * time.Second, nil, "ok" }})
	live = w.begin(w.liveFlow(), nil)
	return failed, live, big
}

// liveFlow is one that takes a while.
func (w *world) liveFlow() string {
	w.add("sync-inventory", `description: Stock levels of all shops, every ten minutes
schedule: "*/10 * * * *"
tasks:
  shops: { run: 'echo "12 shops"; sleep 1', result: text }
  fetch: { for_each: [berlin, hamburg, köln, münchen, wien, graz], max_parallel: 2, run: 'for i in 1 2 3 4 5 6; do printf "\033[36m%s\033[0m: page %s\n" "$city" $i; sleep 0.7; done', inputs: { city: "${{ item }}" }, needs: shops }
  prices: { run: 'sleep 2; echo prices >&2; sleep 60', needs: shops }
  merge: { run: sleep 20, needs: [fetch, prices] }
  push: { run: sleep 3, needs: merge }
`)
	return "sync-inventory"
}

// TestDemo serves a site to look at, on the address in FLOW_WEB_DEMO, until it is
// interrupted.
func TestDemo(t *testing.T) {
	address := os.Getenv("FLOW_WEB_DEMO")
	if address == "" {
		t.Skip("FLOW_WEB_DEMO=127.0.0.1:7070 serves a site to look at")
	}
	w := newWorld(t, web.Options{Poll: 250 * time.Millisecond})
	failed, live, big := demo(w)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := web.Server(w.site)
	go func() { _ = srv.Serve(l) }()
	fmt.Printf("http://%s/  failed %s  live %s  big %s\n", address, failed, live, big)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
	_ = srv.Close()
}
