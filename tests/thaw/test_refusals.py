"""Imports that leave something behind which no image can hold: kept apart with module and cause,
until they change. What belongs to no module is refused.
"""

from __future__ import annotations

import pytest
from harness import images, processes
from harness.clock import write
from harness.running import Conditions

CAUSES = {
    "thread": (
        "import threading\ngate = threading.Event()\n"
        "threading.Thread(target=gate.wait, daemon=True).start()\n"
    ),
    "descriptor": "import os\nKEPT = os.open('/etc/passwd', os.O_RDONLY)\n",
    "pipe": "import os\nENDS = os.pipe()\n",
    "socket": "import socket\nKEPT = socket.socket()\n",
    "shared": "import mmap\nSHARED = mmap.mmap(-1, 4096)\n",
    "daemon": (
        "import os\nimport signal\nENDS = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.write(ENDS[1], str(os.getpid()).encode())\n"
        "        os.closerange(0, 1024)\n"
        "        signal.pause()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "CHILD = int(os.read(ENDS[0], 20))\n"
        "os.close(ENDS[0])\nos.close(ENDS[1])\n"
        "def stop():\n    os.kill(CHILD, signal.SIGKILL)\n"
    ),
    "child": (
        # It stops itself: by then it has its name.
        "import os, subprocess\n"
        "CHILD = subprocess.Popen(['sh', '-c', 'kill -STOP $$'], stdin=subprocess.DEVNULL)\n"
        "os.waitid(os.P_PID, CHILD.pid, os.WSTOPPED)\n"
    ),
}
# What the explanation must speak of.
WORDS = {
    "thread": "thread",
    "descriptor": "descriptor",
    "pipe": "descriptor",
    "socket": "descriptor",
    "shared": "shared",
    "child": "process",
    "daemon": "process",
}
AFTER = {
    "child": "culprit.CHILD.kill(); culprit.CHILD.wait()\n",
    "daemon": "culprit.stop()\n",
}


@pytest.mark.parametrize("cause", CAUSES)
def test_kept_apart_until_it_changes(starter, built, cause):
    """The rest is frozen; the module itself is imported at each start."""
    culprit = write(starter.folder / "project" / "culprit.py", CAUSES[cause])
    write(starter.folder / "project" / "innocent.py", "VALUE = 1\n")
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport innocent\nimport culprit\n"
        f"print(json.dumps('ran'))\n{AFTER.get(cause, '')}",
    )
    starter.ensure_frozen(script)
    outcome = starter.start(script, via="thaw")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b'"ran"\n', b"")
    (path,) = starter.images()
    meta = images.read(path).meta
    assert {"json", "innocent"} <= set(meta["modules"]) and "culprit" not in meta["modules"]
    (kept,) = meta["apart"]
    assert kept["module"] == "culprit" and WORDS[cause] in kept["cause"]
    explained = starter.start(script, explain=True).errors()
    assert explained.startswith("glowplug: not preloaded: culprit, which ")
    assert "\nglowplug: thawed" in explained and "innocent" not in explained

    write(
        culprit,
        "class CHILD:\n    kill = wait = staticmethod(lambda: None)\n\ndef stop():\n    pass\n",
    )
    assert starter.start(script).stdout == b'"ran"\n'
    starter.ensure_frozen(script, conditions=Conditions(env={"AGAIN": "1"}))
    newest = max(starter.images(), key=lambda path: path.stat().st_mtime_ns)
    assert "culprit" in images.read(newest).meta["modules"]


@pytest.mark.parametrize("cause", ["child", "daemon"])
def test_nothing_that_an_import_started_outlives_the_freezer(starter, built, cause):
    """Neither a child nor what has left its session and lost its parent; in the background and in
    the foreground alike.
    """
    pids = starter.folder / "pids"
    write(
        starter.folder / "project" / "culprit.py",
        CAUSES[cause]
        + f"with open({str(pids)!r}, 'a') as file:\n"
        + "    print(getattr(CHILD, 'pid', CHILD), file=file)\n",
    )
    script = write(starter.folder / "project" / "main.py", "import culprit\n" + AFTER[cause])
    assert starter.start(script).status == 0
    starter.wait_until_idle()
    assert starter.freeze(script).status == 0
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) >= 3
    assert [pid for pid in started if processes.runs(pid)] == []


def test_import_that_fails_or_exits(starter, built):
    """A leading import that raises, exits or kills its process: plain Python's behaviour, and no
    image.
    """
    for number, body in enumerate(
        (
            "1 / 0\n",
            "import sys\nsys.exit(5)\n",
            "import os\nos._exit(6)\n",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        )
    ):
        write(starter.folder / "project" / f"fatal{number}.py", body)
        script = write(
            starter.folder / "project" / f"main{number}.py",
            f"import json\nimport fatal{number}\nprint('not reached')\n",
        )
        plain = starter.plain(script)
        assert plain.status != 0
        for _ in range(2):
            outcome = starter.start(script)
            assert (outcome.status, outcome.stdout, outcome.stderr) == (
                plain.status,
                plain.stdout,
                plain.stderr,
            )
            starter.wait_until_idle()


@pytest.mark.parametrize(
    "body",
    [
        "print('imported')\n",
        "import sys\nsys.stdout.write('imported, no newline; ')\n",
        "import sys\nprint('imported', file=sys.stderr)\n",
        "import ctypes\nctypes.CDLL(None).puts(b'imported by C')\n",
        "import os\nos.write(1, b'imported without a stream')\n",
    ],
    ids=["print", "write", "stderr", "c", "descriptor"],
)
def test_import_that_prints(starter, built, body):
    """What imports print is printed at every start, in its place; the rest is frozen."""
    write(starter.folder / "project" / "noisy.py", body)
    script = write(
        starter.folder / "project" / "main.py",
        "import json\nimport noisy\nprint(json.dumps('main'))\n",
    )
    plain = starter.both(script, expect=0, prove=False)
    assert b"imported" in plain.stdout + plain.stderr
    (path,) = starter.images()
    meta = images.read(path).meta
    assert meta["apart"] == [{"module": "noisy", "cause": "prints"}]
    assert "json" in meta["modules"]


def test_site_that_prints(starter, built):
    """The same for what sitecustomize prints before the program's imports."""
    write(starter.folder / "customs" / "sitecustomize.py", "print('from sitecustomize')\n")
    script = write(
        starter.folder / "project" / "main.py", "import json\nprint(json.dumps('main'))\n"
    )
    environment = {"PYTHONPATH": str(starter.folder / "customs")}
    _printed_at_every_start(starter, script, Conditions(env=environment))


def _printed_at_every_start(starter, script, conditions=None):
    plain = starter.plain(script, conditions=conditions)
    assert b"imported" in plain.stdout + plain.stderr or b"from site" in plain.stdout
    for _ in range(3):
        outcome = starter.start(script, conditions=conditions)
        assert (outcome.stdout, outcome.stderr) == (plain.stdout, plain.stderr)
        starter.wait_until_idle()
    refused = starter.freeze(script, conditions=conditions)
    assert refused.status == 122 and "prints" in refused.errors(), refused


def test_import_that_registers_an_ending(starter, built):
    """atexit, finalizers and signal handlers that imports install work in the thawed program."""
    write(
        starter.folder / "project" / "registers.py",
        "import atexit\nimport signal\nimport weakref\n\n"
        "class Thing:\n    pass\n\nTHING = Thing()\n"
        "atexit.register(print, 'atexit of the import')\n"
        "weakref.finalize(THING, print, 'finalizer of the import')\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('handler of the import'))\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import atexit\nimport os\nimport signal\nimport registers\n"
        "atexit.register(print, 'atexit of main')\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\nprint('main')\n",
    )
    starter.both(script, expect=0)
