"""As an unprivileged user, without capabilities, with no new privileges and a filter like Docker's
default one.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest
from harness import processes, sandbox
from harness.clock import settle
from harness.interpreters import thorough
from harness.running import Conditions, run
from harness.starting import Starter, require_same

SCRIPT = """\
import json
import email.message
import os
import subprocess
import threading

with open("/proc/self/status") as status:
    wanted = ("Uid", "CapEff", "NoNewPrivs", "Seccomp:")
    lines = [line.split() for line in status if line.startswith(wanted)]
print(json.dumps(lines))
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
print(subprocess.check_output(["echo", "child"]), os.getuid())
"""

CONFINEMENTS = {
    "filter": sandbox.filter_system_calls,
    "nobody": sandbox.become_nobody,
    "all": sandbox.confine,
}


# What the filter answers, so that the other tests cannot pass without one: errno by system call.
PROBE = """\
import ctypes, errno, socket

libc = ctypes.CDLL(None, use_errno=True)

def asked(number, *arguments):
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(number, *arguments) < 0 else "ok"

print("unshare", asked(272, 0))
print("clone3", asked(435, 0, 0))
print("newer than the filter", asked(462, 0, 0, 0))
print("getppid", asked(110))
try:
    socket.socket(40, socket.SOCK_STREAM)
    print("vsock ok")
except OSError as error:
    print("vsock", errno.errorcode[error.errno])
"""


def test_the_filter_is_in_force(plain_only, tmp_path):
    how = Conditions(prepare=sandbox.filter_system_calls)
    outcome = run([sys.executable, "-I", "-c", PROBE], {}, tmp_path, how)
    assert outcome.stdout.decode().splitlines() == [
        "unshare EPERM",
        "clone3 ENOSYS",
        "newer than the filter ENOSYS",
        "getppid ok",
        "vsock EPERM",
    ], outcome


def readable_interpreters():
    """Interpreters that another user can reach."""
    found = []
    for interpreter in thorough():
        parents = interpreter.path.resolve().parents
        if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in parents):
            found.append(interpreter)
    return found


@pytest.mark.parametrize("name", CONFINEMENTS)
@pytest.mark.parametrize("interpreter", readable_interpreters(), ids=lambda i: i.name)
def test_confined(plain_only, built, interpreter, name):
    """The first start, the freezer behind it and the thaw all work inside the confinement."""
    with sandbox.open_folder(built.parent.parent) as folder:
        starter = Starter(interpreter, folder / "build" / "bin" / "glowplug", folder)
        for made in (starter.work, folder / "home"):
            made.mkdir()
            os.chown(
                made,
                *((sandbox.NOBODY,) * 2 if os.geteuid() == 0 and name != "filter" else (-1, -1)),
            )
        if name == "filter":
            os.chown(folder, os.geteuid(), os.getegid())
        script = folder / "main.py"
        script.write_text(SCRIPT)
        settle()
        how = Conditions(prepare=CONFINEMENTS[name])
        plain = run([starter.python, script], starter.env, starter.work, how)
        assert plain.status == 0, plain.errors()
        command = starter.command("run", "--python", starter.python)
        require_same(plain, run([*command, script], starter.env, starter.work, how))
        processes.wait_until_idle(folder)
        require_same(
            plain, run([*command, "--via", "thaw", script], starter.env, starter.work, how)
        )
        explained = run([*command, "--explain", script], starter.env, starter.work, how)
        assert explained.errors().startswith("glowplug: thawed"), explained.errors()


def test_little_address_space(starter, built):
    """Under a limit of the address space a start works whenever plain Python works, whatever way
    it takes.
    """
    script = starter.folder / "main.py"
    script.write_text("import json\nimport email.message\nprint(json.dumps(1))\n")
    settle()
    starter.becomes_thawed(script)
    for megabytes in (12, 16, 20, 24, 32, 48, 64, 100, 200, 1000):

        def limit(size: int = megabytes << 20) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (size, size))

        how = Conditions(prepare=limit)
        if starter.plain(script, conditions=how).status == 0:
            outcome = starter.start(script, conditions=how)
            assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b"1\n", b""), (
                megabytes,
                outcome,
            )


@pytest.mark.parametrize("limit", ["RLIMIT_DATA", "RLIMIT_MEMLOCK", "RLIMIT_NPROC"])
def test_other_limits(starter, built, limit):
    """Other limits that a start may meet."""
    script = starter.folder / "main.py"
    script.write_text("import json\nimport email.message\nprint(json.dumps(1))\n")
    settle()
    starter.becomes_thawed(script)
    for size in (0, 1 << 20, 8 << 20, 64 << 20):

        def set_limit(size: int = size) -> None:
            number = getattr(resource, limit)
            hard = resource.getrlimit(number)[1]
            lowered = size if hard == resource.RLIM_INFINITY else min(size, hard)
            resource.setrlimit(number, (lowered, hard))

        how = Conditions(prepare=set_limit)
        plain = starter.plain(script, conditions=how)
        if plain.status == 0:
            require_same(plain, starter.start(script, conditions=how))


def test_no_randomisation_of_addresses(starter, built):
    """With a fixed layout there is no other layout to try: it works or starts plainly, and never
    fails.
    """
    import ctypes

    def fix_layout() -> None:
        ctypes.CDLL(None).personality(0x0040000)

    script = starter.folder / "main.py"
    script.write_text("import json\nprint(json.dumps(1))\n")
    settle()
    starter.becomes_thawed(script)
    for prepare in (fix_layout, None):
        outcome = starter.start(script, conditions=Conditions(prepare=prepare))
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, b"1\n", b"")
    assert Path(script).exists()
