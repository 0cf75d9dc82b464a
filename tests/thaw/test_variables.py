"""Every variable that CPython reads for itself, on every interpreter that is here."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import require_same

# What a program can see of them.
PROGRAM = """\
import asyncio
import gc
import json
import os
import site
import sys
import sysconfig
import threading
import tracemalloc
import warnings

print(sys.flags, sys.warnoptions, sys._xoptions, sys.dont_write_bytecode, sys.pycache_prefix)
print(sys.path, sys.platlibdir, site.ENABLE_USER_SITE, site.USER_BASE, sys.prefix)
print(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), sys.getdefaultencoding())
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.name, stream.encoding, stream.errors, stream.line_buffering, stream.write_through)
print(hash("text") if sys.flags.hash_randomization == 0 else "hashes are drawn")
print(tracemalloc.is_tracing(), tracemalloc.get_traceback_limit(), gc.get_threshold())
print(getattr(sys, "get_int_max_str_digits", int)(), asyncio.new_event_loop().get_debug())
print(os.cpu_count(), getattr(os, "process_cpu_count", os.cpu_count)())
print(sys.breakpointhook.__module__, sys.orig_argv if sys.version_info >= (3, 10) else "")
print([str(filter) for filter in warnings.filters])
print(sys.is_stack_trampoline_active() if hasattr(sys, "is_stack_trampoline_active") else "")
print({k: v for k, v in os.environ.items() if k.startswith(("PYTHON", "LC_", "LANG"))})
warnings.warn("deprecated on purpose", DeprecationWarning, stacklevel=1)
breakpoint()
print("still running", threading.active_count())


def fails():
    return json.loads("1") + len(json.dumps("caret" + str(1)) / 2)


fails()
"""

# The interpreter takes its part before any program starts, or writes where nothing of a program
# could be told from it: such a start has to be plain.
PLAIN = [
    {"PYTHONDEBUG": "1"},
    {"PYTHONDEVMODE": "1"},
    {"PYTHONDUMPREFS": "1"},
    {"PYTHONINSPECT": "1"},
    {"PYTHONMALLOC": "malloc"},
    {"PYTHONMALLOC": "debug"},
    {"PYTHONTRACEMALLOC": "3"},
    {"PYTHONPERFSUPPORT": "1"},
    {"PYTHON_PERF_JIT_SUPPORT": "1"},
]

ALONE = [
    {"PYTHONASYNCIODEBUG": "1"},
    {"PYTHONBREAKPOINT": "0"},
    {"PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "0"},
    {"PYTHONINTMAXSTRDIGITS": "700"},
    {"PYTHONIOENCODING": "latin-1:replace"},
    {"PYTHONOPTIMIZE": "2"},
    {"PYTHONPYCACHEPREFIX": "/tmp/does/not/exist"},
    {"PYTHONSAFEPATH": "1"},
    {"PYTHONUNBUFFERED": "1"},
    {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
    {"PYTHONWARNINGS": "error::ResourceWarning,ignore"},
    {"PYTHON_FROZEN_MODULES": "off"},
]

# Those that switch something off with `0`, too, and one that nobody reads.
TOGETHER = {
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONCASEOK": "1",
    "PYTHONDEBUG": "0",
    "PYTHONDEVMODE": "0",
    "PYTHONDONTWRITEBYTECODE": "x",
    "PYTHONEXECUTABLE": "/bin/elsewhere",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONHASHSEED": "random",
    "PYTHONINSPECT": "",
    "PYTHONIOENCODING": ":backslashreplace",
    "PYTHONLEGACYWINDOWSSTDIO": "1",
    "PYTHONMALLOC": "",
    "PYTHONNODEBUGRANGES": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONOPTIMIZE": "1",
    "PYTHONPATH": "/does/not/exist:/usr/share",
    "PYTHONPERFSUPPORT": "0",
    "PYTHONPLATLIBDIR": "lib",
    "PYTHONSTARTUP": "/does/not/exist.py",
    "PYTHONTHREADDEBUG": "1",
    "PYTHONTRACEMALLOC": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUSERBASE": "/does/not/exist",
    "PYTHONUTF8": "1",
    "PYTHONVERBOSE": "0",
    "PYTHONWARNDEFAULTENCODING": "1",
    "PYTHONWARNINGS": "ignore::ImportWarning",
    "PYTHON_BASIC_REPL": "1",
    "PYTHON_COLORS": "1",
    "PYTHON_CONTEXT_AWARE_WARNINGS": "1",
    "PYTHON_CPU_COUNT": "3",
    "PYTHON_DISABLE_REMOTE_DEBUG": "1",
    "PYTHON_GIL": "1",
    "PYTHON_HISTORY": "/does/not/exist",
    "PYTHON_JIT": "0",
    "PYTHON_OF_NOBODY": "1",
    "PYTHON_THREAD_INHERIT_CONTEXT": "1",
}

# Python complains and goes no further, or warns.
COMPLAINTS = [
    {"PYTHONCOERCECLOCALE": "warn", "LANG": "C"},
    {"PYTHONHASHSEED": "nonsense"},
    {"PYTHONINTMAXSTRDIGITS": "1"},
    {"PYTHONMALLOC": "nonsense"},
    {"PYTHONTRACEMALLOC": "nonsense"},
    {"PYTHONUTF8": "nonsense"},
    {"PYTHONIOENCODING": "nonsense"},
    {"PYTHONHOME": "/does/not/exist"},
    {"PYTHONWARNINGS": "nonsense"},
    {"PYTHONBREAKPOINT": "nonsense.nothing"},
    {"PYTHON_GIL": "0"},
    {"PYTHON_CPU_COUNT": "nonsense"},
]


def name(env):
    return " ".join(f"{key}={value}" for key, value in env.items()) or "none"


def without_addresses(outcome):
    """The interpreter names its thread where it gives up."""
    return replace(outcome, stderr=re.sub(rb"0x[0-9a-f]{16}", b"0x", outcome.stderr))


def starts(starter, env):
    """The plain outcome, and the explanations of three starts that did the same."""
    script = write(starter.folder / "program.py", PROGRAM)
    settle()
    how = Conditions(env=env, stdin=b"continue\n")
    plain = without_addresses(starter.plain(script, "argument", conditions=how))
    ways = []
    for _ in range(2 if starter.glowplug else 0):
        way, outcome = starter.explained(script, "argument", conditions=how)
        starter.wait_until_idle()
        said = re.sub(rb"\A(glowplug: .*\n)+", b"", outcome.stderr)
        require_same(plain, without_addresses(replace(outcome, stderr=said)))
        ways.append(way)
    return plain, ways


@pytest.mark.parametrize("env", ALONE, ids=name)
def test_thawed_under(starter, env):
    plain, ways = starts(starter, env)
    assert b"still running" in plain.stdout, plain.errors()
    if starter.glowplug:
        assert ways[-1].startswith("thawed"), ways


def test_many_at_once_on_every_interpreter(each_starter):
    executable = {"PYTHONEXECUTABLE": TOGETHER["PYTHONEXECUTABLE"]}
    together = TOGETHER
    if each_starter.plain("-c", "pass", conditions=Conditions(env=executable)).status != 0:
        # An interpreter away from where it was built to be finds its library by its own name.
        together = {key: value for key, value in TOGETHER.items() if key not in executable}
    plain, ways = starts(each_starter, together)
    assert b"still running" in plain.stdout, plain.errors()
    if each_starter.glowplug:
        # On 3.15 the import of `subprocess` asks for the process id.
        assert ways[-1].startswith(("thawed", "not preloaded")), ways


@pytest.mark.parametrize("env", PLAIN, ids=name)
def test_plain_under(starter, env):
    _, ways = starts(starter, env)
    assert all(next(iter(env)) in way for way in ways), ways


@pytest.mark.parametrize("env", COMPLAINTS, ids=name)
def test_complaint_about(starter, env):
    starts(starter, env)


@pytest.mark.parametrize("variable", ["PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME"])
def test_said_while_importing(starter, variable):
    """What goes to standard error has times or addresses in it: the modules are compared."""
    script = write(starter.folder / "program.py", "import json\n")
    settle()
    how = Conditions(env={variable: "1"})

    def modules(outcome):
        return [
            line.split(b"|")[-1].split(b" matches ")[0] if b"import" in line else b""
            for line in outcome.stderr.splitlines()
        ]

    plain = starter.plain(script, conditions=how)
    assert b"json" in plain.stderr
    for _ in range(2 if starter.glowplug else 0):
        way, outcome = starter.explained(script, conditions=how)
        assert variable in way
        assert len(modules(outcome)) == len(modules(plain))
        assert outcome.status == plain.status


def test_variable_that_isolation_hides(starter):
    """`-E` and `-I` read none of them."""
    script = write(starter.folder / "program.py", PROGRAM)
    for option in ("-E", "-I"):
        how = Conditions(
            env={"PYTHONDEVMODE": "1", "PYTHONOPTIMIZE": "2", "PYTHONVERBOSE": "1"},
            stdin=b"continue\n",
        )
        starter.both(option, script, conditions=how)
