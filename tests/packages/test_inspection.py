"""Coverage and IPython see what they see of a plain start."""

from __future__ import annotations

import json
import re

import pytest
from harness.clock import settle, write
from harness.environments import in_environment
from harness.running import Conditions, run
from harness.starting import require_same
from harness.terminal import Terminal

pytestmark = pytest.mark.packages

HELPER = """\
import json


def used(value):
    if value > 1:
        return json.dumps(value)
    return None


def unused():
    return 1
"""
PROGRAM = "import json\nimport helper\n\nprint(helper.used(2), json.loads('3'))\n"


def covered(starter, data) -> dict[str, object]:
    """Lines and branches by file, of all data files of a folder."""
    python = starter.interpreter.path
    for words in (["combine", "--keep", str(data)], ["json", "-o", "covered.json"]):
        done = run([python, "-m", "coverage", *words], starter.env, data)
        assert done.status == 0, done
    files = json.loads((data / "covered.json").read_text())["files"]
    return {name: [f["executed_lines"], f["executed_branches"]] for name, f in files.items()}


@pytest.mark.parametrize("way", ["command", "process"])
def test_coverage(starter, way):
    """Of a program under `coverage run`, and of one that site starts measuring."""
    inside = in_environment(starter, "inspection")
    project = starter.folder / "project"
    write(project / "helper.py", HELPER)
    write(project / "program.py", PROGRAM)
    ini = write(
        project / "measure.ini",
        f"[run]\nbranch = True\nparallel = True\nsource = {project}\n"
        "data_file = ${MEASURED}/.coverage\n",
    )
    settle()
    words, env = ["program.py"], {"COVERAGE_PROCESS_START": str(ini)}
    if way == "command":
        words, env = ["-m", "coverage", "run", f"--rcfile={ini}", "program.py"], {}
    seen = []
    for number in range(4 if inside.glowplug else 1):
        folder = starter.folder / f"measured{number}"
        folder.mkdir()
        how = Conditions(env={**env, "MEASURED": str(folder)}, cwd=project)
        outcome = (
            inside.plain(*words, conditions=how)
            if number == 0
            else inside.start(*words, conditions=how)
        )
        inside.wait_until_idle()
        assert (outcome.status, outcome.text()) == (0, "2 3\n"), outcome
        seen.append(covered(inside, folder))
    assert len(seen[0]) == 2
    assert all(later == seen[0] for later in seen)


def test_prompt_of_ipython(starter):
    inside = in_environment(starter, "inspection")
    env = {**inside.env, "TERM": "dumb", "IPYTHONDIR": str(starter.folder / "ipython")}
    words = ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"]

    def talk(terminal):
        terminal.wait_for(b"In [1]: ")
        terminal.type(b"import json; json.dumps([6 * 7])\n")
        terminal.wait_for(b"In [2]: ")
        terminal.type(b"1 / 0\n")
        terminal.wait_for(b"In [3]: ")
        terminal.type(b"_1, __name__, _oh\n")
        terminal.wait_for(b"In [4]: ")
        terminal.type(b"exit\n")

    def shown(command):
        terminal = Terminal(command, env, inside.fresh_work())
        talk(terminal)
        return terminal.end(), re.sub(rb"0x[0-9a-f]+", b"", terminal.output)

    plain = shown([inside.python, *words])
    assert b"ZeroDivisionError" in plain[1] and b"[42]" in plain[1]
    if inside.glowplug:
        for way in ("auto", "auto", "fork", "pool"):
            command = inside.command("run", "--python", inside.python, "--via", way, *words)
            assert shown(command) == plain
            inside.wait_for_freezers()
        inside.stop()
    script = write(starter.folder / "shell.py", SHELL)
    settle()
    how = Conditions(env={"IPYTHONDIR": env["IPYTHONDIR"]})
    plain_outcome = inside.plain(script, conditions=how)
    for _ in range(2 if inside.glowplug else 0):
        require_same(plain_outcome, inside.start(script, conditions=how))
        inside.wait_until_idle()


SHELL = """\
import json
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell()
print(shell.run_cell("json.dumps(1)").success, shell.run_cell("1 + 1").result)
print(shell.run_cell("1 / 0").error_in_exec)
"""
