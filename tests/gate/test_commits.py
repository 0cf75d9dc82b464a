"""Ten commits: clean ones pass and bad ones are caught, with the other core busy.

A few rounds of it run by default. `make gate-soak` runs fifty and keeps what came out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import commits
import pytest
from gating import PASSED, VIOLATED, Gated

ROUNDS = int(os.environ.get("GLOWPLUG_TEST_GATE_ROUNDS", "1"))
RESULTS = os.environ.get("GLOWPLUG_TEST_GATE_RESULTS")


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> commits.TenCommits:
    return commits.make(tmp_path_factory.mktemp("ten") / "tool")


@pytest.fixture
def busy() -> Iterator[None]:
    """Another process computes all the time."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


def keep(name: str, round_number: int, gated: Gated, caught: bool) -> None:
    """Adds a line to the results of a soak."""
    if not RESULTS:
        return
    time = gated.entry["time"] or {}
    line = {
        "commit": name,
        "round": round_number,
        "status": gated.status,
        "as expected": caught,
        "kinds": gated.kinds,
        "difference_ms": time.get("difference_ms"),
        "pairs": time.get("pairs"),
    }
    with Path(RESULTS).open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_a_clean_commit_passes(ten: commits.TenCommits, busy: None, round_number: int) -> None:
    # The first commit has nothing before it.
    number = 1 + round_number % (len(ten.clean) - 1)
    ten.check_out(ten.clean[number])
    gated = ten.project.gate("--base", ten.clean[number - 1])
    keep("clean", round_number, gated, gated.status == PASSED)
    assert gated.status == PASSED, gated.explain()


@pytest.mark.parametrize("name", ["heavy", "eager", "slow", "path"])
@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_a_bad_commit_is_caught(
    ten: commits.TenCommits, busy: None, name: str, round_number: int
) -> None:
    bad = ten.bad[name]
    ten.check_out(bad.commit)
    gated = ten.project.gate("--base", ten.clean[-1])
    found = [one for one in gated.problems if one["kind"] == bad.kind]
    places = [one["place"] for one in found]
    wanted = {"file": bad.file, "line": bad.line}
    keep(name, round_number, gated, gated.status == VIOLATED and wanted in places)
    assert gated.status == VIOLATED, gated.explain()
    assert wanted in places, gated.explain()
