"""The process itself: limits, masks, descriptors, sessions, the command line and huge arguments."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

import pytest
from harness.clock import write
from harness.running import Conditions
from harness.starting import require_same

SITUATIONS = Path(__file__).parent / "situations"
ATTRIBUTES = SITUATIONS / "process_attributes.py"
_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
_PR_SET_CHILD_SUBREAPER = 36


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(
        resource.RLIMIT_STACK, (4 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1])
    )
    resource.setrlimit(resource.RLIMIT_CPU, (100, 100))


def _masks() -> None:
    os.umask(0o027)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


def _affinity() -> None:
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])


def _scheduling() -> None:
    os.nice(5)
    _affinity()
    Path("/proc/self/oom_score_adj").write_text("321")
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_TIMERSLACK, 77_000)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _parent_death() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)


def _alarm() -> None:
    signal.alarm(1000)


def _defaults() -> None:
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


PREPARATIONS = {
    f.__name__.strip("_"): f
    for f in (_limits, _masks, _scheduling, _parent_death, _defaults, _alarm)
}


@pytest.mark.every_way
@pytest.mark.parametrize("name", PREPARATIONS)
@pytest.mark.parametrize("new_session", [True, False], ids=["own_session", "same_session"])
def test_attributes(starter, name, new_session):
    if name == "parent_death" and starter.is_served:
        pytest.skip("the signal is the client's, which hands it on")
    conditions = Conditions(prepare=PREPARATIONS[name], new_session=new_session, stdin=None)
    # Which processors may be used selects the image: libraries size their pools by it.
    frozen = Conditions(prepare=_affinity) if name == "scheduling" else None
    starter.both(ATTRIBUTES, "a", conditions=conditions, freeze_conditions=frozen, expect=0)


@pytest.mark.core
def test_attributes_on_every_interpreter(each_starter):
    each_starter.both(ATTRIBUTES, "a", "", "\u00fc", expect=0)


def test_environment_of_the_kernel_is_not_polluted(starter):
    """`/proc/self/environ` shows the variables of the start and none of Glowplug's own."""
    script = write(
        starter.folder / "environ.py",
        "import json\n"
        "entries = open('/proc/self/environ', 'rb').read().split(b'\\0')\n"
        "print(sorted(json.dumps(e.decode()) for e in entries if e))\n",
    )
    starter.both(script, conditions=Conditions(env={"MARK": "x" * 1000}), expect=0)


@pytest.mark.every_way
def test_inherited_descriptors(starter):
    """Descriptors that the parent hands down arrive under their numbers, and no other is open."""
    reader, writer = os.pipe()
    high = os.dup2(reader, 60, inheritable=False)
    try:
        # Each start reads its hundred bytes from the same pipe.
        for _ in range(2):
            os.write(writer, b"from the parent".ljust(100, b"."))
        conditions = Conditions(pass_fds=[high])
        plain = starter.both(
            SITUATIONS / "passed_descriptor.py", str(high), conditions=conditions, expect=0
        )
    finally:
        for descriptor in (reader, writer, high):
            os.close(descriptor)
    assert b"[0, 1, 2, 3, 60]" in plain.stdout


@pytest.mark.parametrize("size", [1 << 20, 1_800_000])
def test_big_arguments_and_environment(each_starter, size):
    """A megabyte of arguments and one of variables."""
    script = write(
        each_starter.folder / "big.py",
        "import hashlib\nimport json\nimport os\nimport sys\n"
        "print(len(sys.argv), hashlib.sha256(json.dumps(sys.argv).encode()).hexdigest())\n"
        "big = {k: v for k, v in os.environ.items() if k.startswith('BIG')}\n"
        "print(len(big), hashlib.sha256(json.dumps(big, sort_keys=True).encode()).hexdigest())\n"
        "print(hashlib.sha256(open('/proc/self/cmdline', 'rb').read()).hexdigest())\n",
    )
    arguments = [f"{n}-" + "a" * 100_000 for n in range(size // 2 // 100_000)]
    arguments += ["x"] * 500
    variables = {f"BIG{n}": "v" * 50_000 for n in range(size // 2 // 50_000)}
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    assert hard == resource.RLIM_INFINITY or hard >= 8 << 20
    each_starter.both(
        script,
        *arguments,
        conditions=Conditions(env=variables),
        freeze_conditions=Conditions(),
        expect=0,
    )


def test_deleted_working_folder(starter):
    """A working folder that is gone: what works in Python works, and what fails fails alike."""
    script = write(
        starter.folder / "gone.py",
        "import json\nimport os\nimport sys\n"
        "try:\n    print(os.getcwd())\nexcept FileNotFoundError as error:\n    print(error)\n"
        "print(json.dumps(sys.path[0] == os.path.dirname(__file__)), os.listdir('.'))\n",
    )

    def remove() -> None:
        os.mkdir("doomed")
        os.chdir("doomed")
        os.rmdir("../doomed")

    starter.both(script, conditions=Conditions(prepare=remove), expect=0)


@pytest.mark.parametrize("limit", ["256K", "1M", "unlimited"])
def test_stack_limit(starter, limit):
    """The stack grows as far as the limit of this start allows, not that of the freezer."""
    size = {"256K": 256 << 10, "1M": 1 << 20, "unlimited": resource.RLIM_INFINITY}[limit]
    script = write(
        starter.folder / "stack.py",
        "import json\nimport resource\nimport threading\n"
        "print(json.dumps(resource.getrlimit(resource.RLIMIT_STACK)))\n"
        "t = threading.Thread(target=print, args=('a thread has a stack',)); t.start(); t.join()\n"
        "def down(n): return down(n - 1) if n else 0\nprint(down(400))\n",
    )

    def shrink() -> None:
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        resource.setrlimit(resource.RLIMIT_STACK, (size, hard))

    how = Conditions(prepare=shrink)
    plain = starter.plain(script, conditions=how)
    assert plain.status == 0, plain.errors()
    if starter.glowplug:
        # Whether an image fits another limit is up to the restorer; what the program sees is not.
        starter.ensure_frozen(script)
        require_same(plain, starter.start(script, conditions=how))
