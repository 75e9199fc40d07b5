#!/usr/bin/env python3
"""Measures Python's concurrent.futures, one thing at a time, for bench/futures.py.

usage: peer.py submit threads|processes COUNT   so many tasks submitted, then each result
       peer.py call [CORE]                      one call at a time by a warm process, on that core
       peer.py deadlock circle|nested
What it measures it prints as JSON: {"ns": …} a task.
"""
import json
import operator
import os
import queue
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

POOLS = {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}


def measure(batch, count):
    """Runs batch, of count tasks each, for long enough; the first is to get warm."""
    batch()
    batches, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < 0.4:
        batch()
        batches += 1
    print(json.dumps({"ns": took / (batches * count) * 1e9}))


def submit(kind, tasks):
    tasks = int(tasks)
    with POOLS[kind](2) as pool:

        def batch():
            futures = [pool.submit(operator.pos, i) for i in range(tasks)]
            if any(f.result() != i for i, f in enumerate(futures)):
                sys.exit("a wrong result")

        measure(batch, tasks)


def call(core=None):
    pin = dict(initializer=os.sched_setaffinity, initargs=(0, {int(core)})) if core else {}
    with ProcessPoolExecutor(1, **pin) as pool:

        def batch():
            if pool.submit(operator.neg, 7).result() != -7:
                sys.exit("a wrong result")

        measure(batch, 1)


def circle(waiting):
    pool, second = ThreadPoolExecutor(2), queue.SimpleQueue()
    a = pool.submit(lambda: second.get().result())
    b = pool.submit(a.result)
    waiting()
    second.put(b)
    return a.result()


def nested(waiting):
    pool = ThreadPoolExecutor(1)

    def outer():
        waiting()
        return pool.submit(operator.pos, 42).result()

    return pool.submit(outer).result()


def deadlock(case):
    print("answers", {"circle": circle, "nested": nested}[case](lambda: print("waiting", flush=True)))


if __name__ == "__main__":
    {"submit": submit, "call": call, "deadlock": deadlock}[sys.argv[1]](*sys.argv[2:])
