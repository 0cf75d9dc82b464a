"""Start-up budgets among the tests of a project.

    pytest --glowplug-gate              # each entry point of [tool.glowplug.gate] is a test

    @pytest.mark.start_budget(modules=120, forbid=["pandas"], imports="app")
    def test_app(): ...                 # this start is within its budget, else the test fails

The mark takes the keys of an entry point, with `_` for `-`, and what is started as `run`, `module`,
`imports` (a module or a list of them), `console_script` or `command`; without one of these it is
the import of the test's own module.

pytest loads this module at each of its starts, so that it imports next to nothing itself.
"""

import pytest

__all__ = ()

_TARGETS = ("run", "module", "import", "console-script", "command", "service")
_MARK = (
    "start_budget(modules=…, forbid=[…], imports=…): fails the test where a start is beyond its"
    " budget; the keys are those of an entry point of `glowplug gate`"
)


def pytest_addoption(parser):
    group = parser.getgroup("glowplug", "start-up budgets")
    group.addoption(
        "--glowplug-gate",
        action="store_true",
        help="run `glowplug gate`: each entry point that has a budget is a test",
    )
    group.addoption(
        "--glowplug-gate-base",
        metavar="REV",
        help="compare with this revision; implies --glowplug-gate",
    )
    parser.addini("glowplug_command", "the glowplug to run", default="glowplug")


def pytest_configure(config):
    config.addinivalue_line("markers", _MARK)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session, config, items):
    base = config.getoption("--glowplug-gate-base")
    if config.getoption("--glowplug-gate") or base:
        arguments = ["--base", base] if base else []
        items.extend(_entry_points(session, arguments))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    for mark in item.iter_markers("start_budget"):
        _check_mark(item, mark)


class EntryPoint(pytest.Item):
    """An entry point with a budget, or what kept the gate from judging any."""

    def __init__(self, *, problem, **kwargs):
        super().__init__(**kwargs)
        self.problem = problem

    def runtest(self):
        if self.problem:
            raise BudgetError(self.problem)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, BudgetError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.config.rootpath / "pyproject.toml", 0, "start-up of %s" % self.name


class BudgetError(AssertionError):
    """A start is beyond its budget, or could not be judged."""


def _entry_points(session, arguments):
    report, failure = _gate(session.config, arguments, session.config.rootpath)
    if report is None:
        found = [("gate", failure)]
    else:
        found = [(entry["name"], _told(entry)) for entry in report["entries"]]
    return [
        EntryPoint.from_parent(session, name="glowplug-gate[%s]" % name, problem=problem)
        for name, problem in found
    ]


def _check_mark(item, mark):
    import tempfile
    from pathlib import Path

    if mark.args:
        pytest.fail("start_budget takes keywords alone, as modules=120", pytrace=False)
    budget = {key.replace("_", "-"): value for key, value in mark.kwargs.items()}
    if "imports" in budget:
        budget["import"] = budget.pop("imports")
    if not set(budget) & set(_TARGETS):
        budget["import"] = item.path.stem
        budget.setdefault("env", {"PYTHONPATH": str(item.path.parent)})
    root = Path(item.config.rootpath)
    # Beside the project's own, as paths in it are relative to its folder.
    with tempfile.NamedTemporaryFile(
        "w", prefix=".glowplug-", suffix=".toml", dir=root, encoding="utf-8"
    ) as file:
        file.write(_configuration(budget))
        file.flush()
        report, failure = _gate(item.config, ["--no-baseline", "--config", file.name], root)
    failure = _told(report["entries"][0]) if report else failure
    if failure:
        pytest.fail("the start-up budget of this test:\n%s" % failure, pytrace=False)


def _configuration(budget):
    import json
    import sys

    def value(thing):
        if isinstance(thing, dict):
            pairs = ("%s = %s" % (json.dumps(k), value(v)) for k, v in thing.items())
            return "{ %s }" % ", ".join(pairs)
        if isinstance(thing, (list, tuple)):
            return "[%s]" % ", ".join(map(value, thing))
        # Numbers and texts are written in TOML as they are in JSON.
        return json.dumps(thing)

    lines = ["%s = %s" % (key, value(thing)) for key, thing in budget.items()]
    head = "[gate]\npython = %s\n[gate.entry.test]\n" % json.dumps(sys.executable)
    return head + "\n".join(lines) + "\n"


def _gate(config, arguments, folder):
    """The report of a gate, or why there is none."""
    import json
    import subprocess

    command = [config.getini("glowplug_command"), "gate", "--json", "-", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        return None, "glowplug cannot be started: %s" % error
    if done.returncode not in (0, 1, 3):
        return None, done.stderr.strip()
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, done.stderr.strip() or "glowplug gate ended with %d" % done.returncode


def _told(entry):
    """What is wrong with an entry point; nothing where it passed."""
    lines = []
    for problem in entry["problems"]:
        if problem["severity"] == "note":
            continue
        lines.append(problem["message"])
        if problem["place"]:
            lines.append("  at %(file)s:%(line)d" % problem["place"])
        if problem["chain"]:
            names = [problem["chain"][0]["importer"]]
            names += [link["module"] for link in problem["chain"]]
            lines.append("  chain: %s" % " -> ".join(names))
        lines.append("  help: %s" % problem["help"])
    return "\n".join(lines)
