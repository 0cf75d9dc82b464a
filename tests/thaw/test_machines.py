"""Image files on other machines than the one that they were made on."""

from __future__ import annotations

import os
import shutil
import struct

import pytest
from harness import images
from harness.clock import settle, write
from harness.kernels import run_without_vdso
from harness.running import Conditions

# What each level of x86-64 needs of leaf 1 of `cpuid` (edx), as it stands in an image.
BASELINE_EDX = sum(1 << bit for bit in (0, 8, 15, 23, 24, 25, 26))

SCRIPT = "import json\nimport email.message\nimport sys\nprint(json.dumps(sys.argv[1:]))\n"

CLOCKS = """\
import ctypes, os, random, time
libc = ctypes.CDLL(None)
class Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("part", ctypes.c_long)]
got, found = Time(), Time()
assert libc.gettimeofday(ctypes.byref(got), None) == 0
assert libc.clock_getres(1, ctypes.byref(found)) == 0
now = int(os.stat("touched").st_mtime)
told = [time.time(), got.seconds, libc.time(None), time.clock_gettime(time.CLOCK_REALTIME)]
assert all(-2 < moment - now < 600 for moment in told), (now, told)
assert time.monotonic() <= time.monotonic() and time.perf_counter_ns() > 0
assert found.part == round(time.clock_getres(time.CLOCK_MONOTONIC) * 1e9)
assert libc.sched_getcpu() in range(os.cpu_count())
assert len({os.urandom(8), os.getrandom(8), random.randbytes(8)}) == 3
print("fine")
"""


@pytest.fixture
def image(starter, built):
    """An image file for any CPU, and what has its machine lack something."""
    file = starter.folder / "any.image"
    words = ("--cpu", "baseline", "--preload", "json,email.message", "--python", starter.python)
    outcome = starter.execute("freeze", "-o", file, *words)
    assert outcome.status == 0, outcome.errors()
    return file


def make_unfit(image) -> None:
    """Has the image need a feature that no CPU has: leaf 1, edx, bit 10 is reserved."""
    needed = struct.pack("<I", BASELINE_EDX)
    data = image.read_bytes()
    assert data[: images.HEAD_LEN].count(needed) == 1
    more = struct.pack("<I", BASELINE_EDX | 1 << 10)
    images.replace_in_head(image, needed, more)


@pytest.mark.core
def test_a_machine_that_lacks_something_says_so_once(starter, image):
    """The service starts plainly and says why, unasked; the next start has an image of its own."""
    make_unfit(image)
    script = write(starter.folder / "main.py", SCRIPT)
    settle()
    plain = starter.plain(script, "a")
    first = starter.execute("thaw", image, "--", script, "a")
    assert (first.status, first.stdout) == (plain.status, plain.stdout)
    said = f"warning: cannot thaw {image}: this CPU lacks features of the level that the image was"
    assert first.errors().startswith(said), first.errors()
    assert first.errors().endswith("\nnote: the program is started plainly\n")
    starter.wait_until_idle()
    second = starter.execute("thaw", image, "--explain", "--", script, "a")
    assert second.stdout == plain.stdout
    assert second.errors().startswith("glowplug: thawed in"), second.errors()
    quiet = starter.execute("thaw", image, "--", script, "a")
    assert (quiet.stdout, quiet.stderr) == (plain.stdout, b"")


def test_where_nothing_may_be_written(starter, image):
    """It is plain each time, and says so each time; nothing else is tried."""
    make_unfit(image)
    script = write(starter.folder / "main.py", SCRIPT)
    how = Conditions(env={"GLOWPLUG_CACHE_DIR": "/proc/nowhere"})
    for _ in range(2):
        outcome = starter.execute("thaw", image, "--", script, "a", conditions=how)
        assert (outcome.status, outcome.stdout) == (0, b'["a"]\n')
        assert outcome.errors().count("warning: ") == 1, outcome.errors()
        starter.wait_until_idle()


OTHERS = {
    "another build": "another build of Glowplug made the image",
    "truncated": "",
    "open to others": "the image is open to others (mode 644)",
    "another user's": "the image belongs to user 65534",
}


@pytest.mark.parametrize("how", OTHERS)
def test_an_image_that_cannot_be_used(starter, image, how, tmp_path):
    """As after an upgrade of Glowplug, or of a container that runs as somebody else: the service
    starts all the same, and says why not from its image.
    """
    if how == "another build":
        build = image.read_bytes()[images.BUILD]
        images.replace_in_head(image, build, bytes(len(build)))
    elif how == "truncated":
        data = image.read_bytes()
        image.write_bytes(data[: len(data) // 2])
    elif how == "open to others":
        image.chmod(0o644)
    else:
        try:
            shutil.chown(image, 65534)
        except PermissionError:
            pytest.skip("only root may give files away")
    script = write(starter.folder / "main.py", SCRIPT)
    scripts = write(tmp_path / "bin" / "serve-it", f"#!{starter.python}\n" + SCRIPT)
    scripts.chmod(0o755)
    path = Conditions(env={"PATH": f"{scripts.parent}:{starter.env['PATH']}"})
    for command in ([script], ["serve-it"], [starter.python, script]):
        outcome = starter.execute(
            "thaw", image, "--python", starter.python, "--", *command, "a", conditions=path
        )
        assert (outcome.status, outcome.stdout) == (0, b'["a"]\n'), outcome.errors()
        assert outcome.errors().startswith(f"warning: cannot thaw {image}: {OTHERS[how]}")
    forced = starter.execute("thaw", image, "--via", "thaw", "--", script)
    assert forced.status == 121 and forced.stdout == b"", forced


def lay_anew(folder, whole_seconds: bool) -> None:
    """What a layer of a container image makes of a folder: other inodes, other times of change, and
    often times in whole seconds.
    """
    for path in [*folder.rglob("*.py"), *folder.rglob("*.pyc"), *folder.rglob("link")]:
        status = path.lstat()
        copy = path.with_name(path.name + ".layer")
        shutil.copy2(path, copy, follow_symlinks=False)
        then = status.st_mtime_ns
        then -= then % 10**9 if whole_seconds else 0
        os.utime(copy, ns=(then, then), follow_symlinks=False)
        copy.rename(path)
        assert path.lstat().st_ino != status.st_ino


@pytest.fixture
def laid(starter, built):
    """A project, an image file of its modules, and how a start from that ends."""
    folder = starter.folder / "project"
    write(folder / "one.py", "import two\nVALUE = two.VALUE\n")
    write(folder / "two.py", "import os\nVALUE = os.path.realpath(__file__[:-6] + 'link')\n")
    (folder / "link").symlink_to("one.py")
    script = write(starter.folder / "main.py", "import one\nprint(one.VALUE)\n")
    settle()
    file = starter.folder / "project.image"
    how = Conditions(env={"PYTHONPATH": str(folder)})
    words = ("--preload", "one", "--python", starter.python)
    outcome = starter.execute("freeze", "-o", file, *words, conditions=how)
    assert outcome.status == 0, outcome.errors()
    assert {"one", "two"} <= set(images.read(file).meta["modules"])

    def start():
        outcome = starter.execute("thaw", file, "--explain", "--", script, conditions=how)
        assert (outcome.status, outcome.stdout) == (0, f"{folder}/one.py\n".encode())
        return outcome.errors()

    return folder, start


@pytest.mark.core
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_files_are_the_same_in_another_layer(laid, whole_seconds):
    """Identity is by size, time and contents, where inode numbers are others."""
    folder, start = laid
    lay_anew(folder, whole_seconds)
    assert start().startswith("glowplug: thawed in"), start()
    lay_anew(folder, whole_seconds)
    assert start().startswith("glowplug: thawed in"), start()


CHANGES = {
    "contents": lambda path: path.write_text(path.read_text().replace("import os\n", "import os;")),
    "time": lambda path: os.utime(path, (10**9, 10**9)),
    "size": lambda path: path.write_text(path.read_text() + "\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_of_another_layer_that_differ(laid, change):
    """One thing alone: contents of the same size and time, another time, another size."""
    folder, start = laid
    lay_anew(folder, False)
    path = folder / "two.py"
    before = path.stat().st_mtime_ns
    CHANGES[change](path)
    if change != "time":
        os.utime(path, ns=(before, before))
    said = start()
    assert f"inputs changed: {path}" in said, said


@pytest.mark.core
def test_a_kernel_with_a_lesser_vdso(starter, image):
    """What the frozen process may call and the kernel's vdso lacks are system calls."""
    script = write(starter.folder / "clocks.py", CLOCKS)
    write(starter.folder / "touched", "")
    settle()
    command = starter.command("thaw", image, "--explain", "--", script)
    outcome = run_without_vdso(command, starter.env, starter.folder)
    assert (outcome.status, outcome.stdout) == (0, b"fine\n"), outcome.errors()
    assert outcome.errors().startswith("glowplug: thawed in"), outcome.errors()
