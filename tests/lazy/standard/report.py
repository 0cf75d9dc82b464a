"""Runs tests of the standard's suite and writes the outcome of each, by class and name, as JSON."""

import json
import sys
import unittest


class Outcomes(unittest.TextTestResult):
    """Keeps what came of each test: one whose subtest fails has failed."""

    found = {}

    def _keep(self, test, outcome):
        kind, name = test.id().split(" ")[0].split(".")[-2:]
        self.found.setdefault(f"{kind}.{name}", outcome)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._keep(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._keep(test, "FAIL")

    def addError(self, test, err):
        super().addError(test, err)
        self._keep(test, "ERROR")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._keep(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._keep(test, "ok")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._keep(test, "FAIL")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._keep(test, "FAIL")


if __name__ == "__main__":
    path, *names = sys.argv[1:]
    tests = unittest.defaultTestLoader.loadTestsFromNames(names)
    unittest.TextTestRunner(resultclass=Outcomes, verbosity=2).run(tests)
    with open(path, "w") as file:
        json.dump(Outcomes.found, file)
