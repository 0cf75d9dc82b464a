"""What the benches of `glowplug profile` share: the programs, and running them alike."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import tempfile
from pathlib import Path

# A package that is imported for a module in it alone would go with that module, which the stub of
# benches/exclusive_cost.py does not show: so each package is imported by itself.
PROGRAMS = {
    "bare": "pass",
    "fastapi": "import fastapi",
    "django": "import django\nfrom django.conf import settings\n"
    "settings.configure(INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes'])\n"
    "django.setup()",
    "boto3": "import boto3",
    "pandas": "import pandas",
    "small": "import argparse, email.parser, json",
    "aiohttp": "import aiohttp\nimport aiohttp.web",
    "sqlalchemy": "import sqlalchemy\nimport sqlalchemy.orm",
}

# What a program is run as, and with what letters of the collector's; None without it.
SIDES = {"plain": None, "without_marks": "", "with_marks": "u"}


def collecting(collector: str | Path, letters: str, notes: Path) -> dict[str, str]:
    """The variables by which a program is collected from, and an empty file for the notes."""
    chunk, chunks = 1 << 16, 1023
    with notes.open("wb") as file:
        file.write(b"glowprof" + struct.pack("<QQQ", 1, 0, chunks))
        file.truncate((chunks + 1) * chunk)
    return {"LD_PRELOAD": str(collector), "GLOWPLUG_COLLECT": f"{letters}:{notes}"}


def arguments(description: str) -> argparse.ArgumentParser:
    """The arguments of all: the binary, and which program by which interpreter."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glowplug")
    parser.add_argument(
        "programs", nargs="+", metavar="NAME=PYTHON", help=f"of {', '.join(PROGRAMS)}"
    )
    return parser


def chosen(words: list[str]) -> list[tuple[str, str, str]]:
    """Name, interpreter and code of each program."""
    pairs = [word.split("=", 1) for word in words]
    return [(name, python, PROGRAMS[name]) for name, python in pairs]


def environment() -> dict[str, str]:
    """Without anything that steers Python; hashes the same each time."""
    found = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return found | {"PYTHONHASHSEED": "0"}


def cpu_ms(command: list[str], variables: dict[str, str] | None = None) -> float | None:
    """CPU time of a command, user and system; None where it failed."""
    process = subprocess.Popen(
        command,
        env=variables or environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1000 if process.returncode == 0 else None


def profile(glowplug: str, python: str, code: str, *options: str) -> tuple[dict, float]:
    """The profile of a program, and the milliseconds of CPU time that the command itself took."""
    return profile_of(glowplug, [*options, "--python", python, "-c", code])


def profile_of(
    glowplug: str, words: list[str], variables: dict[str, str] | None = None
) -> tuple[dict, float]:
    """The same, of what the words of a command line say."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "profile.json"
        spent = cpu_ms([glowplug, "profile", "--json", str(out), *words], variables)
        if spent is None:
            raise ProgramFailedError(words)
        found = json.loads(out.read_text())
    return found, spent - found["run"]["cpu_ns"] * found["run"]["runs"] / 1e6


class ProgramFailedError(Exception):
    """A program ended with another status than 0."""


def error(values: list[float]) -> float:
    """The standard error of the median of normal values, from their median deviation."""
    middle = statistics.median(values)
    deviation = 1.4826 * statistics.median(abs(value - middle) for value in values)
    return 1.2533 * deviation / math.sqrt(len(values))
