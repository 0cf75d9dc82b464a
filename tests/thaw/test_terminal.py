"""Programs on a terminal: input, Ctrl-C, Ctrl-D, and job control under a shell."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import processes
from harness.clock import write
from harness.terminal import Terminal

pytestmark = pytest.mark.every_way
SITUATIONS = Path(__file__).parent / "situations"


def on_terminal(starter, command, conversation):
    """Runs `command` on a terminal, and returns all that was shown and the status."""
    terminal = Terminal(command, {**starter.env, "TERM": "dumb"}, starter.fresh_work())
    conversation(terminal)
    return terminal.end(), terminal.output


def both(starter, words, conversation):
    """The conversation plainly and thawed; they must look the same."""
    plain = on_terminal(starter, [starter.python, *words], conversation)
    if starter.glowplug:
        starter.prepare(*words)
        command = starter.command("run", "--python", starter.python, "--via", starter.way, *words)
        assert on_terminal(starter, command, conversation) == plain
    return plain


def test_conversation(each_starter):
    def talk(terminal):
        terminal.wait_for(b"name? ")
        terminal.type(b"gr\xc3\xbc\xc3\x9f\n")
        terminal.wait_for(b"secret? ")
        terminal.type(b"hidden\n")
        terminal.wait_for(b"interrupt me ")
        # A key that comes between the prompt and the reading is lost in plain Python too.
        processes.wait_until_asleep(terminal.pid)
        terminal.type(b"\x03")
        terminal.wait_for(b"end ")
        terminal.type(b"\x04")

    status, output = both(each_starter, [str(SITUATIONS / "on_terminal.py")], talk)
    assert status == 0, output
    assert b"hidden" not in output and b"secret of 6" in output and b"last line" in output


def test_interrupt_by_key(starter):
    def talk(terminal):
        terminal.wait_for(b"ready")
        processes.wait_until_asleep(terminal.pid)
        terminal.type(b"\x03")

    status, output = both(starter, [str(SITUATIONS / "interruptible.py"), "lock"], talk)
    assert status == -signal.SIGINT and b"KeyboardInterrupt" in output


def test_quit_by_key(starter):
    def talk(terminal):
        terminal.wait_for(b"ready")
        processes.wait_until_asleep(terminal.pid)
        terminal.type(b"\x1c")

    status, _ = both(starter, [str(SITUATIONS / "interruptible.py"), "lock"], talk)
    assert status == -signal.SIGQUIT


def test_window_size(starter):
    """The program knows the size, and is told when it changes."""

    def talk(terminal):
        terminal.resize(31, 117)
        terminal.wait_for(b"at rest")
        processes.wait_until_asleep(terminal.pid)
        terminal.resize(40, 132)
        terminal.wait_for(b"132")
        terminal.resize(12, 34)
        terminal.wait_for(b"34")

    script = write(
        starter.folder / "sized.py",
        # No handler: the next signal may come while what the last one told is being written.
        "import os, shutil, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
        "print('at rest', flush=True)\n"
        "size = None\n"
        "while size != (34, 12):\n"
        "    signal.sigwait({signal.SIGWINCH})\n"
        "    size = tuple(os.get_terminal_size())\n"
        "    print(size, shutil.get_terminal_size()[:], flush=True)\n",
    )
    status, output = both(starter, [str(script)], talk)
    assert status == 0 and b"(132, 40) (132, 40)" in output and b"(34, 12)" in output


def test_raw_mode(starter):
    """Keys arrive one by one and unchanged, and the person's terminal is as it was afterwards."""
    script = write(
        starter.folder / "raw.py",
        "import json, os, sys, termios, tty\n"
        "before = termios.tcgetattr(0)\n"
        "tty.setraw(0)\n"
        "print('raw', end='\\r\\n', flush=True)\n"
        "keys = b''\n"
        "while not keys.endswith(b'.'):\n"
        "    keys += os.read(0, 1)\n"
        "termios.tcsetattr(0, termios.TCSADRAIN, before)\n"
        "print(json.dumps(list(keys)))\n"
        "print('cooked', input())\n",
    )

    def talk(terminal):
        terminal.wait_for(b"raw")
        for key in (b"\x03", b"\x1a", b"\x1c", b"\r", b"\x04", b"\x1b[A", b"\xff\x00", b"."):
            terminal.type(key)
        terminal.wait_for(b"46]")
        terminal.type(b"line\n")
        terminal.wait_for(b"cooked line")
        terminal.wait_until(lambda: terminal.settings() == terminal.settings_before)

    status, output = both(starter, [str(script)], talk)
    assert status == 0 and b"[3, 26, 28, 13, 4, 27, 91, 65, 255, 0, 46]" in output


def test_end_with_something_that_is_slow_to_close(starter):
    """The terminal is closed by then, and what was at its other end may have gone."""
    script = write(
        starter.folder / "slow.py",
        "import os\n"
        "memory = os.memfd_create('much')\n"
        "os.posix_fallocate(memory, 0, 256 << 20)\n"
        # Linux lets go of the highest descriptors first.
        "os.dup2(memory, 0)\n"
        "os.close(memory)\n"
        "print('full')\n",
    )
    status, output = both(starter, [str(script)], lambda terminal: terminal.wait_for(b"full"))
    assert (status, output) == (0, b"full\r\n")


def test_interactive_without_a_target(starter):
    """`glowplug run` alone is Python's prompt."""

    def talk(terminal):
        terminal.wait_for(b">>> ")
        terminal.type(b"6 * 7\n")
        terminal.wait_for(b"42")
        terminal.type(b"exit(3)\n")

    command = (
        starter.command("run", "--python", starter.python) if starter.glowplug else [starter.python]
    )
    status, _ = on_terminal(starter, command, talk)
    assert status == 3


def test_job_control(starter):
    """Ctrl-Z stops the program, `fg` continues it; it is its own job, of its own process group,
    under an interactive shell.
    """
    script = write(
        starter.folder / "job.py",
        "import json\nimport os\nimport sys\n"
        "me = os.getpid()\n"
        "print('job', os.getpgid(0) == me, os.tcgetpgrp(0) == me, json.dumps(1))\n"
        "print('read', input('type '))\nsys.exit(7)\n",
    )
    if starter.glowplug:
        starter.prepare(script)
        command = " ".join(
            starter.command("run", "--python", starter.python, "--via", starter.way, script)
        )
    else:
        command = f"{starter.python} {script}"

    def talk(terminal):
        terminal.wait_for(b"$ ")
        terminal.type(command.encode() + b"\n")
        terminal.wait_for(b"job True True 1")
        terminal.wait_for(b"type ")
        processes.wait_until_asleep(terminal.foreground())
        terminal.type(b"\x1a")
        terminal.wait_for(b"$ ")
        assert terminal.foreground() == terminal.pid
        terminal.type(b"fg\n")
        terminal.wait_for(b"job.py")
        terminal.type(b"something\n")
        terminal.wait_for(b"read something")
        terminal.wait_for(b"$ ")
        terminal.type(b"exit $?\n")

    env = {**starter.env, "TERM": "dumb", "PS1": "$ ", "HISTFILE": ""}
    terminal = Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], env, starter.fresh_work())
    talk(terminal)
    assert terminal.end() == 7, terminal.output


def test_closing_the_terminal_ends_the_program(starter):
    """A hang-up reaches the thawed program."""
    script = str(SITUATIONS / "interruptible.py")
    if starter.glowplug:
        starter.prepare(script, "lock")
        command = starter.command(
            "run", "--python", starter.python, "--via", starter.way, script, "lock"
        )
    else:
        command = [starter.python, script, "lock"]
    terminal = Terminal(command, starter.env, starter.fresh_work())
    terminal.wait_for(b"ready")
    terminal.close()
    _, status = os.waitpid(terminal.pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGHUP
