"""Usage marks: which modules are used once their imports have ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness.interpreters import default_interpreter
from profiled import BURN, Profiled, on_other_minors, start, write

# Each module, and how the program uses it.
SOURCES = {
    "read": "value = 1\n",
    "read_late": "value = 1\n",
    "called": "def f():\n    pass\n",
    "called_in_thread": "def f():\n    pass\n",
    "initialised": "class C:\n    def __init__(self):\n        pass\n",
    "registered": "import atexit\n\ndef bye():\n    pass\n\natexit.register(bye)\n",
    "used_by_another": "def deco(function):\n    return function\n",
    "user": "from used_by_another import deco\n\n@deco\ndef f():\n    pass\n",
    "used_by_itself": "def f():\n    pass\n\nf()\nimport used_by_itself\nused_by_itself.f()\n",
    "imported_only": "value = 1\n",
    "not_called": "def f():\n    pass\n",
    "not_initialised": "class C:\n    def __init__(self):\n        pass\n",
    "taken_value": "value = []\n",
    "starred": "value = []\n",
    "looked_at": "value = 1\n",
    "ring_a": "import ring_b\nvalue = []\n",
    "ring_b": "import ring_a\n",
}
MAIN = """
import threading
import read, read_late, registered, user, used_by_itself, imported_only, looked_at, ring_a
from called import f
from called_in_thread import f as g
from initialised import C
from not_called import f as never
from not_initialised import C as Never
from taken_value import value
from starred import *
import package.inner, package.other
import _lsprof, _heapq

def late():
    return read_late.value

read.value
late()
f()
C()
thread = threading.Thread(target=g)
thread.start()
thread.join()
package.inner.f()
looked_at.__name__, looked_at.__spec__
_heapq.heappush([], 1)
import importlib, imported_only
importlib.import_module("imported_only")
"""
USED = {
    "read",
    "read_late",
    "called",
    "called_in_thread",
    "initialised",
    "registered",
    "used_by_another",
    "package",
    "package.inner",
    "_heapq",
}
UNUSED = {
    "user",
    "used_by_itself",
    "imported_only",
    "not_called",
    "not_initialised",
    "looked_at",
    "package.other",
    "_lsprof",
    "ring_a",
    "ring_b",
}
# What was taken out of them could be used without being seen.
UNKNOWN = {"taken_value", "starred"}


def usage(found: Profiled) -> dict[str, str]:
    return {module["name"]: module["usage"] for module in found.process["modules"]}


def program(folder: Path) -> None:
    write(folder, **SOURCES, main=MAIN)
    (folder / "package").mkdir()
    write(folder / "package", __init__="", inner="def f():\n    pass\n", other="")


def check_marks(folder: Path, python: Path) -> None:
    program(folder)
    found = start(folder, "main.py", python=python)
    assert found.done.returncode == 0, found.done.stderr
    assert found.profile["run"]["overhead"]["usage_marks"]
    marks = usage(found)
    expected = dict.fromkeys(USED, "used") | dict.fromkeys(UNUSED, "unused")
    expected |= dict.fromkeys(UNKNOWN, "unknown")
    assert {name: marks[name] for name in expected} == expected


@pytest.mark.core
def test_marks(tmp_path, every_interpreter):
    check_marks(tmp_path, every_interpreter.path)


def test_marks_on_minors_that_are_not_frozen(tmp_path):
    on_other_minors(tmp_path, check_marks)


@pytest.fixture
def python() -> Path:
    return default_interpreter().path


def test_without_marks_nothing_is_known(tmp_path, python):
    program(tmp_path)
    found = start(tmp_path, "--no-usage", "main.py", python=python)
    assert set(usage(found).values()) == {"unknown"}
    assert not found.profile["run"]["overhead"]["usage_marks"]


def test_what_a_forked_child_uses_is_used(tmp_path, python):
    write(
        tmp_path,
        shared="value = 1\n",
        main="import os, shared\npid = os.fork()\nif pid == 0:\n    shared.value\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\n",
    )
    found = start(tmp_path, "main.py", python=python)
    assert usage(found)["shared"] == "used"


def test_a_killed_program_claims_only_what_is_known(tmp_path, every_interpreter):
    """Before 3.12 it is known at the end alone whether functions ran."""
    write(
        tmp_path,
        called="def f():\n    pass\n",
        read="value = 1\n",
        main="import os, read\nfrom called import f\nread.value\nf()\nos.kill(os.getpid(), 9)\n",
    )
    marks = usage(start(tmp_path, "main.py", python=every_interpreter.path))
    assert marks["read"] == "used"
    assert marks["called"] in ("used", "unknown")


def test_the_report_says_it_and_what_to_do(tmp_path, python):
    write(
        tmp_path,
        dear=BURN,
        main="import dear\n\ndef one():\n    return dear\n\ndef two():\n    return dear\n",
    )
    report = tmp_path / "report"
    found = start(tmp_path, "--report", os.fspath(report), "main.py", python=python)
    text = report.read_text()
    assert "with usage marks" in text
    (line,) = [line for line in text.splitlines() if "  dear  [" in line]
    assert line.endswith("unused]")
    finding = next(one for one in found.process["findings"] if "dear" in one["title"])
    assert finding["title"] == "make the import of dear lazy"
    assert "nothing of it was used in this run" in finding["detail"]
