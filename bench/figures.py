#!/usr/bin/env python3
"""Measures what flow promises about speed, beside its peers, in one run.

usage: bench/figures.py [--flow bin/flow] [--rounds 5] [--only NAME…]

Each round runs every command once, so that a noisy machine is noisy for all. Ratios
are taken round by round and the median is printed, beside what is promised.
Seconds mean little on a shared machine. A peer that is not installed is left out.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from peers import graph

TRUE = "/bin/true"


def measure(command, folder):
    """Wall seconds, and the CPU seconds of the process alone, without its children."""
    began = time.perf_counter()
    environ = dict(os.environ, FLOW_HOME=f"{folder}/home")
    child = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - began
    with open(f"/proc/{child.pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    if child.wait() != 0:
        sys.exit(f"{command}: exit code {child.returncode}")
    return wall, own


def head(f, kind):
    name = os.path.basename(f.name).removesuffix(".yaml")
    f.write(f"name: {name}\nexecutors:\n  two: {{ kind: {kind}, workers: 2 }}\ntasks:\n")


def layered(folder, name, layers, width):
    """The same graph for make, ninja and flow; every task starts /bin/true."""
    tasks = graph(f"layered-{layers}x{width}")
    named = {d for _, deps in tasks for d in deps}
    last = " ".join(t for t, _ in tasks if t not in named)
    with open(f"{folder}/{name}.mk", "w", encoding="utf-8") as f:
        f.write(f"all: {last}\n.PHONY: all {' '.join(t for t, _ in tasks)}\n")
        f.writelines(f"{t}: {' '.join(deps)}\n\t@{TRUE}\n" for t, deps in tasks)
    with open(f"{folder}/{name}.ninja", "w", encoding="utf-8") as f:
        f.write(f"rule r\n  command = {TRUE}\n")
        f.writelines(f"build {t}: r {' '.join(deps)}\n" for t, deps in tasks)
        f.write(f"build all: phony {last}\ndefault all\n")
    with open(f"{folder}/{name}.yaml", "w", encoding="utf-8") as f:
        head(f, "process")
        for t, deps in tasks:
            f.write(f"  {t}: {{ run: {TRUE}, executor: two, result: none, needs: [{', '.join(deps)}] }}\n")


def in_process(folder, name, action, count, layers):
    """Tasks that start no process, each with a reference to one of the layer before."""
    with open(f"{folder}/{name}.yaml", "w", encoding="utf-8") as f:
        head(f, "thread")
        for i in range(count):
            before = i - count // layers
            f.write(f"  t{i}:\n    {action(before)}\n    executor: two\n")


def references(folder, name, count):
    """A file with one reference a task, below 16 MiB."""
    with open(f"{folder}/{name}.yaml", "w", encoding="utf-8") as f:
        f.write("tasks:\n  t0:\n    run: ./step 0\n")
        f.writelines(f"  t{i}:\n    run: ./step {i}\n    inputs: {{ x: \"${{{{ tasks.t{i - 1}.result }}}}\" }}\n" for i in range(1, count))


def write_all(folder):
    layered(folder, "thousand", 10, 100)
    layered(folder, "tenthousand", 10, 1000)
    layered(folder, "ten", 2, 5)
    in_process(folder, "shell", lambda before: 'run: "true"', 10_000, 10)
    in_process(folder, "expr", lambda before: f"expr: tasks.t{before}.result + 1" if before >= 0 else 'expr: "1"', 100_000, 10)
    references(folder, "references", 100_000)


def commands(flow, parse, folder):
    run = lambda name: [flow, "run", f"{name}.yaml"]
    bare = lambda name: [flow, "run", f"{name}.yaml", "--no-history"]
    validate = lambda name: [flow, "validate", f"{name}.yaml"]
    return {
        "make": ["make", "-s", "-j2", "-f", "thousand.mk"],
        "ninja": ["ninja", "--quiet", "-j2", "-f", "thousand.ninja"],
        "flow": run("thousand"),
        "bare": bare("thousand"),
        "flow 10k": run("tenthousand"),
        "shell": run("shell"),
        "shell load": validate("shell"),
        "expr": bare("expr"),
        "expr kept": run("expr"),
        "expr load": validate("expr"),
        "parse": [parse, "references.yaml"],
        "references": validate("references"),
        "make -n": ["make", "-n", "-f", "ten.mk"],
        "validate": validate("ten"),
    }


# Each figure: what it is, the commands that it needs, how it follows from their
# (wall, own CPU) in one round, what is promised (at most, or at least), the unit.
FIGURES = [
    ("1,000 /bin/true, 2 workers: wall / make -j2", ["flow", "make"], lambda r: r["flow"][0] / r["make"][0], "<", 1.1, ""),
    ("1,000 /bin/true, 2 workers: wall / ninja -j2", ["flow", "ninja"], lambda r: r["flow"][0] / r["ninja"][0], "<", 0.6, ""),
    ("1,000 /bin/true: flow's own CPU / make's", ["flow", "make"], lambda r: r["flow"][1] / r["make"][1], "<", 2.0, ""),
    ("time a task at 10,000 / at 1,000", ["flow", "flow 10k"], lambda r: r["flow 10k"][0] / r["flow"][0] / 10, "<", 1.1, ""),
    ("run: true in the shell inside flow, 2 threads", ["shell", "shell load"], lambda r: (r["shell"][0] - r["shell load"][0]) * 100, "<", 150, " µs a task"),
    ("100,000 expr tasks in ten layers, beyond loading", ["expr", "expr load"], lambda r: 100_000 / (r["expr"][0] - r["expr load"][0]), ">", 150_000, " a second"),
    ("1,000 /bin/true, 2 workers: with history / without", ["flow", "bare"], lambda r: r["flow"][0] / r["bare"][0], "<", 1.05, ""),
    ("100,000 expr tasks with history, beyond loading", ["expr kept", "expr load"], lambda r: 100_000 / (r["expr kept"][0] - r["expr load"][0]), ">", 30_000, " tasks a second"),
    ("validate 100,000 tasks / bare yaml.v3 parse", ["references", "parse"], lambda r: r["references"][0] / r["parse"][0], "<", 2.0, ""),
    ("validate ten tasks / make -n", ["validate", "make -n"], lambda r: r["validate"][0] / r["make -n"][0], "<", 3.0, ""),
]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--flow", default="bin/flow")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--only", nargs="*", help="figures with one of these texts in their name")
    args = ap.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    figures = [f for f in FIGURES if not args.only or any(o in f[0] for o in args.only)]
    with tempfile.TemporaryDirectory() as folder:
        write_all(folder)
        parse = f"{folder}/parse"
        subprocess.run(["go", "build", "-o", parse, "./bench/parse"], cwd=os.path.dirname(here), check=True)
        all_commands = commands(os.path.abspath(args.flow), parse, folder)
        have = {n for n, c in all_commands.items() if shutil.which(c[0])}
        figures = [f for f in figures if have.issuperset(f[1])]
        needed = [n for n in all_commands if any(n in f[1] for f in figures)]
        rounds = [{n: measure(all_commands[n], folder) for n in needed} for _ in range(args.rounds)]
    print(f"medians of {args.rounds} rounds, every command once a round\n")
    for what, _, value, better, bound, unit in figures:
        values = sorted(value(r) for r in rounds)
        mid = statistics.median(values)
        holds = mid <= bound if better == "<" else mid >= bound
        number = (lambda v: f"{v:,.0f}") if bound >= 100 else (lambda v: f"{v:.2f}")
        print(f"{'ok ' if holds else '-- '} {what:52}{number(mid):>9}{unit}  ({number(values[0])}–{number(values[-1])}; promised {'at most' if better == '<' else 'at least'} {number(bound)})")


if __name__ == "__main__":
    main()
