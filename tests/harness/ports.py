"""Ports for servers."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of the loopback interface that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
