"""`glowplug shim`: an environment's own commands start through Glowplug, and are as they were."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness import tracing
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import REFUSED, require_same
from harness.tracing import Fault
from virtual import Venv, snapshot, wheel

STARTER = 118
USAGE = 2

PROGRAM = """\
import argparse
import json
import os
import subprocess
import sys
import sysconfig

names = ["executable", "_base_executable", "prefix", "base_prefix", "exec_prefix", "orig_argv"]
print(json.dumps({name: getattr(sys, name, None) for name in names}))
print(sys.argv, sys.path, sys.flags, __file__, sysconfig.get_paths()["scripts"])
with open("/proc/self/comm") as comm, open("/proc/self/cmdline") as cmdline:
    print(comm.read(), cmdline.read())
print(sorted(os.environ.items()))
child = "import sys; print(sys.argv, sys.executable, sys.prefix, sys._base_executable)"
print(subprocess.check_output([sys.executable, "-c", child, "x"], text=True))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def venv(starter, built):
    return Venv.make(starter)


@pytest.fixture
def program(starter):
    return write(starter.folder / "program.py", PROGRAM)


NAMES = ["python", "python3", "python3.{1}", "{bin}/python", "{bin}/python3"]


def test_names_of_the_interpreter(venv, program):
    """Each of them is answered by Glowplug, and shows the program what it shows without a shim."""
    how = Conditions(env={"GLOWPLUG_FREEZE": "0"})
    names = [name.format(*venv.starter.interpreter.minor, bin=venv.bin) for name in NAMES]
    plain = [venv.start(name, program, "3", conditions=how) for name in names]
    venv.installed()
    for name, before in zip(names, plain, strict=True):
        way, outcome = venv.explained(name, program, "3", conditions=how)
        assert way.startswith("plain: there is no"), (name, way)
        require_same(before, without_explaining(outcome))


# By its name, and by a path to another link.
@pytest.mark.parametrize("name", ["python", "{bin}/python3"])
def test_interpreters(venv, program, name):
    name = name.format(bin=venv.bin)
    if name == "python":
        # What makes an image more than a start of the bare interpreter.
        write(venv.starter.folder / "home" / ".keep", "")
    plain = venv.start(name, program, "3")
    assert plain.status == 3, plain.errors()
    venv.installed()
    way, outcome = venv.explained(name, program, "3")
    assert way.startswith("plain: there is no")
    require_same(plain, without_explaining(outcome))
    venv.starter.wait_until_idle()
    way, outcome = venv.explained(name, program, "3")
    assert way.startswith("thawed"), way
    require_same(plain, without_explaining(outcome))


def without_explaining(outcome):
    """The outcome without the variable that asks for an explanation, which the program prints."""
    from dataclasses import replace

    text = outcome.stdout.replace(b"('GLOWPLUG_EXPLAIN', '1'), ", b"")
    return replace(outcome, stdout=text)


# The command line for which an image is made.
THAWED = ("-I", "-m", "json.tool", "--help")
COMMAND_LINES = [
    ("-V",),
    ("-c", "import sys; print(sys.orig_argv)"),
    ("-S", "-c", "import sys; print(sys.prefix, sys.path)"),
    THAWED,
    ("-",),
    ("--explain",),
    ("--via", "thaw", "-c", "1"),
    ("--python",),
    ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)"),
]


def test_command_lines(venv):
    """Glowplug's options are none of python's."""
    text = b"import sys; print(sys.argv, sys.executable)\n"
    how = Conditions(stdin=text, env={"GLOWPLUG_FREEZE": "0"})
    plain = {words: venv.start("python3", *words, conditions=how) for words in COMMAND_LINES}
    venv.installed()
    for words, before in plain.items():
        require_same(before, venv.start("python3", *words, conditions=how))
    venv.start("python3", *THAWED)
    venv.starter.wait_until_idle()
    way, outcome = venv.explained("python3", *THAWED)
    assert way.startswith("thawed"), way
    require_same(plain[THAWED], outcome)


def test_unusual_names(venv):
    """Where python finds itself by something else than the shim's path, it does so itself."""
    code = "import sys; print(sys.executable, sys.prefix, sys.orig_argv)"
    shell = f'exec -a "$0" {venv.bin}/python3 -c "$1"'
    words = ["/bin/bash", "-c", shell]
    names = ["nothing-of-the-kind", "python3", "/nonexistent/python3"]
    plain = [venv.start(*words, name, code) for name in names]
    link = venv.starter.folder / "link"
    link.symlink_to(venv.bin / "python3")
    plain.append(venv.start(link, "-c", code))
    venv.installed()
    for name, before in zip(names, plain, strict=False):
        require_same(before, venv.start(*words, name, code))
    require_same(plain[-1], venv.start(link, "-c", code))


def test_environments_of_the_environment(venv):
    """`python -m venv` makes one that does not need the shim."""
    venv.installed()
    new = venv.starter.folder / "new"
    made = venv.start("python3", "-m", "venv", "--without-pip", new)
    assert made.status == 0, made.errors()
    venv.removed()
    shutil.rmtree(venv.root)
    code = "import sys; print(sys.prefix)"
    assert venv.start(new / "bin" / "python3", "-c", code).text().strip() == str(new)


@pytest.mark.packages
def test_console_scripts(starter, built):
    """Those that pip wrote before, and those that it writes through the shim."""
    venv = Venv.make(starter, "venv", "--clear")
    package = wheel(starter.folder)
    # An image of pip takes long to make, and is one of a module as others are.
    how = Conditions(env={"GLOWPLUG_FREEZE": "0"})
    plain = venv.start("pip", "list", conditions=how)
    venv.installed()
    require_same(plain, venv.start("pip", "list", conditions=how))
    words = ("pip", "install", "--no-index", "--quiet", package)
    installed = venv.start(*words, conditions=how)
    assert installed.status == 0, installed.errors()
    assert (venv.bin / "greet").read_text().startswith(f"#!{venv.bin}/python")
    way, first = venv.explained("greet", "a", "b")
    assert way.startswith("plain: there is no"), way
    assert first.status == 3, first.errors()
    starter.wait_until_idle()
    way, again = venv.explained("greet", "a", "b")
    assert way.startswith("thawed"), way
    require_same(first, again)
    venv.removed()
    require_same(first, venv.start("greet", "a", "b"))


def test_removal_is_to_the_byte(venv):
    before = snapshot(venv.root)
    venv.installed()
    assert snapshot(venv.root) != before
    assert venv.start("python", "-c", "").status == 0
    venv.removed()
    assert snapshot(venv.root) == before


def test_twice(venv):
    before = snapshot(venv.root)
    venv.installed()
    once = snapshot(venv.root)
    venv.installed()
    assert snapshot(venv.root) == once
    venv.removed()
    again = venv.shim("remove")
    assert again.status == 0 and "has no shim" in again.errors()
    assert snapshot(venv.root) == before


def test_copies(starter, built):
    """An environment without links."""
    venv = Venv.make(starter, "venv", "--without-pip", "--copies")
    before = snapshot(venv.root)
    words = ("python3", "-c", "import sys; print(sys.executable, sys.prefix, sys._base_executable)")
    plain = venv.start(*words)
    venv.installed()
    require_same(plain, venv.start(*words))
    venv.removed()
    assert snapshot(venv.root) == before


def glowplug_of_its_own(starter) -> Path:
    """A second installation of the Glowplug that is tested."""
    home = starter.folder / "glowplug"
    original = starter.glowplug.resolve().parent.parent
    for part in (
        "bin/glowplug",
        *(f"lib/glowplug/{p.name}" for p in (original / "lib/glowplug").iterdir()),
    ):
        (home / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(original / part, home / part)
    return home


def test_without_glowplug(starter, built, program):
    """The environment goes on without it, and can be given back by another one."""
    from dataclasses import replace

    home = glowplug_of_its_own(starter)
    venv = Venv.make(replace(starter, glowplug=home / "bin/glowplug"))
    before = snapshot(venv.root)
    plain = venv.start("python3", program, "4")
    venv.installed()
    shutil.rmtree(home)
    require_same(plain, venv.start("python3", program, "4"))
    way, _ = venv.explained("python3", program, "4")
    assert way.startswith(f"plain: {home}/bin/glowplug cannot be executed"), way
    other = Venv(starter, venv.root)
    other.installed()
    way, outcome = other.explained("python3", program, "4")
    assert way.startswith("plain: there is no"), way
    require_same(plain, without_explaining(outcome))
    starter.wait_until_idle()
    other.removed()
    assert snapshot(venv.root) == before


def test_plain_by_a_variable(venv):
    """It does not even need a Glowplug that works."""
    venv.installed()
    conditions = Conditions(env={"GLOWPLUG_VIA": "plain"})
    outcome = venv.start("python3", "-c", "print(1)", conditions=conditions, explain=True)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b"1\n", b"")


def test_what_was_put_aside_is_lost(venv):
    venv.installed()
    for name in ("python", "python3"):
        (venv.root / ".glowplug" / name).unlink()
    code = "import sys; print(sys.prefix)"
    assert venv.start("python3", "-c", code).text().strip() == str(venv.root)
    removed = venv.shim("remove")
    assert removed.status == 0 and "is lost" in removed.errors()
    assert venv.start("python3", "-c", code).text().strip() == str(venv.root)
    assert not (venv.root / ".glowplug").exists()


def test_somebody_else_replaces_the_interpreter(venv):
    """As `python -m venv --upgrade` with another Python does."""
    venv.installed()
    (name,) = [n for n in ("python", "python3") if os.readlink(venv.bin / n).startswith("..")]
    (venv.bin / name).unlink()
    (venv.bin / name).symlink_to(venv.starter.python)
    before = os.readlink(venv.bin / name)
    removed = venv.shim("remove")
    assert removed.status == 0 and "was replaced meanwhile" in removed.errors()
    assert os.readlink(venv.bin / name) == before
    assert not (venv.root / ".glowplug").exists()


def test_no_environment(starter, built):
    empty = starter.folder / "empty"
    empty.mkdir()
    for action in ("install", "remove"):
        for path in (empty, starter.folder / "missing", starter.python):
            outcome = starter.execute("shim", action, path)
            assert outcome.status == USAGE and "is no virtual environment" in outcome.errors()
    assert list(empty.iterdir()) == []


def test_environment_that_gains_nothing(starter, built):
    """Of another implementation, say: here something that answers as one would."""
    root = starter.folder / "other"
    write(root / "pyvenv.cfg", "home = /usr/bin\n")
    answer = (
        '{"implementation": "pypy", "version": [3, 11, 9], "free_threaded": false, '
        '"debug": false, "extension_suffix": "", "executable": "", "base_prefix": "", '
        '"library": null, "pointer_size": 8, "machine": "x86_64"}'
    )
    write(root / "bin" / "python", f"#!/bin/sh\necho '{answer}'\n").chmod(0o755)
    before = snapshot(root)
    outcome = starter.execute("shim", "install", root)
    assert outcome.status == REFUSED and "pypy" in outcome.errors(), outcome.errors()
    assert snapshot(root) == before


# The system calls by which an environment is changed; 88 is symlink.
CHANGES = {"mkdir", "linkat", "rename", "88", "unlink"}


def changes(venv: Venv, action: str) -> list[tracing.Call]:
    """The calls of an action that change its environment, in order."""
    log: list[tracing.Call] = []
    outcome = traced(venv, action, [], log)
    assert outcome.status == 0, outcome.errors()
    return [call for call in log if call.name in CHANGES]


def traced(venv: Venv, action: str, faults, log=None):
    command = venv.starter.command("shim", action, venv.root)
    venv.starter.fresh_work()
    return tracing.run(command, venv.starter.env, venv.starter.work, faults, log)


@pytest.fixture
def traceable(starter):
    try:
        tracing.run(["/bin/true"], {}, starter.folder)
    except tracing.Unavailable:
        pytest.skip("ptrace is not allowed here")


def at(call: tracing.Call, seen: list[tracing.Call], **how) -> Fault:
    """A fault at a call: the one of its kind that is preceded by as many."""
    before = sum(other.name == call.name and other.index < call.index for other in seen)
    return Fault(lambda other: other.name == call.name, skip=before, **how)


@pytest.mark.parametrize("action", ["install", "remove"])
def test_killed_at_each_change(venv, traceable, action):
    """The environment works at any moment; doing it again completes it, removing undoes it."""
    before = snapshot(venv.root)
    if action == "remove":
        venv.installed()
    calls = changes(venv, action)
    assert len(calls) >= {"install": 5, "remove": 2}[action]
    for call in calls:
        venv.removed() if action == "install" else venv.installed()
        fault = at(call, calls, kill=True)
        outcome = traced(venv, action, [fault])
        assert fault.hits and outcome.status == -9, call
        works = venv.start("python3", "-c", "import sys; print(sys.prefix)")
        assert works.text().strip() == str(venv.root), (call, works.errors())
        venv.removed()
        times = {name: seen[4] for name, seen in snapshot(venv.root).items()}
        left = {name: (*seen[:4], seen[5]) for name, seen in snapshot(venv.root).items()}
        assert left == {name: (*seen[:4], seen[5]) for name, seen in before.items()}, call
        for name, seen in before.items():
            if name not in {".", "bin"} and not name.endswith("site-packages"):
                assert times[name] == seen[4], (call, name)
    venv.installed()
    assert venv.start("python3", "-c", "").status == 0


@pytest.mark.parametrize("error", ["EROFS", "ENOSPC"])
def test_environment_that_cannot_be_written(venv, traceable, error):
    """An error that names the place, and an environment that is what it was."""
    before = snapshot(venv.root)
    calls = changes(venv, "install")
    for call in calls if error == "ENOSPC" else calls[:1]:
        if call.name == "unlink":
            continue
        venv.removed()
        fault = at(call, calls, error=error)
        outcome = traced(venv, "install", [fault])
        assert fault.hits, call
        assert outcome.status == STARTER, (call, outcome.errors())
        assert outcome.errors().startswith("error: cannot ") and str(venv.root) in outcome.errors()
        settle()
        venv.removed()
        assert {n: s[5] for n, s in snapshot(venv.root).items()} == {
            n: s[5] for n, s in before.items()
        }
