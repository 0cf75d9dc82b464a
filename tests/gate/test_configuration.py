"""Bad configurations: the error names file, line and key; statuses tell what happened."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from gating import BAD_CONFIGURATION, NOT_MEASURED, PASSED, Project, line_of
from harness.build import glowplug


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write({"app.py": "print('here')\n"})
    return made


@pytest.mark.parametrize(
    ("entry", "key", "told"),
    [
        ('run = "app.py"\nmodlues = 3', "modlues", "did you mean `modules`?"),
        ('run = "app.py"\nmodules = 0', "modules", "a whole number above 0"),
        ('run = "app.py"\nmodules = 3', "modules", "no program can keep to this limit"),
        ('run = "app.py"\npeak-memory = "1MiB"', "peak-memory", "no program can keep to this"),
        ('run = "app.py"\ncpu = "200ms"', "cpu", "times are compared, never absolute"),
        ('run = "gone.py"\nmodules = 300', "run", "there is no script gone.py"),
        ('module = "gone_module"', "module", "there is no module `gone_module`"),
        ('import = "gone_module"', "import", "there is no module `gone_module`"),
        (
            'console-script = "gone-tool"',
            "console-script",
            "there is no console script `gone-tool`",
        ),
        ('command = "./gone"', "command", "there is no program ./gone"),
    ],
)
def test_a_mistake_names_file_line_and_key(
    project: Project, entry: str, key: str, told: str
) -> None:
    project.configure(entry)
    gated = project.gate()
    assert gated.status == BAD_CONFIGURATION, gated.explain()
    config = project.folder / "pyproject.toml"
    line = line_of(config, f"{key} = ")
    assert f"pyproject.toml:{line}:" in gated.done.stderr, gated.explain()
    assert f"{line} | {key} = " in gated.done.stderr, gated.explain()
    assert told in gated.done.stderr, gated.explain()
    assert gated.report is None


def test_no_budgets_at_all(project: Project) -> None:
    gated = project.gate()
    assert gated.status == BAD_CONFIGURATION
    assert "glowplug gate init" in gated.done.stderr


def test_an_interpreter_that_is_not_there(project: Project) -> None:
    project.python = Path("/nonexistent/python3")
    project.configure('run = "app.py"')
    gated = project.gate()
    assert gated.status == BAD_CONFIGURATION, gated.explain()
    assert "pyproject.toml:2:" in gated.done.stderr, gated.explain()


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
