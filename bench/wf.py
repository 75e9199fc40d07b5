#!/usr/bin/env python3
"""Runs recorded workflow graphs as workflows of `sleep` and checks the schedule.

usage: bench/wf.py --flow bin/flow [--workers 8] [--seconds 6] GRAPH.json...

A graph is {"name", "tasks": [{"id", "runtime_s", "parents": [...]}]}. Each task
becomes `run: sleep S`, its recorded time scaled so that work/N + critical path
is about --seconds. Then, for each graph, with N workers:

  - every task ran exactly once, and began after all its parents had ended;
  - the makespan is at least the critical path of the sleeps, and at most
    work/N + critical path of the times that the tasks really took (Graham's
    bound for any schedule that leaves no worker idle needlessly), plus 5%
    and a quarter of a second for a noisy machine.

Exit code 1 if any of it does not hold. Graphs come from wherever you have them:
WfCommons' WfInstances, converted, for example.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime


def ident(name, taken):
    """A task id of flow for any name."""
    base = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if not re.match(r"[A-Za-z_]", base):
        base = "t_" + base
    out, n = base, 1
    while out in taken:
        n += 1
        out = f"{base}_{n}"
    taken.add(out)
    return out


def read(path):
    """The graph as [(id, seconds, [parent ids])], parents first."""
    with open(path) as f:
        graph = json.load(f)
    taken, ids, tasks = set(), {}, []
    for t in graph["tasks"]:
        ids[t["id"]] = ident(t["id"], taken)
    for t in graph["tasks"]:
        tasks.append((ids[t["id"]], max(0.0, t["runtime_s"]), [ids[p] for p in t["parents"]]))
    return graph["name"], tasks


def longest(tasks, took):
    """The critical path with the times in took."""
    end = {}
    for name, _, parents in tasks:
        end[name] = took[name] + max((end[p] for p in parents), default=0.0)
    return max(end.values(), default=0.0)


def workflow(tasks, scale, workers):
    lines = ["name: graph", "executors:", f"  default: {{ kind: process, workers: {workers} }}", "tasks:"]
    for name, seconds, parents in tasks:
        lines.append(f"  {name}:")
        lines.append(f"    run: sleep {seconds * scale:.4f}")
        lines.append("    result: none")
        if parents:
            lines.append(f"    needs: [{', '.join(parents)}]")
    return "\n".join(lines) + "\n"


def when(event):
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def run(flow, text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "graph.yaml")
        with open(path, "w") as f:
            f.write(text)
        done = subprocess.run([flow, "run", "--json", path], stdout=subprocess.PIPE, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, events


def check(path, args):
    name, tasks = read(path)
    nominal = {t: s for t, s, _ in tasks}
    bound = sum(nominal.values()) / args.workers + longest(tasks, nominal)
    scale = args.seconds / bound if bound else 1.0
    code, events = run(args.flow, workflow(tasks, scale, args.workers))
    wrong = [] if code == 0 else [f"exit code {code}"]
    began, ended, seq_began, seq_ended = {}, {}, {}, {}
    for e in events:
        if e["type"] == "attempt_started":
            if e["task"] in began:
                wrong.append(f"{e['task']} ran twice")
            began[e["task"]], seq_began[e["task"]] = when(e), e["seq"]
        elif e["type"] == "task_ended":
            ended[e["task"]], seq_ended[e["task"]] = when(e), e["seq"]
            if e["status"] != "succeeded":
                wrong.append(f"{e['task']} {e['status']}")
    for t, _, parents in tasks:
        if t not in began or t not in ended:
            wrong.append(f"{t} never ran")
            continue
        for p in parents:
            if seq_ended.get(p, sys.maxsize) > seq_began[t]:
                wrong.append(f"{t} began before {p} had ended")
    if wrong:
        return name, wrong, None
    start = next(when(e) for e in events if e["type"] == "run_started")
    makespan = max(ended.values()) - start
    took = {t: ended[t] - began[t] for t in began}
    low = longest(tasks, {t: s * scale for t, s in nominal.items()})
    high = sum(took.values()) / args.workers + longest(tasks, took)
    if makespan < low - 0.002:
        wrong.append(f"makespan {makespan:.2f} s is below the critical path {low:.2f} s")
    if makespan > high * 1.05 + 0.25:
        wrong.append(f"makespan {makespan:.2f} s is above {high:.2f} s")
    return name, wrong, (len(tasks), low, makespan, high)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--flow", default="bin/flow")
    ap.add_argument("--workers", type=int, default=8)
    ap.add_argument("--seconds", type=float, default=6.0)
    ap.add_argument("graphs", nargs="+")
    args = ap.parse_args()
    failed = False
    print(f"{'graph':28} {'tasks':>6} {'critical path':>14} {'makespan':>9} {'work/N + cp':>12}   ({args.workers} workers)")
    for path in args.graphs:
        name, wrong, figures = check(path, args)
        if figures:
            n, low, makespan, high = figures
            print(f"{name:28} {n:6} {low:13.2f}s {makespan:8.2f}s {high:11.2f}s   {'ok' if not wrong else 'WRONG'}")
        for w in wrong[:10]:
            failed = True
            print(f"{name}: {w}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
