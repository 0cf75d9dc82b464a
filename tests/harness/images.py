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


def replace_in_head(path: Path, old: bytes, new: bytes) -> None:
    """Replaces what stands once in the head, and mends the head's checksum."""
    data = path.read_bytes()[: read(path).pages_offset]
    tables = [struct.unpack_from("<QQ", data, _FIXED.size + 16 * n) for n in range(2)]
    sections = [data[offset : offset + length] for offset, length in tables]
    # The head ends with its checksum, and nothing follows it.
    end = len(data[:HEAD_LEN].rstrip(b"\0"))
    end += -end % 8
    while struct.unpack_from("<Q", data, end - 8)[0] != checksum(data[: end - 8], *sections):
        end += 8
        assert end <= HEAD_LEN, "the head has another checksum"
    assert data[: end - 8].count(old) == 1
    head = data[: end - 8].replace(old, new)
    patch(path, 0, head + struct.pack("<Q", checksum(head, *sections)))


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
