"""Several users, several builds and several control groups on one machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness.clock import settle, write
from harness.interpreters import Interpreter, interpreters
from harness.running import Conditions, run
from harness.serving import report, reports

NOBODY = 65534
TELLS_USER = "import json, os\nprint(json.dumps([os.getuid(), os.getgid(), os.getgroups()]))\n"


@pytest.fixture
def control_group():
    """A control group of this test's, wherever the machine has one that may be made."""
    root = Path("/sys/fs/cgroup")
    for hierarchy in (root, root / "unified", root / "cpu", root / "cpu,cpuacct", root / "pids"):
        folder = hierarchy / f"glowplug-test-{os.getpid()}"
        if not (hierarchy / "cgroup.procs").exists():
            continue
        with suppress(OSError):
            folder.mkdir()
            yield folder
            with suppress(OSError):
                folder.rmdir()
            return
    pytest.skip("no control group can be made here")


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def test_a_program_belongs_to_the_control_group_of_its_client(starter, control_group):
    script = write(
        starter.folder / "program" / "tells.py",
        "import json\nprint(json.dumps(open('/proc/self/cgroup').read()))\n",
    )

    def enter() -> None:
        (control_group / "cgroup.procs").write_text(str(os.getpid()))

    plain = starter.both(script, conditions=Conditions(prepare=enter), expect=0)
    assert control_group.name in plain.text()


def test_two_users_have_servers_of_their_own(starter, tmp_path):
    """Each is served by a process of his own, also where both have the same interpreter and
    program; neither gets at the other's.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    starter = starter.with_interpreter(_everybodys_interpreter())
    # Where pytest keeps its folders nobody else may look.
    folder = Path("/tmp") / f"glowplug-users-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        program = write(folder / "tells.py", TELLS_USER)
        (folder / "theirs").mkdir()
        os.chown(folder / "theirs", NOBODY, NOBODY)
        settle()
        words = ["run", "--python", starter.python, "--via", starter.way, program]
        own = run(starter.command(*words), starter.env, starter.fresh_work())
        env = {**starter.env, "HOME": str(folder / "theirs")}
        env["GLOWPLUG_CACHE_DIR"] = str(folder / "theirs" / "cache")
        theirs = run(starter.command(*words), env, folder, _nobodys())
        if theirs.status == 126:
            pytest.skip("another user cannot start this Glowplug")
        assert own.text() == f"[0, {os.getgid()}, {sorted(os.getgroups())}]\n"
        assert theirs.text() == f"[{NOBODY}, {NOBODY}, []]\n", theirs
        # In the other's cache a user is served by nobody, whatever he may read there.
        env["GLOWPLUG_CACHE_DIR"] = str(starter.cache)
        refused = run(starter.command(*words), env, folder, _nobodys())
        assert refused.status == 124, refused
        env["GLOWPLUG_CACHE_DIR"] = str(folder / "theirs" / "cache")
        # Root's own folder is root's alone; somebody else's is not used even by root.
        trusted = run(starter.command(*words), {**env, "HOME": "/"}, folder)
        assert trusted.status == 124, trusted
        stopped = run(starter.command("stop"), env, folder, _nobodys())
        assert stopped.status == 0 and len(reports(starter)) == 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _everybodys_interpreter() -> Interpreter:
    """One that another user can start."""
    for interpreter in interpreters():
        with suppress(PermissionError):
            words = [interpreter.path, "-c", "pass"]
            subprocess.run(words, env={}, cwd="/", preexec_fn=_become_nobody, check=True)
            return interpreter
    pytest.skip("another user can start none of the interpreters")


def _nobodys() -> Conditions:
    return Conditions(prepare=_become_nobody)


def test_a_server_of_another_build_is_left_alone(starter):
    """Glowplug is replaced while a program runs: the program goes on, its client stands for it to
    the end, and the new build's starts are served by a server of their own.
    """
    build = starter.folder / "build"
    here = Path(starter.glowplug).parent.parent
    shutil.copytree(here, build)
    script = write(
        starter.folder / "program" / "waits.py",
        "import json, sys\nprint('ready', flush=True)\nsys.exit(len(sys.stdin.read()))\n",
    )
    settle()
    starter.fresh_work()
    words = [build / "bin/glowplug", "run", "--python", starter.python, "--via", starter.way]
    client = subprocess.Popen(
        [*words, script],
        env=starter.env,
        cwd=starter.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert client.stdout.readline() == b"ready\n"
        first = report(starter)["server"]
        # As installers do: the files get other ones in their places.
        for path in filter(Path.is_file, list(build.rglob("*"))):
            other = path.with_name(path.name + ".new")
            shutil.copy2(path, other)
            with other.open("ab") as file:
                file.write(b"\0")
            other.replace(path)
        second = run([*words, script], starter.env, starter.work, Conditions(stdin=b"12345"))
        assert second.status == 5 and second.text() == "ready\n", second
        assert report(starter)["server"] != first
        client.communicate(b"1234567")
        assert client.returncode == 7
    finally:
        client.kill()
