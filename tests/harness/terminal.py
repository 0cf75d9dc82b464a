"""Runs a program on a terminal of its own, and talks to it as a person would."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Terminal:
    """A pseudo-terminal with one program as its session leader."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.output = b""
        self._seen = 0
        self.status: int | None = None
        self.pid, self._end = os.forkpty()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.execvpe(command[0], list(command), dict(env))
            finally:
                os._exit(127)
        self.resize(24, 80)
        self.settings_before = self.settings()

    def wait_for(self, text: bytes, timeout: float = 30) -> None:
        """Reads until `text` has appeared after what was last waited for."""
        end = time.monotonic() + timeout
        while (found := self.output.find(text, self._seen)) < 0:
            if not self._read(end - time.monotonic()):
                self.kill()
                raise AssertionError(f"{text!r} did not appear: {self.output!r}")
        self._seen = found + len(text)

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(timeout, 0))
        if not ready:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)

    def type(self, text: bytes) -> None:
        """Types; control characters act as on a keyboard."""
        os.write(self._end, text)

    def resize(self, rows: int, columns: int) -> None:
        """Gives the terminal another size, as dragging its window does."""
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self) -> list:
        """Modes and control characters of the terminal, as `termios` has them."""
        return termios.tcgetattr(self._end)

    def wait_until(self, happened: Callable[[], bool], timeout: float = 30) -> None:
        """Reads until something has happened to the terminal."""
        end = time.monotonic() + timeout
        while not happened():
            self._read(0.01)
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"it does not happen: {self.output!r}")

    def foreground(self) -> int:
        """The process group in the foreground."""
        return os.tcgetpgrp(self._end)

    def end(self, timeout: float = 30) -> int:
        """Reads to the end of the program and returns its status, below zero for a signal."""
        end = time.monotonic() + timeout
        while self._read(end - time.monotonic()):
            pass
        if time.monotonic() > end:
            self.kill()
            raise AssertionError(f"the program does not end: {self.output!r}")
        _, status = os.waitpid(self.pid, 0)
        self.close()
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        """Closes the terminal, as closing its window does."""
        os.close(self._end)

    def kill(self) -> None:
        """Ends the program by force."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
