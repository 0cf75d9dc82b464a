"""Each kind of budget has a program that violates just it, and passes with one more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gating import NOT_MEASURED, PASSED, VIOLATED, Project

SOURCES = {
    "app.py": "import data\n\n\ndef later():\n    import colorsys\n\n\nlater()\n",
    "data.py": "import this_one\n\nVALUE = this_one.VALUE\n",
    "this_one.py": "import deep_one\n\nVALUE = 7\n",
    "deep_one.py": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write(SOURCES)
    return made


def entry(budget: str) -> str:
    return f'run = "app.py"\n{budget}'


FIGURES = ["modules", "unmarshalled", "files", "syscalls", "minor-faults", "peak-memory"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_beyond_its_limit(project: Project, figure: str) -> None:
    project.configure(entry(""))
    value = project.gate().figure(figure)
    # What identical runs may differ by.
    room = {"syscalls": 8, "minor-faults": 40, "peak-memory": 1 << 20}.get(figure, 0)
    project.configure(entry(f"{figure} = {value + room}"))
    passed = project.gate()
    assert passed.status == PASSED, passed.explain()
    project.configure(entry(f"{figure} = {value - room - 1}"))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["limit"]), gated.explain()
    (problem,) = gated.problems
    assert problem["figure"] == figure
    assert problem["limit"] == value - room - 1


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_are_exact(project: Project) -> None:
    project.configure(entry("instructions = 1000000000000"))
    value = project.gate().figure("instructions")
    project.configure(entry(f"instructions = {value}"))
    again = project.gate()
    assert (again.status, again.figure("instructions")) == (PASSED, value), again.explain()
    project.configure(entry(f"instructions = {value - 1}"))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["limit"]), gated.explain()


def test_a_forbidden_module_comes_with_its_chain(project: Project) -> None:
    project.configure(entry('forbid = ["deep*"]'))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    (problem,) = gated.problems
    names = [(link["importer"], link["module"]) for link in problem["chain"]]
    assert names == [("__main__", "data"), ("data", "this_one"), ("this_one", "deep_one")]
    assert problem["place"] == {"file": "this_one.py", "line": 1}
    for part in ("__main__ (app.py:1) -> data (data.py:1)", "1 | import deep_one"):
        assert part in gated.done.stdout, gated.explain()


def test_a_module_that_has_to_be_lazy(project: Project) -> None:
    project.configure(entry('lazy = ["colorsys"]'))
    assert project.gate().status == PASSED
    project.configure(entry('lazy = ["colorsys", "deep_one"]'))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["not-lazy"]), gated.explain()
    assert gated.problems[0]["place"] == {"file": "this_one.py", "line": 1}


def test_what_a_module_alone_brings_in(project: Project) -> None:
    project.configure(entry("exclusive.data = { modules = 3 }"))
    assert project.gate().status == PASSED
    project.configure(entry("exclusive.data = { modules = 2 }"))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["exclusive"]), gated.explain()
    assert gated.problems[0]["place"] == {"file": "app.py", "line": 1}


WORK = (
    "import time\nuntil = time.process_time() + 0.1\nwhile time.process_time() < until:\n    pass\n"
)


def test_what_a_module_alone_costs(project: Project) -> None:
    project.write({"this_one.py": WORK + "VALUE = 7\n"})
    project.configure(entry('exclusive.this_one = "1000x"'))
    assert project.gate().status == PASSED
    project.configure(entry('exclusive.this_one = "0.5x"'))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["exclusive"]), gated.explain()


def test_cpu_time_under_a_quota(project: Project) -> None:
    project.write({"this_one.py": WORK + "VALUE = 7\n"})
    project.configure(entry('cpu = { limit = "1000x", cpus = 0.5 }'))
    passed = project.gate()
    assert passed.status == PASSED, passed.explain()
    project.configure(entry('cpu = { limit = "1.5x", cpus = 0.5 }'))
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["cpu-time"]), gated.explain()
    assert "0.5 processors" in gated.problems[0]["message"]


def test_all_kinds_of_entry_points(project: Project) -> None:
    for target in ('run = "app.py x"', 'module = "app"', 'import = ["data", "this_one"]'):
        project.configure(f'{target}\nforbid = ["pandas"]\nmodules = 1000')
        gated = project.gate()
        assert gated.status == PASSED, gated.explain()
        assert gated.figure("modules") > 10


def test_a_command_that_is_no_python(project: Project) -> None:
    project.configure('command = ["/bin/sh", "-c", "exit 3"]\nexit = 3\nsyscalls = 5000')
    assert project.gate().status == PASSED
    project.configure('command = ["/bin/sh", "-c", "exit 3"]\nexit = 3\nmodules = 10')
    gated = project.gate()
    assert (gated.status, gated.kinds) == (NOT_MEASURED, ["not-measured"]), gated.explain()


SERVICE = """import socket, sys, time
import json
server = socket.create_server(("127.0.0.1", 0))
open("port", "w").write(str(server.getsockname()[1]))
print("serving now", flush=True)
while True:
    time.sleep(1000)
"""


def test_a_service_until_it_is_ready(project: Project) -> None:
    project.write({"serve.py": SERVICE})
    for sign in ('{ output = "serving" }', '{ file = "port" }'):
        project.configure(
            f'service = "serve.py"\nready = {sign}\nforbid = ["pandas"]\nsyscalls = 9000'
        )
        gated = project.gate()
        assert gated.status == PASSED, gated.explain()
    project.configure('service = "serve.py"\nready = { output = "serving" }\nforbid = ["json"]')
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    assert gated.problems[0]["place"] == {"file": "serve.py", "line": 2}


def test_a_service_that_is_never_ready(project: Project) -> None:
    project.write({"serve.py": "print('no')\n"})
    project.configure('service = "serve.py"\nready = { output = "serving" }\nmodules = 500')
    gated = project.gate()
    assert gated.status == NOT_MEASURED, gated.explain()
    project.write({"serve.py": SERVICE})
    project.configure(
        'service = "serve.py"\nready = { output = "up" }\ntimeout = 0.5\nmodules = 500'
    )
    assert project.gate().status == NOT_MEASURED


def test_exact_figures_are_the_same_in_each_run(project: Project) -> None:
    project.configure(entry(""))
    runs = [project.gate() for _ in range(3)]
    for figure in ("modules", "unmarshalled", "files"):
        assert len({run.figure(figure) for run in runs}) == 1, figure
    calls = [run.figure("syscalls") for run in runs]
    assert max(calls) - min(calls) <= 2, calls
