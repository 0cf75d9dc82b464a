"""Environment variables: those of the start are seen by Python and C alike, and changes by imports
are made again.
"""

from __future__ import annotations

import textwrap

import pytest
from harness.clock import write
from harness.running import Conditions

REPORT = textwrap.dedent("""\
    import ctypes
    import json
    import os
    import posix
    import subprocess

    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    libc.getenv.argtypes = [ctypes.c_char_p]

    def views(name):
        python = os.environ.get(name)
        raw = os.environb.get(name.encode())
        c = libc.getenv(name.encode())
        assert raw == c, (name, raw, c)
        assert (python is None) == (raw is None) and (raw is None or os.fsencode(python) == raw)
        return python

    def report():
        for name in sorted({*os.environ, "UNSET", "ADDED", "HOME"}):
            print(ascii(name), ascii(views(name)))
        child = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.split(b"\\0")
        assert {entry for entry in child if entry} == {k + b"=" + v for k, v in os.environb.items()}
        for name, value in posix.environ.items():
            if name in os.environb:
                assert os.environb[name] == value, name

    if __name__ == "__main__":
        print(json.dumps(len(os.environ)))
        report()
        os.environ["ADDED"] = "later"
        os.environ["CHANGED"] = "again"
        os.environ.pop("REMOVED", None)
        report()
        os.putenv("UNSET", "by putenv")
        print(libc.getenv(b"UNSET"), os.environ.get("UNSET"))
        os.environ.clear()
        print(list(os.environ), libc.getenv(b"HOME"))
    """)

STARTS = {
    "changed": {"CHANGED": "value of the start", "REMOVED": "x"},
    "more": {f"MORE_{n}": str(n) for n in range(200)},
    "odd": {
        "EMPTY": "",
        "EQUALS": "a=b=c",
        "BYTES": "\udcff\udcfe",
        "\u00fc": "\u00df",
        "lower.dot-dash": "1",
    },
    "long": {"LONG": "x" * 120_000},
}


@pytest.mark.parametrize("name", STARTS)
def test_variables_of_the_start(starter, name):
    """The image was made with other values; none of them is to be seen."""
    script = write(starter.folder / "report.py", REPORT)
    frozen_with = Conditions(
        env={"CHANGED": "value of the freezer", "GONE": "secret", "REMOVED": "y"}
    )
    plain = starter.both(
        script, conditions=Conditions(env=STARTS[name]), freeze_conditions=frozen_with, expect=0
    )
    assert b"secret" not in plain.stdout and b"freezer" not in plain.stdout


@pytest.mark.core
def test_variables_on_every_interpreter(each_starter):
    test_variables_of_the_start(each_starter, "odd")


def test_almost_empty_environment(starter):
    script = write(starter.folder / "report.py", REPORT)
    bare = Conditions(unset=["PATH", "LANG", "HOME"], env={"LC_ALL": "C"})
    starter.both(script, conditions=bare, expect=0)


def test_duplicate_and_malformed_entries(starter):
    """Entries that occur twice, or have no equals sign, do what they do in plain Python."""
    script = write(
        starter.folder / "dup.py",
        "import json\nimport os\nprint(json.dumps(sorted(os.environ)), os.environ.get('TWICE'))\n",
    )
    helper = write(
        starter.folder / "exec.py",
        textwrap.dedent("""\
            import ctypes, sys
            libc = ctypes.CDLL(None, use_errno=True)
            def array(words):
                return (ctypes.c_char_p * (len(words) + 1))(*[w.encode() for w in words], None)
            import os
            own = [f"{k}={v}" for k, v in os.environ.items()]
            env = ["TWICE=first", "no equals sign", "=odd", *own, "TWICE=second"]
            libc.execve(sys.argv[1].encode(), array(sys.argv[1:]), array(env))
            """),
    )
    words = [starter.python, str(helper)]
    from harness.running import run

    plain = run([*words, starter.python, str(script)], starter.env, starter.fresh_work())
    assert plain.status == 0 and b"TWICE" in plain.stdout, plain
    if starter.glowplug:
        starter.ensure_frozen(script)
        command = starter.command("run", "--python", starter.python, "--via", "thaw", script)
        assert run([*words, *command], starter.env, starter.fresh_work()) == plain


CHANGING = """\
import os

os.environ["SET_BY_IMPORT"] = "set"
os.environ["PATH"] = "/prepended" + os.pathsep + os.environ.get("PATH", "")
os.environ["APPENDED"] = os.environ.get("APPENDED", "") + ":appended"
os.environ.setdefault("DEFAULTED", "default")
os.environ.pop("DROPPED", None)
os.putenv("BY_PUTENV", "seen by C alone")
"""


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PATH": "/usr/bin:/bin", "DROPPED": "must go"},
        {"APPENDED": "start", "DEFAULTED": "own value"},
        {"SET_BY_IMPORT": "overwritten"},
    ],
    ids=lambda env: "-".join(env) or "none",
)
def test_changes_by_imports_are_made_again(starter, env):
    """As changes of the variables of this start, not as values that the freezer had."""
    write(starter.folder / "project" / "changes_environment.py", CHANGING)
    script = write(
        starter.folder / "project" / "main.py",
        "import ctypes\nimport os\nimport changes_environment\n"
        "libc = ctypes.CDLL(None)\nlibc.getenv.restype = ctypes.c_char_p\n"
        "for name in ('SET_BY_IMPORT', 'PATH', 'APPENDED', 'DEFAULTED', 'DROPPED', 'BY_PUTENV'):\n"
        "    print(name, os.environ.get(name), libc.getenv(name.encode()))\n",
    )
    plain = starter.plain(script, conditions=Conditions(env=env))
    assert plain.status == 0, plain.errors()
    if starter.glowplug:
        # The import reads some of these, so that the start may need an image of its own; it is
        # right in either case.
        for _ in range(2):
            outcome = starter.start(script, conditions=Conditions(env=env))
            starter.wait_until_idle()
            assert (outcome.status, outcome.text()) == (0, plain.text())
        assert (
            starter.start(script, via="thaw", conditions=Conditions(env=env)).text() == plain.text()
        )


def test_variable_that_an_import_reads_selects_the_image(starter):
    """A variable read while importing: another value is another program, at once."""
    write(
        starter.folder / "project" / "reads_environment.py",
        "import os\nMODE = os.environ.get('MODE_OF_IMPORT', 'none')\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport reads_environment\nprint(json.dumps(reads_environment.MODE))\n",
    )
    if not starter.glowplug:
        return
    for value in ("one", "two", "one", None, "two"):
        env = {} if value is None else {"MODE_OF_IMPORT": value}
        for _ in range(2):
            outcome = starter.start(script, conditions=Conditions(env=env))
            starter.wait_until_idle()
            assert outcome.text() == f'"{value or "none"}"\n'
        assert (
            starter.start(script, via="thaw", conditions=Conditions(env=env)).text()
            == f'"{value or "none"}"\n'
        )


def test_import_that_demands_a_variable(starter, built):
    """An import that fails without a variable is frozen with it."""
    write(
        starter.folder / "project" / "demands.py", "import os\nPLACE = os.environ['DB_HOST_NAME']\n"
    )
    script = write(starter.folder / "project" / "main.py", "import demands\nprint(demands.PLACE)\n")
    how = Conditions(env={"DB_HOST_NAME": "db.example"})
    assert starter.becomes_thawed(script, conditions=how).text() == "db.example\n"
