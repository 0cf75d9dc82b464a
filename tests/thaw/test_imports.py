"""Imports that act, or keep something of the moment: done at each start; the rest is frozen."""

from __future__ import annotations

import os
import signal
import zipfile
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
    "signals": (
        "import signal\nsignal.raise_signal(signal.SIGCONT)\n",
        "signal 18",
        "culprit.signal.SIGCONT",
    ),
    "mode": ("import os\nos.chmod('.', 0o711)\n", "writes", "oct(culprit.os.stat('.').st_mode)"),
    "times": (
        "import os\nos.utime('.', (5, 5))\n",
        "writes",
        "culprit.os.stat('.').st_mtime",
    ),
    "device": ("open('/dev/ptmx').close()\n", "opens /dev/ptmx", "'opened'"),
    "process": ("with open('/proc/1/comm') as F: COMM = F.read()\n", "opens", "culprit.COMM"),
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
    "name": "import tempfile\nKEPT = tempfile.mktemp()\n",
    "file": "with open('/dev/urandom', 'rb') as F: KEPT = F.read(8)\n",
    "processor": "import time\nKEPT = time.process_time_ns()\n",
    "thread": "import threading\nKEPT = threading.get_native_id()\n",
}
# The same at each start here, and another one elsewhere.
PLACES = {
    "host": "import socket\nKEPT = socket.gethostname()\n",
    "node": "import platform\nKEPT = platform.node()\n",
    "uname": "import os\nKEPT = os.uname().nodename\n",
    "parent": "import os\nKEPT = os.getppid()\n",
    "session": "import os\nKEPT = os.getsid(0)\n",
    "link": "import os\nKEPT = os.readlink('/proc/self')\n",
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


@pytest.mark.parametrize("place", PLACES)
def test_what_is_kept_of_a_place_is_of_each_start(starter, built, place):
    write(starter.folder / "project" / "keeps.py", PLACES[place])
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport os\nimport keeps\n"
        "here = os.uname().nodename, os.getppid(), os.getsid(0), str(os.getpid())\n"
        "print(keeps.KEPT in here)\n",
    )
    starter.both(script, expect=0)
    assert starter.start(script, via="thaw").text() == "True\n"
    (path,) = starter.images()
    assert [kept["module"] for kept in images.read(path).meta["apart"]] == ["keeps"]


def test_commands_name_what_is_kept_apart(starter, built):
    """In a start's explanation and in the description of its image, with the cause."""
    write(starter.folder / "project" / "speaks.py", "print('spoken')\n")
    script = write(starter.folder / "project" / "main.py", "import logging\nimport speaks\n")
    starter.ensure_frozen(script)
    explained = starter.start(script, explain=True, via="thaw").errors()
    assert "not preloaded: speaks, which prints when it is imported" in explained
    (path,) = starter.images()
    shown = starter.execute("images", "show", path).text()
    assert "speaks" in shown and "prints" in shown
    assert "module `logging` uses the time: renewed at each start" in shown


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


WHOLE = {
    "dict": "dict(os.environ)",
    "copy": "os.environ.copy()",
    "unpacked": "{**os.environ}",
    "items": "dict(os.environ.items())",
    "listed": "{name: os.environ[name] for name in os.environ}",
    "bytes": "{os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()}",
    "or": "os.environ | {}",
    "text": "{'OTHER': repr(os.environ).partition(\"'OTHER': '\")[2][:4]}",
    "length": "{'OTHER': 'x' * len(os.environ)}",
}


@pytest.mark.parametrize("form", WHOLE)
def test_whole_environment(starter, built, form):
    """Whatever way it is taken: it is that of each start, and the module is named."""
    write(starter.folder / "project" / "takes.py", f"import os\nALL = {WHOLE[form]}\n")
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport takes\nprint(takes.ALL.get('OTHER'))\n",
    )
    starter.both(script, conditions=Conditions(env={"OTHER": "here"}), expect=0)
    for env in ({"OTHER": "more"}, {"MORE": "1", "EVEN_MORE": "1", "OTHER": "less"}):
        conditions = Conditions(env=env)
        plain = starter.plain(script, conditions=conditions)
        assert starter.start(script, via="thaw", conditions=conditions).stdout == plain.stdout
    (path,) = starter.images()
    assert images.read(path).meta["apart"] == [
        {"module": "takes", "cause": "reads the whole environment"}
    ]


# Changes that imports make to the process or the interpreter, and what a program sees of them.
CHANGES = {
    "umask": (
        "import os\nos.umask(0o027)\n",
        "import os\nprint(oct(os.umask(0)))\n",
    ),
    "filters": (
        "import warnings\nwarnings.simplefilter('error', UserWarning)\n",
        "import warnings\nprint([(f[0], f[2]) for f in warnings.filters])\n"
        "try:\n    warnings.warn('w')\nexcept UserWarning:\n    print('raised')\n",
    ),
    "locale": (
        "import locale\nlocale.setlocale(locale.LC_ALL, '')\n",
        "import locale\nprint(locale.setlocale(locale.LC_ALL), locale.localeconv())\n",
    ),
    "handler": (
        "import signal\n"
        "WAS = signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))\n",
        "import os, signal\nimport changes\nos.kill(os.getpid(), signal.SIGTERM)\n",
    ),
    "ignored": (
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\nprint('alive')\n",
    ),
    "environment": (
        "import os\nos.environ['LATE'] = 'set'\nos.environ.pop('EARLY', None)\n",
        "import os\nprint(os.environ.get('LATE'), os.environ.get('EARLY'), os.environ['KEPT'])\n",
    ),
}
STARTS_OF_CHANGES = {
    "same": Conditions(env={"KEPT": "1", "EARLY": "1"}),
    "other": Conditions(
        env={"KEPT": "2", "LATE": "own"},
        prepare=lambda: (os.umask(0o077), signal.signal(signal.SIGHUP, signal.SIG_IGN)) and None,
    ),
}


@pytest.mark.parametrize("start", STARTS_OF_CHANGES)
@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_made_again(starter, built, change, start):
    """As changes of what the start itself has; the module is preloaded."""
    body, seen = CHANGES[change]
    write(starter.folder / "project" / "changes.py", body)
    script = write(starter.folder / "project" / "main.py", f"import changes\n{seen}")
    starter.ensure_frozen(script, conditions=STARTS_OF_CHANGES["same"])
    starter.both_whichever_way(script, conditions=STARTS_OF_CHANGES[start])
    starter.both(script, conditions=STARTS_OF_CHANGES[start], expect=0)
    for path in starter.images():
        meta = images.read(path).meta
        assert "changes" in meta["modules"] and meta["apart"] == []


def test_change_that_would_come_too_early(starter, built):
    """What is kept apart sees what modules before it have changed, and those after it not yet."""
    project = starter.folder / "project"
    write(project / "before.py", "import os\nos.environ['WHERE'] = 'before'\n")
    write(project / "looks.py", "import os\nprint(os.environ.get('WHERE'))\n")
    write(project / "after.py", "import os\nos.environ['WHERE'] = 'after'\n")
    script = write(
        project / "main.py",
        "import before\nimport looks\nimport csv\nimport after\nprint(after.os.environ['WHERE'])\n",
    )
    assert starter.both(script, expect=0).text() == "before\nafter\n"
    newest = max(starter.images(), key=lambda path: path.stat().st_mtime_ns)
    modules = images.read(newest).meta["modules"]
    assert {"before", "csv"} <= set(modules) and "after" not in modules


def test_loaders_of_others(starter, built):
    """Acts are those of the module whose body runs, whoever loads it."""
    project = starter.folder / "project"
    project.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(project / "archive.zip", "w") as archive:
        archive.writestr("zipped.py", "print('zipped')\n")
    write(
        project / "loads.py",
        "import sys\nfrom importlib.machinery import ModuleSpec\n"
        "class Loader:\n"
        "    def create_module(self, spec):\n        return None\n"
        "    def exec_module(self, module):\n        print('made by hand')\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return ModuleSpec(name, Loader()) if name == 'made' else None\n"
        "sys.meta_path.append(Finder())\n"
        "sys.path.append(__file__.replace('loads.py', 'archive.zip'))\n",
    )
    script = write(project / "main.py", "import loads\nimport made\nimport zipped\nimport csv\n")
    starter.both(script, expect=0)
    (path,) = starter.images()
    meta = images.read(path).meta
    assert {kept["module"] for kept in meta["apart"]} >= {"made", "zipped"}, meta
    assert "loads" in meta["modules"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("open({made!r}, 'a').close()\n", "writes"),
        ("import os\nWAS = os.umask(0o077)\n", "mask"),
        ("import os\nos.chdir('/')\n", "directory"),
        ("import subprocess\nsubprocess.check_call(['true'])\n", "process"),
        ("print('site')\n", "prints"),
    ],
    ids=["file", "umask", "chdir", "process", "prints"],
)
def test_acts_of_site(starter, built, body, word):
    """`sitecustomize` cannot be kept apart: there is no image, and the cause is named."""
    folder = starter.folder / "site"
    write(folder / "sitecustomize.py", body.format(made=str(starter.folder / "made")))
    script = write(starter.folder / "project" / "main.py", "import json\nprint('main')\n")
    # The bytecode of site's modules would change the folder that it lies in.
    conditions = Conditions(env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})
    refused = starter.freeze(script, conditions=conditions)
    assert refused.status == 122 and word in refused.errors(), refused
    starter.both_whichever_way(script, conditions=conditions)


def test_changes_by_site(starter, built):
    """Variables and the mask that `sitecustomize` sets are set again at each thaw."""
    folder = starter.folder / "site"
    write(
        folder / "sitecustomize.py", "import os\nos.environ['BY_SITE'] = 'set'\nos.umask(0o067)\n"
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport os\nprint(os.environ.get('BY_SITE'), oct(os.umask(0)))\n",
    )
    conditions = Conditions(env={"PYTHONPATH": str(folder)})
    assert starter.both(script, conditions=conditions, expect=0).text() == "set 0o67\n"


# Stand-ins for modules of the reviewed table: what they keep, and how it is read.
RENEWED = {
    "aiohttp._websocket.writer": (
        "import random\nclass WebSocketWriter:\n"
        "    def __init__(self, *, random=random.Random()):\n        pass\n",
        "WebSocketWriter.__init__.__kwdefaults__['random'].random()",
    ),
    "rich.style": (
        "from itertools import count\nfrom random import getrandbits\n"
        "_id_generator = count(getrandbits(24))\n",
        "next(module._id_generator)",
    ),
    "dateutil.parser._parser": (
        "import time\nclass Info:\n"
        "    def __init__(self):\n"
        "        self._year = time.localtime().tm_year - 99\n        self._century = 0\n"
        "class Parser:\n    info = Info()\nDEFAULTPARSER = Parser()\n",
        "DEFAULTPARSER.info._year - time.localtime().tm_year",
    ),
    "numpy.f2py.rules": (
        "import time\ngenerationtime = 7\n"
        "module_rules = {'modulebody': 'on ' + time.asctime(time.gmtime(generationtime))}\n",
        "module_rules['modulebody'] == 'on ' + time.asctime(time.gmtime(module.generationtime))"
        " and time.time() - module.generationtime < 60",
    ),
}
VARYING = {"aiohttp._websocket.writer", "rich.style"}


@pytest.mark.parametrize("name", RENEWED)
def test_what_reviewed_modules_keep_is_made_again(starter, built, name):
    """And where another version keeps it elsewhere, the module is imported at each start."""
    body, shown = RENEWED[name]
    project = starter.folder / "project"
    for depth in range(1, name.count(".") + 1):
        package = project.joinpath(*name.split(".")[:depth])
        write(package / "__init__.py", "")
    module = write(project.joinpath(*name.split(".")).with_suffix(".py"), body)
    shown = shown if "module." in shown else f"module.{shown}"
    script = write(
        project / "main.py",
        f"import sys\nimport time\nimport {name}\n"
        f"module = sys.modules[{name!r}]\n"
        f"print({shown.replace('module_rules', 'module.module_rules')})\n",
    )
    starter.ensure_frozen(script)
    seen = [starter.start(script, via="thaw").text() for _ in range(4)]
    if name in VARYING:
        assert all(seen) and len(set(seen)) == 4, seen
    else:
        assert set(seen) <= {"0\n", "True\n"}, seen
    (path,) = starter.images()
    assert images.read(path).meta["apart"] == []
    write(module, "import os\nKEPT = os.urandom(4)\n")
    write(script, f"import {name} as m\nprint(m.KEPT)\n")
    starter.ensure_frozen(script, conditions=Conditions(env={"AGAIN": "1"}))
    assert len({starter.start(script, via="thaw").text() for _ in range(3)}) == 3


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
