"""Popular packages do a small real job with everything lazy but what the shipped policy keeps
eager, and print what they print eagerly.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from harness.environments import environment
from harness.interpreters import by_minor, clean_environment
from harness.running import Conditions, run

HERE = Path(__file__).parent / "programs"
SHARED = Path(__file__).parents[2] / "packages" / "programs"
pytestmark = pytest.mark.packages

# A job, and the list of requirements that it needs.
JOBS = {
    "numpy_job": "data",
    "pandas_job": "data",
    "sklearn_job": "data",
    "pillow_job": "data",
    "polars_job": "frames",
    "pyarrow_job": "frames",
    "lxml_job": "web",
    "cryptography_job": "web",
    "requests_job": "web",
    "django_job": "web",
    "fastapi_job": "web",
    "boto3_job": "web",
    "pydantic_job": "web",
    "sqlalchemy_job": "web",
    "matplotlib_job": "more",
    "terminal_job": "more",
    "aiohttp_job": "more",
    **{path.stem: "lazy" for path in sorted(HERE.glob("*_job.py"))},
    "symtable_job": "web",
    "pyarrow_filter_job": "frames",
}


def program(name: str) -> Path:
    own = HERE / f"{name}.py"
    return own if own.exists() else SHARED / f"{name}.py"


def interpreter(minor: tuple[int, int], name: str) -> Path:
    """A CPython that has what a job needs."""
    found = by_minor(minor)
    if not found:
        pytest.skip("no CPython %d.%d on this machine" % minor)
    return environment(found[0], JOBS[name] if minor < (3, 15) else "native").path


def both(built: Path, folder: Path, name: str, *options: str, minor: tuple[int, int] = (3, 11)):
    """The eager outcome, the lazy one, and the events of the lazy run."""
    python = interpreter(minor, name)
    env = {
        **clean_environment(),
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore",
        "GLOWPLUG_CACHE_DIR": str(folder / "cache"),
    }
    log = os.memfd_create("log", 0)
    os.set_inheritable(log, True)
    try:
        command = [built, "lazy", "run", f"--events={log}", *options, "--python", python]
        outcomes = []
        for start, descriptors in (([python], ()), (command, (log,))):
            work = folder / f"work{len(outcomes)}"
            work.mkdir()
            how = Conditions(timeout=120, pass_fds=descriptors)
            outcomes.append(run([*start, program(name)], env, work, how))
        os.lseek(log, 0, os.SEEK_SET)
        with open(log, "rb", closefd=False) as lines:
            events = [json.loads(line) for line in lines]
    finally:
        os.close(log)
    return (*outcomes, events)


@pytest.mark.parametrize("name", JOBS)
def test_job(built, tmp_path, name):
    eager, lazy, events = both(built, tmp_path, name)
    assert eager.status == 0, eager.errors()
    assert lazy.status == 0, lazy.errors()
    assert lazy.stdout == eager.stdout
    # A job whose imports were all eager would prove nothing.
    assert sum(event["event"] == "pending" for event in events) > 5


def policy() -> list[tuple[str, str, tuple[int, int]]]:
    """Package, test and CPython of each entry of the shipped policy."""
    path = Path(__file__).parents[3] / "crates" / "glowplug" / "src" / "lazy" / "policy.toml"
    entries: list[dict[str, str]] = []
    for line in path.read_text().splitlines():
        if line == "[[entry]]":
            entries.append({})
        elif entries and " = " in line and not line.startswith("#"):
            key, value = line.split(" = ", 1)
            entries[-1][key] = value.strip('"')
    pythons = [entry.get("python", "3.11").split(".") for entry in entries]
    minors = [(int(major), int(minor)) for major, minor in pythons]
    return [(e["package"], e["test"], minor) for e, minor in zip(entries, minors)]


@pytest.mark.parametrize(("package", "name", "minor"), policy())
def test_each_entry_is_needed(built, tmp_path, package, name, minor):
    """Without the policy, the job of each entry does something else."""
    eager, lazy, _ = both(built, tmp_path, name, "--no-policy", minor=minor)
    assert eager.status == 0, eager.errors()
    assert (lazy.status, lazy.stdout) != (eager.status, eager.stdout), package
    # What mends it is the policy.
    (tmp_path / "mended").mkdir()
    eager, lazy, _ = both(built, tmp_path / "mended", name, minor=minor)
    assert (lazy.status, lazy.stdout) == (eager.status, eager.stdout), package
