"""Looks at other processes: which ones a test has started, and when they have ended."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def _mentions(pid: int, mark: bytes) -> bool:
    for name in ("environ", "cmdline"):
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
    return False


def bearing(mark: str | os.PathLike[str]) -> list[int]:
    """Processes whose environment or command line mentions `mark`; not this one, not zombies."""
    needle = os.fsencode(mark)
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _mentions(pid, needle)]


def wait_for_end(pids: list[int], timeout: float = 60) -> None:
    """Waits until all of `pids` have ended."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(timeout * 1000):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                raise TimeoutError(f"process {pid} still runs after {timeout} s: {command!r}")
        finally:
            os.close(handle)


def freezers(mark: str | os.PathLike[str]) -> list[int]:
    """Processes that bear `mark` and make images in the background."""
    return [pid for pid in bearing(mark) if _command(pid)[1:2] == [b"freeze"]]


def wait_until_idle(mark: str | os.PathLike[str], timeout: float = 60) -> None:
    """Waits until no process bears `mark` any more."""
    while pids := bearing(mark):
        wait_for_end(pids, timeout)


def describe(pids: list[int]) -> str:
    """Command lines of `pids`, for the message of a failed test."""
    lines = []
    for pid in pids:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            lines.append(f"{pid}: {b' '.join(words).decode(errors='replace')}")
    return "\n".join(lines)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _state(pid: int) -> str:
    """The letter of its state; `X` where it is gone, or goes while it is read."""
    try:
        return _stat(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended; one that nobody has reaped has."""
    return _state(pid) not in "ZX"


def _command(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    return []


def program_behind(pid: int) -> int:
    """The process of the program for which a process stands: itself, unless it is a client of a
    server.
    """
    own = _command(pid)
    if own[1:2] != [b"run"]:
        return pid
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        other = _command(int(entry))
        if other[1:] and other[1:2] != [b"run"] and other[1:] == own[-len(other) + 1 :]:
            with suppress(FileNotFoundError, ProcessLookupError):
                parents[int(entry)] = int(_stat(int(entry))[1])
    # On a terminal the program's parent, which leads the session, looks the same.
    found = [process for process in parents if process not in parents.values()]
    return found[0] if found else pid


def wait_until_asleep(pid: int, timeout: float = 60) -> None:
    """Waits until the first thread of a program waits for something, or has ended."""

    def is_at_rest() -> bool:
        # What was found may have been another process, which is gone by now.
        state = _state(program_behind(pid))
        return state in "SZT" or (state == "X" and not runs(pid))

    _poll(is_at_rest, timeout, f"process {pid} does not come to rest")


def wait_until_busy(pid: int, timeout: float = 60) -> None:
    """Waits until a program has computed for a few more clock ticks than it has by now, or has
    ended.
    """
    before: dict[int, int] = {}

    def has_computed() -> bool:
        # What was found may have been another process, which is gone by now.
        behind = program_behind(pid)
        try:
            state, ticks = _stat(behind)[0], int(_stat(behind)[11])
        except (FileNotFoundError, ProcessLookupError):
            return not runs(pid)
        return state == "Z" or ticks > before.setdefault(behind, ticks) + 2

    _poll(has_computed, timeout, f"process {pid} does not compute")


def _poll(done: Callable[[], bool], timeout: float, complaint: str) -> None:
    end = time.monotonic() + timeout
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(complaint)
        os.sched_yield()
