#!/usr/bin/env python3
"""Starts a service with a part of a processor, prints its first answer, and ends it: for
benches/cases.toml, which measures how long that takes.

    benches/services/once.py SHARE SOCKET WHAT COMMAND...

Few imports: its own start counts.
"""

import os
import signal
import socket
import sys
import time

from cgroup import Cgroup

PAUSE = 0.0005


def answer(path: str, what: str) -> bytes:
    """The body of the answer; ConnectionError or FileNotFoundError where nobody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(f"GET {what} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        got = b""
        while part := client.recv(1 << 16):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise SystemExit(f"error: {head!r}")
    return body


def main() -> None:
    """Starts, asks, ends."""
    share, path, what, *command = sys.argv[1:]
    if os.path.lexists(path):
        os.unlink(path)
    cgroup = Cgroup(float(share))
    child = os.fork()
    if child == 0:
        cgroup.enter()
        os.execvp(command[0], command)
    while True:
        try:
            body = answer(path, what)
            break
        except (ConnectionError, FileNotFoundError):
            if os.waitpid(child, os.WNOHANG)[0]:
                raise SystemExit(f"error: {command} has ended") from None
            time.sleep(PAUSE)
    print(body.decode(), flush=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    cgroup.remove()


if __name__ == "__main__":
    main()
