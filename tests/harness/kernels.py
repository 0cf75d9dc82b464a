"""Runs a program as a kernel without a vdso would: the entry that leads to it is taken out of each
auxiliary vector, by ptrace, before the first instruction of each program that the process executes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
from pathlib import Path

from .running import Outcome

_TRACEME, _CONT, _SETOPTIONS = 0, 7, 0x4200
_TRACEEXEC, _EVENT_EXEC = 1 << 4, 4
_IGNORE, _SYSINFO_EHDR = 1, 33
# Fields of /proc/PID/stat, counted behind the name: where the stack begins (proc_pid_stat(5), 28).
_STARTSTACK = 25

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _trace(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, None, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _hide_vdso(pid: int) -> None:
    """Of a process that has executed a program and not yet run an instruction of it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    at = int(fields[_STARTSTACK])
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:

        def word() -> int:
            nonlocal at
            memory.seek(at)
            at += 8
            return struct.unpack("<Q", memory.read(8))[0]

        for _ in range(word()):
            word()
        word()
        while word():
            pass
        while kind := word():
            if kind == _SYSINFO_EHDR:
                memory.seek(at - 8)
                memory.write(struct.pack("<Q", _IGNORE))
            word()


def run_without_vdso(command: list[str], env: dict[str, str], folder: Path) -> Outcome:
    """Runs a program that starts no others."""
    process = subprocess.Popen(
        command,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: _trace(_TRACEME, 0),
    )
    executed = False
    while True:
        _, status = os.waitpid(process.pid, 0)
        if not os.WIFSTOPPED(status):
            break
        number = os.WSTOPSIG(status)
        if number == signal.SIGTRAP and (not executed or status >> 16 == _EVENT_EXEC):
            if not executed:
                _trace(_SETOPTIONS, process.pid, _TRACEEXEC)
                executed = True
            _hide_vdso(process.pid)
            number = 0
        _trace(_CONT, process.pid, number)
    process.returncode = os.waitstatus_to_exitcode(status)
    stdout, stderr = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    return Outcome(stdout, stderr, process.returncode)
