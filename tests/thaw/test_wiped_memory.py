"""Memory that the kernel wipes or drops holds state that must never be anywhere twice: it is in no
image, and a thawed process gets it anew and empty, with the same property.
"""

from __future__ import annotations

import json

import pytest
from harness import sid
from harness.clock import write
from harness.interpreters import by_minor

# What the mappings hold when the process is frozen. The module has it backwards, and writes one
# byte after the other, so that it stands nowhere else.
SECRET = "state-of-a-generator-"

MODULE = """\
import ctypes
import re

PAGE = 4096
KINDS = {
    # MAP_PRIVATE | MAP_ANONYMOUS, then madvise(MADV_WIPEONFORK)
    "wf": (0x22, 18),
    # MAP_DROPPABLE | MAP_ANONYMOUS
    "dp": (0x28, None),
}
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

MADE = {}
for kind, (flags, advice) in KINDS.items():
    address = libc.mmap(None, 3 * PAGE, 3, flags, -1, 0)
    if address == 2 ** 64 - 1:
        # A kernel before 6.11 knows no droppable memory.
        assert kind == "dp" and ctypes.get_errno() == 22, ctypes.get_errno()
        continue
    if advice is not None:
        assert libc.madvise(address, 3 * PAGE, advice) == 0, ctypes.get_errno()
    for place, character in enumerate(reversed("BACKWARDS"), start=address + PAGE):
        ctypes.c_char.from_address(place).value = ord(character)
    ctypes.memmove(place + 1, kind.encode(), 2)
    MADE[kind] = address
# Ordinary memory next to it, which does belong into an image.
KEPT = ctypes.create_string_buffer(b"kept-" * 2000)

def flags_of(address):
    found = None
    for line in open("/proc/self/smaps"):
        bounds = re.match("([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            start, end = (int(bound, 16) for bound in bounds.groups())
            found = start <= address < end
        elif found and line.startswith("VmFlags:"):
            return line.split()[1:]
    return []
"""

PROGRAM = """\
import state
import ctypes
import json
import os

def report(who):
    seen = {}
    for kind, address in state.MADE.items():
        flags = state.flags_of(address)
        content = ctypes.string_at(address, 3 * state.PAGE)
        seen[kind] = [kind in flags, "rd" in flags and "wr" in flags, content.count(0)]
    print(json.dumps([who, seen, state.KEPT.raw.count(b"kept-")]), flush=True)

report("thawed")
for address in state.MADE.values():
    ctypes.memset(address, 7, 3 * state.PAGE)
if os.fork() == 0:
    report("child")
    os._exit(0)
os.wait()
"""


def test_wiped_and_droppable_memory(starter, built):
    """What an import wrote there is neither in the image nor in the thawed process, which finds
    zeros, and so does its child, where the kernel wipes it again.
    """
    project = starter.folder / "project"
    write(project / "state.py", MODULE.replace("BACKWARDS", SECRET[::-1]))
    script = write(project / "main.py", PROGRAM)
    starter.ensure_frozen(script)
    (path,) = starter.images()
    data = path.read_bytes()
    assert SECRET.encode() not in data and b"kept-" * 100 in data
    outcome = starter.start(script, via="thaw")
    assert outcome.status == 0, outcome
    for line in outcome.text().splitlines():
        who, seen, kept = json.loads(line)
        assert "wf" in seen and kept == 2000
        for kind, state in seen.items():
            assert state == [True, True, 3 * 4096], (who, kind, state)
    assert len(outcome.text().splitlines()) == 2


@pytest.mark.parametrize("minor", [(3, 14), (3, 15)])
def test_generator_of_the_c_library(starter, built, minor):
    """glibc keeps the state of getrandom() in such memory from 2.41 on: two hundred thaws draw
    nothing twice, nor do their children.
    """
    found = [i for i in by_minor(minor) if sid.folder() in i.path.parents] or by_minor(minor)
    if not found:
        pytest.skip(sid.missing(minor))
    starter = starter.with_interpreter(found[0])
    script = write(
        starter.folder / "main.py",
        "import os\nimport random\nimport uuid\n"
        "if os.fork() == 0:\n    print(os.urandom(8).hex(), uuid.uuid4(), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\nprint(os.urandom(8).hex(), uuid.uuid4(), random.random())\n",
    )
    starter.ensure_frozen(script)
    (path,) = starter.images()
    shown = json.loads(starter.execute("images", "show", path.name[:8], "--json").stdout)
    if shown[0]["needs"]["droppable"] == 0:
        pytest.skip(f"{found[0].path} has a C library, or this kernel none, that does so")
    drawn = []
    for _ in range(200):
        outcome = starter.start(script, via="thaw")
        assert outcome.status == 0, outcome
        drawn += outcome.text().split()
    assert len(drawn) == 1000 and len(set(drawn)) == 1000
