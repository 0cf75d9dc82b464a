"""Differences that are known and explained: `differences.toml`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from comparison import Difference

DATA = Path(__file__).parent / "differences.toml"


@dataclass(frozen=True)
class Entry:
    """Tests that are known to end differently when thawed, and why."""

    suite: str
    tests: tuple[str, ...]
    """Names; `*` stands for any part of one."""
    reason: str
    minors: tuple[str, ...] = ()
    """Where it is so; empty for everywhere."""


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All of them."""
    tomllib = pytest.importorskip("tomllib", reason="needs tomllib (Python 3.11)")
    data = tomllib.loads(DATA.read_text())
    return tuple(
        Entry(e["suite"], tuple(e["tests"]), e["reason"], tuple(e.get("minors", ())))
        for e in data.get("difference", ())
    )


def verdict(suite: str, minor: tuple[int, int], found: list[Difference]) -> list[str]:
    """What is wrong: differences that nobody expects, and expected ones that are gone."""
    version = "{}.{}".format(*minor)
    known = [
        name
        for entry in entries()
        if entry.suite == suite and version in (entry.minors or (version,))
        for name in entry.tests
    ]
    complaints = [
        f"{d.test}\n    plain:  {_shown(d.plain)}\n    thawed: {_shown(d.thawed)}"
        for d in found
        if not any(fnmatchcase(d.test, name) for name in known)
    ]
    complaints += [
        f"{name} is in differences.toml, but ends thawed as it does plainly"
        for name in known
        if not any(fnmatchcase(d.test, name) for d in found)
    ]
    return complaints


def _shown(ends: tuple[str, ...]) -> str:
    return "; ".join(ends) or "not run"
