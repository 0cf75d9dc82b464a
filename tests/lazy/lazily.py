"""CPythons that programs run on with lazy imports: by Glowplug up to 3.14, natively from 3.15."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.build import glowplug
from harness.interpreters import by_minor, clean_environment, interpreters, thorough

NATIVE = (3, 15)

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class LazyPython:
    """A CPython, and how it runs programs lazily."""

    path: Path
    version: tuple[int, int, int]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    @property
    def is_native(self) -> bool:
        """Whether lazy imports are the interpreter's own."""
        return self.minor >= NATIVE

    def command(self, *options: str) -> list[str]:
        """What stands before the program."""
        if self.is_native:
            return [str(self.path), "-X", "lazy_imports=all"]
        return [
            str(glowplug()),
            "lazy",
            "run",
            "--no-policy",
            *options,
            "--python",
            str(self.path),
        ]

    def run(
        self, *arguments: str, cwd: Path, options: tuple[str, ...] = (), **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program lazily."""
        return subprocess.run(
            [*self.command(*options), *arguments],
            cwd=cwd,
            env={**environment(), **variables},
            capture_output=True,
            timeout=120,
            check=False,
        )

    def run_eagerly(
        self, *arguments: str, cwd: Path, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program by plain Python; the package of this checkout can be imported."""
        return subprocess.run(
            [str(self.path), *arguments],
            cwd=cwd,
            env={**environment(), "PYTHONPATH": str(ROOT / "python"), **variables},
            capture_output=True,
            timeout=120,
            check=False,
        )


@functools.cache
def _cache() -> str:
    return tempfile.mkdtemp(prefix="glowplug-lazy-")


def environment() -> dict[str, str]:
    """The environment of all runs, with one cache for each test process."""
    runtime = glowplug().parents[1] / "lib" / "glowplug"
    named = {
        "GLOWPLUG_CACHE_DIR": _cache(),
        "GLOWPLUG_RUNTIME": os.environ.get("GLOWPLUG_RUNTIME", str(runtime)),
    }
    return {**clean_environment(), **named}


@functools.cache
def pythons() -> tuple[LazyPython, ...]:
    """The newest CPython of each minor that the machine has."""
    minors = sorted({found.minor for found in interpreters()})
    return tuple(LazyPython(found.path, found.version) for found in by_minor(*minors))


def backports() -> tuple[LazyPython, ...]:
    """Those on which Glowplug brings the mechanism."""
    return tuple(python for python in pythons() if not python.is_native)


def chosen() -> tuple[LazyPython, ...]:
    """Those that the whole set of cases runs on: those of the comparisons, and the newest on which
    Glowplug brings the mechanism.
    """
    minors = {found.minor for found in thorough()}
    minors |= {python.minor for python in backports()[-1:]}
    return tuple(python for python in pythons() if python.minor in minors)


def one_of(*minors: tuple[int, int]) -> tuple[LazyPython, ...]:
    """Those of some minors."""
    return tuple(python for python in pythons() if python.minor in minors)
