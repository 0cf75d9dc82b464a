"""The log of a run from Python 3.15 on, whose lazy imports are the interpreter's own.

`glowplug lazy run` runs this file before the program, so it imports nothing but what is built in.
The lines are those of crates/glowplug-python/src/lazy/events.rs.
"""


def follow(descriptor):
    """Begins the log. Returns what is to be called for each statement that is made lazy: with the
    arguments of a filter and the statement's frame.
    """
    import atexit
    import builtins
    import posix
    import sys
    import time

    own_import = builtins.__import__
    statement = _opcode_of_statements(sys)
    importers = {}
    depth = 0

    def write(event, **fields):
        data = (_json({"event": event, **fields}) + "\n").encode("utf-8", "replace")
        try:
            while data:
                data = data[posix.write(descriptor, data) :]
        except OSError:
            # Where the reader is gone, the program goes on without a log.
            return

    def note(importer, name, fromlist, frame):
        importers.setdefault(name, []).append(importer)
        file, line = frame.f_code.co_filename, frame.f_lineno
        write("pending", importer=importer, module=name, names=fromlist, file=file, line=line)

    def importing(name, globals=None, locals=None, fromlist=(), level=0):
        nonlocal depth
        frame = sys._getframe(1)
        module = _absolute(sys, name, globals, level) if level else name
        known = importers.get(module)
        # What C imports for itself comes with a list, and is as eager as a statement that runs.
        is_eager = isinstance(fromlist, list) or frame.f_code.co_code[frame.f_lasti] == statement
        if known is None or is_eager:
            return own_import(name, globals, locals, fromlist, level)
        reader = (globals or {}).get("__name__")
        fields = {
            "importer": reader if reader in known else known[0],
            "module": module,
            "name": fromlist[0] if fromlist else module.partition(".")[0],
            "depth": depth,
            "file": frame.f_code.co_filename,
            "line": frame.f_lineno,
            "function": frame.f_code.co_name,
        }
        if depth == 0:
            fields["stack"] = list(_callers(frame))
        before, began = len(sys.modules), time.perf_counter_ns()
        depth += 1
        try:
            found = own_import(name, globals, locals, fromlist, level)
        finally:
            depth -= 1
        passed = time.perf_counter_ns() - began
        write("load", **fields, modules=len(sys.modules) - before, ns=passed)
        return found

    def end():
        loaded = {name: _file(sys, module) for name, module in list(sys.modules.items())}
        write("end", modules=loaded)

    builtins.__import__ = importing
    # The last that is called, as handlers are called in the reverse order.
    atexit.register(end)
    return note


def _opcode_of_statements(sys):
    """The number of IMPORT_NAME: a first use imports in another instruction."""
    found = []

    def look(*_):
        frame = sys._getframe(1)
        found.append(frame.f_code.co_code[frame.f_lasti])

    exec("def f(): import m\nf()", {"__builtins__": {"__import__": look}})
    return found[0]


def _callers(frame):
    """Name, file and line of each frame that waits for one, the nearest first."""
    while frame := frame.f_back:
        yield frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno


def _absolute(sys, name, globals, level):
    bootstrap = sys.modules["_frozen_importlib"]
    return bootstrap._resolve_name(name, bootstrap._calc___package__(globals), level)


def _file(sys, module):
    file = vars(module).get("__file__") if isinstance(module, type(sys)) else None
    return file if isinstance(file, str) else None


def _json(value):
    """JSON of dicts, sequences, strings, whole numbers and None."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = {code: "\\u%04x" % code for code in (*range(32), ord('"'), ord("\\"))}
        return '"%s"' % value.translate(escaped)
    if isinstance(value, dict):
        return "{%s}" % ",".join(f"{_json(key)}:{_json(item)}" for key, item in value.items())
    return "[%s]" % ",".join(map(_json, value))
