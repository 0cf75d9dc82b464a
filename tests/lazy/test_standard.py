"""Python 3.15's own suite for lazy imports, on 3.9–3.14. See `standard/`."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from lazily import ROOT, LazyPython, backports, environment, one_of
from standard import suite

HERE = Path(__file__).parent / "standard"

LEAST = 124
"""How many of its tests pass at least."""

SAMPLE = (
    "GlobalsAndDictTests",
    "IndependentSubmoduleTests",
    "LazyImportTests",
)
"""The classes of each run of the tests; all of them are for `make judge`."""


def outcomes(
    python: LazyPython, folder: Path, classes: tuple[str, ...] = (), shim: str = ""
) -> dict[str, str]:
    """The outcome of each test of some classes, or of all, by name."""
    found = suite.installed()
    if found is None:
        pytest.skip("needs the test suite of Python 3.15 (Debian's libpython3.15-testsuite)")
    if not (folder / "test_lazy_import").exists():
        suite.write(folder, found)
    names = [f"test.test_lazy_import.{kind}" for kind in classes] or ["test.test_lazy_import"]
    report = folder / f"outcomes{shim}.json"
    run = subprocess.run(
        [str(python.path), str(HERE / "report.py"), str(report), *names],
        cwd=folder,
        env={
            **environment(),
            "PYTHONPATH": f"{HERE}:{ROOT / 'python'}",
            "LAZY_SUITE": str(folder),
            "LAZY_SHIM": shim,
        },
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert report.exists(), run.stderr.decode(errors="replace")[-2000:]
    return json.loads(report.read_text())


def listed(minor: tuple[int, int]) -> set[str]:
    """The tests that docs/lazy-differences.md says do not pass on a version."""
    text = (ROOT / "docs" / "lazy-differences.md").read_text()
    rows = re.findall(r"^\| `(\w+\.test_\w+)` \| ([\w., ]+) \| \S.* \|$", text, re.MULTILINE)
    here = {"all", "%d.%d" % minor}
    return {name for name, versions in rows if here & set(versions.split(", "))}


@pytest.mark.parametrize("python", one_of((3, 13)), ids=lambda p: p.name)
def test_sample_of_the_standard_suite(python: LazyPython, tmp_path: Path) -> None:
    found = outcomes(python, tmp_path, SAMPLE)
    passed = {name for name, outcome in found.items() if outcome == "ok"}
    assert {name.partition(".")[0] for name in found} == set(SAMPLE)
    expected = {name for name in listed(python.minor) if name.partition(".")[0] in SAMPLE}
    assert set(found) - passed == expected


@pytest.mark.judge
@pytest.mark.parametrize("python", backports(), ids=lambda p: p.name)
def test_standard_suite(python: LazyPython, tmp_path: Path) -> None:
    found = outcomes(python, tmp_path)
    passed = {name for name, outcome in found.items() if outcome == "ok"}
    assert set(found) - passed == listed(python.minor)
    assert len(passed) >= LEAST


@pytest.mark.judge
@pytest.mark.parametrize("python", one_of((3, 13)), ids=lambda p: p.name)
def test_a_shim_that_does_nothing_passes_far_less(python: LazyPython, tmp_path: Path) -> None:
    idle = {n for n, o in outcomes(python, tmp_path, shim="nothing").items() if o == "ok"}
    assert len(idle) + 50 < LEAST
