"""Signals sent from outside: Ctrl-C, termination, and those that the parent ignores or blocks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import processes
from harness.clock import write
from harness.running import Conditions

SITUATION = Path(__file__).parent / "situations" / "interruptible.py"


def until_ready(process) -> bytes:
    """Reads up to the program's line that says it is ready, and waits until it does what it is
    named after.
    """
    read = b""
    while b"ready" not in read:
        line = process.stdout.readline()
        if not line:
            return read
        read += line
    if b"compute" in read:
        processes.wait_until_busy(process.pid)
    else:
        processes.wait_until_asleep(process.pid)
    return read


def sending(*numbers: int):
    """Waits until the program is ready, then sends it signals."""

    def send(process):
        read = until_ready(process)
        for number in numbers:
            process.send_signal(number)
        return read, b""

    return send


@pytest.mark.parametrize("how", ["lock", "compute", "thread"])
def test_keyboard_interrupt(each_starter, how):
    """The traceback, the `finally`, and death by SIGINT as the shell expects it."""
    conditions = Conditions(during=sending(signal.SIGINT))
    plain = each_starter.both(SITUATION, how, conditions=conditions, expect=-signal.SIGINT)
    assert b"KeyboardInterrupt" in plain.stderr and b"finally" in plain.stdout


@pytest.mark.every_way
@pytest.mark.parametrize(
    ("how", "number", "status"),
    [
        ("read", signal.SIGINT, -signal.SIGINT),
        ("caught", signal.SIGINT, 5),
        ("cleaned", signal.SIGTERM, 143),
        ("lock", signal.SIGTERM, -signal.SIGTERM),
        ("lock", signal.SIGHUP, -signal.SIGHUP),
        ("lock", signal.SIGQUIT, -signal.SIGQUIT),
        ("compute", signal.SIGKILL, -signal.SIGKILL),
        ("compute", signal.SIGSEGV, -signal.SIGSEGV),
    ],
)
def test_signal(starter, how, number, status):
    def send(process):
        line = until_ready(process)
        process.send_signal(number)
        process.wait(60)
        process.stdin.close()
        return line, b""

    starter.both(SITUATION, how, conditions=Conditions(during=send), expect=status)


def test_ignored_interrupt_stays_ignored(each_starter):
    """As under nohup or in the background of a script: Python installs no handler, the signal does
    nothing.
    """

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(process):
        lines = until_ready(process)
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"still here")
        process.stdin.close()
        return lines, b""

    plain = each_starter.both(
        SITUATION, "ignored", conditions=Conditions(prepare=ignore, during=send), expect=0
    )
    assert b"still here" in plain.stdout


def test_blocked_and_pending(starter):
    """A signal that was sent before the start and is blocked stays pending across it."""
    script = write(
        starter.folder / "pending.py",
        "import json\nimport signal\nprint(signal.sigpending(), json.dumps(1), flush=True)\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])\nprint('not reached')\n",
    )

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)

    plain = starter.both(script, conditions=Conditions(prepare=block), expect=-signal.SIGUSR1)
    assert b"SIGUSR1" in plain.stdout


def test_stop_and_continue(starter):
    """SIGSTOP and SIGCONT reach the program itself: no other process stands in between."""

    def stop(process):
        line = until_ready(process)
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        return line, b""

    starter.both(SITUATION, "cleaned", conditions=Conditions(during=stop), expect=143)


def test_interrupt_at_any_moment_of_the_start(starter):
    """SIGINT during the start kills by SIGINT or shows a KeyboardInterrupt, and never ends the
    program otherwise.
    """
    if not starter.glowplug:
        return
    starter.ensure_frozen(SITUATION, "lock")
    for _ in range(40):
        outcome = starter.start(
            SITUATION,
            "lock",
            conditions=Conditions(during=lambda process: process.send_signal(signal.SIGINT)),
        )
        assert outcome.status == -signal.SIGINT, outcome
