#!/usr/bin/env python3
"""Times flow beside make and ninja on the same graph, in interleaved rounds.

usage: bench/peers.py [--flow bin/flow] [--shape layered-10x100] [--rounds 5]

Shapes: chain-N, wide-N (a root, N tasks, a sink), layered-LxW (each task depends
on up to three of the layer before). Every task is /bin/true, two at a time. Each
round runs every tool once; what is printed is the median of the rounds, and the
median of the ratios to make taken round by round. Seconds on a shared machine
mean little, ratios mean something.
"""
import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def graph(shape):
    """[(name, [names it depends on])], dependencies first."""
    kind, _, size = shape.partition("-")
    if kind == "chain":
        return [(f"t{i}", [f"t{i - 1}"] if i else []) for i in range(int(size))]
    if kind == "wide":
        leaves = [f"t{i}" for i in range(int(size))]
        return [("root", [])] + [(t, ["root"]) for t in leaves] + [("sink", leaves)]
    if kind == "layered":
        layers, width = map(int, size.split("x"))
        rnd, tasks, before = random.Random(1), [], []
        for layer in range(layers):
            row = [f"l{layer}_{i}" for i in range(width)]
            tasks += [(t, sorted(rnd.sample(before, min(3, len(before))))) for t in row]
            before = row
        return tasks
    sys.exit(f"unknown shape {shape}")


def write(folder, tasks):
    named = {d for _, deps in tasks for d in deps}
    last = [t for t, _ in tasks if t not in named]
    with open(os.path.join(folder, "Makefile"), "w") as f:
        f.write(f"all: {' '.join(last)}\n.PHONY: all {' '.join(t for t, _ in tasks)}\n")
        f.writelines(f"{t}: {' '.join(deps)}\n\t@/bin/true\n" for t, deps in tasks)
    with open(os.path.join(folder, "build.ninja"), "w") as f:
        f.write("rule r\n  command = /bin/true\n")
        f.writelines(f"build {t}: r {' '.join(deps)}\n" for t, deps in tasks)
        f.write(f"build all: phony {' '.join(last)}\ndefault all\n")
    with open(os.path.join(folder, "flow.yaml"), "w") as f:
        f.write("name: bench\nexecutors:\n  default: { kind: process, workers: 2 }\ntasks:\n")
        for t, deps in tasks:
            f.write(f"  {t}:\n    exec: [/bin/true]\n    result: none\n")
            if deps:
                f.write(f"    needs: [{', '.join(deps)}]\n")


def once(command, folder):
    """Wall and CPU seconds of a command with all its children."""
    cpu = lambda u: u.ru_utime + u.ru_stime
    before, began = cpu(resource.getrusage(resource.RUSAGE_CHILDREN)), time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{command}: exit code {done.returncode}")
    return wall, cpu(resource.getrusage(resource.RUSAGE_CHILDREN)) - before


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--flow", default="bin/flow")
    ap.add_argument("--shape", default="layered-10x100")
    ap.add_argument("--rounds", type=int, default=5)
    args = ap.parse_args()
    tasks = graph(args.shape)
    tools = {
        "make -j2": ["make", "-j2", "-s"],
        "ninja -j2": ["ninja", "-j2", "--quiet"],
        "flow": [os.path.abspath(args.flow), "run", "flow.yaml"],
    }
    tools = {name: c for name, c in tools.items() if shutil.which(c[0])}
    times = {name: [] for name in tools}
    with tempfile.TemporaryDirectory() as folder:
        write(folder, tasks)
        for _ in range(args.rounds):
            for name, command in tools.items():
                times[name].append(once(command, folder))
    print(f"{args.shape}: {len(tasks)} tasks of /bin/true, {args.rounds} rounds")
    print(f"{'':12}{'wall':>9}{'cpu':>9}{'wall / make':>13}")
    for name, runs in times.items():
        ratio = statistics.median(r[0] / m[0] for r, m in zip(runs, times.get("make -j2", runs)))
        print(f"{name:12}{statistics.median(r[0] for r in runs):8.2f}s{statistics.median(r[1] for r in runs):8.2f}s{ratio:13.2f}")


if __name__ == "__main__":
    main()
