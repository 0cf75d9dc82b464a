"""Scripts, modules, code and standard input as targets, under the options of `python`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import require_same

REPORT = Path(__file__).parent / "situations" / "report.py"
CODE = REPORT.read_text()

OPTIONS = [
    (),
    ("-u",),
    ("-O",),
    ("-OO",),
    ("-B",),
    ("-I",),
    ("-E",),
    ("-s",),
    ("-S",),
    ("-b",),
    ("-bb",),
    ("-q",),
    ("-P",),
    ("-W", "error::DeprecationWarning"),
    ("-Wignore", "-Wdefault"),
    ("-X", "utf8"),
    ("-Xutf8=0",),
    ("-X", "faulthandler"),
    ("-X", "no_debug_ranges"),
    ("-X", "int_max_str_digits=640"),
    ("-X", "warn_default_encoding"),
    ("-IsuB", "-W", "error", "-X", "utf8"),
    ("--check-hash-based-pycs", "always"),
]


def supported(starter, options) -> bool:
    """Whether this interpreter knows the options."""
    return starter.interpreter.minor >= (3, 11) or not any("-P" in option for option in options)


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_script_under_options(each_starter, options):
    if not supported(each_starter, options):
        options = ()
    if "-S" in options:  # needs a fresh interpreter
        each_starter.both_whichever_way(*options, REPORT, "-x", "--", "argument")
    else:
        each_starter.both(*options, REPORT, "-x", "--", "argument")


@pytest.mark.parametrize(
    "options", [(), ("-O",), ("-I",), ("-S",), ("-P",), ("-u", "-B")], ids=" ".join
)
@pytest.mark.parametrize("kind", ["module", "package", "command", "stdin"])
def test_other_targets(starter, options, kind):
    folder = starter.folder / "project"
    write(folder / "reporting.py", CODE)
    write(folder / "pack" / "__init__.py", "import json\nNAME = __name__\n")
    write(folder / "pack" / "__main__.py", f"import pack\n{CODE}\nprint(pack.NAME, __package__)\n")
    target, stdin = {
        "module": (("-m", "reporting"), b""),
        "package": (("-m", "pack"), b""),
        "command": (("-c", CODE), b""),
        "stdin": (("-",), CODE.encode()),
    }[kind]
    if kind in {"module", "package"} and options and options[0] in {"-I", "-P"}:
        target = ("-m", "json.tool", "--help")  # the project is not on the path there
    how = Conditions(cwd=folder, stdin=stdin)
    if kind == "stdin" or "-S" in options:
        # What comes over a pipe cannot be looked at beforehand, and -S needs a fresh interpreter.
        starter.both_whichever_way(*options, *target, "argument", conditions=how)
        return
    starter.both(
        *options, *target, "argument", conditions=how, freeze_conditions=Conditions(cwd=folder)
    )


CLUSTERS = [
    ("-Bm", "json.tool", "--help"),
    ("-mjson.tool", "--help"),
    ("-Sc", "import json, sys; print(sys.argv, json.dumps(1))"),
    ("-cimport json, sys; print(sys.argv, json.dumps(1))", "a"),
    ("-c", "import json, sys\nprint(sys.argv, json.dumps(1))", "-m", "x"),
    ("-m", "calendar", "2024", "1"),
    ("-m", "timeit", "-n", "1", "-r", "1", "-s", "import sys", "sys.exit(3)"),
    ("-m", "does_not_exist"),
    ("-m", "json"),
    ("-m", "json.nothing"),
    ("-c", "this is no Python"),
    ("-c", "import sys\n1 / 0"),
    ("-V",),
    ("-VV",),
    ("--version",),
    ("-h",),
    ("--nonsense",),
    ("-Z",),
    ("-c",),
    ("-m",),
    ("-W",),
    ("-X", "showrefcount", "-c", "pass"),
    ("/does/not/exist.py",),
    ("/",),
]


@pytest.mark.parametrize("words", CLUSTERS, ids=" ".join)
def test_command_line_is_understood_as_python_does(starter, words):
    """Whatever way Glowplug takes, the second start does what plain Python does."""
    starter.fresh_work()
    settle()
    plain = starter.plain(*words)
    if not starter.glowplug:
        return
    for _ in range(2):
        outcome = starter.start(*words)
        starter.wait_until_idle()
        require_same(plain, outcome)


def test_relative_script_from_another_folder(starter):
    """`sys.path[0]`, `__file__` and tracebacks of a script called by a relative path through a
    symbolic link.
    """
    write(starter.folder / "project" / "real" / "beside.py", "WHERE = 'beside the script'\n")
    write(
        starter.folder / "project" / "real" / "main.py",
        "import json, beside\nprint(beside.WHERE)\n" + CODE + "\n1 / 0\n",
    )
    link = starter.folder / "project" / "link.py"
    link.symlink_to("real/main.py")
    how = Conditions(cwd=starter.folder / "project")
    starter.both("link.py", "a", conditions=how, freeze_conditions=how, expect=1)
    starter.both("./real/../real/main.py", conditions=how, freeze_conditions=how, expect=1)


def test_folder_and_archive(starter):
    """A folder with `__main__.py` and a zip archive run; they may start plainly."""
    folder = starter.folder / "app"
    write(folder / "__main__.py", CODE)
    write(folder / "helper.py", "")
    archive = Path(shutil.make_archive(str(starter.folder / "packed"), "zip", folder))
    settle()
    for target in (folder, archive):
        plain = starter.plain(target, "a")
        assert plain.status == 0, plain.errors()
        if starter.glowplug:
            for _ in range(2):
                outcome = starter.start(target, "a")
                starter.wait_until_idle()
                require_same(plain, outcome)


def test_script_on_a_descriptor(starter):
    """Process substitution: a script that can be read only once."""
    for _ in range(2):
        reader, writer = os.pipe()
        os.write(writer, b"import json\nprint(json.dumps([1, 2]))\n")
        os.close(writer)
        try:
            how = Conditions(pass_fds=[reader])
            words = (f"/dev/fd/{reader}",)
            outcome = (
                starter.start(*words, conditions=how)
                if starter.glowplug
                else starter.plain(*words, conditions=how)
            )
        finally:
            os.close(reader)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b"[1, 2]\n", b"")


def test_non_utf8_names(starter):
    """A script path and arguments that are not valid UTF-8."""
    name = os.fsdecode(b"scr\xffipt.py")
    script = write(
        starter.folder / "odd" / name,
        "import json, sys\nprint(ascii(sys.argv), ascii(__file__), ascii(sys.path[0]))\n",
    )
    starter.both(script, os.fsdecode(b"\xfe\xff"), "", " ", "\n", expect=0)
