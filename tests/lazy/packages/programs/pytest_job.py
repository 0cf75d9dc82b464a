"""pytest runs a file with a fixture, parameters, a monkey patch and a failure."""

import contextlib
import io
import re
import sys

import pytest

TESTS = """
import os
import pytest

@pytest.fixture
def folder(tmp_path):
    return tmp_path

@pytest.mark.parametrize("n", [1, 2])
def test_numbers(n):
    assert n in (1, 2)

def test_fixture(folder, monkeypatch, capsys):
    monkeypatch.setenv("A", "b")
    print(os.environ["A"])
    assert capsys.readouterr().out == "b\\n"
    with pytest.raises(ZeroDivisionError):
        1 / 0

@pytest.mark.skipif(True, reason="as wanted")
def test_skipped():
    raise AssertionError

def test_fails():
    assert [1, 2, 3] == [1, 2, 4]
"""

with open("test_it.py", "w") as file:
    file.write(TESTS)


class Outcomes:
    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome == "skipped":
            print("outcome", report.nodeid, report.outcome)


sys.dont_write_bytecode = True
output = io.StringIO()
arguments = ["-q", "-p", "no:cacheprovider", "--no-header", "test_it.py"]
with contextlib.redirect_stdout(output):
    status = pytest.main(arguments, [Outcomes()])
print(int(status), re.sub(r" in [0-9.]+s", "", output.getvalue()))
