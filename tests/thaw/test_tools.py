"""Tools that look into a running Python: debuggers, profilers, coverage, readline."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import processes
from harness.clock import write
from harness.running import Conditions

SITUATIONS = Path(__file__).parent / "situations"

DEBUGGED = """\
import json


def inner(value):
    return json.dumps(value)


def outer():
    return inner([1, 2]) + inner({"a": None})


print(outer())
"""


HISTORY = """\
import json
import os
import readline
import rlcompleter

readline.parse_and_bind("tab: complete")
readline.add_history("first")
readline.write_history_file("history")
readline.clear_history()
readline.read_history_file("history")
print(readline.get_history_item(1), readline.get_current_history_length())
completer = rlcompleter.Completer({"json": json})
print(completer.complete("json.dum", 0), json.dumps(os.listdir()))
"""


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "pdb"),
        ("-m", "cProfile", "-s", "ncalls"),
        ("-m", "trace", "--count", "--summary", "--missing", "-C", "counts"),
        ("-m", "trace", "--listfuncs"),
        ("-m", "dis"),
        ("-m", "inspect", "--details", "json:dumps"),
        ("-m", "pydoc", "json.dumps"),
        ("-m", "unittest", "-v", "debugged"),
        ("-m", "doctest"),
        ("-m", "site"),
    ],
    ids=lambda words: words[1],
)
def test_tool_as_the_program(starter, words):
    script = write(starter.folder / "project" / "debugged.py", DEBUGGED)
    if words[1] in {"pdb", "cProfile", "trace", "dis", "doctest"}:
        words = (*words, script)
    commands = b"b inner\nc\nw\np value\nup\nl\nargs\nc\nwhatis json\nc\nq\n"
    how = Conditions(stdin=commands, cwd=script.parent)
    plain = starter.plain(*words, conditions=how)
    if not starter.glowplug:
        return
    starter.ensure_frozen(*words, conditions=Conditions(cwd=script.parent))
    thawed = starter.start(*words, via="thaw", conditions=how)
    assert thawed.status == plain.status
    assert without_times(thawed.text()) == without_times(plain.text())
    assert without_times(thawed.errors()) == without_times(plain.errors())


def without_times(text: str) -> str:
    """How long it took is not the same twice; neither is the number of calls, which counts
    those that find caches filled, nor their order among equals.
    """
    lines = re.sub(r"\d+\.\d+|\d+ (nsec|usec|msec)|0x[0-9a-f]+", "_", text).splitlines()
    return "\n".join(sorted(line.split("{")[0] for line in lines))


def test_debugger_of_c_attaches(starter):
    """gdb attaches, sees the threads and the stack, and lets the program go on."""
    if not shutil.which("gdb"):
        pytest.skip("no gdb on this machine")
    script = write(
        starter.folder / "program.py",
        "import json\nprint(input(json.dumps('ready')), flush=True)\n",
    )

    def attach(process):
        assert process.stdout.read(7) == b'"ready"'
        processes.wait_until_asleep(process.pid)
        command = ["gdb", "-nx", "-batch", "-p", str(process.pid)]
        command += ["-ex", "info threads", "-ex", "bt 1", "-ex", "detach"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert "Inferior 1" in shown.stdout and "#0 " in shown.stdout, shown
        return b'"ready"', b""

    how = Conditions(during=attach, stdin=b"went on\n")
    plain = starter.plain(script, conditions=how)
    assert plain.text() == '"ready"went on\n', plain
    if starter.glowplug:
        starter.ensure_frozen(script)
        assert starter.start(script, via="thaw", conditions=how) == plain


def test_history_of_lines(starter):
    """readline keeps a history file, completes, and calls its hooks."""
    script = write(starter.folder / "program.py", HISTORY)
    starter.both(script, expect=0)
