"""Whatever the imports read may change at any time: the next start is right at once, and the one
after it thawed again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness.clock import settle, write
from harness.interpreters import Interpreter, clean_environment, thorough
from harness.running import Conditions
from harness.starting import Starter, require_same

MAIN = """\
import json
import helper
import pack.part
import installed
from pack import other as renamed

print(json.dumps([helper.VALUE, pack.part.VALUE, installed.VALUE, renamed.VALUE, helper.late()]))
"""


@dataclass
class Project:
    """A small project in a virtual environment with one package installed."""

    starter: Starter
    folder: Path
    site: Path

    @property
    def script(self) -> Path:
        return self.folder / "main.py"

    def check(self, stays: bool, conditions: Conditions | None = None) -> None:
        """The next start does what plain Python does now, thawed only if the image `stays`; soon
        after it is thawed again.
        """
        plain = self.starter.plain(self.script, conditions=conditions)
        way, outcome = self.starter.explained(self.script, conditions=conditions)
        require_same(plain, outcome)
        assert way.startswith("thawed" if stays else "plain: "), way
        self.starter.wait_until_idle()
        if plain.status == 0:
            way, outcome = self.starter.explained(self.script, conditions=conditions)
            require_same(plain, outcome)
            assert way.startswith("thawed"), way

    def changes(self, result: str) -> None:
        """The output shows the change, and the image is made anew."""
        assert result in self.starter.plain(self.script).text()
        self.check(stays=False)


@pytest.fixture
def project(starter, built) -> Project:
    venv = starter.folder / "venv"
    subprocess.run(
        [starter.python, "-m", "venv", "--without-pip", venv],
        env=clean_environment(),
        check=True,
        timeout=120,
    )
    (site,) = venv.glob("lib/python3*/site-packages")
    inside = starter.with_interpreter(
        Interpreter(venv / "bin" / "python3", starter.interpreter.version)
    )
    folder = starter.folder / "project"
    (folder / "pack").mkdir(parents=True)
    (folder / "helper.py").write_text(
        "VALUE = 1\n\ndef late():\n    import late_import\n    return late_import.VALUE\n"
    )
    (folder / "late_import.py").write_text("VALUE = 1\n")
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "part.py").write_text("VALUE = 1\n")
    (folder / "pack" / "other.py").write_text("VALUE = 1\n")
    (site / "installed.py").write_text("VALUE = 1\n")
    (folder / "main.py").write_text(MAIN)
    # Old enough for an edit of the same size to be seen by Python, whose bytecode knows seconds
    # only.
    for path in (*folder.rglob("*.py"), site / "installed.py"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    settle()
    made = Project(inside, folder, site)
    inside.becomes_thawed(made.script)
    return made


def test_unchanged(project):
    project.check(stays=True)


@pytest.mark.parametrize("where", ["project", "package", "site-packages"])
@pytest.mark.parametrize("same_size", [True, False], ids=["same_size", "longer"])
def test_one_line_of_a_module(project, where, same_size):
    path = {
        "project": project.folder / "helper.py",
        "package": project.folder / "pack" / "part.py",
        "site-packages": project.site / "installed.py",
    }[where]
    write(path, path.read_text().replace("VALUE = 1", "VALUE = 7" if same_size else "VALUE = 7000"))
    project.changes("7" if same_size else "7000")


def test_edit_that_hides_its_time(project):
    """Same size and the old mtime put back: the ctime tells. Python itself then trusts its stale
    bytecode, and so must we.
    """
    path = project.folder / "helper.py"
    before = path.stat()
    path.write_text(path.read_text().replace("VALUE = 1", "VALUE = 8"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    settle()
    project.check(stays=False)


def test_replaced_by_rename(project):
    path = project.folder / "helper.py"
    before = path.stat()
    other = write(project.folder / "new_helper", path.read_text().replace("VALUE = 1", "VALUE = 9"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    other.rename(path)
    settle()
    project.changes("9")


def test_package_initialiser(project):
    source = "from . import part\n\npart.VALUE = 'initialised'\n"
    write(project.folder / "pack" / "__init__.py", source)
    project.changes("initialised")


def test_module_removed(project):
    (project.folder / "pack" / "other.py").unlink()
    settle()
    project.check(stays=False)
    assert project.starter.start(project.script).status == 1


def test_module_of_the_standard_library_shadowed(project):
    write(project.folder / "json.py", "def dumps(value):\n    return f'shadowed {value}'\n")
    project.changes("shadowed")


def test_installed_module_shadowed_by_the_project(project):
    write(project.folder / "installed.py", "VALUE = 'shadow'\n")
    project.changes("shadow")


def test_module_becomes_a_package(project):
    write(project.folder / "helper" / "__init__.py", "VALUE = 'package'\nlate = int\n")
    project.changes("package")


def test_extension_module_shadows(project):
    """An extension module takes precedence over a source file of the same name, even one that
    cannot be loaded.
    """
    suffix = subprocess.check_output(
        [
            project.starter.python,
            "-c",
            "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))",
        ],
        text=True,
    )
    write(project.folder / f"helper{suffix.strip()}", b"no library")
    project.check(stays=False)


def test_extension_module_touched(starter, built):
    """A library that an import loaded: the image does not outlive a change of it."""
    folder = starter.folder / "project"
    folder.mkdir()
    source = subprocess.check_output(
        [starter.python, "-c", "import _lsprof; print(_lsprof.__file__)"],
        text=True,
        env=clean_environment(),
    ).strip()
    library = folder / Path(source).name
    shutil.copyfile(source, library)
    script = write(folder / "main.py", "import _lsprof\nprint(_lsprof.__file__)\n")
    outcome = starter.becomes_thawed(script)
    assert str(library) in outcome.text()
    os.utime(library)
    settle()
    Project(starter, folder, folder).check(stays=False)
    library.unlink()
    settle()
    project = Project(starter, folder, folder)
    project.check(stays=False)
    assert source in starter.start(script).text()


def test_unrelated_file_beside_the_script(project):
    """Notes, data and modules that nothing looked for do not cost the image."""
    write(project.folder / "notes.txt", "nothing")
    write(project.folder / "unrelated.py", "1 / 0\n")
    project.check(stays=True)


def test_distributions_looked_for_beside_the_script(starter):
    """importlib.metadata lists every folder of sys.path: data beside the script costs nothing, a
    distribution there counts.
    """
    folder = starter.folder / "app"
    listing = "[d.metadata['Name'] for d in importlib.metadata.distributions(path=sys.path[:1])]"
    write(folder / "plugins.py", f"import importlib.metadata, sys\nFOUND = {listing}\n")
    write(folder / "main.py", "import plugins\n\nprint(plugins.FOUND)\n")
    starter.ensure_frozen(folder / "main.py")
    write(folder / "results.csv", "1,2\n")
    assert starter.start(folder / "main.py", via="thaw").text() == "[]\n"
    write(folder / "mine-1.0.dist-info" / "METADATA", "Metadata-Version: 2.1\nName: mine\n")
    assert starter.start(folder / "main.py").text() == "['mine']\n"


def test_path_file_added(project):
    """A .pth file in site-packages changes sys.path, so it counts although nothing imports it."""
    extra = project.starter.folder / "extra"
    write(extra / "installed.py", "VALUE = 'elsewhere'\n")
    write(project.site / "extra.pth", f"import sys; sys.path.insert(0, {str(extra)!r})\n")
    project.changes("elsewhere")


def test_site_customisation_added(project):
    extra = project.starter.folder / "extra"
    write(extra / "installed.py", "VALUE = 'customised'\n")
    write(project.site / "sitecustomize.py", f"import sys; sys.path.insert(0, {str(extra)!r})\n")
    project.changes("customised")


def test_body_edited(project):
    """What comes after the leading imports may change: the image stays."""
    write(project.script, MAIN + "print('edited')\n")
    project.check(stays=True)
    assert "edited" in project.starter.start(project.script).text()


def test_leading_imports_edited(project):
    write(project.script, "import colorsys\n" + MAIN + "print(colorsys.rgb_to_hsv(1, 0, 0))\n")
    project.changes("(0.0, 1.0, 1)")


def test_script_replaced_by_another(project):
    write(project.script, "print('another program')\n")
    project.changes("another program")


def test_script_with_an_error(project):
    write(project.script, MAIN + "def broken(:\n")
    project.check(stays=True)


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONPATH": "/nonexistent"},
        {"PYTHONPATH": "extra"},
        {"LANG": "C"},
        {"LC_ALL": "POSIX"},
        {"TZ": "Asia/Tokyo"},
        {"PYTHONOPTIMIZE": "1"},
        {"PYTHONUTF8": "1"},
        {"PYTHONDONTWRITEBYTECODE": "1"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONNOUSERSITE": "1"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONHASHSEED": "3"},
    ],
    ids=lambda env: "=".join(*env.items()),
)
def test_variables_of_the_interpreter(project, env):
    """These select another image; the old one is still there for the old value."""
    extra = project.starter.folder / "extra"
    write(extra / "installed.py", "VALUE = 'by PYTHONPATH'\n")
    how = Conditions(env={k: str(extra) if v == "extra" else v for k, v in env.items()})
    project.check(stays=False, conditions=how)
    project.check(stays=True)


@pytest.mark.parametrize(
    "options", [("-O",), ("-I",), ("-B",), ("-X", "utf8"), ("-W", "error")], ids=" ".join
)
def test_options_of_the_interpreter(project, options):
    starter = project.starter
    starter.becomes_thawed(*options, project.script) if options != ("-I",) else starter.start(
        *options, project.script
    )
    starter.wait_until_idle()
    plain = starter.plain(*options, project.script)
    require_same(plain, starter.start(*options, project.script))
    project.check(stays=True)


def test_another_interpreter(project):
    """Each interpreter has images of its own."""
    for interpreter in thorough():
        other = project.starter.with_interpreter(interpreter)
        write(project.folder / "installed.py", "VALUE = 1\n")
        moved = replace(project, starter=other)
        moved.check(stays=False)


def test_import_that_fails(starter, built):
    """A leading import that cannot be found, and then can."""
    folder = starter.folder / "project"
    script = write(
        folder / "main.py",
        "import json\ntry:\n    import fast\nexcept ImportError:\n"
        "    fast = None\nprint(json.dumps(str(fast)[:7]))\n",
    )
    starter.becomes_thawed(script)
    write(folder / "fast.py", "")
    # Whether the image stays is of no interest: the program makes this import itself.
    for result in ("<module", "None"):
        for _ in range(2):
            assert result in starter.start(script).text()
            starter.wait_until_idle()
        (folder / "fast.py").unlink(missing_ok=True)
        settle()


def test_data_read_by_an_import(starter, built):
    """A file that a module reads while it is imported, one that it looks for, and a folder that it
    lists.
    """
    folder = starter.folder / "project"
    write(folder / "data" / "settings.ini", "first")
    write(
        folder / "reader.py",
        "import os\nimport pathlib\nhere = pathlib.Path(__file__).parent / 'data'\n"
        "TEXT = (here / 'settings.ini').read_text()\n"
        "MORE = (here / 'more').exists()\n"
        "NAMES = sorted(os.listdir(here))\n",
    )
    script = write(
        folder / "main.py",
        "import json\nimport reader\nprint(json.dumps([reader.TEXT, reader.MORE, reader.NAMES]))\n",
    )
    starter.becomes_thawed(script)
    project = Project(starter, folder, folder)
    write(folder / "data" / "settings.ini", "2nd..")
    project.changes("2nd..")
    write(folder / "data" / "listed", "")
    project.changes("listed")
    write(folder / "data" / "more", "")
    project.changes("true")
    (folder / "data" / "more").unlink()
    settle()
    project.changes("false")


def test_symbolic_link_retargeted(starter, built):
    """A project that is reached through a link which then points elsewhere, as deployments do."""
    for name in ("one", "two"):
        write(starter.folder / name / "release.py", f"NAME = {name!r}\n")
        write(
            starter.folder / name / "main.py",
            "import json\nimport release\nprint(json.dumps(release.NAME))\n",
        )
    current = starter.folder / "current"
    current.symlink_to("one")
    settle()
    script = current / "main.py"
    assert "one" in starter.becomes_thawed(script).text()
    current.unlink()
    current.symlink_to("two")
    settle()
    Project(starter, current, current).changes("two")


def test_working_folder_of_a_module(starter, built):
    """With -m the working folder is on the path: another folder is another program."""
    for name in ("one", "two"):
        write(
            starter.folder / name / "tool.py",
            f"import json\nimport part\nprint(json.dumps([{name!r}, part.VALUE]))\n",
        )
        write(starter.folder / name / "part.py", f"VALUE = {name!r}\n")
    for name in ("one", "two", "one"):
        how = Conditions(cwd=starter.folder / name)
        for _ in range(2):
            assert starter.start("-m", "tool", conditions=how).text() == f'["{name}", "{name}"]\n'
            starter.wait_until_idle()
        assert starter.explained("-m", "tool", conditions=how)[0].startswith("thawed")


def test_changed_while_the_freezer_works(starter, built):
    """A module that changes between the recorded start and the freeze is never taken in its old
    form.
    """
    folder = starter.folder / "project"
    write(folder / "helper.py", "VALUE = 0\n")
    script = write(
        folder / "main.py", "import json\nimport helper\nprint(json.dumps(helper.VALUE))\n"
    )
    for value in range(1, 8):
        starter.start(script)
        # Each time another length: bytecode does not tell two sources of one length and one second
        # apart.
        (folder / "helper.py").write_text(f"VALUE = {10**value}\n")
        assert starter.start(script).text() == f"{10**value}\n"
    starter.wait_until_idle()
    settle()
    assert starter.start(script).text() == f"{10**7}\n"
