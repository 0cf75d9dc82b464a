"""Reads, and damages, image files. The layout is that of `Head` in crates/glowplug-
image/src/head.rs.
"""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass
from pathlib import Path

HEAD_LEN = 8192
BUILD = slice(16, 32)
_FIXED = struct.Struct("<8sII16s16sQQQ")
_META = 7
_REFUSAL = 1
_REGION_LEN = 32


@dataclass(frozen=True)
class Image:
    """What the head of an image says."""

    path: Path
    flags: int
    file_len: int
    pages_offset: int
    meta: dict

    @property
    def is_refusal(self) -> bool:
        """Whether it only says why a program may not be frozen."""
        return bool(self.flags & _REFUSAL)


def read(path: Path) -> Image:
    """Reads the head and the meta section of an image."""
    data = path.read_bytes()
    magic, _, flags, _, _, _, file_len, pages_offset = _FIXED.unpack_from(data)
    assert magic == b"GLOWPLUG", path
    offset, length = struct.unpack_from("<QQ", data, _FIXED.size + 16 * _META)
    return Image(
        path, flags, file_len, pages_offset, json.loads(data[offset : offset + length] or b"{}")
    )


def created(path: Path) -> int:
    """When an image was made, nanoseconds since 1970."""
    return _FIXED.unpack_from(path.read_bytes()[: _FIXED.size])[5]


def patch(path: Path, offset: int, data: bytes) -> None:
    """Overwrites bytes of an image."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def checksum(*parts: bytes) -> int:
    """The checksum that `crates/glowplug-image/src/checksum.rs` computes."""
    every = (1 << 64) - 1

    def step(total: int, word: int) -> int:
        product = ((total ^ word) * 0x9E3779B97F4A7C15) & every
        return (product << 29 | product >> 35) & every

    lanes = list(range(8))
    for part in parts:
        words = struct.unpack_from(f"<{len(part) // 8}Q", part)
        for n, word in enumerate(words):
            lanes[n % 8] = step(lanes[n % 8], word)
        tail = int.from_bytes(part[len(words) * 8 :], "little")
        lanes[0] = step(step(lanes[0], tail), len(part))
    total = 0
    for lane in lanes:
        total = step(total, lane)
    return total


def _tables(data: bytes) -> list[slice]:
    """Where the tables lie that the head's checksum covers: the regions and the hot pages."""
    spans = [struct.unpack_from("<QQ", data, _FIXED.size + 16 * n) for n in range(2)]
    return [slice(offset, offset + length) for offset, length in spans]


def rewrite(path: Path, data: bytes) -> None:
    """Replaces an image by one of the same length whose head or regions differ, and mends the
    checksum.
    """
    old = path.read_bytes()
    tables = _tables(old)
    sections = [old[table] for table in tables]
    # The head ends with its checksum, and nothing follows it.
    end = len(old[:HEAD_LEN].rstrip(b"\0"))
    end += -end % 8
    while struct.unpack_from("<Q", old, end - 8)[0] != checksum(old[: end - 8], *sections):
        end += 8
        assert end <= HEAD_LEN, "the head has another checksum"
    total = checksum(data[: end - 8], *(data[table] for table in tables))
    patch(path, 0, data[: end - 8] + struct.pack("<Q", total) + data[end:])


def replace_in_head(path: Path, old: bytes, new: bytes) -> None:
    """Replaces what stands once in the head, and mends the head's checksum."""
    data = path.read_bytes()
    assert data[:HEAD_LEN].count(old) == 1
    rewrite(path, data[:HEAD_LEN].replace(old, new) + data[HEAD_LEN:])


def region_at(path: Path, address: int) -> int:
    """Where in an image the entry of the region stands that begins at `address`."""
    data = path.read_bytes()
    table = _tables(data)[0]
    entries = range(table.start, table.stop, _REGION_LEN)
    return next(at for at in entries if struct.unpack_from("<Q", data, at)[0] == address)


def scramble(path: Path, seed: int) -> None:
    """Changes one byte of the head or of a table, chosen by `seed`; never one of the page
    contents.
    """
    dice = random.Random(seed)
    end = read(path).pages_offset
    used = [n for n, byte in enumerate(path.read_bytes()[:end]) if byte] or [0]
    offset = dice.choice(used) if dice.random() < 0.7 else dice.randrange(end)
    old = path.read_bytes()[offset]
    patch(path, offset, bytes([old ^ (1 << dice.randrange(8))]))
