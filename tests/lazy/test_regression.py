"""CPython's own tests of imports and of what looks at modules, lazily and eagerly."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness.build import glowplug
from lazily import ROOT, LazyPython, environment, one_of

SAMPLE = ("CircularImportTests", "ImportTracebackTests", "RelativeImportTests")
"""The classes of `test_import` for each run of the tests; `make judge` runs all of all suites."""

SUITES = (
    "test_dataclasses",
    "test_descr",
    "test_import",
    "test_importlib",
    "test_inspect",
    "test_module",
    "test_pickle",
    "test_pkgutil",
    "test_runpy",
    "test_thread",
    "test_threading",
    "test_types",
    "test_typing",
)


def listed(suite: str, classes: tuple[str, ...], minor: tuple[int, int]) -> set[str]:
    """What docs/lazy-differences.md says of a suite: tests that fail lazily alone."""
    text = (ROOT / "docs" / "lazy-differences.md").read_text()
    rows = re.findall(r"^\| `(test_\w+): (\w+\.test_\w+)` \| ([\d., ]+) \| \S.* \|$", text, re.M)
    version = "%d.%d" % minor
    found = {test for of, test, on in rows if of == suite and version in on.split(", ")}
    return {test for test in found if not classes or test.partition(".")[0] in classes}


def failures(command: list[str], suite: str, classes: tuple[str, ...], folder: Path) -> set[str]:
    """The tests that fail; the run has to come to its end."""
    folder.mkdir()
    run = subprocess.run(
        [*command, "-m", "test", "-v", *(f"--match={kind}" for kind in classes), suite],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=500,
        check=False,
    )
    said = run.stdout + run.stderr
    assert re.search(r"^Ran [1-9]\d* tests", said, re.MULTILINE), said[-3000:]
    found = re.findall(r"^(?:FAIL|ERROR): (\w+) \(([\w.]+)\)", said, re.MULTILINE)
    return {f"{kind.removesuffix('.' + name).rpartition('.')[2]}.{name}" for name, kind in found}


def compare(python: LazyPython, suite: str, folder: Path, classes: tuple[str, ...] = ()) -> None:
    """Both ways; what fails lazily alone is what the page says."""
    present = python.run_eagerly("-c", "import test.test_import", cwd=folder)
    if present.returncode:
        pytest.skip("this Python has no test suite")
    eager = failures([str(python.path)], suite, classes, folder / "eager")
    lazy = [str(glowplug()), "lazy", "run", "--no-policy", "--python", str(python.path)]
    found = failures(lazy, suite, classes, folder / "lazy")
    assert found - eager == listed(suite, classes, python.minor)


@pytest.mark.parametrize("python", one_of((3, 13)), ids=lambda p: p.name)
def test_what_fails_lazily_is_listed(python: LazyPython, tmp_path: Path) -> None:
    compare(python, "test_import", tmp_path, SAMPLE)


@pytest.mark.judge
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("python", one_of((3, 11), (3, 13)), ids=lambda p: p.name)
def test_suites(python: LazyPython, suite: str, tmp_path: Path) -> None:
    compare(python, suite, tmp_path)
