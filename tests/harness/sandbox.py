"""Confines a child as containers do: another user, no capabilities, no new privileges, a system
call filter.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000
_EPERM, _ENOSYS = 1, 38
_AUDIT_ARCH_X86_64 = 0xC000003E
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06

# What Docker's default profile refuses to a process without capabilities on x86-64, by number: the
# complement of what profiles/seccomp/default.json of moby allows, up to the newest number that it
# knows, with io_uring refused as since Docker 25. Anything newer does not exist.
_DENIED = {
    "bpf": 321,
    "clock_settime": 227,
    "create_module": 174,
    "delete_module": 176,
    "fanotify_init": 300,
    "finit_module": 313,
    "fsconfig": 431,
    "fsmount": 432,
    "fsopen": 430,
    "fspick": 433,
    "get_kernel_syms": 177,
    "init_module": 175,
    "ioperm": 173,
    "iopl": 172,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "io_uring_setup": 425,
    "kcmp": 312,
    "kexec_file_load": 320,
    "kexec_load": 246,
    "keyctl": 250,
    "add_key": 248,
    "request_key": 249,
    "lookup_dcookie": 212,
    "mbind": 237,
    "get_mempolicy": 239,
    "set_mempolicy": 238,
    "migrate_pages": 256,
    "move_pages": 279,
    "mount": 165,
    "mount_setattr": 442,
    "move_mount": 429,
    "nfsservctl": 180,
    "open_by_handle_at": 304,
    "open_tree": 428,
    "perf_event_open": 298,
    "pivot_root": 155,
    "process_madvise": 440,
    "query_module": 178,
    "quotactl": 179,
    "quotactl_fd": 443,
    "reboot": 169,
    "sethostname": 170,
    "setdomainname": 171,
    "setns": 308,
    "settimeofday": 164,
    "swapoff": 168,
    "swapon": 167,
    "sysfs": 139,
    "syslog": 103,
    "_sysctl": 156,
    "umount2": 166,
    "unshare": 272,
    "uselib": 134,
    "userfaultfd": 323,
    "ustat": 136,
    "vhangup": 153,
    "acct": 163,
    "afs_syscall": 183,
    "getpmsg": 181,
    "pidfd_getfd": 438,
    "putpmsg": 182,
    "security": 185,
    "set_mempolicy_home_node": 450,
    "tuxcall": 184,
    "vserver": 236,
    "chroot": 161,
}
_CLONE, _CLONE3, _PERSONALITY, _SOCKET = 56, 435, 135, 41
_NEWEST = 450
_NAMESPACES = 0x7E020000
_VSOCK = 40
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


def _instruction(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when_true, when_false, value)


def _refuse(error: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | error)


def _program() -> bytes:
    allow = _instruction(_RETURN, _ALLOW)
    code = [
        _instruction(_LOAD, 4),
        _instruction(_EQUAL, _AUDIT_ARCH_X86_64, 1, 0),
        _refuse(_EPERM),
        _instruction(_LOAD, 0),
        _instruction(_GREATER, _NEWEST, 0, 1),
        _refuse(_ENOSYS),
        # glibc falls back to clone, whose flags a filter can see.
        _instruction(_EQUAL, _CLONE3, 0, 1),
        _refuse(_ENOSYS),
    ]
    for number in _DENIED.values():
        code += [_instruction(_EQUAL, number, 0, 1), _refuse(_EPERM)]
    code += [
        _instruction(_EQUAL, _CLONE, 0, 4),
        _instruction(_LOAD, 16),
        _instruction(_ANY_BIT, _NAMESPACES, 0, 1),
        _refuse(_EPERM),
        allow,
        _instruction(_EQUAL, _SOCKET, 0, 4),
        _instruction(_LOAD, 16),
        _instruction(_EQUAL, _VSOCK, 0, 1),
        _refuse(_EPERM),
        allow,
        _instruction(_EQUAL, _PERSONALITY, 0, len(_PERSONALITIES) + 3),
        _instruction(_LOAD, 16),
    ]
    for n, persona in enumerate(_PERSONALITIES):
        code.append(_instruction(_EQUAL, persona, len(_PERSONALITIES) - n, 0))
    code += [_refuse(_EPERM), allow, allow]
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def filter_system_calls() -> None:
    """Puts the filter on this process and its children; for a child before it executes."""
    _install(_program())


def refuse_system_call(number: int, error: int | None, argument: int | None = None) -> None:
    """Has one system call fail with `error`, or kill who makes it; with `argument` only where that
    is its first one.
    """
    code = [_instruction(_LOAD, 0), _instruction(_EQUAL, number, 0, 1 if argument is None else 3)]
    if argument is not None:
        code += [_instruction(_LOAD, 16), _instruction(_EQUAL, argument, 0, 1)]
    code += [_instruction(_RETURN, _KILL) if error is None else _refuse(error)]
    _install(b"".join([*code, _instruction(_RETURN, _ALLOW)]))


def filter_nothing() -> None:
    """A filter that lets all calls pass, and nothing else that confines: only who has the right to
    may do so.
    """
    _filter(_instruction(_RETURN, _ALLOW))


def _install(code: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    _filter(code)


def _filter(code: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def become_nobody() -> None:
    """Gives up root for good, all capabilities with it; without root it changes nothing."""
    libc = ctypes.CDLL(None)
    if os.geteuid() != 0:
        return
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def confine() -> None:
    """All of it."""
    become_nobody()
    filter_system_calls()


@contextmanager
def open_folder(tree: Path | None) -> Iterator[Path]:
    """A folder that belongs to the user that a confined child runs as, with a copy of the build
    `tree` in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="glowplug-test-"))
    try:
        if tree is not None:
            for name in ("bin", "lib"):
                shutil.copytree(tree / name, folder / "build" / name)
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
