"""Imports that act, or keep something of the moment: done at each start; the rest is frozen."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from harness import images
from harness.clock import write
from harness.running import Conditions

SITUATION = Path(__file__).parent / "situations" / "randomness.py"
STARTS = 200

# Body of a module, what its cause speaks of, and what the program prints of it.
ACTS = {
    "writes": ("open('made', 'w').write('x')\n", "writes", "__import__('os').path.exists('made')"),
    "folder": (
        "import os\nos.makedirs('a/b', exist_ok=True)\n",
        "writes",
        "culprit.os.listdir('a')",
    ),
    "starts": (
        "import subprocess\nOUT = subprocess.check_output(['true'])\n",
        "process",
        "culprit.OUT",
    ),
    "forks": (
        "import os\nif not (P := os.fork()): os._exit(0)\nos.waitpid(P, 0)\n",
        "process",
        "1",
    ),
    "connects": (
        "import socket\nwith socket.socket() as S:\n    R = S.connect_ex(('127.0.0.1', 1))\n",
        "connects",
        "culprit.R",
    ),
    "umask": (
        "import os\nWAS = os.umask(0o027)\n",
        "mask",
        "oct(culprit.WAS), oct(culprit.os.umask(0))",
    ),
    "chdir": ("import os\nos.chdir('/')\n", "directory", "culprit.os.getcwd()"),
    "limit": (
        "import resource as r\nr.setrlimit(r.RLIMIT_CORE, (0, 0))\n",
        "limits",
        "culprit.r.getrlimit(culprit.r.RLIMIT_CORE)",
    ),
    "mask": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n",
        "masks",
        "culprit.signal.pthread_sigmask(0, [])",
    ),
    "seeds": ("import random\nrandom.seed(7)\n", "shared random", "culprit.random.random()"),
    "environment": ("import os\nCOPY = dict(os.environ)\n", "environment", "culprit.COPY['V']"),
}


@pytest.mark.parametrize("act", ACTS)
def test_act_is_done_at_each_start(starter, built, act):
    body, word, shown = ACTS[act]
    write(starter.folder / "project" / "culprit.py", body)
    script = write(
        starter.folder / "project" / "main.py",
        f"import json\nimport email.message\nimport culprit\nprint({shown})\n",
    )
    here, there = Conditions(env={"V": "here"}), Conditions(env={"V": "there"})
    starter.both(script, conditions=here, freeze_conditions=there, expect=0)
    (path,) = starter.images()
    meta = images.read(path).meta
    (kept,) = meta["apart"]
    assert kept["module"] == "culprit" and word in kept["cause"], kept
    assert "email.message" in meta["modules"]


MOMENTS = {
    "time": "import time\nKEPT = time.time_ns()\n",
    "clock": "from time import perf_counter_ns\nKEPT = perf_counter_ns()\n",
    "date": "import datetime\nKEPT = datetime.datetime.now()\n",
    "pid": "import os\nKEPT = os.getpid()\n",
    "entropy": "import os\nKEPT = os.urandom(8)\n",
    "uuid": "import uuid\nKEPT = uuid.uuid4()\n",
    "draw": "import random\nKEPT = random.random()\n",
    "generator": "import random\nKEPT = random.Random().random()\n",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_kept_of_a_moment_is_of_each_start(starter, built, moment):
    write(starter.folder / "project" / "keeps.py", MOMENTS[moment])
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport keeps\nprint(keeps.KEPT)\n",
    )
    starter.ensure_frozen(script)
    seen = [starter.start(script, via="thaw").text() for _ in range(5)]
    assert all(seen) and len(set(seen)) == 5
    (path,) = starter.images()
    meta = images.read(path).meta
    assert [kept["module"] for kept in meta["apart"]] == ["keeps"] and "json" in meta["modules"]


def test_what_needs_it_and_what_sees_its_changes(starter, built):
    """An importer goes with it; what comes after a change of others as well; the rest is frozen."""
    project = starter.folder / "project"
    write(project / "quiet.py", "print('quiet')\n")
    write(project / "needs.py", "import quiet\nimport decimal\n")
    write(project / "patches.py", "import json\njson.PATCHED = print('patches') is None\n")
    write(project / "sees.py", "import json\nSEEN = json.PATCHED\n")
    first = write(project / "first.py", "import json\nimport needs\nimport email.message\n")
    second = write(
        project / "second.py",
        "import json\nimport csv\nimport patches\nimport sees\nprint(sees.SEEN)\n",
    )
    starter.both(first, expect=0)
    (path,) = starter.images()
    meta = images.read(path).meta
    assert {kept["module"] for kept in meta["apart"]} == {"needs", "quiet"}
    assert {"json", "decimal", "email.message"} <= set(meta["modules"])
    path.unlink()
    starter.both(second, expect=0)
    (path,) = starter.images()
    meta = images.read(path).meta
    assert {"json", "csv"} <= set(meta["modules"]) and "sees" not in meta["modules"]


def test_variables_that_are_looked_for_by_their_beginning(starter, built):
    """A stand-in for networkx: other variables change nothing, those that begin so select."""
    write(starter.folder / "project" / "networkx" / "__init__.py", "")
    write(starter.folder / "project" / "networkx" / "utils" / "__init__.py", "")
    write(
        starter.folder / "project" / "networkx" / "utils" / "backends.py",
        "import os\ndef _set_configs_from_environment():\n"
        "    return {k: v for k, v in os.environ.items() if k.startswith('NETWORKX_')}\n"
        "CONFIG = _set_configs_from_environment()\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import networkx.utils.backends as b\nprint(b.CONFIG)\n",
    )
    one = Conditions(env={"NETWORKX_A": "1", "OTHER": "x"})
    starter.both(script, conditions=Conditions(env={"NETWORKX_A": "1"}), freeze_conditions=one)
    for env in ({"NETWORKX_A": "2"}, {"NETWORKX_A": "1", "NETWORKX_B": "1"}, {}):
        starter.both_whichever_way(script, conditions=Conditions(env=env))
        starter.both(script, conditions=Conditions(env=env), expect=0)


def test_functions_that_were_listened_to_are_themselves(starter, built):
    """Nothing of the freezer's stays in modules that imported a function by its name."""
    write(
        starter.folder / "project" / "names.py",
        "from os import listdir, uname\nfrom time import monotonic\n"
        "def timed(clock=monotonic):\n    return clock\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import os\nimport time\nimport names\n"
        "print(names.listdir is os.listdir, names.uname is os.uname)\n"
        "print(names.monotonic is time.monotonic is names.timed(), type(time.monotonic))\n",
    )
    plain = starter.both(script, expect=0)
    assert plain.text().startswith("True True\nTrue ")


def test_reviewed_modules(starter, built):
    """Modules of the table are preloaded, and what they keep is of each start."""
    script = write(
        starter.folder / "project" / "main.py",
        "import logging\nimport _strptime\nimport multiprocessing.process as m\nimport time\n"
        "print(logging._startTime, m.current_process().authkey.hex())\n",
    )
    starter.ensure_frozen(script)
    starts = [starter.start(script, via="thaw").text().split() for _ in range(3)]
    assert len({line[0] for line in starts}) == len({line[1] for line in starts}) == 3
    (path,) = starter.images()
    meta = images.read(path).meta
    assert meta["apart"] == [] and {"logging", "_strptime"} <= set(meta["modules"])
    assert any("module `logging` uses the time: renewed" in note for note in meta["notes"])


@pytest.mark.soak
def test_two_hundred_thaws_repeat_nothing(starter, built):
    values = defaultdict(set)
    starter.ensure_frozen(SITUATION)
    for _ in range(STARTS):
        for line in starter.start(SITUATION, via="thaw").text().splitlines():
            source, _, value = line.partition(" ")
            values[source].add(value)
    assert len(values.pop("SEEDED")) == 1
    assert len(values) > 8
    assert {source for source, seen in values.items() if len(seen) < STARTS} == set()


def test_memory_that_children_must_not_have_is_not_saved(starter, built):
    """Wiped on fork, or droppable: empty in a thawed process, and not in the image."""
    write(
        starter.folder / "project" / "keeps.py",
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "WIPED = libc.mmap(None, 4096, 3, 0x22, -1, 0)\n"
        "assert libc.madvise(ctypes.c_void_p(WIPED), 4096, 18) == 0\n"
        "DROPPABLE = libc.mmap(None, 4096, 3, 0x28, -1, 0)\n"
        "PLACES = [p for p in (WIPED, DROPPABLE) if p != 2**64 - 1]\n"
        # Byte by byte: the whole word must not lie anywhere else in memory.
        "for place in PLACES:\n    for n, code in enumerate((83, 69, 67, 82, 69, 84)):\n"
        "        ctypes.memset(place + n, code, 1)\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import ctypes\nimport keeps\n"
        "print([ctypes.string_at(place, 6) for place in keeps.PLACES])\n",
    )
    starter.ensure_frozen(script)
    assert b"SECRET" in starter.plain(script).stdout
    assert b"SECRET" not in starter.start(script, via="thaw").stdout
    (path,) = starter.images()
    assert b"SECRET" not in path.read_bytes()
