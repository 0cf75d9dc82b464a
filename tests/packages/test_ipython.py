"""IPython on a terminal: its prompt, keys, history and window, however it is started."""

from __future__ import annotations

import re
import signal

import pytest
from harness import processes
from harness.clock import write
from harness.environments import in_environment
from harness.terminal import Terminal

pytestmark = [pytest.mark.packages, pytest.mark.every_way]

# What moves the cursor, sets colours and titles, or asks the terminal.
CONTROL = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")
CELL = "import signal, sys; print('no' 'w', flush=True); signal.pause()"


class Conversation:
    """Cells that are typed, and their answers."""

    def __init__(self, command: list, env: dict, folder) -> None:
        self.terminal = Terminal([str(word) for word in command], env, folder)
        self.answers: list[bytes] = []

    def prompt(self, number: int) -> None:
        """Waits until a cell can be typed: what is typed before IPython reads is echoed twice."""
        self.terminal.wait_for(b"In [%d]:" % number)

    def answer(self, text: bytes) -> None:
        """Requires text that no cell holds as it was typed."""
        self.terminal.wait_for(text)
        self.answers.append(text)

    def type(self, text: bytes) -> None:
        self.terminal.type(text)


def talk(conversation: Conversation) -> int:
    """A person's session; returns the exit status."""
    terminal = conversation.terminal
    conversation.prompt(1)
    # IPython asks where the cursor is, and answers none of the keys before it knows.
    conversation.type(b"40 + 2\r")
    conversation.answer(b"42")
    conversation.prompt(2)
    conversation.type(CELL.encode() + b"\r")
    conversation.answer(b"now")
    conversation.type(b"\x03")
    conversation.answer(b"KeyboardInterrupt")
    conversation.prompt(3)
    # Two cells back in the history.
    conversation.type(b"\x1b[A\x1b[A")
    conversation.type(b" + 100\r")
    conversation.answer(b"142")
    conversation.prompt(4)
    terminal.resize(33, 111)
    conversation.type(b"import os; tuple(os.get_terminal_size())\r")
    conversation.answer(b"(111, 33)")
    conversation.prompt(5)
    conversation.type(b"import getpass; len(getpass.getpass('sec' 'ret? '))\r")
    conversation.answer(b"secret? ")
    conversation.type(b"hidden!\r")
    conversation.answer(b"]: \x1b[0m7\r\n")
    conversation.prompt(6)
    # What is begun is given up by Ctrl-C; Ctrl-D on an empty line ends the session.
    conversation.type(b"half a li")
    terminal.wait_for(b"half a li")
    conversation.type(b"\x03")
    conversation.type(b"1000 + 1\r")
    conversation.answer(b"1001")
    conversation.prompt(7)
    conversation.type(b"\x04")
    conversation.answer(b"really want to exit")
    conversation.type(b"y\r")
    terminal.wait_until(lambda: terminal.settings() == terminal.settings_before)
    return terminal.end()


def session(starter, command) -> tuple[int, list[bytes]]:
    folder = starter.fresh_work()
    env = {**starter.env, "TERM": "xterm", "IPYTHONDIR": str(folder / "ipython")}
    env |= {"HOME": str(folder), "PROMPT_TOOLKIT_NO_CPR": "1", "COLORTERM": ""}
    conversation = Conversation(command, env, folder)
    status = talk(conversation)
    assert b"hidden!" not in CONTROL.sub(b"", conversation.terminal.output)
    return status, conversation.answers


OPTIONS = ["--no-banner", "--colors=nocolor"]


def test_session(starter):
    inside = in_environment(starter, "hooks")
    plain = session(inside, [inside.python, "-m", "IPython", *OPTIONS])
    assert plain[0] == 0
    if starter.glowplug:
        words = ["-m", "IPython", *OPTIONS]
        inside.prepare(*words)
        command = inside.command("run", "--python", inside.python, "--via", inside.way, *words)
        assert session(inside, command) == plain
