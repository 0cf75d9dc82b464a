"""Baselines, history, proposals, sys.path, and comparisons with what is not committed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gating import PASSED, VIOLATED, Project, line_of


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write({"app.py": "import data\n", "data.py": "VALUE = 1\n", ".gitignore": "__pycache__\n"})
    return made


def test_a_baseline_is_compared_with_exact_figures(project: Project) -> None:
    project.configure('run = "app.py"')
    assert project.run("record").returncode == 0
    recorded = json.loads((project.folder / ".glowplug/baseline.json").read_text())
    assert recorded["entries"]["app"]["figures"]["modules"] > 10
    assert project.gate().status == PASSED
    project.write({"data.py": "import colorsys\n"})
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["grown"]), gated.explain()
    assert {one["figure"] for one in gated.problems} >= {"modules", "unmarshalled", "files"}
    assert project.gate("--no-baseline").status == PASSED
    project.configure('run = "app.py"', "growth = 50")
    assert project.gate().status == PASSED


def test_a_damaged_baseline_is_told(project: Project) -> None:
    project.configure('run = "app.py"')
    project.write({".glowplug/baseline.json": '{"version": 9, "entries": {}}'})
    gated = project.gate()
    assert gated.status == 2
    assert "version 9" in gated.done.stderr and "glowplug gate record" in gated.done.stderr


@pytest.mark.parametrize("place", ["figures.jsonl", "git-notes"])
def test_a_history_is_kept_and_drawn(project: Project, place: str) -> None:
    project.configure('run = "app.py"', f'history = "{place}"')
    project.git("init", "--quiet")
    for number, source in enumerate(
        ["VALUE = 1\n", "import colorsys\n", "import colorsys, bisect\n"]
    ):
        project.write({"data.py": source})
        project.commit(f"change {number}")
        env = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@e"}
        env |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@e"}
        kept = project.gate("--keep", **env)
        assert kept.status == PASSED, kept.explain()
    shown = project.run("history")
    assert shown.returncode == 0, shown.stderr
    line = next(line for line in shown.stdout.splitlines() if "modules imported" in line)
    assert "▁" in line and "█" in line and line.rstrip().endswith("%"), shown.stdout
    page = project.folder / "trend.html"
    assert project.run("history", "--html", page).returncode == 0
    text = page.read_text()
    assert text.count("<circle") >= 3 and "src=" not in text and "https:" not in text


def test_no_history_yet(project: Project) -> None:
    project.configure('run = "app.py"')
    shown = project.run("history")
    assert shown.returncode == 2 and "--keep" in shown.stderr


def test_what_init_proposes_passes(project: Project) -> None:
    before = '[project]\nname = "x"\n\n[tool.glowplug]\nvia = "plain"  # mine\n'
    project.write({"pyproject.toml": before})
    done = project.run("init", "--run", "app.py", "--python", str(project.python))
    assert done.returncode == 0, done.stderr
    text = (project.folder / "pyproject.toml").read_text()
    assert text.startswith(before)
    for part in ("[tool.glowplug.gate.entry.app]", "headroom", "# measured", "# heavy, and not"):
        assert part in text, text
    text = text.replace(
        "[tool.glowplug.gate.entry.app]",
        f'[tool.glowplug.gate]\npython = "{project.python}"\n\n[tool.glowplug.gate.entry.app]',
    )
    project.write({"pyproject.toml": text})
    gated = project.gate()
    assert gated.status == PASSED, gated.explain()
    assert any(one["limit"] for one in gated.entry["figures"])


PATHS = """import sys

sys.path.append("missing")
sys.path.append("tests/fixtures")
sys.path.append("vendor")
sys.path.insert(0, "empty")
sys.path.append("good")
sys.path += ["good"]
import mine
import colorsys
"""


def test_faults_of_sys_path_are_found_with_their_lines(project: Project) -> None:
    for folder in ("tests/fixtures", "vendor", "empty", "good"):
        (project.folder / folder).mkdir(parents=True)
    project.write({"app.py": PATHS, "good/mine.py": "", "empty/README": ""})
    project.configure('run = "app.py"', 'sys-path = "all"')
    gated = project.gate()
    assert (gated.status, gated.kinds) == (VIOLATED, ["sys-path"]), gated.explain()
    app = project.folder / "app.py"
    told = {
        one["message"].split("`")[1].removeprefix(str(project.folder)): one
        for one in gated.problems
    }
    for path, what in {
        "/missing": "does not exist",
        "/tests/fixtures": "belongs to tests",
        "/vendor": "vendored",
        "/empty": "provides no module",
        "/good": "twice",
    }.items():
        assert what in told[path]["message"], gated.explain()
    assert told["/empty"]["place"]["line"] == line_of(app, '"empty"')
    assert "lookups" in told["/empty"]["message"]
    project.configure('run = "app.py"', 'sys-path = "off"')
    assert project.gate().status == PASSED
    # Without something to compare with, they are notes.
    project.configure('run = "app.py"')
    noted = project.gate()
    assert noted.status == PASSED and len(noted.entry["problems"]) == 5, noted.explain()
    # What the baseline has is none, what comes later is.
    assert project.run("record").returncode == 0
    noted = project.gate()
    assert noted.status == PASSED and len(noted.entry["problems"]) == 5, noted.explain()
    project.write({"app.py": PATHS.replace("import mine", 'sys.path.append("new")\nimport mine')})
    gated = project.gate()
    assert "sys-path" in gated.kinds, gated.explain()
    (new,) = (one for one in gated.problems if one["kind"] == "sys-path")
    assert "/new`" in new["message"], gated.explain()


def test_changes_that_are_not_committed_are_judged(project: Project) -> None:
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    project.git("init", "--quiet")
    project.commit("one")
    project.write({"data.py": "import colorsys\n"})
    env = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@e"}
    env |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@e"}
    gated = project.gate("--base", "HEAD", **env)
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    assert "not committed" in " ".join(gated.report["notes"])
    assert project.git("status", "--porcelain") == "M data.py"
    assert project.git("worktree", "list").count("\n") == 0
    assert project.git("stash", "list") == ""
