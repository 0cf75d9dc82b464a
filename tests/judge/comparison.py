"""Runs a test suite both ways and compares what became of each of its tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Results = dict[str, tuple[str, ...]]
"""What became of each test, by its name: outcomes and reasons, sorted. A test has several where
its subtests fail.
"""

DRIVER = Path(__file__).parent / "driver.py"


@dataclass(frozen=True)
class Run:
    """One run of a suite."""

    results: Results
    status: int
    output: str = field(compare=False, repr=False)


def read(outcomes: Path) -> Results:
    """What `driver.py` has written."""
    found: dict[str, list[str]] = {}
    if outcomes.exists():
        for line in outcomes.read_text().splitlines():
            name, outcome, why = json.loads(line)
            found.setdefault(name, []).append(f"{outcome}: {why}" if why else outcome)
    return {name: tuple(sorted(of)) for name, of in found.items()}


@dataclass(frozen=True)
class Difference:
    """A test that did not end thawed as it ended plainly."""

    test: str
    plain: tuple[str, ...]
    thawed: tuple[str, ...]


def compare(plain: Run, thawed: Run) -> dict[str, Difference]:
    """Where two runs differ, by test; `exit status` stands for that of the whole."""
    names = {*plain.results, *thawed.results}
    ends = {name: (plain.results.get(name, ()), thawed.results.get(name, ())) for name in names}
    ends["exit status"] = ((str(plain.status),), (str(thawed.status),))
    return {name: Difference(name, *sides) for name, sides in ends.items() if sides[0] != sides[1]}


def settled(plain: Callable[[], Run], thawed: Callable[[], Run]) -> tuple[Run, list[Difference]]:
    """A plain run, and where thawed ones differ from it.

    Where the first two differ, both are run once more. A test whose two plain runs end differently
    proves nothing, and one that once ended thawed as it did plainly depends on its luck.
    """
    first = plain()
    differences = compare(first, thawed())
    if differences:
        second = plain()
        unsteady = compare(first, second)
        again = compare(second, thawed())
        differences = {
            name: found
            for name, found in differences.items()
            if name in again and name not in unsteady
        }
    return first, [differences[name] for name in sorted(differences)]
