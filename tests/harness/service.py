"""A service as a process: it says where it listens, answers, and is stopped by a signal."""

from __future__ import annotations

import http.client
import os
import select
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

LIMIT = 60.0


def ask(process: subprocess.Popen, port: int, path: str) -> tuple[int, bytes]:
    """The status and the body of a service's answer; until it listens, connections are refused."""
    until = time.monotonic() + LIMIT
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionError:
            assert process.poll() is None and time.monotonic() < until, process.communicate()[0]
        finally:
            connection.close()


class Service:
    """A running service whose standard output begins with the line `listening PORT`."""

    def __init__(self, command: list[str], env: dict[str, str], folder: Path):
        self.process = subprocess.Popen(
            command,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        line = self._line()
        word, _, port = line.partition(" ")
        assert word == "listening", f"{line!r}\n{self.stop(signal.SIGKILL)}"
        self.port = int(port)

    def _line(self) -> str:
        """The first line that it prints."""
        read = b""
        until = time.monotonic() + LIMIT
        descriptor = self.process.stdout.fileno()
        while not read.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                break
            byte = os.read(descriptor, 1)
            if not byte:
                break
            read += byte
        return read.decode().rstrip("\n")

    def get(self, path: str = "/") -> bytes:
        """What it answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LIMIT) as answer:
            return answer.read()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, bytes, bytes]:
        """Sends a signal; the exit status and what else was printed."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, stdout, stderr
