"""Ten commits: clean ones pass and bad ones are caught, with the other core busy.

One round of it runs by default. `make gate-soak` runs fifty and keeps what came out: a soak that
was interrupted goes on with the rounds that are left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import commits
import pytest
from gating import PASSED, VIOLATED, Gated

ROUNDS = int(os.environ.get("GLOWPLUG_TEST_GATE_ROUNDS", "1"))
RESULTS = os.environ.get("GLOWPLUG_TEST_GATE_RESULTS")
COMMITS = ["clean", "heavy", "eager", "slow", "path"]


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


def kept() -> list[dict]:
    """What rounds of this soak came out as so far."""
    if not RESULTS or not Path(RESULTS).exists():
        return []
    return [json.loads(line) for line in Path(RESULTS).read_text().splitlines()]


def left() -> list[tuple[int, str]]:
    """The rounds that have not been run yet, all commits in turn."""
    done = {(line["round"], line["commit"]) for line in kept()}
    every = [(number, name) for number in range(ROUNDS) for name in COMMITS]
    return [one for one in every if one not in done]


def judged(ten: commits.TenCommits, round_number: int, name: str) -> tuple[Gated, bool]:
    """The gate's report on a commit, and whether it says what it should."""
    if name == "clean":
        # The first commit has nothing before it.
        number = 1 + round_number % (len(ten.clean) - 1)
        ten.check_out(ten.clean[number])
        gated = ten.project.gate("--base", ten.clean[number - 1])
        return gated, gated.status == PASSED
    bad = ten.bad[name]
    ten.check_out(bad.commit)
    gated = ten.project.gate("--base", ten.clean[-1])
    problems = gated.problems if gated.report else []
    wanted = {"file": bad.file, "line": bad.line}
    found = any(one["kind"] == bad.kind and one["place"] == wanted for one in problems)
    return gated, gated.status == VIOLATED and found


def keep(name: str, round_number: int, gated: Gated, as_expected: bool, seconds: float) -> None:
    """Adds a line to the results of a soak."""
    if not RESULTS:
        return
    compared = (gated.report and gated.entry["time"]) or {}
    line = {
        "commit": name,
        "round": round_number,
        "status": gated.status,
        "as expected": as_expected,
        "kinds": gated.kinds if gated.report else [],
        "base_ms": compared.get("base_ms"),
        "difference_ms": compared.get("difference_ms"),
        "pairs": compared.get("pairs"),
        "seconds": round(seconds, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    with Path(RESULTS).open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize(("round_number", "name"), left())
def test_clean_commits_pass_and_bad_ones_are_caught(
    ten: commits.TenCommits, busy: None, round_number: int, name: str
) -> None:
    began = time.monotonic()
    gated, as_expected = judged(ten, round_number, name)
    keep(name, round_number, gated, as_expected, time.monotonic() - began)
    assert as_expected, gated.explain()


@pytest.mark.skipif(not RESULTS, reason="nothing is kept: only `make gate-soak` does")
def test_every_round_that_was_kept_came_out_right() -> None:
    wrong = [line for line in kept() if not line["as expected"]]
    assert not wrong, wrong
    assert Counter(line["commit"] for line in kept()) == dict.fromkeys(COMMITS, ROUNDS)
