"""Servers that a test has started: what they tell of themselves, and connections to them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from .running import run
from .starting import Starter

HELLO = b"GLOWPLUG" + (1).to_bytes(4, "little")


def reports(starter: Starter) -> list[dict]:
    """What `glowplug status --json` says."""
    outcome = run(starter.command("status", "--json"), starter.env, starter.folder)
    assert outcome.status == 0, outcome.errors()
    return json.loads(outcome.stdout)


def report(starter: Starter) -> dict:
    """What the only server says."""
    (one,) = reports(starter)
    return one


def until(happened: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Waits for something that only the outside of processes shows."""
    end = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(what)
        os.sched_yield()


def until_ready(starter: Starter, spares: int) -> dict:
    """Waits until so many spares are there, and returns the report."""
    until(lambda: len(report(starter)["spares"]) >= spares, f"there are not {spares} spares")
    return report(starter)


def sockets(starter: Starter) -> list[Path]:
    """The sockets of the servers."""
    return sorted((starter.cache / "servers").glob("*.sock"))


def connect(starter: Starter) -> socket.socket:
    """A connection to the only server."""
    (path,) = sockets(starter)
    connection = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_PATH)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return connection
