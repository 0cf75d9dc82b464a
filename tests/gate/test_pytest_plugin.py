"""The plugin for pytest: entry points as tests, and marks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gating import Project
from harness.build import ROOT, glowplug

PLUGIN = "glowplug.pytest_plugin"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project", Path(sys.executable))
    made.write({"app.py": "import colorsys\n", "pytest.ini": "[pytest]\n"})
    return made


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in the project, with the plugin as its entry point would load it."""
    options = ["-p", PLUGIN, "-p", "no:cacheprovider", "-o", f"glowplug_command={glowplug()}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *options, *arguments],
        cwd=project.folder,
        env=project.env | {"PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_entry_point_is_a_test(project: Project) -> None:
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    project.write({"test_one.py": "def test_one(): pass\n"})
    assert "1 passed" in run(project).stdout
    done = run(project, "--glowplug-gate")
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "app.py:1" in done.stdout and "chain: __main__ -> colorsys" in done.stdout, done.stdout
    project.configure('run = "app.py"\nforbid = ["pandas"]')
    assert "2 passed" in run(project, "--glowplug-gate").stdout


def test_a_configuration_that_is_wrong_fails(project: Project) -> None:
    project.configure('run = "app.py"\nforbit = ["colorsys"]')
    project.write({"test_one.py": "def test_one(): pass\n"})
    done = run(project, "--glowplug-gate")
    assert "1 failed, 1 passed" in done.stdout and "did you mean `forbid`?" in done.stdout


MARKED = """import pytest

@pytest.mark.start_budget(modules=500, forbid=["pandas"], imports="app", env={"PYTHONPATH": "."})
def test_within(): pass

@pytest.mark.start_budget(forbid=["colorsys"], imports="app", env={"PYTHONPATH": "."})
def test_beyond(): pass

@pytest.mark.start_budget(forbid=["pandas"], run="app.py")
def test_script(): pass

@pytest.mark.start_budget(modules=5)
def test_own_module(): pass
"""


def test_marks_hold_tests_to_budgets(project: Project) -> None:
    project.write({"test_marked.py": MARKED})
    done = run(project)
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "`colorsys` is loaded" in done.stdout
    assert "no program can keep to this limit" in done.stdout, done.stdout
    assert not list(project.folder.glob(".glowplug-*"))
