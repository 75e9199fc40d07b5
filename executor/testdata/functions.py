"""What the tests have workers do; the same in functions.js and functions_test.go."""
import os
import signal
import subprocess
import sys
import time

started = []


def echo(x):
    return x


def neg(x):
    return -x


def pid(_):
    return os.getpid()


def fail(message):
    raise ValueError(message)


def fail_odd(x):
    if x % 2:
        raise ValueError("odd: %d" % x)
    return x


def block(fifo):
    """Blocks until somebody has opened and closed the pipe's other end."""
    with open(fifo) as f:
        f.read()
    return "released"


def ended(code):
    sys.stderr.write("about to end\n")
    os._exit(code)


def killed(sig):
    os.kill(os.getpid(), sig)
    time.sleep(1000)


def unencodable(_):
    return {"rows": [1, object()]}


def printing(x):
    print("out", x)
    subprocess.run(["sh", "-c", "echo child; echo child-err >&2"], check=True)
    print("err", x, file=sys.stderr)
    sys.stdout.write("no newline")
    return x


def surroundings(_):
    run = subprocess.run(["sh", "-c", "ls /proc/self/fd; echo \"marker=$FLOW_WORKER\""], check=True, stdout=subprocess.PIPE)
    return run.stdout.decode()


def grandchild(_):
    return subprocess.Popen(["sleep", "1000"]).pid


def deaf(fifo):
    """Ignores the wish to stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(fifo) as f:
        f.read()
    while True:
        time.sleep(1000)


def setup(*args):
    started.append(args)


def setup_fails():
    raise RuntimeError("no database")


def setup_args(_):
    return [list(a) for a in started]


def keywords(a, b=2, **more):
    return {"a": a, "b": b, "more": more}


def exit(code):
    sys.exit(code)


def swallow():
    raise RuntimeError("from an import")


async def later(x):
    import asyncio
    await asyncio.sleep(0)
    return x


def items(n):
    for i in range(n):
        yield i


async def later_items(n):
    for i in range(n):
        yield i


def types(_):
    import dataclasses
    import datetime
    import decimal
    import pathlib

    @dataclasses.dataclass
    class Row:
        id: int
        when: datetime.date

    return {
        "row": Row(1, datetime.date(2026, 1, 2)), "set": {7}, "decimal": decimal.Decimal("1.10"),
        "path": pathlib.Path("/a"), "tuple": (1, 2), "none": None,
    }


def big(n):
    return b"\xff" * n


def nan(_):
    return [1.0, float("nan")]


def memory(n):
    return len(bytearray(n))


class Thing:
    @staticmethod
    def inner(x):
        return ["inner", x]


not_a_function = 7


def pool_map(n):
    import multiprocessing
    with multiprocessing.Pool(2) as p:
        return p.map(abs, range(-n, 0))


class Rude(Exception):
    def __str__(self):
        sys.exit("no")


def rude(kind):
    if kind == "surrogate":
        raise ValueError("\udc80")
    if kind == "str":
        raise Rude()
    if kind == "huge":
        raise ValueError("x" * 10_000_000)
    raise type("Evil\udc80", (Exception,), {})("m")


def forks(x):
    if os.fork() == 0:
        return "from the child"
    os.wait()
    return x


def forks_and_kills(n):
    """How many of n children ended by the SIGTERM that they got at once."""
    ended = 0
    for _ in range(n):
        pid = os.fork()
        if pid == 0:
            time.sleep(2)
            os._exit(0)
        os.kill(pid, signal.SIGTERM)
        ended += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    return ended


def thread_stays(_):
    import threading
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return 1


def slow_setup():
    print("setting up")
    time.sleep(0.3)


def whisper(text):
    sys.stderr.write(text)


def vanish(_):
    os._exit(3)
