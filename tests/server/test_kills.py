"""`kill -9` of each of the processes: nothing stays behind, no exit status is lost, and the next
start works.
"""

from __future__ import annotations

import os
import signal

import pytest
from harness import processes
from harness.clock import write
from harness.running import Conditions
from harness.serving import report, reports, until

WAITS = """\
import json, os, sys
print(os.getpid(), flush=True)
sys.stdin.read()
sys.exit(7)
"""


@pytest.fixture
def script(starter):
    script = write(starter.folder / "program" / "waits.py", WAITS)
    starter.prepare(script)
    return script


def during(starter, script, act, go_on=True):
    """Starts the program, acts when it runs, and lets it end. `act` gets the client, the program's
    process and the report.
    """
    seen = {}

    def meanwhile(process):
        line = process.stdout.readline()
        seen["pid"] = int(line)
        act(process, int(line), report(starter))
        if go_on and process.poll() is None:
            process.stdin.close()
        return line, b""

    outcome = starter.start(script, via=starter.way, conditions=Conditions(during=meanwhile))
    until(lambda: not processes.runs(seen["pid"]), "the program runs still")
    return outcome


def next_start_works(starter, script):
    outcome = starter.start(script, via=starter.way)
    assert outcome.status == 7, outcome


@pytest.mark.both_ways
def test_client_that_is_killed_takes_its_program_along(starter, script):
    def kill(process, _pid, _report):
        process.kill()
        process.wait()

    assert during(starter, script, kill, go_on=False).status == -9
    until(lambda: not report(starter)["workers"], "the server knows the program still")
    next_start_works(starter, script)


@pytest.mark.both_ways
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_program_that_is_killed(starter, script, number):
    outcome = during(starter, script, lambda _c, pid, _r: os.kill(pid, number))
    assert outcome.status == -number
    next_start_works(starter, script)


def test_server_that_is_killed_leaves_the_program_and_its_status(starter, script):
    def kill(_process, _pid, found):
        os.kill(found["server"], signal.SIGKILL)
        processes.wait_for_end([found["server"]])

    assert during(starter, script, kill).status == 7
    assert reports(starter) == []
    next_start_works(starter, script)


def test_server_that_is_killed_leaves_no_template_and_no_spare(starter, script):
    found = report(starter)
    os.kill(found["server"], signal.SIGKILL)
    processes.wait_for_end([found["template"], *(spare["pid"] for spare in found["spares"])])
    next_start_works(starter, script)


def test_client_that_is_killed_after_the_server(starter, script):
    def kill(process, _pid, found):
        os.kill(found["server"], signal.SIGKILL)
        processes.wait_for_end([found["server"]])
        process.kill()
        process.wait()

    assert during(starter, script, kill, go_on=False).status == -9


@pytest.mark.both_ways
def test_template_that_is_killed_leaves_the_program_and_its_status(starter, script):
    def kill(_process, _pid, found):
        os.kill(found["template"], signal.SIGKILL)
        until(lambda: not processes.runs(found["template"]), "the template runs still")

    assert during(starter, script, kill).status == 7
    until(lambda: not reports(starter), "the server serves without a template")
    next_start_works(starter, script)


def test_client_that_is_killed_after_the_template(starter, script):
    def kill(process, _pid, found):
        os.kill(found["template"], signal.SIGKILL)
        until(lambda: not processes.runs(found["template"]), "the template runs still")
        process.kill()
        process.wait()

    assert during(starter, script, kill, go_on=False).status == -9


@pytest.mark.both_ways
def test_server_and_template_that_are_killed_take_the_program_along(starter, script):
    """Nobody is left who could tell how it ends: the client says that it was killed."""

    def kill(_process, _pid, found):
        os.kill(found["server"], signal.SIGSTOP)
        os.kill(found["template"], signal.SIGKILL)
        os.kill(found["server"], signal.SIGKILL)

    assert during(starter, script, kill, go_on=False).status == -9
    next_start_works(starter, script)


def test_spare_that_is_killed_is_replaced(starter, script):
    if starter.way == "fork":
        pytest.skip("keeps no spares")
    until(lambda: report(starter)["spares"], "there is no spare")
    (spare,) = report(starter)["spares"]
    os.kill(spare["pid"], signal.SIGKILL)
    until(
        lambda: {one["pid"] for one in report(starter)["spares"]} - {spare["pid"]},
        "there is no other spare",
    )
    next_start_works(starter, script)


def test_stopped_program_stops_its_client(starter, script):
    """Whoever waits for the client sees it stop and go on as it would see the program."""

    def stop(process, pid, _report):
        os.kill(pid, signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP
        os.kill(process.pid, signal.SIGCONT)

    assert during(starter, script, stop).status == 7
