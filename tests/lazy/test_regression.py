"""CPython's own tests of imports and of what looks at modules, lazily and eagerly."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness.build import glowplug
from lazily import ROOT, LazyPython, environment, one_of

SUITES = ("test_import", "test_dataclasses", "test_runpy")
"""Those of each run of the tests; the others are for `make judge`."""

OTHER_SUITES = (
    "test_descr",
    "test_importlib",
    "test_inspect",
    "test_module",
    "test_pickle",
    "test_pkgutil",
    "test_thread",
    "test_threading",
    "test_types",
    "test_typing",
)


def listed(suites: tuple[str, ...], minor: tuple[int, int]) -> set[str]:
    """What docs/lazy-differences.md says of some suites: tests that fail lazily alone."""
    text = (ROOT / "docs" / "lazy-differences.md").read_text()
    rows = re.findall(r"^\| `(test_\w+): (\w+\.test_\w+)` \| ([\d., ]+) \| \S.* \|$", text, re.M)
    version = "%d.%d" % minor
    return {test for suite, test, on in rows if suite in suites and version in on.split(", ")}


def failures(command: list[str], suites: tuple[str, ...], folder: Path) -> set[str]:
    """The tests that fail; the run has to come to its end."""
    folder.mkdir()
    run = subprocess.run(
        [*command, "-m", "test", "-v", *suites],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=500,
        check=False,
    )
    said = run.stdout + run.stderr
    assert len(re.findall(r"^Ran \d+ tests", said, re.MULTILINE)) >= len(suites), said[-3000:]
    found = re.findall(r"^(?:FAIL|ERROR): (\w+) \(([\w.]+)\)", said, re.MULTILINE)
    return {f"{kind.removesuffix('.' + name).rpartition('.')[2]}.{name}" for name, kind in found}


def compare(python: LazyPython, suites: tuple[str, ...], folder: Path) -> None:
    """Both ways; what fails lazily alone is what the page says."""
    present = python.run_eagerly("-c", "import test.test_import", cwd=folder)
    if present.returncode:
        pytest.skip("this Python has no test suite")
    eager = failures([str(python.path)], suites, folder / "eager")
    lazy = [str(glowplug()), "lazy", "run", "--no-policy", "--python", str(python.path)]
    found = failures(lazy, suites, folder / "lazy")
    assert found - eager == listed(suites, python.minor)


@pytest.mark.parametrize("python", one_of((3, 11), (3, 13)), ids=lambda p: p.name)
def test_what_fails_lazily_is_listed(python: LazyPython, tmp_path: Path) -> None:
    compare(python, SUITES, tmp_path)


@pytest.mark.judge
@pytest.mark.parametrize("suite", OTHER_SUITES)
@pytest.mark.parametrize("python", one_of((3, 11), (3, 13)), ids=lambda p: p.name)
def test_other_suites(python: LazyPython, suite: str, tmp_path: Path) -> None:
    compare(python, (suite,), tmp_path)
