"""Running `glowplug profile`, and looking at what it made."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.build import glowplug
from harness.interpreters import clean_environment

TIMES = ("find", "read", "unmarshal", "compile", "dlopen", "body", "other")


def other_minors() -> list[Path]:
    """CPythons that are profiled but not frozen: 3.9 and newer ones."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    wanted = ("3.9.*", "3.14.*", "3.15.*")
    return sorted(path for one in wanted for path in pyenv.glob(f"versions/{one}/bin/python3"))


def on_other_minors(folder: Path, check: Callable[[Path, Path], None]) -> None:
    """Calls `check(folder of its own, interpreter)` for each of them; skips where there is none."""
    minors = other_minors()
    if not minors:
        pytest.skip("no CPython 3.9, 3.14 or 3.15 here")
    for index, minor in enumerate(minors):
        own = folder / str(index)
        own.mkdir()
        check(own, minor)


class Profiled:
    """A run, and its profile."""

    def __init__(self, done: subprocess.CompletedProcess[bytes], path: Path) -> None:
        self.done = done
        self.profile = json.loads(path.read_text())

    @property
    def process(self) -> dict:
        return self.profile["processes"][0]

    def module(self, name: str) -> dict:
        return next(m for m in self.process["modules"] if m["name"] == name)

    def edges(self, name: str) -> list[dict]:
        modules = self.process["modules"]
        return [e for e in self.process["edges"] if modules[e["module"]]["name"] == name]


def start(folder: Path, *arguments: str, python: Path | None = None, **options) -> Profiled:
    """Runs `glowplug profile` in a folder."""
    binary = glowplug()
    assert binary, "no Glowplug was built: run `cargo xtask build`, or name one in $GLOWPLUG"
    out = folder / "profile.json"
    command = [binary, "profile", "--json", out, *arguments]
    if python:
        command[2:2] = ["--python", python]
    options.setdefault("env", clean_environment())
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, **options)
    assert out.exists(), done.stderr.decode()
    return Profiled(done, out)


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def check_sums(profiled: Profiled) -> None:
    """Self costs add up in every thread, phases to self times, and nothing is negative."""
    for process in profiled.profile["processes"]:
        for index, thread in enumerate(process["threads"]):
            for cost, total in thread["total"].items():
                own = [m["own"][cost] for m in process["modules"][1:] if m["thread"] == index]
                assert sum(own) + thread["outside"][cost] == total
        for module in process["modules"]:
            for clock in ("wall_ns", "cpu_ns"):
                spans = [module["phases"][phase][clock] for phase in TIMES]
                assert min(spans) >= 0
                assert sum(spans) == module["own"][clock]


BURN = "import time\nend = time.thread_time() + 0.05\nwhile time.thread_time() < end: pass\n"
