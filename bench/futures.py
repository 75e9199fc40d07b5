#!/usr/bin/env python3
"""Measures flow's futures and pools beside those of others, in one run.

usage: bench/futures.py [--rounds 5] [--limit 3]

Beside: Python's concurrent.futures; the pools ants, pond, conc and errgroup for Go;
and channels by hand. Each round runs every one of them once, in a process of its
own, so that a noisy machine is noisy for all. Ratios to flow are taken round by
round and the median is printed. Nanoseconds mean little on a shared machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [("circle", "two tasks that wait for each other"), ("nested", "one worker, a task that waits for one it submits")]
WAIT, SELECT, BACKGROUND, CHANNEL = "flow: Result(task's ctx)", "flow: select on Done, ctx", "flow: Result(Background)", "flow's pool, bare channel"
WAITS = [
    (WAIT, "the detector looks, the place is given back, can be told to stop"),
    ("flow: 2 workers", "the same with a fiftieth of the places: all others hang"),
    (SELECT, "no detector, place kept, can be told to stop"),
    (BACKGROUND, "no detector, place kept, can't be told to stop"),
    ("flow: Result(other ctx)", "no detector, place kept, another's ctx ends it"),
    (CHANNEL, "no detector, place kept, can't be told to stop"),
    ("pond results", "pond's own"),
    ("go + bare channel", "no pool, no errors"),
]
CALL, ECHO, JSON, POOL = "flow: executor.Call", "pipe echo", "pipe echo of JSON", "ProcessPoolExecutor"
CALLS = [(CALL, "from Go"), (ECHO, "the same bytes back: the floor"), (JSON, "read and written again by Python"), (POOL, "Python's own, from Python")]
PYTHON = [("Python threads", "a result each", ["submit", "threads"]), ("Python processes", "a result each", ["submit", "processes"])]
MANY = [("flow", "a result each"), ("pond results", "a result each"), ("Python threads", "a result each")]


def output(command, env=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=env)
    if done.returncode != 0:
        sys.exit(f"{command}: exit code {done.returncode}")
    return done.stdout


def deadlocks(go, python, pools, limit):
    """What becomes of each pool's deadlocks: {(case, pool): text}. All at once: they
    do nothing but wait."""
    commands = {(case, name): [*program, "deadlock", case, *args] for case, _ in CASES for name, (program, args) in {
        **{p: (go, [p]) for p in pools}, "Python threads": (python, [])}.items()}
    children = {key: subprocess.Popen(c, stdout=subprocess.PIPE, text=True) for key, c in commands.items()}
    time.sleep(limit)
    ends = {}
    for key, child in children.items():
        hangs = child.poll() is None
        if hangs:
            child.kill()
        said = child.communicate()[0].splitlines()
        if said[:1] != ["waiting"]:
            ends[key] = f"did not begin in {limit:g} s" if hangs else f"exit code {child.returncode}"
        elif hangs:
            ends[key] = f"hangs (ended after {limit:g} s)"
        else:
            ends[key] = said[-1] if child.returncode == 0 else f"exit code {child.returncode}"
    return ends


def middle(rounds, value):
    """The median of value over the rounds, the least and the greatest."""
    values = sorted(value(r) for r in rounds)
    return statistics.median(values), values[0], values[-1]


def number(v):
    return f"{v:,.0f}" if v >= 100 else f"{v:.2f}"


def table(title, rounds, rows, base):
    """rows: (name, what it gives). base is the row that the others are ratios to."""
    print(f"\n{title}\n{'':28}{'ns':>9}{'allocs':>8}{'ratio':>9}  range")
    for name, gives in rows:
        ns, _, _ = middle(rounds, lambda r: r[name]["ns"])
        allocs = statistics.median(r[name].get("allocs", -1) for r in rounds)
        ratio, low, high = middle(rounds, lambda r: r[name]["ns"] / r[base]["ns"])
        span = "" if name == base else f"{number(low)}–{number(high)}"
        print(f"{name:28}{ns:>9,.0f}{f'{allocs:.2f}' if allocs >= 0 else '':>8}{number(ratio):>9}  {span:18}{gives}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--limit", type=float, default=3, help="seconds after which a deadlock counts as one")
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = f"{folder}/futures"
        subprocess.run(["go", "build", "-o", binary, "."], cwd=f"{HERE}/futures", check=True)
        run([binary], [sys.executable, f"{HERE}/futures/peer.py"], args)


def calls(go, python, core):
    """Warm calls by a parent on core 0 of a Python on that core: placed by the system,
    the same two take 20 µs or 60 µs, as they happen to share a core or not."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/python3", "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nexec taskset -c {core} {sys.executable} \"$@\"\n")
        os.chmod(f.name, 0o755)
        env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        pinned = ["taskset", "-c", "0"]
        return json.loads(output([*pinned, *go, "calls"], env)) | {POOL: json.loads(output([*pinned, *python, "call", core], env))}


def run(go, python, args):
    peers = [tuple(line.split("\t")) for line in output([*go, "peers"]).splitlines()]
    rounds = []
    for _ in range(args.rounds):
        submit = {name: [*go, "submit", name] for name, _ in peers} | {name: [*python, *what] for name, _, what in PYTHON}
        r = {name: json.loads(output([*command, "1000"])) for name, command in submit.items()}
        r["many"] = {name: json.loads(output([*submit[name], "100000"])) for name, _ in MANY}
        r["together"], r["apart"] = calls(go, python, "0"), calls(go, python, "1")
        r["waits"] = json.loads(output([*go, "waits"]))
        rounds.append(r)
    many, waits, together, apart = ([r[part] for r in rounds] for part in ("many", "waits", "together", "apart"))
    ends = deadlocks(go, python, ["flow", "pond results", "ants", "conc", "errgroup"], args.limit)

    print(f"medians of {args.rounds} rounds, everything once a round; ratios and their range are taken round by round")
    table("1,000 tasks submitted to 2 workers, then each result; a task", rounds, [*peers, *((n, g) for n, g, _ in PYTHON)], "flow")
    table("100,000 tasks submitted; a task", many, MANY, "flow")
    table("a chain of 100 tasks, each waiting for one that it submits; a task", waits, WAITS, WAIT)
    table("one warm call of a Python function at a time, both processes on one core", together, CALLS, JSON)
    table("… each on a core of its own", apart, CALLS, JSON)
    for case, what in CASES:
        print(f"\n{what}")
        for (of, name), end in ends.items():
            if of == case:
                print(f"{name:28}{end}")

    ratio = lambda a, b: lambda r: r[a]["ns"] / r[b]["ns"]
    full = ["pond results", "conc results"]  # the pools that return results by themselves
    promises = [
        ("Python's threads / flow, 1,000 tasks", rounds, ratio("Python threads", "flow"), ">", 40),
        ("Python's threads / flow, 100,000 tasks", many, ratio("Python threads", "flow"), ">", 40),
        *((f"flow / {name}, 1,000 tasks", rounds, ratio("flow", name), "<", 1.0) for name in full),
        ("allocations a submitted task, the caller's closure too", rounds, lambda r: round(r["flow"]["allocs"], 2), "<", 2.0),
        ("a wait that the detector sees / the task's own select", waits, ratio(WAIT, SELECT), "<", 1.1),
        ("… / a wait with context.Background()", waits, ratio(WAIT, BACKGROUND), "<", 1.1),
        ("… / a bare channel", waits, ratio(WAIT, CHANNEL), "<", 1.1),
        ("a warm Python call / a line of JSON there and back, one core", together, ratio(CALL, JSON), "<", 1.5),
        ("… two cores", apart, ratio(CALL, JSON), "<", 1.5),
        ("a warm Python call / ProcessPoolExecutor, one core", together, ratio(CALL, POOL), "<", 0.3),
        ("… two cores", apart, ratio(CALL, POOL), "<", 0.3),
    ]
    print("\npromised")
    for what, of, value, better, bound in promises:
        mid, low, high = middle(of, value)
        holds = mid <= bound if better == "<" else mid >= bound
        print(f"{'ok ' if holds else '-- '} {what:62}{number(mid):>6}  ({number(low)}–{number(high)}; {'at most' if better == '<' else 'at least'} {number(bound)})")
    for case, good in (("circle", "error: deadlock: "), ("nested", "answers 42")):
        print(f"{'ok ' if ends[case, 'flow'].startswith(good) else '-- '} {dict(CASES)[case]}: {ends[case, 'flow']}")


if __name__ == "__main__":
    main()
