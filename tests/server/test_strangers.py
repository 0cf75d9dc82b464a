"""Clients that must not be served, and those that do harm on purpose or by accident."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from pathlib import Path

import pytest
from harness import sandbox
from harness.clock import write
from harness.running import Conditions
from harness.serving import HELLO, connect, report, reports, sockets

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUTS = 0x04000000
_ADDR_NO_RANDOMIZE = 0x0040000
_MS_BIND = 0x1000


def _no_new_privileges() -> None:
    assert ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def _other_namespace() -> None:
    if ctypes.CDLL(None).unshare(_CLONE_NEWUTS) != 0:
        os._exit(77)


def _other_personality() -> None:
    assert ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE) != -1


def _filter_of_calls() -> None:
    try:
        sandbox.filter_nothing()
    except PermissionError:
        os._exit(77)


def _security_label() -> None:
    """What the kernel tells of the label, where it has no module that gives any."""
    label = Path(f"label-{os.getpid()}")
    label.write_text("confined (enforce)\n")
    told = f"/proc/{os.getpid()}/attr/current".encode()
    if ctypes.CDLL(None).mount(bytes(label.absolute()), told, None, _MS_BIND, None) != 0:
        os._exit(77)


def _bounding_set() -> None:
    if ctypes.CDLL(None).prctl(24, 21, 0, 0, 0) != 0:
        os._exit(77)


@pytest.fixture
def script(starter):
    script = write(starter.folder / "program" / "hello.py", "import json\nprint(json.dumps(1))\n")
    starter.prepare(script)
    return script


@pytest.mark.parametrize(
    ("prepare", "named"),
    [
        (_no_new_privileges, "NoNewPrivs"),
        (_other_namespace, "uts"),
        (_other_personality, "personality"),
        (_filter_of_calls, "Seccomp"),
        (_security_label, "security label"),
    ],
    ids=["no_new_privs", "namespace", "personality", "seccomp", "label"],
)
def test_client_with_other_rights(starter, script, prepare, named):
    """It is told why, runs plainly by default, and nothing of the server's is its own."""
    forced = starter.start(script, via=starter.way, conditions=Conditions(prepare=prepare))
    if forced.status == 77:
        pytest.skip("this user may not do that")
    assert forced.status == 124 and named in forced.errors()
    # What would be frozen in the background is nothing to a server.
    how = Conditions(prepare=prepare, env={"GLOWPLUG_FREEZE": "0"})
    plain = starter.start(script, via="auto", conditions=how)
    assert plain.status == 0 and plain.text() == "1\n"
    refused = report(starter)["refused"]
    assert any(named in reason for reason in refused)


def test_client_with_other_capabilities_has_a_server_of_its_own(starter, script):
    how = Conditions(prepare=_bounding_set)
    own = starter.start(script, via=starter.way, conditions=how)
    if own.status == 77:
        pytest.skip("this user may not do that")
    assert own.status == 0
    assert len(reports(starter)) == 2


def test_the_folder_of_the_sockets_is_the_users_alone(starter, script):
    (path,) = sockets(starter)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(0o750)
    refused = starter.start(script, via=starter.way)
    path.parent.chmod(0o700)
    assert refused.status == 124, refused
    assert starter.start(script, via=starter.way).status == 0


def test_silent_clients_hold_nobody_up(starter, script):
    silent = [connect(starter) for _ in range(100)]
    half = connect(starter)
    half.send(HELLO)
    try:
        for _ in range(3):
            assert starter.start(script, via=starter.way).status == 0
    finally:
        for one in [*silent, half]:
            one.close()


def test_client_that_takes_a_process_and_says_nothing(starter, script):
    """Its process ends with it; others do not wait for it."""
    greedy = []
    for _ in range(5):
        connection = connect(starter)
        connection.send(HELLO + (1).to_bytes(4, "little"))
        answer, descriptors, _, _ = socket.recv_fds(connection, 32, 4)
        assert len(answer) == 32 and len(descriptors) == 2
        greedy.append((connection, descriptors))
    assert starter.start(script, via=starter.way).status == 0
    for connection, descriptors in greedy:
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()
    assert starter.start(script, via=starter.way).status == 0


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GLOWPLUG" + (99).to_bytes(4, "little") + bytes(4),
        HELLO + (77).to_bytes(4, "little"),
        bytes(1 << 16),
    ],
    ids=["nothing", "http", "version", "wish", "much"],
)
def test_nonsense_is_hung_up_on(starter, script, said):
    connection = connect(starter)
    connection.settimeout(30)
    try:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass
    finally:
        connection.close()
    assert starter.start(script, via=starter.way).status == 0


@pytest.mark.parametrize("request_bytes", [b"\xff\xff\xff\xff", b"\x08\0\0\0" + bytes(8)])
def test_nonsense_as_a_request_ends_that_process_alone(starter, script, request_bytes):
    connection = connect(starter)
    connection.send(HELLO + (1).to_bytes(4, "little"))
    _, (spare, pidfd), _, _ = socket.recv_fds(connection, 32, 4)
    with socket.socket(fileno=spare) as process:
        process.settimeout(30)
        process.sendall(request_bytes)
        # It says that the request makes no sense, or just ends; it never begins.
        assert process.recv(16).strip(b"R") in (b"", b"\0")
    os.close(pidfd)
    connection.close()
    assert starter.start(script, via=starter.way).status == 0


def test_another_user_is_kept_out(starter, script):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    (path,) = sockets(starter)

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    reach = f"import os; os.chdir({str(path.parent)!r})"
    tried = subprocess.run(
        ["/usr/bin/python3", "-c", reach],
        preexec_fn=become_nobody,
        capture_output=True,
        check=False,
    )
    assert tried.returncode == 1 and b"PermissionError" in tried.stderr
