"""Imports that look at what is another thing at each start: the arguments, the terminal, limits."""

from __future__ import annotations

import resource

import pytest
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import require_same
from harness.terminal import Terminal

PROGRAM = """\
import json
import looks

names = sorted(name for name in vars(looks) if name.isupper())
print(json.dumps({name: getattr(looks, name) for name in names}))
import sys
print(type(sys.argv) is list, sys.argv[1:], getattr(looks, "argv", sys.argv) is sys.argv)
"""

ARGUMENTS = {
    "copied": "import sys\nFOUND = list(sys.argv)[1:]",
    "searched": "import sys\nFOUND = '--debug' in sys.argv",
    "counted": "import sys\nFOUND = len(sys.argv)",
    "indexed": "import sys\nFOUND = sys.argv[1:]",
    "by name": "from sys import argv\nFOUND = argv[-1]",
    "as it is": "from sys import argv",
    "changed": "import sys\nsys.argv.append('appended')\nFOUND = 1",
    "replaced": "import sys\nsys.argv = ['other', 'arguments']\nFOUND = 1",
    "original": "import sys\nFOUND = sys.orig_argv[-1]",
    "parsed": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--debug', "
    "action='store_true')\nFOUND = repr(p.parse_known_args())",
    "kept": "import sys\nclass Kept:\n    arguments = sys.argv\n"
    "def found(): return Kept.arguments is sys.argv, Kept.arguments[1:]",
}


def program(starter, code):
    write(starter.folder / "project" / "looks.py", code + "\n")
    return write(
        starter.folder / "project" / "main.py",
        PROGRAM + "if hasattr(looks, 'found'):\n    print(looks.found())\n",
    )


@pytest.mark.parametrize("how", ARGUMENTS)
def test_arguments(starter, how):
    script = program(starter, ARGUMENTS[how])
    settle()
    for words in (["first"], ["first"], ["--debug", "second"], []):
        plain = starter.plain(script, *words)
        assert plain.status == 0, plain.errors()
        if starter.glowplug:
            require_same(plain, starter.start(script, *words))
            starter.wait_until_idle()
    if starter.glowplug:
        way, _ = starter.explained(script)
        expected = {
            "as it is": "thawed",
            "kept": "plain: the program may not be frozen: an import keeps `sys.argv`",
        }.get(how, "not preloaded: looks, which uses the program's arguments")
        assert way.startswith(expected), way


def test_words_of_tensorflow(starter):
    """It looks for some words in the arguments: the reviewed table names them."""
    package = starter.folder / "project" / "tensorflow"
    for folder in (package, package / "python", package / "python" / "distribute"):
        write(folder / "__init__.py", "")
    write(
        package / "python" / "distribute" / "combinations.py",
        "import sys\nGPU = any('test_gpu' in word for word in sys.argv)\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import tensorflow.python.distribute.combinations as looks\nimport sys\n"
        "print(looks.GPU, sys.argv[1:])\n",
    )
    if starter.glowplug:
        starter.ensure_frozen(script)
    without = starter.both(script, "--output", "gpu", expect=0)
    assert without.stdout.startswith(b"False")
    found = starter.plain(script, "--job=test_gpu")
    assert found.stdout.startswith(b"True")
    if starter.glowplug:
        before = starter.images()
        way, outcome = starter.explained(script, "--job=test_gpu")
        assert way == "plain: an argument holds `test_gpu`, which the program's imports look for"
        require_same(found, outcome)
        forced = starter.start(script, "--job=test_gpu", via=starter.way)
        assert forced.status == 124 and "`test_gpu`" in forced.errors(), forced
        starter.stop()
        starter.wait_until_idle()
        assert starter.images() == before
        shown = starter.execute("images", "show", "--inputs", before[0])
        assert "argument   test_gpu" in shown.text(), shown
        # Glowplug itself tells whether the script's own name holds such a word.
        named = script.rename(script.with_name("test_gpu.py"))
        starter.start(named)
        starter.wait_until_idle()
        way, outcome = starter.explained(named)
        assert way.startswith("not preloaded: tensorflow.python.distribute.combinations"), way
        require_same(starter.plain(named), starter.start(named, via="thaw"))


TERMINAL = {
    "stdout": "import sys\nFOUND = sys.stdout.isatty()",
    "descriptor": "import os\nFOUND = [os.isatty(fd) for fd in (0, 1, 2)]",
    "size": "import shutil\nFOUND = tuple(shutil.get_terminal_size())",
    "settings": "import termios\ntry:\n    FOUND = termios.tcgetattr(0)[3]\n"
    "except termios.error as error:\n    FOUND = str(error)",
}


@pytest.mark.parametrize("how", TERMINAL)
def test_terminal(starter, how):
    """Frozen without one, started on one."""
    script = program(starter, TERMINAL[how])
    if starter.glowplug:
        starter.ensure_frozen(script)
        starter.both(script, expect=0)
    outputs = []
    commands = [[starter.python, str(script)]]
    if starter.glowplug:
        words = ("run", "--python", starter.python, "--via", "thaw", script)
        commands.append(starter.command(*words))
    for command in commands:
        terminal = Terminal(command, {**starter.env, "TERM": "dumb"}, starter.fresh_work())
        terminal.wait_for(b"True [] True")
        outputs.append((terminal.end(), terminal.output))
    assert outputs[0][0] == 0 and outputs[0] == outputs[-1]


def test_limits(starter):
    script = program(
        starter,
        "import os\nimport resource as r\nFOUND = r.getrlimit(r.RLIMIT_NOFILE)\nNICE = os.nice(0)",
    )

    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))

    starter.both(
        script, conditions=Conditions(prepare=lower), freeze_conditions=Conditions(), expect=0
    )


def test_files_are_no_terminals(starter):
    """Python asks of every file that it opens whether it is one: that is no reason for anything."""
    data = write(starter.folder / "project" / "data.txt", "text\n")
    script = program(starter, f"FOUND = open({str(data)!r}).read()")
    starter.both(script, expect=0)
    if starter.glowplug:
        way, _ = starter.explained(script)
        assert way.startswith("started" if starter.is_served else "thawed"), way
