"""CPython's own tests as judge: each of them ends thawed as it ends plainly.

`make test` runs a sample and `make judge` all; docs/judge.md says what they found.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from comparison import DRIVER, Difference, compare, read
from expected import Entry, entries, verdict
from harness.interpreters import by_minor, clean_environment, default_interpreter
from judging import Judge
from reports import report
from suites import SAMPLE, SUITES, Suite

MINORS = ((3, 11), (3, 13))
IMPORTED = Path(__file__).parent / "imported.py"


def _judge(starter, suite: Suite, minor: tuple[int, int]) -> Judge:
    found = by_minor(minor)
    if not found:
        pytest.skip("no CPython {}.{} on this machine".format(*minor))
    inside = starter.with_interpreter(found[0])
    if not _has(inside.python, suite.module):
        pytest.skip(f"{inside.python} comes without {suite.module}")
    outcomes = starter.folder / "outcomes"
    words = [str(DRIVER), str(outcomes), suite.module, *suite.patterns]
    preload = _imported(inside.python, suite.module)
    return Judge(inside, words, [*preload, *suite.also], outcomes, read)


def _has(python: str, module: str) -> bool:
    """Distributions keep the tests in a package of their own, and some of them."""
    question = f"import importlib.util as u, sys; sys.exit(not u.find_spec({module!r}))"
    asked = subprocess.run(
        [python, "-c", question], env=clean_environment(), capture_output=True, check=False
    )
    return asked.returncode == 0


def _imported(python: str, module: str) -> list[str]:
    """What the tests are about."""
    command = [python, IMPORTED, module]
    asked = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=True
    )
    return asked.stdout.split()


def _require_same(judge: Judge, suite: Suite, minor: tuple[int, int]) -> None:
    plain, differences = judge.verdict()
    assert plain.results, f"no test was run:\n{plain.output}"
    report("{}.{}".format(*minor), suite.name, plain, differences, judge)
    complaints = verdict(suite.name, minor, differences)
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("suite", SAMPLE, ids=lambda suite: suite.name)
def test_sample(starter, built, suite):
    _require_same(_judge(starter, suite, (3, 11)), suite, (3, 11))


@pytest.mark.judge
@pytest.mark.soak
@pytest.mark.parametrize(
    ("suite", "minor"),
    [(suite, minor) for suite in SUITES for minor in MINORS if minor in suite.minors],
    ids=lambda value: value.name if isinstance(value, Suite) else "{}.{}".format(*value),
)
def test_suite(starter, built, suite, minor):
    _require_same(_judge(starter, suite, minor), suite, minor)


def test_first_start(starter, built):
    """The start whose image the next one thaws ends the same as well."""
    judge = _judge(starter, Suite("test_select"), (3, 11))
    plain = judge.plain()
    assert plain.results and not compare(plain, judge.recorded())
    assert not compare(plain, judge.thawed())


def test_judge_sees_a_difference(starter, built):
    inside = starter.with_interpreter(default_interpreter())
    outcomes = starter.folder / "outcomes"
    words = [str(DRIVER), str(outcomes), "tells_thawed"]
    plain, differences = Judge(inside, words, ["tells_thawed"], outcomes, read).verdict()
    assert set(plain.results.values()) == {("ok",)} and len(plain.results) == 2
    told = "tells_thawed.Tells.test_executable"
    assert [difference.test for difference in differences] == ["exit status", told]
    assert len(verdict("none", (3, 11), differences)) == 2


def test_entry_that_is_no_longer_needed(monkeypatch):
    entry = Entry("some", ("test.some.A.*",), "a reason")
    monkeypatch.setattr("expected.entries", lambda: (entry,))
    found = Difference("test.some.A.test_b", ("ok",), ("failed: why",))
    assert verdict("some", (3, 11), [found]) == []
    assert len(verdict("some", (3, 11), [])) == 1
    assert len(verdict("other", (3, 11), [found])) == 1


def test_expected_differences_name_suites():
    """An entry for a suite that is not run would never be found out."""
    assert {entry.suite for entry in entries()} <= {suite.name for suite in SUITES}
