"""Thaws an image on an emulated, older CPU: QEMU's user mode, which ends a program at the first
instruction that this CPU does not have.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from . import images
from .running import Outcome

# System calls in place of what the vdso does: QEMU's own is laid out in a way that no C library
# minds and the restorer does not know.
_CALLS = {
    "gettimeofday": 96,
    "time": 201,
    "clock_gettime": 228,
    "clock_getres": 229,
    "getcpu": 309,
    "getrandom": 318,
}
# As crates/glowplug-image/src/state.rs has it: an entry of the table of the vdso's functions, in
# front of which stand its address, its length and their number.
_SYMBOL = struct.Struct("<40sQ")
_READ_AND_EXECUTE, _IMAGE = 5, 0
_FORCED = 2


def emulator() -> str | None:
    """QEMU's user mode for x86-64, of a version that minds which instructions the CPU has."""
    found = os.environ.get("GLOWPLUG_TEST_QEMU") or shutil.which("qemu-x86_64")
    if not found:
        return None
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stdout
    return found if int(said.split("version ")[1].split(".")[0]) >= 8 else None


def without_vdso(image: Path) -> None:
    """Has the frozen process make system calls where it would call the vdso."""
    data = bytearray(image.read_bytes())
    first = data.index(b"__vdso_", 0, images.HEAD_LEN)
    while data[first - _SYMBOL.size : first - _SYMBOL.size + 4].replace(b"_", b"").isalpha():
        first -= _SYMBOL.size
    address, _, count = struct.unpack_from("<QQQ", data, first - 24)
    region = images.region_at(image, address)
    struct.pack_into("<BB", data, region + 24, _READ_AND_EXECUTE, _IMAGE)
    (contents,) = struct.unpack_from("<Q", data, region + 16)
    for n in range(count):
        name, offset = _SYMBOL.unpack_from(data, first + n * _SYMBOL.size)
        call = _CALLS.get(name.rstrip(b"\0").decode().removeprefix("__vdso_"), -1)
        # mov eax, call; syscall; ret
        code = b"\xb8" + struct.pack("<i", call) + b"\x0f\x05\xc3"
        data[contents + offset : contents + offset + len(code)] = code
    struct.pack_into("<Q", data, first - 24, 0)
    images.rewrite(image, bytes(data))


def thaw(qemu: str, cpu: str, restorer: Path, image: Path, code: str) -> Outcome:
    """Runs `-c code` in the image's process on a CPU of QEMU's list, or fails."""
    python = images.read(image).meta["python"]
    with image.open("rb") as file:
        os.set_inheritable(file.fileno(), True)
        parameters = f"0,{file.fileno()},2,2,{_FORCED},0,{python}"
        done = subprocess.run(
            [qemu, "-cpu", cpu, "-0", python, restorer, "-c", code],
            env={"PATH": "/usr/bin:/bin", "GLOWPLUG_THAW": parameters},
            pass_fds=[file.fileno()],
            capture_output=True,
            check=False,
            timeout=120,
        )
    return Outcome(done.stdout, done.stderr, done.returncode)
