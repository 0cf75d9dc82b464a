"""Both sides get environments of their own, by what the project itself says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from gating import PASSED, VIOLATED, Gated, Project
from harness.environments import environment
from harness.interpreters import default_interpreter


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write({"app.py": "import dep\n", ".gitignore": "__pycache__\n"})
    made.git("init", "--quiet")
    return made


def wheel(folder: Path, version: str, source: str) -> str:
    """A wheel with the one module `dep` and the program `dep-tool`; returns its name."""
    name = f"dep-{version}-py3-none-any.whl"
    about = f"dep-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: dep\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    scripts = "[console_scripts]\ndep-tool = dep:main\n"
    files = {"dep.py": source, f"{about}/METADATA": metadata, f"{about}/WHEEL": tags}
    files[f"{about}/entry_points.txt"] = scripts
    record = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(file, text)
    return name


def check_sides_differ_by_colorsys(gated: Gated) -> None:
    assert (gated.status, gated.kinds) == (VIOLATED, ["forbidden"]), gated.explain()
    modules = next(one for one in gated.entry["figures"] if one["figure"] == "modules")
    assert modules["value"] == modules["base"] + 1
    (cause,) = gated.entry["causes"]
    assert (cause["module"], cause["new"]) == ("colorsys", True)


SOURCES = {
    "1.0": "def main():\n    pass\n",
    "2.0": "import colorsys\n\n\ndef main():\n    pass\n",
}


def test_each_side_has_the_dependencies_of_its_requirements(project: Project) -> None:
    """Also where the list has stayed as it was, and another one that it leads to has changed."""
    project.configure('run = "app.py"\nforbid = ["colorsys"]')
    project.write({"requirements.txt": "-r more.txt\n"})
    for version, source in SOURCES.items():
        project.write({"more.txt": f"./{wheel(project.folder, version, source)}\n"})
        project.commit(version)
    check_sides_differ_by_colorsys(project.gate("--base", "HEAD~1"))
    kept = {path.name.partition("-")[0] for path in (project.folder.parent / "cache").glob("*/*")}
    assert {"base", "head"} <= kept, kept
    project.write({"more.txt": "./dep-1.0-py3-none-any.whl\n"})
    project.commit("back")
    again = project.gate("--base", "HEAD~2")
    assert again.status == PASSED, again.explain()


@dataclass
class Installer:
    """One of the tools that know a project's lock file."""

    project: Project
    programs: Path

    def configure(self, tables: str) -> None:
        """Budgets for a program of the dependency, and the tables that the tool reads."""
        self.project.configure('console-script = "dep-tool"\nforbid = ["colorsys"]')
        path = self.project.folder / "pyproject.toml"
        head = f'\n[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.9"\n{tables}'
        path.write_text(path.read_text() + head)

    @property
    def path(self) -> str:
        return f"{self.programs}:{os.environ['PATH']}"

    def run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.project.folder,
            env=self.project.env | {"PATH": self.path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def lock_by_uv(installer: Installer, name: str) -> None:
    version = name.split("-")[1]
    index = 'package = false\nno-index = true\nfind-links = ["wheels"]\n'
    installer.configure(f'dependencies = ["dep=={version}"]\n[tool.uv]\n{index}')
    installer.run("uv", "lock", "--offline", "--python", str(installer.project.python))


def lock_by_poetry(installer: Installer, name: str) -> None:
    dependencies = f'[tool.poetry.dependencies]\ndep = {{ path = "wheels/{name}" }}\n'
    installer.configure(f"[tool.poetry]\npackage-mode = false\n{dependencies}")
    installer.run("poetry", "lock", "--no-interaction")


def lock_by_pdm(installer: Installer, name: str) -> None:
    dependency = f"dep @ file:///${{PROJECT_ROOT}}/wheels/{name}"
    installer.configure(f'dependencies = ["{dependency}"]\n[tool.pdm]\ndistribution = false\n')
    installer.run("pdm", "use", "--quiet", str(installer.project.python))
    installer.run("pdm", "lock", "--quiet")


def lock_as_the_standard_says(installer: Installer, name: str) -> None:
    installer.configure("")
    digest = hashlib.sha256((installer.project.folder / "wheels" / name).read_bytes()).hexdigest()
    file = f'path = "wheels/{name}", hashes = {{ sha256 = "{digest}" }}'
    package = f'[[packages]]\nname = "dep"\nwheels = [{{ {file} }}]\n'
    text = f'lock-version = "1.0"\ncreated-by = "test"\n{package}'
    installer.project.write({"pylock.toml": text})


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder with uv, poetry and pdm."""
    return environment(default_interpreter(), "installers").path.parent


@pytest.mark.packages
@pytest.mark.parametrize(
    ("lock", "file"),
    [
        (lock_by_uv, "uv.lock"),
        (lock_by_poetry, "poetry.lock"),
        (lock_by_pdm, "pdm.lock"),
        (lock_as_the_standard_says, "pylock.toml"),
    ],
)
def test_each_side_has_what_its_lock_file_says(
    project: Project, programs: Path, lock: Callable[[Installer, str], None], file: str
) -> None:
    installer = Installer(project, programs)
    project.write({".gitignore": "__pycache__/\n.pdm-python\n.venv/\n"})
    for version, source in SOURCES.items():
        lock(installer, wheel(project.folder / "wheels", version, source))
        assert (project.folder / file).exists()
        project.commit(version)
    check_sides_differ_by_colorsys(project.gate("--base", "HEAD~1", PATH=installer.path))


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
