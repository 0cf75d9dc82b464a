"""The files that other tools read: the action, the job for GitLab, the hook."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gating import Project
from harness.build import ROOT, glowplug


def tool(name: str) -> Path:
    """A program beside the Python that runs the tests."""
    path = Path(sys.executable).parent / name
    if not os.access(path, os.X_OK):
        pytest.skip(f"{name} is not installed: `make tools` does")
    return path


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-actions", "action.yml"), ("vendor.gitlab-ci", "docs/ci/gitlab-gate.yml")],
)
def test_files_for_code_hosts_fit_their_schemas(schema: str, file: str, tmp_path: Path) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", schema]
    done = subprocess.run([*command, ROOT / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # A schema that lets everything pass would prove nothing.
    broken = tmp_path / "broken.yml"
    broken.write_text(
        (ROOT / file).read_text().replace("script:", "skript:").replace("runs:", "run:")
    )
    done = subprocess.run([*command, broken], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout


def test_the_hook_is_one() -> None:
    command = [tool("pre-commit"), "validate-manifest", ROOT / ".pre-commit-hooks.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def built() -> Path:
    """The folder of the command that is tested."""
    binary = glowplug()
    assert binary, "no Glowplug was built: run `cargo xtask build`, or name one in $GLOWPLUG"
    return binary.parent


HOOKED = """repos:
  - repo: {hooks}
    rev: {rev}
    hooks:
      - id: glowplug-gate
        # What is built is on PATH, and is not installed once more.
        language: system
"""


def test_pre_commit_runs_the_hook_at_a_commit(tmp_path: Path) -> None:
    pre_commit = tool("pre-commit")
    hooks = Project(tmp_path / "hooks")
    hooks.write({".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()})
    hooks.git("init", "--quiet")
    project = Project(tmp_path / "project")
    project.env["PATH"] = f"{built()}:{pre_commit.parent}:{os.environ['PATH']}"
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    project.write({"app.py": "import bisect\n", ".gitignore": "__pycache__/\n"})
    config = HOOKED.format(hooks=hooks.folder, rev=hooks.commit("hooks"))
    project.write({".pre-commit-config.yaml": config})
    project.git("init", "--quiet")
    installed = subprocess.run(
        [pre_commit, "install"],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    first = project.commit("within the budget")
    project.write({"app.py": "import colorsys\n"})
    project.git("add", "--all")
    refused = project.start_git("commit", "--message", "beyond it")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    said = refused.stdout + refused.stderr
    assert "start-up budgets" in said and "__main__ (app.py:1) -> colorsys" in said, said
    assert project.git("rev-parse", "HEAD") == first


def test_the_job_for_gitlab_runs(tmp_path: Path) -> None:
    yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    text = (ROOT / "docs/ci/gitlab-gate.yml").read_text()
    job = yaml.YAML(typ="safe").load(text)["glowplug-gate"]
    project = Project(tmp_path / "project")
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    project.write({"app.py": "import bisect\n"})
    project.git("init", "--quiet")
    base = project.commit("one")
    project.write({"app.py": "import colorsys\n"})
    project.commit("two")
    env = project.env | {"PATH": f"{built()}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])],
        cwd=project.folder,
        env=env | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for name in [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]:
        assert (project.folder / name).stat().st_size > 0, name


def test_the_scripts_for_code_hosts_are_clean(tmp_path: Path) -> None:
    yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    shellcheck = tool("shellcheck")
    load = yaml.YAML(typ="safe").load
    steps = load((ROOT / "action.yml").read_text())["runs"]["steps"]
    job = load((ROOT / "docs/ci/gitlab-gate.yml").read_text())["glowplug-gate"]
    scripts = [step["run"] for step in steps]
    scripts.append("\n".join([*job["before_script"], *job["script"]]))
    for script in scripts:
        (tmp_path / "script.sh").write_text(script)
        done = subprocess.run(
            [shellcheck, "--shell=bash", tmp_path / "script.sh"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_action_s_script_runs(tmp_path: Path) -> None:
    """The step of the action, as the runner would run it, for a project that is over budget."""
    yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    action = yaml.YAML(typ="safe").load((ROOT / "action.yml").read_text())
    script = action["runs"]["steps"][1]["run"]
    (tmp_path / "app.py").write_text("import colorsys\n")
    config = f'[gate]\npython = "{sys.executable}"\n[gate.entry.app]\nrun = "app.py"\n'
    (tmp_path / "glowplug.toml").write_text(config + 'forbid = ["colorsys"]\n')
    env = os.environ | {
        "PATH": f"{built()}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "BASE": "",
        "ENTRIES": "app",
        "UNMEASURED": "false",
        "REPORT": "reports",
    }
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == "verdict=violated\n"
    assert "over budget" in (tmp_path / "summary").read_text()
    assert "::error file=app.py,line=1" in done.stdout
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == ["gate.json", "gate.md", "gate.sarif", "gate.xml"]
