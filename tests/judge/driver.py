"""Runs one of CPython's test files and writes down what became of each of its tests.

    driver.py OUTCOMES MODULE [PATTERN ...]

OUTCOMES gets a line of JSON for each test: its name, the outcome and, where it was skipped or has
failed, why. The lines are written as the tests end: a process that dies leaves those before.
A pattern chooses tests whose full name matches it; one that begins with `!` leaves them out.
"""

import fnmatch
import json
import os
import sys
import unittest


class Outcomes(unittest.TextTestResult):
    """What unittest prints, and a line for each outcome."""

    file = None

    def _note(self, test, outcome, why=""):
        # Written in one go to a descriptor of our own: tests fork, and close and replace streams.
        line = json.dumps([test.id(), outcome, why]) + "\n"
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(line)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._note(test, "ok")

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "error", self._last_line(err))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed", self._last_line(err))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", str(reason))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(subtest, "failed", self._last_line(err))

    @staticmethod
    def _last_line(err):
        return f"{err[0].__name__}: {err[1]}".partition("\n")[0]


class Chosen(unittest.TestLoader):
    """Loads the tests that patterns choose."""

    def __init__(self, patterns):
        super().__init__()
        self.left_out = [p[1:] for p in patterns if p.startswith("!")]
        self.testNamePatterns = [p for p in patterns if not p.startswith("!")] or None

    def getTestCaseNames(self, testCaseClass):
        prefix = f"{testCaseClass.__module__}.{testCaseClass.__qualname__}."
        return [
            name
            for name in super().getTestCaseNames(testCaseClass)
            if not any(fnmatch.fnmatchcase(prefix + name, p) for p in self.left_out)
        ]


def main():
    import sparing  # noqa: F401

    outcomes, module, *patterns = sys.argv[1:]
    Outcomes.file = os.path.abspath(outcomes)
    loader = Chosen(patterns)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Outcomes)
    unittest.main(module=None, argv=["judge", module], testLoader=loader, testRunner=runner)


if __name__ == "__main__":
    main()
