"""Python 3.15's own suite for lazy imports, on 3.9–3.14. See `standard/`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from lazily import ROOT, LazyPython, environment, one_of
from standard import suite

HERE = Path(__file__).parent / "standard"

LEAST = 100
"""How many of its tests pass at least; a shim that does nothing passes about 65."""


def outcomes(python: LazyPython, folder: Path, shim: str = "") -> dict[str, str]:
    """The outcome of each test, by name."""
    found = suite.installed()
    if found is None:
        pytest.skip("needs the test suite of Python 3.15 (Debian's libpython3.15-testsuite)")
    if not (folder / "test_lazy_import").exists():
        suite.write(folder, found)
    run = subprocess.run(
        [str(python.path), "-m", "unittest", "-v", "test.test_lazy_import"],
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
    text = run.stderr.decode(errors="replace")
    pattern = (
        r"^(test_\w+) \(([\w.]+)\)(?:\n[^\n]*)?? \.\.\. .*?(ok|FAIL|ERROR|skipped|expected failure)"
    )
    found_outcomes = {
        f"{kind.split('.')[-2] if kind.endswith(name) else kind.split('.')[-1]}.{name}": outcome
        for name, kind, outcome in re.findall(pattern, text, re.MULTILINE)
    }
    assert found_outcomes, text[-2000:]
    return found_outcomes


@pytest.mark.parametrize("python", one_of((3, 11), (3, 13)), ids=lambda p: p.name)
def test_standard_suite(python: LazyPython, tmp_path: Path) -> None:
    passed = {name for name, outcome in outcomes(python, tmp_path).items() if outcome == "ok"}
    idle = {n for n, o in outcomes(python, tmp_path, shim="nothing").items() if o == "ok"}
    lost = sorted(idle - passed)
    print(f"{len(passed)} pass, {len(idle)} with a shim that does nothing; lost: {lost}")
    assert len(passed) >= LEAST
    assert len(passed) > len(idle) + 30
