"""Times what names and imports cost, and prints it as JSON: nanoseconds of CPU time for each use.

`costs.py` imports it eagerly and lazily. Each figure is the least of `TURNS` turns, without the
loop; in each turn all things come one after another.
"""

# ruff: noqa: F401 (Code that is made below uses the names.)

import base64 as resolved
import functools
import importlib
import json
import sqlite3 as never_used
import sys
import time

TURNS, USES, LINES = 25, 20_000, 10

# 3.9 and 3.10 remember where a global was found in functions that have been called 1024 times.
CALLS = 2000

value = object()


def by_cache():
    import base64

    return base64


cached = functools.lru_cache(maxsize=None)(by_cache)

BODIES = {
    "nothing": "pass",
    "module global": "value",
    "resolved lazy name": "resolved",
    "import in the function": "import base64",
    "lru_cache of an import": "cached()",
    "importlib.import_module": "importlib.import_module('base64')",
    "builtin": "len",
}

FUNCTION = """
def function_{index}(is_never, uses):
    for _ in range(uses):
        {lines}
    if is_never:
        {other}
"""
FUNCTIONS = {}


def make(name, body, other="pass"):
    """Adds a function to this module that does a thing again and again."""
    index = len(FUNCTIONS)
    lines = "\n        ".join([body] * LINES)
    exec(FUNCTION.format(index=index, lines=lines, other=other), globals())
    FUNCTIONS[name] = f"function_{index}"


for name, body in BODIES.items():
    make(name, body)
make("builtin beside a name that is never used", "len", "never_used")


def costs():
    """CPU time of one of the lines of each function, nanoseconds."""
    least = {}
    warm()
    for _ in range(TURNS):
        for name in FUNCTIONS:
            # Imports take long enough.
            uses = USES // 10 if "import" in name else USES
            passed = timed(name, uses) / uses / LINES
            least[name] = min(passed, least.get(name, passed))
    return least


def warm():
    """Has the interpreter do for each function what it does for those that are called often."""
    for name in FUNCTIONS.values():
        for _ in range(CALLS):
            globals()[name](False, 0)


def timed(name, uses):
    """CPU time of a call, nanoseconds."""
    function = globals()[FUNCTIONS[name]]
    began = time.process_time_ns()
    function(False, uses)
    return time.process_time_ns() - began


def use(name, uses):
    """Uses all that is ever used, and then one thing many times."""
    for function in FUNCTIONS.values():
        globals()[function](False, 100)
    warm()
    globals()[FUNCTIONS[name]](False, uses)


def statements(folder, count=1000, turns=9):
    """What a statement costs whose module is never used: a module of many of them against one of
    as many assignments, each imported once for each turn.
    """
    sys.path.insert(0, folder)
    least = {}
    for turn in range(turns):
        for kind, line in (("lazy", "import {0}_{1}_{2}"), ("none", "{0}_{1}_{2} = None")):
            name = f"{kind}_{turn}"
            lines = [line.format("module", turn, i) for i in range(count)]
            with open(f"{folder}/{name}.py", "w") as file:
                file.write("\n".join(lines))
            code = compile("\n".join(lines), name, "exec")
            module = type(sys)(name)
            sys.modules[name] = module
            began = time.process_time_ns()
            exec(code, vars(module))
            passed = time.process_time_ns() - began
            least[kind] = min(passed, least.get(kind, passed))
    return (least["lazy"] - least["none"]) / count


def main(folder):
    use("nothing", 1)
    found = costs()
    loop = found.pop("nothing")
    result = {name: round(ns - loop, 2) for name, ns in found.items()}
    if "sqlite3" not in sys.modules:
        # Imports are lazy, so that a statement may name what does not exist.
        result["statement that is never used"] = round(statements(folder), 1)
    print(json.dumps(result))
