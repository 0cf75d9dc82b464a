"""The files that other tools read: the action, the job for GitLab, the hook."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
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


def test_the_action_s_script_runs(tmp_path: Path) -> None:
    """The step of the action, as the runner would run it, for a project that is over budget."""
    yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml is not installed")
    action = yaml.YAML(typ="safe").load((ROOT / "action.yml").read_text())
    script = action["runs"]["steps"][1]["run"]
    (tmp_path / "app.py").write_text("import colorsys\n")
    config = f'[gate]\npython = "{sys.executable}"\n[gate.entry.app]\nrun = "app.py"\n'
    (tmp_path / "glowplug.toml").write_text(config + 'forbid = ["colorsys"]\n')
    binary = glowplug()
    assert binary
    env = os.environ | {
        "PATH": f"{binary.parent}:{os.environ['PATH']}",
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
