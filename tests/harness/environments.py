"""Virtual environments with packages, made once for each interpreter and list of requirements and
then kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .interpreters import Interpreter, by_minor, clean_environment
from .starting import Starter

REQUIREMENTS = Path(__file__).resolve().parent.parent / "packages" / "requirements"


def _folder() -> Path:
    named = os.environ.get("GLOWPLUG_TEST_VENVS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "glowplug-tests" / "venvs"


def environment(interpreter: Interpreter, requirements: str) -> Interpreter:
    """The interpreter of the virtual environment that has `requirements/<requirements>.txt`
    installed; only wheels are used.

    It is made under a lock in a folder named after the digest of all that it depends on, so that
    parallel tests make it once and a changed list makes a new one. Some take gigabytes, so that
    `GLOWPLUG_TEST_MAKE` names the lists that may be made. Where it is set, tests that need another
    list are skipped, whether it has been made or not: the same tests run on every machine.
    """
    named = os.environ.get("GLOWPLUG_TEST_MAKE")
    lists = (named or "").split()
    may_make = "all" in lists or requirements in lists
    if named is not None and not may_make:
        pytest.skip(f"needs the packages {requirements!r}: `make packages` runs it")
    wanted = REQUIREMENTS / f"{requirements}.txt"
    text = f"{interpreter.path}\n{interpreter.version}\n{wanted.read_text()}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = f"{requirements}-{interpreter.name}-{digest}"
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "complete").exists():
            if not may_make:
                pytest.skip(f"the environment {requirements!r} is not made: `make packages` does")
            shutil.rmtree(made, ignore_errors=True)
            _make(interpreter, wanted, made)
            (made / "complete").touch()
    return Interpreter(made / "bin" / "python3", interpreter.version)


def pinned(requirements: str, package: str) -> str:
    """The line of `requirements/<requirements>.txt` for `package`: its name and exact version."""
    lines = (REQUIREMENTS / f"{requirements}.txt").read_text().splitlines()
    (found,) = (line for line in lines if line.lower().startswith(f"{package}=="))
    return found


def in_environment(
    starter: Starter, requirements: str, minor: tuple[int, int] = (3, 11)
) -> Starter:
    """The starter with the interpreter of an environment."""
    found = by_minor(minor)
    if not found:
        pytest.skip(f"no CPython {minor[0]}.{minor[1]} on this machine")
    return starter.with_interpreter(environment(found[0], requirements))


def _make(interpreter: Interpreter, wanted: Path, made: Path) -> None:
    env = clean_environment()
    commands = [
        [interpreter.path, "-m", "venv", made],
        [
            made / "bin" / "python3",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary",
            ":all:",
            "-r",
            wanted,
        ],
        # pip compiles what it installs; what it leaves out would be written by the first run and
        # differ between two.
        [made / "bin" / "python3", "-m", "compileall", "-q", made / "lib"],
    ]
    for command in commands:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=1200, check=False
        )
        if done.returncode != 0 and "compileall" not in command:
            raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
