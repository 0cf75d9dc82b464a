"""A new image of a service is rehearsed by the service's own command, as far as its trial went."""

from __future__ import annotations

import json
import os
import socket

import pytest
from harness.clock import settle, write
from harness.running import Conditions, run

PAGES = 1024
LIBRARY = f"PAGES = bytearray(b'x') * ({PAGES} * 4096)\n"
WRITES = f"for index in range({PAGES}):\n    library.PAGES[index * 4096] = 1\n"
BINDS = "socket.create_server(('127.0.0.1', 0))\n"
START = """\
import library
import os
import socket
with open("runs", "a") as runs:
    print(os.getpid(), file=runs)
"""


@pytest.fixture
def freeze(starter, built):
    """Freezes a service; its folder, the image and the processes that it was, each as a line."""
    folder = starter.folder / "project"
    (starter.folder / "home").mkdir()

    def run_it(program, *words):
        write(folder / "library.py", LIBRARY)
        write(folder / "serve.py", START + program)
        settle()
        file = folder / "service.image"
        words = ("-o", file, "--python", starter.python, "--app", "library", *words)
        command = starter.command("freeze", *words, "--", "serve.py")
        outcome = run(command, starter.env, folder, Conditions())
        assert outcome.status == 0, outcome.errors()
        return folder, file, (folder / "runs").read_text().split()

    return run_it


def hot_pages(starter, file):
    """How many pages are populated before the jump."""
    shown = run(starter.command("images", "show", "--json", file), starter.env, starter.folder)
    assert shown.status == 0, shown.errors()
    return json.loads(shown.stdout)[0]["hot"]["bytes"] // 4096


LOCAL = "with socket.socket(socket.AF_UNIX) as local:\n    local.connect('local')\n"


@pytest.mark.parametrize("before", ["", LOCAL], ids=["", "behind a local connection"])
def test_what_a_service_writes_before_it_serves_is_populated(starter, freeze, before):
    (starter.folder / "project").mkdir()
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(starter.folder / "project" / "local"))
        local.listen(8)
        _, file, runs = freeze(before + WRITES + BINDS)
    assert len(runs) == 2
    assert hot_pages(starter, file) >= PAGES


def test_what_it_writes_behind_that_is_not(starter, freeze):
    _, file, runs = freeze(BINDS + WRITES)
    assert len(runs) == 2
    assert hot_pages(starter, file) < PAGES


CONNECTS = "socket.create_connection(('127.0.0.1', PORT))\n"
BINDS_LOCALLY = "socket.socket(socket.AF_UNIX).bind('bound')\n"


@pytest.mark.parametrize("socket_of", [CONNECTS, BINDS_LOCALLY], ids=["connect", "bind"])
def test_it_stands_still_before_its_first_socket(starter, freeze, socket_of):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        program = socket_of.replace("PORT", str(server.getsockname()[1]))
        folder, file, runs = freeze(WRITES + program + "open('happened', 'w').close()\n")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert len(runs) == 2
    assert hot_pages(starter, file) >= PAGES
    assert not (folder / "bound").exists() and not (folder / "happened").exists()


def test_a_command_that_goes_no_further_than_it_was_told_is_run_once(starter, freeze):
    program = "import email\nemail.message_from_string('')\n" + WRITES + BINDS
    _, file, runs = freeze(program, "--until", "email:message_from_string")
    assert len(runs) == 1
    assert hot_pages(starter, file) < PAGES


FAILS = "if len(open('runs').readlines()) == 2:\n    raise SystemExit(1)\n"


def test_where_it_ends_before_that_an_empty_program_is_rehearsed(starter, freeze):
    folder, file, runs = freeze(FAILS + WRITES + BINDS + "print('bound')\n")
    assert len(runs) == 2
    assert 0 < hot_pages(starter, file) < PAGES
    words = starter.command("thaw", file, "--via", "thaw", "--", "serve.py")
    outcome = run(words, starter.env, folder, Conditions())
    assert (outcome.status, outcome.stdout) == (0, b"bound\n"), outcome.errors()


STARTS = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
with open("runs", "a") as runs:
    print(child.pid, file=runs)
"""


def test_it_ends_with_all_that_it_has_started(starter, freeze):
    _, _, runs = freeze(STARTS + BINDS)
    assert len(runs) == 4
    assert [pid for pid in runs if os.path.exists(f"/proc/{pid}")] == []
