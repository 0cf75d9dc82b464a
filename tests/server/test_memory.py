"""What a program's memory does where most of it is a view of its template's."""

from __future__ import annotations

import ctypes.util
import re
import sys
from pathlib import Path

import pytest
from harness.clock import write
from harness.serving import until_ready

# Many objects, and a large piece of libc's heap.
OBJECTS = """\
TEXTS = [str(number) * 20 for number in range(200_000)]
BLOCKS = [bytearray(range(256)) * 100 for _ in range(400)]
"""

# Changes what was preloaded, gives memory back to the kernel and asks for it again.
PROGRAM = f"""\
import ctypes, sys
import objects
libc = ctypes.CDLL({ctypes.util.find_library("c")!r})
libc.calloc.restype = libc.malloc.restype = ctypes.c_void_p
libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
print(len(objects.TEXTS), objects.TEXTS[77_777], sum(map(len, objects.BLOCKS)))
objects.TEXTS[::2] = [text.upper() + "!" for text in objects.TEXTS[::2]]
print(objects.TEXTS[1000], objects.TEXTS[1001], all(text[-1] == "!" for text in objects.TEXTS[::2]))
for block in objects.BLOCKS:
    block[:] = b"\\xff" * len(block)
blocks = [bytes(block) for block in objects.BLOCKS]
del objects.BLOCKS[:], objects.TEXTS[:]
libc.malloc_trim(0)
places = [libc.calloc(1, 25_600) for _ in range(2000)]
print(all(ctypes.string_at(place, 25_600) == bytes(25_600) for place in places))
for place in places:
    libc.free(place)
libc.malloc_trim(0)
print(all(block == b"\\xff" * 25_600 for block in blocks), [0] * 3, bytearray(100_000).count(0))
more = [str(number) for number in range(300_000)]
print(more[-1], sum(map(len, more)))
"""


def _program(starter) -> Path:
    write(starter.folder / "program" / "objects.py", OBJECTS)
    return write(starter.folder / "program" / "main.py", PROGRAM)


@pytest.mark.both_ways
def test_memory_that_is_changed_freed_and_asked_for_again(starter):
    starter.both(_program(starter), expect=0)


def test_a_fork_has_little_memory_to_copy(starter):
    """Heap, objects and the data of libraries lie in the template's file."""
    starter.prepare(_program(starter))
    told = until_ready(starter, 1)
    anonymous = views = of_libraries = 0
    name = ""
    for line in Path(f"/proc/{told['template']}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-", line):
            name = line.partition("/")[2]
        elif line.startswith("Size:") and name == f"memfd:glowplug-{told['template']} (deleted)":
            views += int(line.split()[1])
        elif line.startswith("Anonymous:"):
            anonymous += int(line.split()[1])
            if name and not name.startswith("memfd:"):
                of_libraries += int(line.split()[1])
    assert views > sys.getsizeof("0" * 100) * 200_000 >> 10
    assert anonymous < views / 4
    assert of_libraries == 0
    # What lies in the file is the template's all the same.
    assert told["template_private"] + told["template_shared"] > views << 10
