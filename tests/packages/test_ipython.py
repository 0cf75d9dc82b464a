"""IPython on a terminal: its prompt, keys, history and window, however it is started."""

from __future__ import annotations

import shutil

import pytest
from harness.environments import in_environment
from harness.running import Conditions
from harness.terminal import Terminal

pytestmark = [pytest.mark.packages, pytest.mark.every_way]

CELL = "import signal, sys; print('no' 'w', flush=True); signal.pause()"


class Conversation:
    """Cells that are typed, and their answers."""

    def __init__(self, command: list, env: dict, folder) -> None:
        self.terminal = Terminal([str(word) for word in command], env, folder)
        self.answers: list[bytes] = []

    def prompt(self, number: int) -> None:
        """Waits until a cell can be typed."""
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


def settings(starter) -> dict[str, str]:
    """Variables for a terminal that answers no questions, and a history of the session's own."""
    home = starter.folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    names = {"TERM": "xterm", "COLORTERM": "", "PROMPT_TOOLKIT_NO_CPR": "1"}
    return {**names, "HOME": str(home), "IPYTHONDIR": str(home / "ipython")}


def session(starter, command) -> tuple[int, list[bytes]]:
    env = {**starter.env, **settings(starter)}
    conversation = Conversation(command, env, starter.fresh_work())
    status = talk(conversation)
    assert b"hidden!" not in conversation.terminal.output
    return status, conversation.answers


def test_session(starter):
    inside = in_environment(starter, "hooks")
    words = ["-m", "IPython", "--no-banner", "--colors=nocolor"]
    plain = session(inside, [inside.python, *words])
    assert plain[0] == 0
    if starter.glowplug:
        inside.prepare(*words, conditions=Conditions(env=settings(inside)))
        command = inside.command("run", "--python", inside.python, "--via", inside.way, *words)
        assert session(inside, command) == plain
