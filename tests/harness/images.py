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
