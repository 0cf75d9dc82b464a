"""Every case of `cases.py`, on every CPython of the machine from 3.9 on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cases import CASES, MODULES, PRELUDE, Case
from lazily import LazyPython, chosen


@pytest.mark.parametrize("python", chosen(), ids=lambda p: p.name)
@pytest.mark.parametrize("name", CASES)
def test_case(python: LazyPython, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    if python.minor < case.oldest:
        pytest.skip(f"its syntax came with {case.oldest}")
    if python.is_native and not case.native:
        pytest.skip("Python's own lazy imports do otherwise; see docs/lazy-differences.md")
    run = _run(python, case, tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    assert not run.stderr


def _run(python: LazyPython, case: Case, folder: Path) -> subprocess.CompletedProcess[bytes]:
    for name, text in {**MODULES, **case.files, "case.py": PRELUDE + case.code}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return python.run("case.py", cwd=folder)
