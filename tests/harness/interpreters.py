"""Finds the CPython interpreters of this machine that Glowplug supports, and says which tests run
on which of them.

A test that asks for `each_starter` or `every_interpreter` is one of the comparisons. The whole set
of them runs on three interpreters: the oldest, the newest and the system's, for what differs
between CPythons shows at the ends, and the system's is built in a way of its own. On the others
runs the core set, which is what bears the mark `core`. Interpreters that $GLOWPLUG_TEST_PYTHONS
names get the whole set each.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import sid
from .build import ROOT

DEFAULT = (3, 11)

_QUESTION = """
import json, platform, sys, sysconfig
print(json.dumps([
    platform.python_implementation(), list(sys.version_info[:3]), hasattr(sys, "gettotalrefcount"),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython, called by the path under which it was found."""

    path: Path
    version: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Short and unique on a usual machine: the version, and where it comes from if from the
        system.
        """
        system = "-system" if self.is_system else ""
        return ".".join(map(str, self.version)) + system

    @property
    def is_system(self) -> bool:
        """Whether it is the distribution's own."""
        return self.path.is_relative_to("/usr/bin")

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        return self.version[:2]


@functools.cache
def supported() -> tuple[tuple[int, int], ...]:
    """The minors on which programs are frozen, oldest first: the list that the build reads."""
    text = (ROOT / "crates/glowplug-pythons/src/minors.txt").read_text()
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    freezing = [words[0] for words in lines if "freeze" in words]
    return tuple((3, int(version.partition(".")[2])) for version in freezing)


def clean_environment() -> dict[str, str]:
    """The environment of this process without anything that steers Python."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}


def _named() -> list[Path]:
    """The interpreters that $GLOWPLUG_TEST_PYTHONS names."""
    named = os.environ.get("GLOWPLUG_TEST_PYTHONS", "")
    return [Path(entry) for entry in named.split(":") if entry]


def _candidates() -> list[Path]:
    if named := _named():
        return named
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob("versions/3.*/bin/python3"))
    found += sorted(Path.home().glob(".local/share/uv/python/cpython-3.*/bin/python3"))
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/bin", "/usr/local/bin"]
    names = ["python3", *(f"python3.{minor}" for _, minor in supported())]
    found += sid.pythons()
    found += [Path(folder) / name for folder in folders if folder for name in names]
    return found


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


@functools.cache
def _answer(path: Path) -> tuple[str, list[int], bool, bool] | None:
    """Implementation, version, whether it is a debug build, whether it is free-threaded."""
    answer = subprocess.run(
        [path, "-I", "-S", "-c", _QUESTION],
        env=clean_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return tuple(json.loads(answer.stdout)) if answer.returncode == 0 else None


def _ask(path: Path) -> Interpreter | None:
    answer = _answer(path)
    if answer is None:
        return None
    implementation, version, debug, free_threaded = answer
    if implementation != "CPython" or debug or free_threaded:
        return None
    return Interpreter(path, tuple(version))


@functools.cache
def other_builds() -> tuple[tuple[str, Path], ...]:
    """CPythons of this machine on which nothing is frozen because of how they are built: what
    Glowplug calls the build, and the path.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = sorted(pyenv.glob("versions/3.*/bin/python3"))
    candidates += sorted(Path.home().glob(".local/share/uv/python/cpython-3.*/bin/python3"))
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(":") if entry]
    folders += [Path("/usr/bin"), Path("/usr/local/bin"), *Path("/opt/python").glob("3.*/bin")]
    for _, minor in supported():
        names = (f"python3.{minor}t", f"python3.{minor}d", f"python3.{minor}-dbg", "python3")
        candidates += [folder / name for folder in folders for name in names]
    found: dict[Path, str] = {}
    for path in candidates:
        if path.resolve() in found or not _is_elf(path):
            continue
        answer = _answer(path)
        if answer is not None and answer[0] == "CPython" and (answer[2] or answer[3]):
            build = "a free-threaded CPython" if answer[3] else "a debug build of CPython"
            found[path.resolve()] = build
    return tuple((build, path) for path, build in found.items())


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """Every supported CPython, each once however many names it has."""
    seen: set[Path] = set()
    found: list[Interpreter] = []
    for path in _candidates():
        real = path.resolve()
        if real in seen or not _is_elf(path):
            continue
        seen.add(real)
        interpreter = _ask(path)
        if interpreter and interpreter.minor in supported():
            found.append(interpreter)
    return tuple(sorted(found, key=lambda i: (i.version, str(i.path))))


@functools.cache
def thorough() -> tuple[Interpreter, ...]:
    """The interpreters that every comparison runs on: those that were named, else the oldest, the
    newest and the system's.
    """
    found = interpreters()
    if _named() or not found:
        return found
    ends = {found[0], found[-1]}
    return tuple(i for i in found if i in ends or i.is_system)


def by_minor(*minors: tuple[int, int]) -> tuple[Interpreter, ...]:
    """The newest interpreter of each of `minors` that the machine has."""
    return tuple(
        max((i for i in interpreters() if i.minor == minor), key=lambda i: i.version)
        for minor in minors
        if any(i.minor == minor for i in interpreters())
    )


def default_interpreter() -> Interpreter:
    """The interpreter of tests that need not run on all of them."""
    return (by_minor(DEFAULT) or interpreters())[0]
