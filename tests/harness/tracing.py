"""Stops a process at its system calls and brings a fault there: by ptrace, so that it works on a
static program, on the restorer, which has no C library, and without any tool.

Only the process itself is traced, over `execve`; what it starts is not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .running import Outcome

_TRACEME, _PEEKUSER, _POKEUSER, _CONT, _DETACH, _SYSCALL = 0, 3, 6, 7, 17, 24
_SETOPTIONS, _GET_SYSCALL_INFO = 0x4200, 0x420E
_GOOD_STOPS, _EXEC_STOPS, _EXIT_KILL = 0x1, 0x10, 0x100000
_ENTRY, _EXIT = 1, 2
# Where struct user has them, x86-64.
_RAX, _ORIG_RAX = 80, 120

# Those of x86-64 that faults are brought to.
NUMBERS = {
    "read": 0,
    "write": 1,
    "open": 2,
    "close": 3,
    "fstat": 5,
    "poll": 7,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "ioctl": 16,
    "pread64": 17,
    "pwrite64": 18,
    "madvise": 28,
    "sendto": 44,
    "recvfrom": 45,
    "socketpair": 53,
    "clone": 56,
    "fork": 57,
    "vfork": 58,
    "execve": 59,
    "wait4": 61,
    "kill": 62,
    "fcntl": 72,
    "flock": 73,
    "fsync": 74,
    "fdatasync": 75,
    "ftruncate": 77,
    "getcwd": 79,
    "rename": 82,
    "mkdir": 83,
    "unlink": 87,
    "prctl": 157,
    "arch_prctl": 158,
    "set_tid_address": 218,
    "fadvise64": 221,
    "openat": 257,
    "mkdirat": 258,
    "newfstatat": 262,
    "unlinkat": 263,
    "renameat": 264,
    "linkat": 265,
    "getdents64": 217,
    "readlinkat": 267,
    "utimensat": 280,
    "preadv2": 327,
    "renameat2": 316,
    "getrandom": 318,
    "memfd_create": 319,
    "statx": 332,
    "rseq": 334,
    "pidfd_open": 434,
    "clone3": 435,
}
NAMES = {number: name for name, number in NUMBERS.items()}

# Which argument of a system call is a path.
_PATHS = {
    "execve": 0,
    "open": 0,
    "rename": 1,
    "mkdir": 0,
    "unlink": 0,
    "openat": 1,
    "mkdirat": 1,
    "newfstatat": 1,
    "unlinkat": 1,
    "renameat": 3,
    "renameat2": 3,
    "linkat": 3,
    "readlinkat": 1,
}
# Which argument is a descriptor.
_DESCRIPTORS = {
    "read": 0,
    "write": 0,
    "ioctl": 0,
    "pread64": 0,
    "pwrite64": 0,
    "flock": 0,
    "fsync": 0,
    "fdatasync": 0,
    "ftruncate": 0,
    "fcntl": 0,
    "utimensat": 0,
    "preadv2": 0,
    "fadvise64": 0,
    "mmap": 4,
}


class _Entry(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("pointers", ctypes.c_uint64 * 2),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    ]


@dataclass(frozen=True)
class Call:
    """A system call that a process is about to make."""

    index: int
    """How many it has made before."""
    name: str
    path: str
    """The path that it is about, or that of its descriptor; empty where there is none."""
    arguments: tuple[int, ...]
    program: str
    """Name of the program that makes it: it changes with `execve`."""
    pid: int


@dataclass
class Fault:
    """What happens where a call matches, once."""

    matches: Callable[[Call], bool]
    error: str | None = None
    """Name of an error, as ENOSPC: the call is not made, and fails so."""
    lasting: bool = False
    """Every call that matches fails, not only the first."""
    kill: bool = False
    """The process is killed instead of making the call."""
    meanwhile: Callable[[int], object] | None = None
    """Called with the process's id while it waits to make the call."""
    skip: int = 0
    """So many calls that match are let pass before."""
    hits: list[Call] = field(default_factory=list)


class Unavailable(Exception):
    """ptrace is not allowed here."""


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    ctypes.set_errno(0)
    result = _libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}")
    return result


def _call(pid: int, index: int, program: str) -> Call | None:
    """The call before which `pid` stands; `None` behind one."""
    info = _Entry()
    _ptrace(_GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    if info.op != _ENTRY:
        return None
    name = NAMES.get(info.number, str(info.number))
    arguments = tuple(info.arguments)
    path = ""
    if name in _PATHS:
        path = _string(pid, arguments[_PATHS[name]])
    elif name in _DESCRIPTORS:
        with suppress(OSError):
            number = ctypes.c_int(arguments[_DESCRIPTORS[name]]).value
            path = os.readlink(f"/proc/{pid}/fd/{number}")
    return Call(index, name, path, arguments, program, pid)


def _string(pid: int, address: int) -> str:
    with suppress(OSError, ValueError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        data = memory.read(min(4096, 4096 - address % 4096))
        if b"\0" not in data:
            data += memory.read(4096)
        return os.fsdecode(data.split(b"\0")[0])
    return ""


def written(call: Call) -> bytes:
    """What a `write` or `pwrite64` that stands before being made is to write."""
    with Path(f"/proc/{call.pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(call.arguments[1])
        return memory.read(call.arguments[2])


def run(
    command: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str],
    cwd: Path,
    faults: Sequence[Fault] = (),
    log: list[Call] | None = None,
    until: Callable[[Call], bool] | None = None,
) -> Outcome:
    """Runs a command with faults; its calls are added to `log`. From the call on that is the last
    of interest, it runs untraced. It must print little: nobody reads until it has ended.
    """
    process = subprocess.Popen(
        [os.fspath(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        preexec_fn=_be_traced,
    )
    try:
        status = _follow(process.pid, faults, [] if log is None else log, until)
        if status is not None:
            process.returncode = status
        stdout, stderr = process.communicate(timeout=60)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Outcome(stdout, stderr, process.returncode)


def _be_traced() -> None:
    if _libc.ptrace(_TRACEME, 0, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace is not allowed")


def _follow(
    pid: int, faults: Sequence[Fault], log: list[Call], until: Callable[[Call], bool] | None
) -> int | None:
    """Follows a process to its end and returns its status; `None` where it was let go before."""
    os.waitpid(pid, 0)
    _ptrace(_SETOPTIONS, pid, 0, _GOOD_STOPS | _EXEC_STOPS | _EXIT_KILL)
    program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    pending, failing = 0, None
    while True:
        # Where it was killed, there is only its status to be had.
        with suppress(ProcessLookupError):
            _ptrace(_SYSCALL, pid, 0, pending)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        pending = 0
        stop = os.WSTOPSIG(status)
        if stop != signal.SIGTRAP | 0x80:
            if status >> 16:
                program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            else:
                pending = stop
            continue
        call = _call(pid, len(log), program)
        if call is None:
            if failing is not None:
                _ptrace(_POKEUSER, pid, _RAX, -failing & 0xFFFFFFFFFFFFFFFF)
                failing = None
            continue
        log.append(call)
        if until is not None and until(call):
            _ptrace(_DETACH, pid)
            return None
        failing = _bring(pid, call, faults)


def _bring(pid: int, call: Call, faults: Sequence[Fault]) -> int | None:
    """Brings the fault that is due at a call; returns the error with which the call is to fail."""
    for fault in faults:
        if (fault.hits and not fault.lasting) or not fault.matches(call):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        fault.hits.append(call)
        if fault.meanwhile is not None:
            fault.meanwhile(pid)
        if fault.kill:
            os.kill(pid, signal.SIGKILL)
        if fault.error is not None:
            _ptrace(_POKEUSER, pid, _ORIG_RAX, 0xFFFFFFFFFFFFFFFF)
            return getattr(errno, fault.error)
    return None
