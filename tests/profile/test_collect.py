"""Programs of known costs under `glowplug profile`: who is charged for what."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from harness.build import glowplug
from harness.interpreters import clean_environment, default_interpreter
from harness.terminal import Terminal
from profiled import BURN, check_sums, on_other_minors, start, write


@pytest.fixture
def python() -> Path:
    return default_interpreter().path


def check_known_costs(tmp_path: Path, python: Path) -> None:
    write(
        tmp_path,
        sleeps="import time\ntime.sleep(0.08)\n",
        burns=BURN,
        reads="open('data', 'rb').read()\n",
        allocates="kept = [bytearray(1000) for _ in range(20000)]\n",
        main="import sleeps\nimport burns, reads\nimport allocates\n",
    )
    (tmp_path / "data").write_bytes(b"x" * 300_000)
    found = start(tmp_path, "main.py", python=python)
    assert found.done.returncode == 0
    assert found.done.stderr == found.done.stdout == b""
    sleeps, burns = found.module("sleeps"), found.module("burns")
    assert sleeps["own"]["wall_ns"] >= 80_000_000
    assert sleeps["own"]["cpu_ns"] < 40_000_000
    assert burns["phases"]["body"]["cpu_ns"] >= 50_000_000
    assert found.module("reads")["own"]["bytes_read"] >= 300_000
    assert found.module("reads")["own"]["files_opened"] >= 2
    assert found.module("sleeps")["own"]["bytes_read"] < 100_000
    assert found.module("allocates")["own"]["allocations"] >= 20_000
    assert found.module("allocates")["own"]["rss_bytes"] >= 15_000_000
    assert [(e["line"], Path(e["file"]).name) for e in found.edges("burns")] == [(2, "main.py")]
    assert [e["line"] for e in found.edges("allocates")] == [3]
    assert found.profile["run"]["overhead"]["cpu_ns"] > 0
    check_sums(found)


def test_known_costs_are_charged_to_their_modules(tmp_path, every_interpreter):
    check_known_costs(tmp_path, every_interpreter.path)


def test_known_costs_on_minors_that_are_not_frozen(tmp_path):
    on_other_minors(tmp_path, check_known_costs)


def check_audit_events(folder: Path, python: Path) -> None:
    size = 4_000_000
    write(folder, large=f"DATA = {'x' * size!r}", main="import large")
    command = [python, "-c", "import large"]
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True)
    found = start(folder, "main.py", python=python).module("large")
    assert found["bytecode"] == "cached"
    copies = found["own"]["allocated_bytes"] // size
    # The file, which is cut to its length once it has been read, the marshalled text, the string.
    assert copies == 3


def test_audit_events_are_told_nobody(tmp_path, every_interpreter):
    """While there is an audit hook, CPython copies what is unmarshalled for it."""
    check_audit_events(tmp_path, every_interpreter.path)


def test_audit_events_on_minors_that_are_not_frozen(tmp_path):
    on_other_minors(tmp_path, check_audit_events)


def test_every_importer_has_its_place(tmp_path, python):
    write(
        tmp_path,
        shared="",
        one="import shared\n",
        two="def late():\n    import shared\n",
        main="import one\nimport two\ntwo.late()\nimport shared\n"
        "import importlib\nimportlib.import_module('shared')\n",
    )
    found = start(tmp_path, "main.py", python=python)
    names = [m["name"] for m in found.process["modules"]]
    places = {
        (names[e["importer"]], e["line"], e["kind"], e["in_function"])
        for e in found.edges("shared")
    }
    assert places == {
        ("one", 1, "statement", False),
        ("two", 2, "statement", True),
        ("__main__", 4, "statement", False),
        ("__main__", 6, "call", False),
    }
    assert found.module("one")["exclusive"]["modules"] == 1


def test_kinds_of_modules(tmp_path, python):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("zipped.py", "value = 1\n")
    (tmp_path / "space").mkdir()
    write(tmp_path / "space", inner="")
    code = (
        "import sys; sys.path.insert(0, 'archive.zip')\n"
        "import zipped, space.inner, _ctypes, faulthandler, __hello__\n"
        "try: import absent\nexcept ImportError: pass\n"
        "try: import broken\nexcept ZeroDivisionError: pass\n"
    )
    write(tmp_path, broken="1/0\n", main=code)
    found = start(tmp_path, "main.py", python=python)
    assert found.done.returncode == 0, found.done.stderr
    kinds = {m["name"]: m["kind"] for m in found.process["modules"]}
    assert kinds["zipped"] == "zip"
    assert kinds["space"] == "namespace"
    assert kinds["_ctypes"] == "extension"
    assert kinds["__hello__"] == "frozen"
    assert found.module("_ctypes")["phases"]["dlopen"]["wall_ns"] > 0
    assert found.module("absent")["outcome"] == "not_found"
    assert found.module("broken")["outcome"] == {"raised": "ZeroDivisionError"}
    check_sums(found)


def test_threads_and_cycles(tmp_path, python):
    write(
        tmp_path,
        threaded=BURN,
        ring_a="import ring_b\n",
        ring_b="import ring_a\n",
        # Imports of what is loaded already close no cycle, whatever the graph looks like.
        uses="import used\n",
        used="def later():\n    import uses\n",
        main="import threading, ring_a, uses, used\nused.later()\n"
        "t = threading.Thread(target=__import__, args=('threaded',))\nt.start()\nt.join()\n",
    )
    found = start(tmp_path, "main.py", python=python)
    names = [m["name"] for m in found.process["modules"]]
    assert found.module("threaded")["thread"] == 1
    assert found.module("ring_a")["thread"] == 0
    cycles = [{names[m] for m in cycle} for cycle in found.process["cycles"]]
    assert {"ring_a", "ring_b"} in cycles
    assert not {"uses", "used"} & set().union(*cycles)
    check_sums(found)


def test_missing_and_stale_bytecode_are_told_apart(tmp_path, python):
    write(tmp_path, one="x = 1\n", main="import one\n")
    states = []
    for source in (None, None, "x = 1  # longer\n"):
        if source:
            write(tmp_path, one=source)
        states.append(start(tmp_path, "main.py", python=python).module("one")["bytecode"])
    assert states == ["missing", "cached", "stale"]


def test_useless_path_entries_have_a_price(tmp_path, python):
    (tmp_path / "useless").mkdir()
    env = clean_environment() | {"PYTHONPATH": str(tmp_path / "useless")}
    found = start(tmp_path, "-c", "import json", python=python, env=env)
    entry = next(e for e in found.process["path_entries"] if e["path"] == str(tmp_path / "useless"))
    assert entry["lookups"] > 0
    assert entry["hits"] == 0
    assert entry["miss_ns"] > 0


def test_the_program_does_not_see_the_collector(tmp_path, python):
    code = (
        "import os, sys\n"
        "print(sorted(os.environ), sorted(sys.modules), sys.argv, sys.flags, sys.path)\n"
        "print(sorted(os.listdir('/proc/self/fd')))\n"
        "print(input())\n"
        "print('to stderr', file=sys.stderr)\nsys.exit(7)\n"
    )
    write(tmp_path, main=code)
    options = {"cwd": tmp_path, "input": b"typed\n", "capture_output": True, "check": False}
    plain = subprocess.run([python, "main.py"], env=clean_environment(), **options)
    found = start(tmp_path, "main.py", python=python, input=b"typed\n")
    assert found.done.stdout == plain.stdout
    assert found.done.stderr == plain.stderr
    assert found.done.returncode == plain.returncode == 7


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("import os\nos._exit(3)", 3),
        ("import os\nos.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os\nos.closerange(0, 4096)", 0),
        ("import os\nos.execv('/bin/false', ['false'])", 1),
        ("import os\nos.abort()", -signal.SIGABRT),
        ("raise KeyError('x')", 1),
    ],
)
def test_the_profile_outlives_every_ending(tmp_path, python, ending, status):
    write(tmp_path, early="", main=f"import early\n{ending}\n")
    found = start(tmp_path, "main.py", python=python)
    assert found.done.returncode == status
    assert found.module("early")["outcome"] == "loaded"
    assert found.profile["run"]["overhead"]["cpu_ns"] > 0
    check_sums(found)


def test_a_forked_child_is_a_process_of_its_own(tmp_path, python):
    write(
        tmp_path,
        in_child="",
        main="import os\npid = os.fork()\nif pid == 0:\n    import in_child\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\n",
    )
    found = start(tmp_path, "main.py", python=python)
    parent, child = found.profile["processes"]
    assert "in_child" not in [m["name"] for m in parent["modules"]]
    assert "in_child" in [m["name"] for m in child["modules"]]
    assert child["parent"] == 0


def test_pythons_that_a_command_starts_are_profiled(tmp_path, python):
    found = start(tmp_path, "--", "sh", "-c", f"'{python}' -c 'import json'; exit 5")
    assert found.done.returncode == 5
    assert found.module("json")["outcome"] == "loaded"


def test_a_program_that_never_ends_gives_what_there_is_on_interrupt(tmp_path, python):
    write(tmp_path, early="", main="import early\nprint('up', flush=True)\nwhile True: input()\n")
    out = tmp_path / "profile.json"
    command = [glowplug(), "profile", "--python", python, "--json", out, "main.py"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"up\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT
    names = [m["name"] for m in json.loads(out.read_text())["processes"][0]["modules"]]
    assert "early" in names


def test_a_script_that_does_not_exist_is_pythons_to_report(tmp_path, python):
    found = start(tmp_path, "absent.py", python=python)
    assert found.done.returncode == 2
    assert b"absent.py" in found.done.stderr


def test_several_runs_are_medians_with_a_spread(tmp_path, python):
    found = start(tmp_path, "--runs", "3", "--import", "json,decimal", python=python)
    assert len(found.profile["run"]["each"]) == 3
    module = found.module("json.decoder")
    assert module["spread"]["cpu_low_ns"] <= module["own"]["cpu_ns"]
    assert module["own"]["cpu_ns"] <= module["spread"]["cpu_high_ns"]
    check_sums(found)


def test_runs_are_counted_by_a_bar_on_a_terminal_alone(tmp_path, python):
    write(tmp_path, main="print('said')\n")
    command = [glowplug(), "profile", "--runs", "3", "--json", tmp_path / "profile.json"]
    command += ["--python", python, "main.py"]
    terminal = Terminal(command, clean_environment(), tmp_path)
    terminal.wait_for(b"run 2 of 3")
    assert terminal.end() == 0
    found = start(tmp_path, "--runs", "3", "main.py", python=python)
    assert found.done.stderr == b""
    assert found.done.stdout == b"said\n" * 3


def test_an_import_in_a_function_is_also_due_to_who_calls_it(tmp_path, python):
    write(
        tmp_path,
        heavy=BURN,
        named=BURN,
        library="import importlib\n"
        "def call():\n    import heavy\n    importlib.import_module('named')\n",
        caller="import library\nlibrary.call()\n",
        main="import library, caller\n",
    )
    # Without what `site` imports by importlib here and there.
    found = start(tmp_path, "-S", "main.py", python=python)
    modules = [module["name"] for module in found.process["modules"]]
    (edge,) = found.edges("heavy")
    assert modules[edge["importer"]] == "library"
    assert [modules[index] for index in edge["during"]] == ["caller"]
    assert found.module("caller")["exclusive"]["cpu_ns"] >= 90_000_000
    assert found.module("library")["exclusive"]["cpu_ns"] >= 90_000_000
    assert {modules[e["by"]] for e in found.edges("named") if e["by"]} == {"importlib"}
    assert 40_000_000 <= found.module("importlib")["exclusive"]["cpu_ns"] < 90_000_000
