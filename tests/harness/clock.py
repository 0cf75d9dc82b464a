"""Lets the file system's clock move on, so that nothing just written is *racy* to a freezer."""

from __future__ import annotations

import os
import time
from pathlib import Path

# What the kernel stamps files with; Python's `time` does not name it.
_CLOCK_REALTIME_COARSE = 5

# A file counts as settled when the kernel's coarse clock, which stamps files, is this far past it.
_MARGIN_NS = 25_000_000


def settle() -> None:
    """Returns when a file that was written before the call is surely older than one written after
    it.
    """
    written = time.clock_gettime_ns(time.CLOCK_REALTIME)
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) <= written + _MARGIN_NS:
        os.sched_yield()


def write(path: Path, text: str | bytes) -> Path:
    """Writes a file and settles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    settle()
    return path
