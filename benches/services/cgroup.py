"""A part of a processor and of memory for a process that is measured."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

PERIOD_US = 100_000
ROOT = Path("/sys/fs/cgroup")
IS_UNIFIED = (ROOT / "cgroup.controllers").exists()


class Cgroup:
    """A cgroup of version 1 or 2; a new one for each start, so that none has time in hand or owes
    any, and that its peak of memory is that of this start.
    """

    def __init__(self, share: float | None = None, megabytes: int | None = None):
        self.folders = []
        name = f"glowplug-bench-{os.getpid()}-{time.monotonic_ns()}"
        if share is not None:
            quota = int(share * PERIOD_US)
            folder = self._make("cpu", name)
            if IS_UNIFIED:
                (folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")
            else:
                (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (folder / "cpu.cfs_quota_us").write_text(str(quota))
        self.memory = self._make("memory", name)
        if megabytes is not None:
            limit = "memory.max" if IS_UNIFIED else "memory.limit_in_bytes"
            (self.memory / limit).write_text(str(megabytes << 20))

    def _make(self, controller: str, name: str) -> Path:
        folder = (ROOT if IS_UNIFIED else ROOT / controller) / name
        folder.mkdir(exist_ok=True)
        if folder not in self.folders:
            self.folders.append(folder)
        return folder

    def enter(self) -> None:
        """Called in the child before it executes its program."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self) -> list[int]:
        """The processes that live in it."""
        return [int(pid) for pid in (self.memory / "cgroup.procs").read_text().split()]

    def peak(self) -> int:
        """The most memory that its processes had at once, bytes: their own, and what they brought
        into the page cache.
        """
        file = "memory.peak" if IS_UNIFIED else "memory.max_usage_in_bytes"
        return int((self.memory / file).read_text())

    def remove(self) -> None:
        """Once nothing lives in it."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
