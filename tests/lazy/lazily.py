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


def _named() -> list[Path]:
    named = os.environ.get("GLOWPLUG_TEST_PYTHONS", "")
    return [Path(entry) for entry in named.split(":") if entry]


def _candidates() -> list[Path]:
    if named := _named():
        return named
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob("versions/3.*/bin/python3"))
    found += sorted(Path.home().glob(".local/share/uv/python/cpython-3.*/bin/python3"))
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NATIVE[1] + 1)]
    found += [Path(f) / n for f in os.environ.get("PATH", "").split(":") if f for n in names]
    return [*found, Path("/usr/bin/python3")]


@functools.cache
def pythons() -> tuple[LazyPython, ...]:
    """The newest CPython of each minor from 3.9 on that the machine has."""
    found: dict[tuple[int, int], LazyPython] = {}
    for path in _candidates():
        python = _ask(path) if path.exists() else None
        if python is None:
            continue
        known = found.get(python.minor)
        if known is None or known.version < python.version:
            found[python.minor] = python
    return tuple(sorted(found.values(), key=lambda python: python.version))


def _ask(path: Path) -> LazyPython | None:
    answer = subprocess.run(
        [path, "-I", "-S", "-c", _QUESTION],
        env=clean_environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if answer.returncode:
        return None
    implementation, version, free_threaded, debug = json.loads(answer.stdout)
    python = LazyPython(path, tuple(version))
    is_fit = implementation == "CPython" and not free_threaded and not debug
    return python if is_fit and python.minor >= OLDEST else None


def backports() -> tuple[LazyPython, ...]:
    """Those on which Glowplug brings the mechanism."""
    return tuple(python for python in pythons() if not python.is_native)


def chosen() -> tuple[LazyPython, ...]:
    """Those that the whole set of cases runs on: the oldest, the newest, the system's, and the one
    whose lazy imports are its own. Interpreters that $GLOWPLUG_TEST_PYTHONS names are all chosen.
    """
    if _named():
        return pythons()
    ends = {python.minor for python in (backports()[:1] + backports()[-1:])}
    system = _ask(Path("/usr/bin/python3")) if Path("/usr/bin/python3").exists() else None
    ends |= {system.minor} if system else set()
    return tuple(python for python in pythons() if python.is_native or python.minor in ends)


def one_of(*minors: tuple[int, int]) -> tuple[LazyPython, ...]:
    """Those of some minors."""
    return tuple(python for python in pythons() if python.minor in minors)
