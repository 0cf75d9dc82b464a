"""A running service: started, asked over its Unix socket, ended."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from cgroup import Cgroup
from projects import Prepared, at

PATIENCE = 180.0
# Between two tries to connect: little beside what is measured, and not a load of its own.
PAUSE = 0.0005
# Between two looks whether the socket that was asked is still the one at its path.
LOOK = 0.01


class Instance:
    """A process that serves at `path`, and what it has used when it ends."""

    def __init__(self, prepared: Prepared, side: str, path: Path, cgroup: Cgroup):
        self.path, self.cgroup = path, cgroup
        path.unlink(missing_ok=True)
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            at(path, prepared.sides[side]),
            env=prepared.env,
            cwd=prepared.folder,
            preexec_fn=cgroup.enter,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait_for_answer(self, what: str) -> float:
        """Asks until it answers; seconds since the process was started."""
        while True:
            try:
                ask(self.path, what)
                return time.perf_counter() - self.began
            except (ConnectionError, FileNotFoundError):
                late = time.perf_counter() - self.began > PATIENCE
                if self.process.poll() is not None or late:
                    self.end()
                    said = self.process.stderr.read().decode(errors="replace")
                    raise SystemExit(f"error: {self.process.args}: {said}") from None
                time.sleep(PAUSE)

    def end(self):
        """Ends it and all that it has started; what the first process used, as `wait4` tells., by
        SIGKILL: how it stops is not measured.
        """
        self._kill()
        usage = None
        if self.process.returncode is None:
            _, self.process.returncode, usage = os.wait4(self.process.pid, 0)
        while self.cgroup.pids():
            self._kill()
        self.cgroup.remove()
        return usage

    def _kill(self) -> None:
        for pid in self.cgroup.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ask(path: Path, what: str) -> bytes:
    """One request over a Unix socket; ConnectionError or FileNotFoundError where nobody listens."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    try:
        number = path.stat().st_ino
        connection.sock.connect(str(path))
        connection.request("GET", what)
        # sanic binds its path twice, and never looks at the first of the two sockets again: who is
        # quick enough to meet that one waits for ever.
        while not select.select([connection.sock], [], [], LOOK)[0]:
            if path.stat().st_ino != number:
                raise ConnectionResetError(f"another socket has taken the place of {path}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"error: {path} answers {answer.status}: {body!r}")
        return body
    finally:
        connection.close()
