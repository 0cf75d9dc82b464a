"""Bad configurations: the error names file, line and key; statuses tell what happened."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from gating import BAD_CONFIGURATION, NOT_MEASURED, PASSED, Project, line_of
from harness.build import glowplug

MISTAKES = Path(__file__).parent / "mistakes"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write({"app.py": "print('here')\n"})
    return made


@pytest.mark.parametrize("name", sorted(path.stem for path in MISTAKES.glob("*.toml")))
def test_a_mistake_is_told_in_just_these_words(project: Project, name: str) -> None:
    """Each file of `mistakes` is a configuration, and beside it stands what is said about it."""
    text = (MISTAKES / f"{name}.toml").read_text()
    project.write({"pyproject.toml": text.replace("PYTHON", str(project.python))})
    gated = project.gate()
    assert (gated.status, gated.report) == (BAD_CONFIGURATION, None), gated.explain()
    told = gated.done.stderr.replace(str(project.folder), "PROJECT")
    told = told.replace(str(project.python), "PYTHON")
    assert told == (MISTAKES / f"{name}.txt").read_text()
    assert re.search(r"--> \S*pyproject\.toml:\d+:\d+\n", told), told


IMPOSSIBLE = [
    ("modules", "modules = 3"),
    ("peak-memory", 'peak-memory = "1MiB"'),
    pytest.param(
        "instructions",
        "instructions = 1000",
        marks=pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
    ),
]


@pytest.mark.parametrize(("key", "limit"), IMPOSSIBLE)
def test_a_limit_that_no_program_can_keep_to(project: Project, key: str, limit: str) -> None:
    project.configure(f'run = "app.py"\n{limit}')
    gated = project.gate()
    assert (gated.status, gated.report) == (BAD_CONFIGURATION, None), gated.explain()
    line = line_of(project.folder / "pyproject.toml", limit)
    for part in (f"pyproject.toml:{line}:", f"{line} | {limit}", "no program can keep to this"):
        assert part in gated.done.stderr, gated.explain()


def test_no_budgets_at_all(project: Project) -> None:
    gated = project.gate()
    assert gated.status == BAD_CONFIGURATION
    assert "glowplug gate init" in gated.done.stderr


def test_an_entry_point_that_is_not_there(project: Project) -> None:
    project.configure('run = "app.py"')
    gated = project.gate("other")
    assert gated.status == BAD_CONFIGURATION
    assert "there is no entry point `other`" in gated.done.stderr


def test_bases_that_cannot_be_compared_with(project: Project) -> None:
    project.configure('run = "app.py"')
    gated = project.gate("--base", "HEAD")
    assert gated.status == BAD_CONFIGURATION
    assert "needs a git repository" in gated.done.stderr
    project.git("init", "--quiet")
    project.commit("one")
    gated = project.gate("--base", "v1.0")
    assert gated.status == BAD_CONFIGURATION
    assert "there is no revision `v1.0`" in gated.done.stderr
    gated = project.gate("--base=--output=/tmp/x")
    assert gated.status == BAD_CONFIGURATION


def test_a_base_that_does_not_build(project: Project) -> None:
    project.write({"needs.py": "import sys\n\nsys.exit('this does not build')\n"})
    project.configure('run = "app.py"', 'install = ["python needs.py"]')
    project.git("init", "--quiet")
    project.commit("one")
    project.write({"needs.py": ""})
    project.commit("two")
    gated = project.gate("--base", "HEAD~1")
    assert gated.status == BAD_CONFIGURATION, gated.explain()
    for part in ("cannot be built", "this does not build", "pyproject.toml:3:11", "install = "):
        assert part in gated.done.stderr, gated.explain()
    assert project.git("worktree", "list").count("\n") == 0


def test_what_cannot_be_measured_is_never_green_unless_asked(project: Project) -> None:
    project.write({"app.py": "raise SystemExit('something is missing')\n"})
    project.configure('run = "app.py"\nmodules = 500')
    gated = project.gate()
    assert gated.status == NOT_MEASURED, gated.explain()
    assert "something is missing" in gated.done.stdout
    assert project.gate("--allow-unmeasured").status == PASSED
    project.configure('run = "app.py"\nmodules = 500\nexit = 1')
    assert project.gate().status == PASSED


def test_budgets_do_not_disturb_the_other_settings(project: Project) -> None:
    project.configure('run = "app.py"')
    done = project.run("--help")
    assert done.returncode == 0 and "--base" in done.stdout
    started = subprocess.run(
        [glowplug(), "run", "--via", "plain", "--python", project.python, "app.py"],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (started.stdout, started.stderr) == ("here\n", "")
