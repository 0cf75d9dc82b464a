"""Runs a command in conditions that a test lays down, and keeps all that it did."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT = 60.0


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    stdout: bytes
    stderr: bytes
    status: int
    """Exit status; below zero the number of the signal it died of."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Mode and digest of each file in the working folder, by name."""

    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode(errors="replace")


@dataclass(frozen=True)
class Conditions:
    """All that a run depends on besides its command line."""

    stdin: bytes | None = b""
    """What the program can read; `None` for /dev/null."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    unset: Sequence[str] = ()
    """Removed from the environment."""
    cwd: Path | None = None
    """Working folder, if not a fresh one."""
    prepare: Callable[[], None] | None = None
    """Called in the child before it executes the command."""
    stdout: str | None = None
    """A path that takes standard output's place."""
    during: Callable[[subprocess.Popen[bytes]], tuple[bytes, bytes] | None] | None = None
    """Called while the program runs; may read its streams, and then returns what it read."""
    pass_fds: Sequence[int] = ()
    new_session: bool = True
    timeout: float = TIMEOUT


def snapshot(folder: Path) -> dict[str, str]:
    """Mode and content digest of everything below `folder`, bytecode caches left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        if "__pycache__" in path.parts:
            continue
        content = ""
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = f"{info.st_mode:o} {content}"
    return found


def run(
    command: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str],
    cwd: Path,
    conditions: Conditions | None = None,
) -> Outcome:
    """Runs `command` to its end. A run that outlasts its time is killed with its session and
    raises `TimeoutExpired`.
    """
    how = conditions or Conditions()
    environment = {k: v for k, v in {**env, **how.env}.items() if k not in how.unset}
    out = open(how.stdout, "wb") if how.stdout else None
    try:
        process = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=subprocess.DEVNULL if how.stdin is None else subprocess.PIPE,
            stdout=out or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=how.cwd or cwd,
            preexec_fn=how.prepare,
            pass_fds=how.pass_fds,
            start_new_session=how.new_session,
        )
    finally:
        if out:
            out.close()
    try:
        stdout, stderr = _converse(process, how)
    except BaseException:
        with suppress(ProcessLookupError):
            if how.new_session:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        raise
    return Outcome(
        stdout or b"", stderr or b"", process.returncode, snapshot(cwd) if cwd.is_dir() else {}
    )


def _converse(process: subprocess.Popen[bytes], how: Conditions) -> tuple[bytes, bytes]:
    if how.during is None:
        return process.communicate(how.stdin or None, timeout=how.timeout)
    early_out, early_err = how.during(process) or (b"", b"")
    stdin = None if process.stdin is None or process.stdin.closed else how.stdin or None
    if process.stdin is not None and process.stdin.closed:
        process.stdin = None
    stdout, stderr = process.communicate(stdin, timeout=how.timeout)
    return early_out + (stdout or b""), early_err + (stderr or b"")
