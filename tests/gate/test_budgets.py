"""Each kind of budget has a program that violates just it; and what a violation names."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from gating import NOT_MEASURED, PASSED, VIOLATED, Project
from harness.build import ROOT

# Bounds that are less sure need fewer pairs. What is compared here differs by far.
QUICK = "time = { confidence = 0.8 }"

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


# Above what the sources have: less than the program adds that violates it, and more than any
# other one does.
ROOM = {
    "modules": 3,
    "unmarshalled": 60_000,
    "files": 10,
    "syscalls": 2_000,
    "minor-faults": 30_000,
    "peak-memory": 32 << 20,
}
NAMES = 'forbid = ["unwanted"]\nlazy = ["colorsys"]\nexclusive.data = { modules = 3 }\n'
APP = SOURCES["app.py"]
# What is within the interpreter costs no file.
BUILTINS = "import sys\n\nfor name in sys.builtin_module_names:\n    __import__(name)\n"
BIG = "NAMES = (%s)\n" % ", ".join(f'"a rather long name {i}"' for i in range(4000))
OPENED = "import this_one\n\nfor _ in range(30):\n    open(__file__).close()\n"
CALLS = "import os\n\nfor _ in range(5000):\n    os.getppid()\n"
FAULTS = "import mmap\n\nfor _ in range(60):\n    with mmap.mmap(-1, 4 << 20) as memory:\n"
FAULTS += "        for at in range(0, 4 << 20, 4096):\n            memory[at] = 1\n"
MEMORY = "VALUE = bytearray(b'x') * (80 << 20)\n"

# A budget, the kind of problem, and the file that is another one in the program that violates it.
COUNTED = [
    ("modules", "limit", {"app.py": APP + BUILTINS}),
    ("unmarshalled", "limit", {"deep_one.py": BIG}),
    ("files", "limit", {"data.py": OPENED}),
    ("syscalls", "limit", {"app.py": APP + CALLS}),
    ("minor-faults", "limit", {"app.py": APP + FAULTS}),
    ("peak-memory", "limit", {"app.py": APP + MEMORY}),
    ("forbid", "forbidden", {"app.py": APP + "import unwanted\n", "unwanted.py": ""}),
    ("lazy", "not-lazy", {"deep_one.py": "import colorsys\n"}),
    ("exclusive", "exclusive", {"data.py": "import this_one, one_more\n", "one_more.py": ""}),
]


@pytest.fixture(scope="module")
def budgets(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every budget that counts, kept by the sources as they are."""
    project = Project(tmp_path_factory.mktemp("budgets") / "project")
    project.write(SOURCES)
    project.configure(entry(""))
    measured = project.gate()
    limits = [f"{figure} = {measured.figure(figure) + room}" for figure, room in ROOM.items()]
    return "\n".join(limits) + f"\n{NAMES}"


def test_a_program_within_all_its_budgets(project: Project, budgets: str) -> None:
    project.configure(entry(budgets))
    gated = project.gate()
    assert gated.status == PASSED, gated.explain()


@pytest.mark.parametrize(("budget", "kind", "sources"), COUNTED, ids=[one[0] for one in COUNTED])
def test_a_program_that_violates_just_one(
    project: Project, budgets: str, budget: str, kind: str, sources: dict[str, str]
) -> None:
    project.configure(entry(budgets))
    project.write(sources)
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, [kind]), gated.explain()
    (problem,) = gated.problems
    assert problem["figure"] == (budget if kind == "limit" else None), gated.explain()


def test_each_budget_has_its_program() -> None:
    """By the keys that the configuration knows."""
    source = (ROOT / "crates/glowplug/src/gate/config/entry.rs").read_text()
    (keys,) = re.findall(r"const KEYS: \[.*?\] = \[(.*?)\];", source, re.DOTALL)
    known = set(re.findall(r'"(.+?)"', keys))
    how_it_is_started = {"run", "module", "import", "console-script", "command", "service"}
    how_it_is_started |= {"ready", "timeout", "env", "exit", "description"}
    by_tests_of_their_own = {"instructions", "cpu"}
    assert known - how_it_is_started - by_tests_of_their_own == {one[0] for one in COUNTED}


def test_a_limit_is_the_most_that_passes(project: Project) -> None:
    project.configure(entry(""))
    measured = project.gate()
    exact = {figure: measured.figure(figure) for figure in ("modules", "unmarshalled", "files")}
    limits = [f"{figure} = {value}" for figure, value in exact.items()]
    project.configure(entry("\n".join(limits)))
    passed = project.gate()
    assert passed.status == PASSED, passed.explain()
    limits = [f"{figure} = {value - 1}" for figure, value in exact.items()]
    project.configure(entry("\n".join(limits)))
    gated = project.gate()
    assert gated.status == VIOLATED, gated.explain()
    assert {one["figure"]: one["limit"] + 1 for one in gated.problems} == exact


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_are_exact(project: Project, budgets: str) -> None:
    project.configure(entry("instructions = 1000000000000"))
    value = project.gate().figure("instructions")
    project.configure(entry(f"{budgets}instructions = {value}"))
    again = project.gate()
    assert (again.status, again.figure("instructions")) == (PASSED, value), again.explain()
    project.write({"app.py": APP + "for _ in range(1000):\n    pass\n"})
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["limit"]), gated.explain()
    assert gated.problems[0]["figure"] == "instructions"


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


def spin(seconds: float) -> str:
    """Source that computes for so long, by the CPU's clock: the same on every machine.

    To ask that clock is a system call, so that it is asked now and then.
    """
    until = f"until = time.process_time() + {seconds}"
    loop = "while time.process_time() < until:\n    for _ in range(10000):\n        pass\n"
    return f"import time\n\n{until}\n{loop}"


def test_cpu_time_that_just_one_budget_forbids(project: Project, budgets: str) -> None:
    """The whole start, under a quota, and what one module costs: in bare starts of Python."""
    times = 'exclusive.this_one = "3x"\ncpu = { limit = "10x", cpus = 0.5 }\n'
    project.configure(entry(budgets + times), QUICK)
    passed = project.gate()
    assert passed.status == PASSED, passed.explain()
    project.write({"this_one.py": SOURCES["this_one.py"] + spin(0.08)})
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["exclusive"]), gated.explain()
    assert gated.problems[0]["place"] == {"file": "data.py", "line": 1}
    project.write({"this_one.py": SOURCES["this_one.py"], "app.py": APP + spin(0.2)})
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["cpu-time"]), gated.explain()
    assert "0.5 processors" in gated.problems[0]["message"]


def test_a_quota_of_memory(project: Project) -> None:
    """It is imposed or said to be impossible: either way nothing passes that was not measured."""
    budget = 'cpu = { limit = "1000x", memory = "48m" }'
    project.configure(entry(budget), QUICK)
    gated = project.gate()
    if "memory cannot be limited here" in gated.done.stdout:
        assert gated.status == NOT_MEASURED, gated.explain()
        pytest.skip("memory cannot be limited here, which the gate says")
    assert gated.status == PASSED, gated.explain()
    project.write({"app.py": "VALUE = bytearray(b'x') * (100 << 20)\n"})
    gated = project.gate()
    assert gated.status == NOT_MEASURED, gated.explain()
    assert "ended with signal: 9" in gated.done.stdout, gated.explain()


def test_all_kinds_of_entry_points(project: Project) -> None:
    for target in ('run = "app.py x"', 'module = "app"', 'import = ["data", "this_one"]'):
        project.configure(f'{target}\nforbid = ["pandas"]\nmodules = 1000')
        gated = project.gate()
        assert gated.status == PASSED, gated.explain()
        assert gated.figure("modules") > 10


def install(python: Path, folder: Path, name: str, first_lines: str) -> Path:
    """An environment with a console script that has these lines in front; returns its Python."""
    command = [python, "-m", "venv", "--without-pip", folder]
    subprocess.run(command, check=True, capture_output=True)
    script = folder / "bin" / name
    script.write_text(first_lines.format(folder / "bin/python") + "import colorsys\n")
    script.chmod(0o755)
    return folder / "bin/python"


@pytest.mark.parametrize(
    "first_lines",
    ["#!{}\n", "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\n"],
    ids=["plain", "by a shell"],
)
def test_the_modules_of_a_console_script(project: Project, first_lines: str) -> None:
    """Also of one that begins as a script for a shell, as installers write where paths are long."""
    python = install(project.python, project.folder.parent / "venv", "a-tool", first_lines)
    project.python = python
    project.configure('console-script = "a-tool --help"\nforbid = ["pandas"]\nmodules = 1000')
    assert project.gate().status == PASSED
    project.configure('console-script = "a-tool --help"\nforbid = ["colorsys"]')
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()


def test_a_command_that_is_no_python(project: Project) -> None:
    target = 'command = ["/bin/sh", "-c", "exit 3"]\nexit = 3\n'
    project.configure(f"{target}syscalls = 5000")
    assert project.gate().status == PASSED
    for budget in ("modules = 10", 'forbid = ["pandas"]', 'lazy = ["json"]', 'exclusive.a = "1x"'):
        project.configure(target + budget)
        gated = project.gate()
        assert (gated.status, gated.kinds) == (NOT_MEASURED, ["not-measured"]), gated.explain()


SERVICE = """import socket, sys, time
import json
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open("port", "w").write(str(server.getsockname()[1]))
print("serving now", flush=True)
while True:
    time.sleep(1000)
"""


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_service_until_it_is_ready(project: Project, port: int) -> None:
    project.write({"serve.py": SERVICE})
    for sign in ('{ output = "serving" }', '{ file = "port" }', f"{{ port = {port} }}"):
        target = f'service = "serve.py {port}"\nready = {sign}\n'
        project.configure(f'{target}forbid = ["pandas"]\nsyscalls = 9000')
        gated = project.gate()
        assert gated.status == PASSED, gated.explain()
    project.configure(f'{target}forbid = ["json"]')
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
        'service = "serve.py 0"\nready = { output = "up" }\ntimeout = 0.5\nmodules = 500'
    )
    assert project.gate().status == NOT_MEASURED


def test_exact_figures_are_the_same_in_each_run(project: Project) -> None:
    project.configure(entry(""))
    runs = [project.gate() for _ in range(3)]
    for figure in ("modules", "unmarshalled", "files"):
        assert len({run.figure(figure) for run in runs}) == 1, figure
    calls = [run.figure("syscalls") for run in runs]
    assert max(calls) - min(calls) <= 2, calls
