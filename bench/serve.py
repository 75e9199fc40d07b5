#!/usr/bin/env python3
"""Measures how much later than its time a schedule fires.

usage: bench/serve.py [--flow bin/flow] [--schedules 1000] [--minutes 2] [--alone 120]

First that many schedules are due in the same second, each minute; it tells when the
first, the median and the last run began, in seconds after that. Then one schedule fires
each second, with nothing beside it, and the median, p99 and largest delay are told.
"""
import argparse
import collections
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time


def serve(flow, folder, seconds):
    """Runs a service for so long, and returns when its runs began, and how they ended."""
    home = folder / "home"
    service = subprocess.Popen([flow, "serve", folder, "--home", home, "--listen", "127.0.0.1:0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in service.stderr:
            if " serving " in line:
                break
        time.sleep(seconds)
        with open(f"/proc/{service.pid}/status", encoding="utf-8") as f:
            memory = next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))
    finally:
        service.terminate()
        service.stderr.close()
        service.wait()
    listed = subprocess.run([flow, "runs", "-n", "0", "--json", "--home", home], check=True, capture_output=True, text=True)
    runs = [json.loads(line) for line in listed.stdout.splitlines()]
    bad = collections.Counter(run["status"] for run in runs if run["status"] != "succeeded")
    if bad:
        sys.exit(f"runs that did not succeed: {bad}")
    return [datetime.datetime.fromisoformat(run["started_at"]) for run in runs], memory


def together(flow, n, minutes):
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as name:
        folder = pathlib.Path(name)
        for i in range(n):
            text = f'name: w{i}\nschedule: "* * * * *"\ntasks: {{ a: {{ run: "true" }} }}\n'
            (folder / f"w{i}.yaml").write_text(text, encoding="utf-8")
        wait = 60 - time.time() % 60
        began, memory = serve(flow, folder, wait + 60 * (minutes - 1) + 30)
    by = collections.defaultdict(list)
    for at in began:
        minute = at.replace(second=0, microsecond=0)
        by[minute].append((at - minute).total_seconds())
    for minute, late in sorted(by.items()):
        late.sort()
        print(f"{minute:%H:%M}  {len(late)} runs began after {late[0]:.2f} s, the median after {late[len(late) // 2]:.2f} s, the last after {late[-1]:.2f} s (promised: 2 s)")
    print(f"most memory of the service: {memory:.0f} MB")


def alone(flow, seconds):
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as name:
        folder = pathlib.Path(name)
        text = 'name: w\nschedule: { cron: "@every 1s", overlap: allow }\ntasks: { a: { run: "true" } }\n'
        (folder / "w.yaml").write_text(text, encoding="utf-8")
        began, _ = serve(flow, folder, seconds)
    late = sorted(at.microsecond / 1000 for at in began)
    print(f"alone: {len(late)} runs; median {late[len(late) // 2]:.0f} ms late, p99 {late[int(len(late) * 0.99)]:.0f} ms (promised: 50 ms), at most {late[-1]:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flow", default="bin/flow")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=2)
    parser.add_argument("--alone", type=int, default=120, help="seconds; 0: not")
    args = parser.parse_args()
    flow = str(pathlib.Path(args.flow).resolve())
    together(flow, args.schedules, args.minutes)
    if args.alone:
        alone(flow, args.alone)


if __name__ == "__main__":
    main()
