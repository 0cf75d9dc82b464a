"""Constrained and cold runs: that the limits hold, and that the page cache is dropped."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from harness import sandbox
from harness.build import glowplug
from harness.interpreters import clean_environment, default_interpreter
from profiled import Profiled, start, write

BURN = "import time\nend = time.thread_time() + 0.15\nwhile time.thread_time() < end: pass\n"
CPUS = 0.2
# A period's quota may be used at once at the beginning, and a loop in user space looks late.
AHEAD_NS = 60_000_000
SYSTEM = Path("/usr/bin/python3")


@pytest.fixture
def python() -> Path:
    return default_interpreter().path


def is_ahead(found: Profiled) -> bool:
    """Whether the program got more than its share."""
    run = found.profile["run"]
    return run["cpu_ns"] > CPUS * run["wall_ns"] + AHEAD_NS


def check_share(found: Profiled) -> None:
    """The program got its share and no more, and the profile says what it was kept from."""
    run = found.profile["run"]
    assert run["cpu_ns"] >= 150_000_000
    assert not is_ahead(found)
    # Where others use the machine, a program may not even get its share.
    if run["cpu_ns"] > 0.9 * CPUS * run["wall_ns"]:
        assert run["constraint"]["throttled_ns"] > 0
        assert run["constraint"]["throttled_periods"] > 0
    assert run["constraint"]["throttled_ns"] <= run["wall_ns"] * (os.cpu_count() or 1)


def test_a_starved_program_gets_its_share(tmp_path, python):
    write(tmp_path, burns=BURN)
    found = start(tmp_path, "--cpus", str(CPUS), "-c", "import burns", python=python)
    methods = ("cgroup v2", "cgroup v1", "systemd-run", "SIGSTOP and SIGCONT")
    assert found.profile["run"]["constraint"]["method"] in methods
    check_share(found)


def test_without_any_right_a_closed_loop_holds_the_share():
    """As another user, without capabilities; only the system's interpreter is open to that one.
    Where others keep the loop from running, the program gets ahead: one run of three has to do."""
    if os.geteuid() != 0 or not SYSTEM.exists():
        pytest.skip("needs root, to give it up, and /usr/bin/python3")
    with sandbox.open_folder(Path(glowplug()).parent.parent) as folder:
        write(folder, burns=BURN)
        runs = (confined(folder) for _ in range(3))
        found = next((found for found in runs if not is_ahead(found)), None)
    assert found, "the program got more than its share in each of three runs"
    assert found.profile["run"]["constraint"]["method"] == "SIGSTOP and SIGCONT"
    check_share(found)


def confined(folder: Path) -> Profiled:
    """A starved run of the module `burns` in a folder, by a user who may do nothing about it."""
    command = [folder / "build/bin/glowplug", "profile", "--json", folder / "profile.json"]
    done = subprocess.run(
        [*command, "--cpus", str(CPUS), "--python", SYSTEM, "-c", "import burns"],
        cwd=folder,
        env=clean_environment() | {"HOME": str(folder), "PATH": "/nonexistent"},
        preexec_fn=sandbox.become_nobody,
        capture_output=True,
        check=True,
    )
    return Profiled(done, folder / "profile.json")


def test_a_program_that_needs_more_memory_is_killed(tmp_path, python):
    write(tmp_path, main="import early\nkept = bytearray(b'x') * (400 << 20)\n", early="")
    found = start(tmp_path, "--memory", "100m", "main.py", python=python)
    if any("memory is not limited" in note for note in found.profile["run"]["notes"]):
        pytest.skip("needs a control group for memory")
    assert found.profile["run"]["exit"] == {"signal": signal.SIGKILL}
    assert found.done.returncode == -signal.SIGKILL
    assert found.module("early")["outcome"] == "loaded"
    enough = start(tmp_path, "--memory", "600m", "main.py", python=python)
    assert enough.done.returncode == 0


# Says how much of a file is in the page cache, and then imports it.
RESIDENT = """
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
file = os.open("large.py", os.O_RDWR)
size = os.fstat(file).st_size
mapped = mmap.mmap(file, size)
pages = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
assert libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), pages) == 0
print(sum(page & 1 for page in pages) * 100 // len(pages))
import large
"""


def test_cold_runs_read_from_the_disk(tmp_path, python):
    (tmp_path / "large.py").write_text("#" * (1 << 20) + "\n")
    write(tmp_path, main=RESIDENT)
    with (tmp_path / "large.py").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    (alone,) = start(tmp_path, "main.py", python=python).done.stdout.split()
    if int(alone) > 50:
        pytest.skip("needs a file system whose page cache can be dropped")
    warm = start(tmp_path, "--runs", "2", "main.py", python=python).done.stdout.split()
    assert [int(percent) for percent in warm] == [100, 100]
    cold = start(tmp_path, "--runs", "2", "--cold", "main.py", python=python)
    first, second = cold.done.stdout.split()
    assert int(first) == 100
    assert int(second) < 50
    assert cold.profile["run"]["cold"]
