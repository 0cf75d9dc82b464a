"""Sets that add to others: their templates are forked from those of the others, share their memory,
and are renewed by themselves.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from harness import processes
from harness.clock import settle, write
from harness.running import Conditions
from harness.serving import reports, until

# What the common module keeps in memory, bytes.
WEIGHT = 48 << 20

SETTINGS = """\
[sets.common]
preload = ["heavy"]
[sets.one]
extends = "common"
preload = ["light"]
[sets.other]
extends = "common"
preload = ["feather"]
[sets.inner]
extends = "one"
preload = ["feather"]
"""

PROGRAM = """\
import os, sys
print([name for name in ("heavy", "light", "feather") if name in sys.modules])
import heavy, light
print(heavy.VALUE, light.VALUE, len(heavy.DATA), os.getcwd())
sys.exit(5)
"""

WAITS = """\
import os, sys
print(os.getpid(), flush=True)
sys.stdin.read()
sys.exit(7)
"""


@pytest.fixture
def sets(starter):
    """A starter for programs whose folder has the settings; the modules are on `PYTHONPATH`."""
    program = starter.folder / "program"
    modules = starter.folder / "modules"
    heavy = f"VALUE = 1\nDATA = bytes(range(256)) * {WEIGHT // 256}\n"
    write(modules / "heavy.py", heavy)
    write(modules / "light.py", "import heavy\nVALUE = 1\n")
    write(modules / "feather.py", "import os\nHOME = os.environ.get('NEST')\n")
    write(program / "glowplug.toml", SETTINGS)
    write(program / "main.py", PROGRAM)
    write(program / "waits.py", WAITS)
    settle()
    return starter


def start(starter, name, program="main.py", conditions=None):
    how = conditions or Conditions()
    how = replace(how, env={**how.env, **path_of_modules(starter)})
    starter.fresh_work()
    words = ["run", "--python", starter.python, "--via", starter.way, "--set", name]
    script = starter.folder / "program" / program
    return starter.execute(*words, script, conditions=how)


def path_of_modules(starter) -> dict[str, str]:
    """The variable that lets programs import the modules."""
    return {"PYTHONPATH": str(starter.folder / "modules")}


def by_set(starter) -> dict[str, dict]:
    """Reports by the names of their sets."""
    found = {one["target"].partition("(set ")[2].rstrip(")"): one for one in reports(starter)}
    assert len(found) == len(reports(starter))
    return found


@pytest.mark.both_ways
def test_a_set_has_what_it_adds_to(sets):
    how = Conditions(env=path_of_modules(sets))
    plain = sets.plain(sets.folder / "program" / "main.py", conditions=how)
    for name, loaded in (("one", ["heavy", "light"]), ("common", ["heavy"])):
        outcome = start(sets, name)
        first, _, rest = outcome.text().partition("\n")
        assert first == str(loaded), outcome
        assert (outcome.status, rest) == (5, plain.text().partition("\n")[2])
    nested = start(sets, "inner").text().partition("\n")[0]
    assert nested == str(["heavy", "light", "feather"])
    found = by_set(sets)
    assert found["one"]["extends"] == "common" and found["inner"]["extends"] == "one"
    assert found["one"]["server"] in found["common"]["branches"]
    told = sets.execute("status").text()
    assert "extends    set common" in told and "extended   by the templates of servers" in told


def test_memory_is_shared(sets):
    for name in ("one", "other"):
        assert start(sets, name).status == 5
    found = by_set(sets)
    for name in ("one", "other"):
        assert found[name]["template_private"] < WEIGHT / 4, found[name]
        assert found[name]["template_shared"] > WEIGHT, found[name]


def test_an_edited_module_renews_what_depends_on_it(sets):
    for name in ("one", "other"):
        assert start(sets, name).status == 5
    before = by_set(sets)
    write(sets.folder / "modules" / "light.py", "import heavy\nVALUE = 22\n")
    assert start(sets, "one").text().splitlines()[1].startswith("1 22 ")
    after = by_set(sets)
    for name in ("common", "other"):
        assert after[name]["template"] == before[name]["template"], name
    assert after["one"]["template"] != before["one"]["template"]

    heavy = f"VALUE = 333\nDATA = bytes(range(256)) * {WEIGHT // 256}\n"
    write(sets.folder / "modules" / "heavy.py", heavy)
    for name in ("one", "other"):
        assert start(sets, name).text().splitlines()[1].startswith("333 22 "), name
    last = by_set(sets)
    assert not {one["template"] for one in last.values()} & {
        one["template"] for one in after.values()
    }
    old = [one[process] for one in after.values() for process in ("server", "template")]
    processes.wait_for_end(old)


def test_each_environment_has_its_own(sets):
    """A variable that only the added imports read is not the other template's."""
    for value in ("here", "there"):
        script = write(
            sets.folder / "program" / "nest.py",
            "import os, feather\nprint(feather.HOME, os.environ['NEST'])\n",
        )
        how = Conditions(env={"NEST": value})
        outcome = start(sets, "other", script.name, how)
        assert outcome.text() == f"{value} {value}\n", outcome
    found = [one for one in reports(sets) if "common" in one["target"]]
    assert len(found) == 1 and len(found[0]["branches"]) == 2


def test_sets_that_add_to_themselves(sets):
    write(
        sets.folder / "program" / "glowplug.toml",
        '[sets.a]\nextends = "b"\npreload = ["json"]\n[sets.b]\nextends = "a"\npreload = ["re"]\n',
    )
    outcome = start(sets, "a")
    assert outcome.status == 124 and "adds to itself" in outcome.errors(), outcome


@pytest.mark.parametrize("victim", ["server", "template"])
@pytest.mark.parametrize("whose", ["common", "one"])
def test_kill(sets, whose, victim):
    """The program that runs meanwhile ends as it should, and the next start works."""
    seen = {}

    def meanwhile(process):
        line = process.stdout.readline()
        seen["pid"] = int(line)
        pid = by_set(sets)[whose][victim]
        os.kill(pid, signal.SIGKILL)
        processes.wait_for_end([pid])
        process.stdin.close()
        return line, b""

    outcome = start(sets, "one", "waits.py", Conditions(during=meanwhile))
    assert outcome.status == 7, outcome
    until(lambda: not processes.runs(seen["pid"]), "the program runs still")
    assert start(sets, "one").status == 5
    assert start(sets, "common").status == 5


def test_stop_ends_all(sets):
    assert start(sets, "inner").status == 5
    found = by_set(sets)
    assert set(found) == {"common", "one", "inner"}
    sets.stop()
    ended = [one[process] for one in found.values() for process in ("server", "template")]
    processes.wait_for_end(ended)
