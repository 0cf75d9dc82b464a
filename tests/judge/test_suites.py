"""The test suites of popular pure-Python packages under `-m pytest`: each test ends thawed as it
ends plainly.
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest
from comparison import Results
from expected import verdict
from harness.environments import in_environment
from judging import Judge
from reports import report
from sources import sources

pytestmark = [pytest.mark.judge, pytest.mark.soak]

MINORS = ((3, 11), (3, 13))


@dataclass(frozen=True)
class Package:
    """A package, and how its tests are run."""

    name: str
    modules: tuple[str, ...]
    """What is preloaded besides pytest."""


PACKAGES = (
    Package("attrs", ("attr", "attrs")),
    Package("click", ("click", "click.testing")),
    Package("flask", ("flask",)),
    Package("jinja2", ("jinja2",)),
    Package("requests", ("requests",)),
)


def read_junit(path: Path) -> Results:
    """What pytest's `--junitxml` has written."""
    if not path.exists():
        return {}
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        ends = [
            f"{end.tag}: {(end.get('message') or '').partition(chr(10))[0]}"
            for end in case
            if end.tag in ("failure", "error", "skipped")
        ]
        name = f"{case.get('classname')}::{case.get('name')}"
        found.setdefault(name, []).extend(ends or ["ok"])
    return {name: tuple(sorted(ends)) for name, ends in found.items()}


@pytest.mark.parametrize("minor", MINORS, ids="{0[0]}.{0[1]}".format)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_package(starter, built, package, minor):
    inside = in_environment(starter, "suites", minor)
    folder = starter.folder / "sources"
    shutil.copytree(sources(inside.interpreter, "suites", package.name), folder)
    outcomes = starter.folder / "outcomes.xml"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", str(outcomes)]
    judge = Judge(inside, words, package.modules, outcomes, read_junit, folder, by_first_start=True)
    plain, differences = judge.verdict()
    assert len(plain.results) > 100, f"few tests were run:\n{plain.output}"
    assert {"_pytest.main", *package.modules} <= set(judge.modules())
    report("{}.{}".format(*minor), package.name, plain, differences, judge)
    complaints = verdict(package.name, minor, differences)
    assert not complaints, "\n".join(complaints)
