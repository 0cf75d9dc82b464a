"""CPython's own tests of imports and of what looks at modules, lazily and eagerly."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness.build import glowplug
from lazily import LazyPython, environment, one_of

SUITES = ("test_import", "test_dataclasses", "test_runpy")

OTHERWISE = {
    # An import that fails, or a cycle that does, fails at first use or not at all.
    "CircularImportTests.test_absolute_circular_submodule",
    "CircularImportTests.test_circular_from_import",
    "CircularImportTests.test_crossreference2",
    "ImportTracebackTests.test_exec_failure_nested",
    "ImportTracebackTests.test_nonexistent_module_nested",
    # The package is taken out of sys.modules between the statement and the first use.
    "RelativeImportTests.test_import_from_unloaded_package",
}
"""What fails lazily alone; all of it fails by Python 3.15's own lazy imports as well."""


def failures(command: list[str], folder: Path) -> set[str]:
    """The tests that fail; the run has to come to its end."""
    folder.mkdir()
    run = subprocess.run(
        [*command, "-m", "test", "-v", *SUITES],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=500,
        check=False,
    )
    said = run.stdout + run.stderr
    assert len(re.findall(r"^Ran \d+ tests", said, re.MULTILINE)) == len(SUITES), said[-3000:]
    found = re.findall(r"^(?:FAIL|ERROR): (\w+) \(([\w.]+)\)", said, re.MULTILINE)
    return {f"{kind.removesuffix('.' + name).rpartition('.')[2]}.{name}" for name, kind in found}


@pytest.mark.parametrize("python", one_of((3, 11), (3, 13)), ids=lambda p: p.name)
def test_what_fails_lazily_is_listed(python: LazyPython, tmp_path: Path) -> None:
    present = python.run_eagerly("-c", "import test.test_import", cwd=tmp_path)
    if present.returncode:
        pytest.skip("this Python has no test suite")
    eager = failures([str(python.path)], tmp_path / "eager")
    lazy = [str(glowplug()), "lazy", "run", "--no-policy", "--python", str(python.path)]
    assert failures(lazy, tmp_path / "lazy") - eager == OTHERWISE
