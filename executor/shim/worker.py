# A worker process in Python (3.8 and later): docs/worker-protocol.md. It is sent to an
# interpreter over its own pipe, so it is no file that an import could find.
import functools
import importlib
import json
import os
import signal
import struct
import sys
import types  # what few need (asyncio, traceback) is imported where that is: they take 20 ms
from _thread import get_ident

BYTES, TEXT, RESERVED, LONG = "$flow:bytes", "$flow:text", '"$flow:', 4096

os.environ.pop("FLOW_WORKER", None)  # what a task starts is no worker
PID = os.getpid()
MAX_FRAME, MAX_TEXT = 1 << 30, 1 << 18
LENGTH = struct.Struct(">I")

for fd in (3, 4):
    os.set_inheritable(fd, False)
frames = open(3, "rb", buffering=1 << 16)
loop = None


def receive():
    """The header and the blobs of the next frame, None where there is none."""
    length = frames.read(4)
    if len(length) < 4:
        return None, None
    header = json.loads(str(exactly(LENGTH.unpack(length)[0]), "utf-8"))
    return header, [exactly(n) for n in header.get("blobs", ())]


def exactly(n):
    data = frames.read(n)
    if len(data) < n:
        os._exit(1)  # flow has gone in the middle of a frame
    return data


def send(header, blobs=()):
    if blobs:
        header["blobs"] = [len(b) for b in blobs]
    write(json.dumps(header).encode(), blobs)


def write(head, blobs):
    if os.getpid() != PID:
        os._exit(0)  # a child that a function has forked, and that has come back from it
    data = b"".join((LENGTH.pack(len(head)), head, *blobs))
    try:
        n = os.write(4, data)
        while n < len(data):
            n += os.write(4, memoryview(data)[n:])
    except BrokenPipeError:
        os._exit(1)  # flow has gone


# Values.


def decode(blobs):
    hook = None
    if len(blobs) > 1:
        def hook(object):
            if len(object) == 1:
                if BYTES in object:
                    return blobs[object[BYTES]]
                if TEXT in object:
                    return blobs[object[TEXT]].decode()
            return object
    return json.loads(str(blobs[0], "utf-8"), object_hook=hook)


class NotEncodable(Exception):
    """A result that is no JSON, and where."""


class Encoder(json.JSONEncoder):
    """JSON of a result. What it refers to is appended to blobs."""

    def __init__(self):
        super().__init__(allow_nan=False, ensure_ascii=False)
        self.plain, self.blobs, self.references = False, None, 0

    def default(self, x):
        if not self.plain and isinstance(x, (bytes, bytearray, memoryview)):
            self.references += 1
            self.blobs.append(bytes(x))
            return {BYTES: len(self.blobs) - 1}
        return convert(x)


encoder = Encoder()


def encode(value, plain, blobs):
    """Appends what the value refers to to blobs, and returns its JSON."""
    if type(value) is int:
        return b"%d" % value
    if not plain:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return reference(BYTES, bytes(value), blobs)
        if isinstance(value, str) and len(value) >= LONG:
            return reference(TEXT, value.encode(), blobs)
    before = len(blobs)
    encoder.plain, encoder.blobs, encoder.references = plain, blobs, 0
    try:
        text = encoder.encode(value)
        data = text.encode()
    except (TypeError, ValueError, RecursionError) as e:
        del blobs[before:]
        raise NotEncodable(explain(value, plain, e)) from None
    finally:
        encoder.blobs = None
    if RESERVED in text and text.count(RESERVED) > encoder.references:
        where = reserved(value)
        if where is not None:
            del blobs[before:]
            raise NotEncodable("%s: keys that begin with $flow: are reserved" % where)
    return data


def reference(member, data, blobs):
    blobs.append(data)
    return ('{"%s": %d}' % (member, len(blobs) - 1)).encode()


def convert(x):
    """The JSON of what has an obvious one."""
    if isinstance(x, (set, frozenset)):
        return list(x)
    for name in ("tolist", "isoformat", "__fspath__"):  # numpy; datetime; paths
        method = getattr(x, name, None)
        if callable(method):
            return method()
    if hasattr(x, "__dataclass_fields__") and not isinstance(x, type):
        return {f: getattr(x, f) for f in x.__dataclass_fields__}
    if hasattr(x, "_mapping"):  # rows of SQLAlchemy
        return dict(x._mapping)
    if type(x).__name__ in ("Decimal", "UUID") or isinstance(x, BaseException):
        return str(x)
    raise TypeError("a %s is no JSON" % type(x).__name__)


def explain(value, plain, error):
    """The place of what can't be encoded, and why."""
    seen = set()

    def look(x, path):
        if isinstance(x, (bytes, bytearray, memoryview)):
            return "%s: bytes are no JSON; decode them, or encode them as base64" % path if plain else None
        if x is None or isinstance(x, (bool, int)):
            return None
        if isinstance(x, float):
            return None if x - x == 0 else "%s: %r is no JSON" % (path, x)
        if isinstance(x, str):
            try:
                x.encode()
            except UnicodeEncodeError:
                return "%s: a lone surrogate is no text" % path
            return None
        if id(x) in seen:
            return "%s: it contains itself" % path
        seen.add(id(x))
        try:
            if isinstance(x, dict):
                for k, v in x.items():
                    if not (k is None or isinstance(k, (str, int, float, bool))):
                        return "%s: a %s is no key of JSON" % (path, type(k).__name__)
                    found = look(k, path) if isinstance(k, str) else None
                    found = found or look(v, "%s[%r]" % (path, k))
                    if found:
                        return found
            elif isinstance(x, (list, tuple)):
                for i, v in enumerate(x):
                    found = look(v, "%s[%d]" % (path, i))
                    if found:
                        return found
            else:
                try:
                    return look(convert(x), path)
                except TypeError as e:
                    return "%s: %s" % (path, e)
        finally:
            seen.discard(id(x))
        return None

    try:
        return look(value, "result") or "result: %s" % error
    except RecursionError:
        return "result: it is nested too deeply"


def reserved(value, path="result"):
    if isinstance(value, dict):
        for k, v in value.items():
            if isinstance(k, str) and k.startswith(RESERVED[1:]):
                return "%s[%r]" % (path, k)
            found = reserved(v, "%s[%r]" % (path, k))
            if found:
                return found
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            found = reserved(v, "%s[%d]" % (path, i))
            if found:
                return found
    return None


# Functions.


@functools.lru_cache(maxsize=None)
def find(name):
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise AttributeError(
                "module %s (%s) has no %s" % (module, getattr(sys.modules[module], "__file__", "built in"), path)
            ) from None
    if not callable(found):
        raise TypeError("%s is a %s, not a function" % (name, type(found).__name__))
    return found


def call(name, args, value):
    function = find(name)
    if args == "keywords":
        result = function(**value)
    elif args == "positional":
        result = function(*value)
    else:
        result = function(value)
    if hasattr(result, "__await__") or isinstance(result, types.AsyncGeneratorType):
        result = wait(result)
    if isinstance(result, types.GeneratorType):
        result = list(result)
    return result


def wait(x):
    global loop
    if loop is None:
        import asyncio
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.run_until_complete(settle(x))


async def collect(x):
    return [item async for item in x]


async def settle(x):
    result = x if isinstance(x, types.AsyncGeneratorType) else await x
    return await collect(result) if isinstance(result, types.AsyncGeneratorType) else result


def failure(e, **more):
    if isinstance(e, NotEncodable):
        return dict(more, type="TypeError", message=clean(str(e)))
    try:
        return dict(more, **described(e))
    except BaseException:  # its own methods raise
        return dict(more, type=clean(type(e).__name__), message="(it can't be shown: its own methods raise)")


def described(e):
    import traceback
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __shim__:
        tb = tb.tb_next
    name = type(e).__name__
    try:
        message = str(e)
    except BaseException:
        message = "(its str() fails)"
    if isinstance(e, SystemExit):
        message = "sys.exit(%s)" % ("" if e.code is None else repr(e.code))
    text = "".join(traceback.format_exception(type(e), e, tb))
    if tb is None and e.__cause__ is None and (e.__context__ is None or e.__suppress_context__):
        text = ""
    return dict(type=clean(name), message=clean(message), traceback=clean(text))


def clean(text):
    """A text that can be sent, without its middle if it is too long."""
    if len(text) > MAX_TEXT:
        text = "%s … %s" % (text[: MAX_TEXT // 2], text[-MAX_TEXT // 2 :])
    return text.encode("utf-8", "replace").decode()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the task has closed it


def setenv(variables):
    """Sets variables, or takes those away that are None, and returns what undoes that."""
    before = {}
    for name, value in variables.items():
        before[name] = os.environ.get(name)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def start(header, blobs):
    for folder in reversed(header.get("path", ())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()
    for module in header.get("preload", ()):
        importlib.import_module(module)
    if header.get("function"):
        call(header["function"], header.get("args"), decode(blobs))


def answer(header, blobs):
    """One call, as a header and blobs."""
    name, args, plain = header["function"], header.get("args"), header.get("plain")
    out = [b""]
    if not header.get("items"):
        out[0] = encode(call(name, args, decode(blobs)), plain, out)
        if len(out) == 1:  # the usual case
            return b'{"type":"result","id":%d,"blobs":[%d]}' % (header["id"], len(out[0])), out
        return {"type": "result", "id": header["id"]}, out
    errors, parts = [], []
    for i, item in enumerate(decode(blobs)):
        try:
            parts.append(encode(call(name, args, item), plain, out))
        except BaseException as e:
            if isinstance(e, Stopped):
                raise
            parts.append(b"null")
            errors.append(failure(e, item=i))
    out[0] = b"[" + b",".join(parts) + b"]"
    return {"type": "results", "id": header["id"], "errors": errors}, out


class Stopped(SystemExit):
    """SIGTERM: `finally` and `atexit` run, then the process ends."""


def stop(signum, frame):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one does not wait
    raise Stopped(128 + signum)


# A child that a function forks is to end by SIGTERM, as multiprocessing has it. One that
# comes before the child has its own handler waits until then: Python forgets in a child
# what its parent's handler has not dealt with.
masks = {}


def hold():
    masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def let_go():
    signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(get_ident()))


def as_usual():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    let_go()


def main():
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # flow decides what ends
    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=as_usual)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    send({"type": "hello", "protocol": 1, "lang": "python", "version": sys.version.split()[0]})
    while True:
        header, blobs = receive()
        if header is None:
            break
        kind = header.get("type")
        if kind == "cancel":
            continue
        reply, out = {"type": "ready"}, ()
        undo = None
        try:
            undo = setenv(header["env"]) if "env" in header else None
            if kind == "init":
                start(header, blobs)
            else:
                reply, out = answer(header, blobs)
                if sum(map(len, out)) > MAX_FRAME:
                    raise NotEncodable("result: it has more than 1 GiB")
        except Stopped:
            raise
        except BaseException as e:
            reply, out = {"type": "error", "id": header.get("id", 0), "error": failure(e)}, ()
        if undo is not None:
            setenv(undo)
        header = blobs = None
        flush()
        if type(reply) is bytes:
            write(reply, out)
        else:
            send(reply, out)
        reply = out = None
    if loop is not None:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    import atexit
    atexit._run_exitfuncs()
    flush()
    os._exit(0)  # without waiting for threads that functions have left


main()
