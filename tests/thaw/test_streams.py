"""Standard streams that are closed, full, huge, seekable, or nobody's any more."""

from __future__ import annotations

import hashlib
import os
import textwrap
from pathlib import Path

import pytest
from harness.clock import write
from harness.running import Conditions

SITUATIONS = Path(__file__).parent / "situations"
CLOSED = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)]


def closing(*descriptors: int):
    """A preparation that closes descriptors in the child."""

    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_streams(each_starter, closed):
    outcome = each_starter.both(
        SITUATIONS / "streams.py",
        conditions=Conditions(stdin=b"input\n", prepare=closing(*closed)),
        expect=0,
    )
    assert "report" in outcome.files


def test_streams_on_files(starter):
    """Seekable standard streams, at an offset that is not zero."""

    def reopen() -> None:
        Path("in").write_text("skipped\nread\n")
        Path("out").write_text("")
        for number, (name, flags) in enumerate(
            [("in", os.O_RDONLY), ("out", os.O_RDWR | os.O_APPEND), ("err", os.O_RDWR | os.O_CREAT)]
        ):
            opened = os.open(name, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.lseek(0, 8, os.SEEK_SET)

    starter.both(SITUATIONS / "streams.py", conditions=Conditions(prepare=reopen), expect=0)


@pytest.mark.core
def test_stdout_on_a_full_device(each_starter):
    """The error at exit and its status are Python's."""
    script = write(each_starter.folder / "full.py", "import json\nprint(json.dumps([1] * 10))\n")
    outcome = each_starter.both(script, conditions=Conditions(stdout="/dev/full"), expect=120)
    assert b"No space left on device" in outcome.stderr


def test_stdout_on_a_full_device_fails_in_print(starter):
    script = write(starter.folder / "full.py", "import json\nprint(json.dumps([1] * 100_000))\n")
    outcome = starter.both(script, conditions=Conditions(stdout="/dev/full"))
    assert b"OSError: [Errno 28]" in outcome.stderr


def test_reader_goes_away(starter):
    """A broken pipe at exit: the message and the status are Python's, and the disposition of
    SIGPIPE too.
    """
    script = write(
        starter.folder / "broken.py",
        "import json, sys\nsys.stdin.read()\nprint(json.dumps([1] * 10))\n",
    )

    def hang_up(process):
        process.stdout.close()
        process.stdout = None
        process.stdin.close()

    outcome = starter.both(script, conditions=Conditions(during=hang_up), expect=120)
    assert b"BrokenPipeError" in outcome.stderr


def test_big_binary_input_and_output(starter):
    """100 MB through both pipes arrive unchanged."""
    script = write(
        starter.folder / "through.py",
        textwrap.dedent("""\
            import hashlib
            import shutil
            import sys

            shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 1 << 16)
            """),
    )
    block = hashlib.sha512(b"seed").digest() * 16
    data = b"".join(n.to_bytes(4, "big") + block for n in range(100_000_000 // (len(block) + 4)))
    outcome = starter.both(script, conditions=Conditions(stdin=data), expect=0)
    assert outcome.stdout == data


@pytest.mark.parametrize(
    "encoding", ["latin-1", "utf-16", "ascii:backslashreplace", "utf-8:surrogateescape"]
)
def test_stream_encoding_by_variable(starter, encoding):
    script = write(
        starter.folder / "encoded.py",
        "import sys\nimport json\n"
        "print(sys.stdin.read(), sys.stdin, sys.stdout, sys.stderr)\n"
        "print(json.dumps('x'))\n",
    )
    starter.both(
        script, conditions=Conditions(stdin=b"abc\n\n", env={"PYTHONIOENCODING": encoding})
    )


def test_program_replaces_streams(starter):
    """Streams that the program itself closes, detaches and replaces."""
    script = write(
        starter.folder / "replaces.py",
        textwrap.dedent("""\
            import io
            import os
            import sys

            sys.stdout.write("before ")
            sys.stdout.flush()
            sys.stdout.reconfigure(line_buffering=True, encoding="latin-1", errors="replace")
            print("h\\xe9 \\u20ac")
            raw = sys.stdout.detach()
            sys.stdout = io.TextIOWrapper(raw, encoding="utf-8")
            print("h\\xe9 \\u20ac")
            sys.stdout.flush()
            os.dup2(2, 1)
            print("now on stderr")
            sys.stdin.close()
            sys.stderr = io.StringIO()
            print("lost", file=sys.stderr)
            """),
    )
    starter.both(script, expect=0)
