"""What keeps profiling cheap: that it is done, not how long it takes."""

from __future__ import annotations

import os
import struct
import subprocess
from collections import Counter
from pathlib import Path

from harness.build import glowplug
from harness.interpreters import clean_environment, default_interpreter
from profiled import start

CHUNK, CHUNKS = 1 << 16, 255
# Kinds of records, as the collector's `trace` module numbers them.
LOAD_BEGIN, LOAD_END, PHASE_BEGIN, PHASE_END, END, CODE = 3, 4, 5, 6, 11, 21
# Words of the snapshot that is in front of the counts at the end.
SNAPSHOT_WORDS = 10


def collector() -> Path:
    """The library that is preloaded."""
    binary = glowplug()
    assert binary, "no Glowplug was built: run `cargo xtask build`, or name one in $GLOWPLUG"
    runtime = os.environ.get("GLOWPLUG_RUNTIME")
    folder = Path(runtime) if runtime else binary.resolve().parents[1] / "lib/glowplug"
    return folder / "collector.so"


def records(data: bytes) -> list[tuple[int, int, tuple[int, ...]]]:
    """Kind, flags and words of all records of a trace."""
    found = []
    (taken,) = struct.unpack_from("<Q", data, 16)
    for chunk in range(1, taken + 1):
        begin = chunk * CHUNK
        at, end = begin + 16, begin + struct.unpack_from("<I", data, begin)[0]
        while at < end:
            kind, flags, words = struct.unpack_from("<BBH", data, at)
            found.append((kind, flags, struct.unpack_from(f"<{words}Q", data, at + 8)))
            at += 8 + 8 * words
    return found


def notes(folder: Path, code: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """The records of a program without usage marks."""
    trace = folder / "trace"
    with trace.open("wb") as file:
        file.write(b"glowprof" + struct.pack("<QQQ", 1, 0, CHUNKS))
        file.truncate((CHUNKS + 1) * CHUNK)
    variables = {"LD_PRELOAD": str(collector()), "GLOWPLUG_COLLECT": f":{trace}"}
    command = [default_interpreter().path, "-c", code]
    subprocess.run(command, cwd=folder, env=clean_environment() | variables, check=True)
    return records(trace.read_bytes())


def test_the_cpu_time_is_not_read_at_every_moment_that_is_noted(tmp_path):
    found = notes(tmp_path, "import argparse, email.parser, json")
    counts = Counter(kind for kind, _, _ in found)
    assert counts[LOAD_BEGIN] == counts[LOAD_END] >= 20
    moments = sum(counts[kind] for kind in (LOAD_BEGIN, LOAD_END, PHASE_BEGIN))
    # The end of a phase is a moment; a short phase, which has a flag, is two.
    moments += sum(2 if flags else 1 for kind, flags, _ in found if kind == PHASE_END)
    (readings,) = (words[SNAPSHOT_WORDS] for kind, _, words in found if kind == END)
    assert 0 < readings < moments * 9 // 10


def test_where_imports_are_written_is_noted_once_for_each_code(tmp_path):
    names = [f"file{number}" for number in range(20)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("import sys\n")
    (tmp_path / "many.py").write_text("".join(f"import {name}\n" for name in names))
    found = notes(tmp_path, "import many")
    # A file's number and a first line: what is noted again for each module that a code loads is
    # the code that loads the most.
    codes = Counter(words[0] for kind, _, words in found if kind == CODE)
    assert len(codes) > len(names)
    assert max(codes.values()) < len(names) // 2


def test_no_library_is_loaded_that_the_program_does_not_load_itself(tmp_path):
    python = default_interpreter().path
    code = "print(*{line.split()[-1] for line in open('/proc/self/maps')}, sep='\\n')"
    plain = subprocess.run(
        [python, "-c", code], env=clean_environment(), capture_output=True, text=True, check=True
    )
    found = start(tmp_path, "-c", code, python=python)
    # The trace has no name any more, or one that ends in "(deleted)".
    libraries = {Path(line).name for line in found.done.stdout.decode().split() if ".so" in line}
    before = {Path(line).name for line in plain.stdout.split() if ".so" in line}
    assert libraries - before == {"collector.so"}
