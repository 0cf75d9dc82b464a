"""Both sides get environments of their own, by what the project itself says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from gating import PASSED, VIOLATED, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write({"app.py": "import dep\n", ".gitignore": "__pycache__\n"})
    made.git("init", "--quiet")
    return made


def wheel(folder: Path, version: str, source: str) -> str:
    """A wheel with the one module `dep`; returns its name."""
    name = f"dep-{version}-py3-none-any.whl"
    about = f"dep-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: dep\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {"dep.py": source, f"{about}/METADATA": metadata, f"{about}/WHEEL": tags}
    record = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(file, text)
    return name


def test_each_side_has_the_dependencies_of_its_requirements(project: Project) -> None:
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    for version, source in {"1.0": "VALUE = 1\n", "2.0": "import colorsys\n"}.items():
        name = wheel(project.folder, version, source)
        project.write({"requirements.txt": f"./{name}\n"})
        project.commit(version)
    gated = project.gate("--base", "HEAD~1")
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    modules = next(one for one in gated.entry["figures"] if one["figure"] == "modules")
    assert modules["value"] == modules["base"] + 1
    (cause,) = gated.entry["causes"]
    assert (cause["module"], cause["new"]) == ("colorsys", True)
    kept = {path.name.partition("-")[0] for path in (project.folder.parent / "cache").glob("*/*")}
    assert {"base", "head"} <= kept, kept


INSTALL = """import shutil, sysconfig
shutil.copytree("src/dep", sysconfig.get_path("purelib") + "/dep")
"""


def test_an_installed_project_is_blamed_by_its_sources(project: Project) -> None:
    project.configure('run = "app.py"\nforbid = ["colorsys"]', 'install = ["python install.py"]')
    project.write({"install.py": INSTALL, "src/dep/__init__.py": "\n"})
    project.commit("one")
    project.write({"src/dep/__init__.py": "\nimport colorsys\n"})
    project.commit("two")
    gated = project.gate("--base", "HEAD~1")
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    assert gated.problems[0]["place"] == {"file": "src/dep/__init__.py", "line": 2}
    project.write({"src/dep/__init__.py": "\n\n"})
    project.commit("three")
    assert project.gate("--base", "HEAD~2").status == PASSED
