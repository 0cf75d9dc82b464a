"""CPythons that programs run on with lazy imports: by Glowplug up to 3.14, natively from 3.15."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.build import glowplug
from harness.interpreters import clean_environment

OLDEST, NATIVE = (3, 9), (3, 15)

ROOT = Path(__file__).parents[2]

_QUESTION = (
    "import json, platform, sys, sysconfig; print(json.dumps([platform.python_implementation(),"
    " list(sys.version_info[:3]), bool(sysconfig.get_config_var('Py_GIL_DISABLED')),"
    " hasattr(sys, 'gettotalrefcount')]))"
)


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
        self, *arguments: str, cwd: Path, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program lazily."""
        return subprocess.run(
            [*self.command(*options), *arguments],
            cwd=cwd,
            env=environment(),
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


def _candidates() -> list[Path]:
    named = os.environ.get("GLOWPLUG_TEST_PYTHONS")
    if named:
        return [Path(entry) for entry in named.split(":") if entry]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob("versions/3.*/bin/python3"))
    found += sorted(Path.home().glob(".local/share/uv/python/cpython-3.*/bin/python3"))
    found += sorted(Path("/opt/python").glob("3.*/bin/python3.*[0-9]"))
    return [*found, Path("/usr/bin/python3")]


@functools.cache
def pythons() -> tuple[LazyPython, ...]:
    """The newest CPython of each minor from 3.9 on that the machine has."""
    found: dict[tuple[int, int], LazyPython] = {}
    for path in _candidates():
        if not path.exists():
            continue
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            env=clean_environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        if answer.returncode:
            continue
        implementation, version, free_threaded, debug = json.loads(answer.stdout)
        python = LazyPython(path, tuple(version))
        if implementation != "CPython" or free_threaded or debug or python.minor < OLDEST:
            continue
        if python.minor not in found or found[python.minor].version < python.version:
            found[python.minor] = python
    return tuple(sorted(found.values(), key=lambda python: python.version))
