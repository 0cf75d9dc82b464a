#!/usr/bin/env python3
"""Whether the pages that a start touches should lie next to each other in an image: reads them as
they lie, as many bytes in one piece, and the whole image, from the disk, in turn.

    benches/services/layout.py GLOWPLUG PYTHON --json FILE [--rounds N]

PYTHON is an interpreter with tests/packages/requirements/services.txt. Nothing else is measured:
not what a program does with the pages.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from projects import ROOT, prepare

# `Head` of crates/glowplug-image/src/head.rs: what stands before the places of the sections, and
# which of them is `Warm`.
FIXED = struct.Struct("<8sII16s16sQQQ")
WARM = 8
SPAN = struct.Struct("<QQ")

Spans = list[tuple[int, int]]


def warm_spans(image: Path) -> Spans:
    """Offset in the file and length of what a rehearsed start touched."""
    data = image.read_bytes()[: 1 << 20]
    *_, pages = FIXED.unpack_from(data)
    offset, length = SPAN.unpack_from(data, FIXED.size + SPAN.size * WARM)
    section = data[offset : offset + length]
    return [(pages + start, size) for start, size in SPAN.iter_unpack(section)]


def read(image: Path, spans: Spans) -> dict[str, float]:
    """Seconds until all was asked for, and until all had come."""
    subprocess.run([sys.executable, ROOT / "benches" / "drop_cache.py", image], check=True)
    with image.open("rb", buffering=0) as file:
        began = time.perf_counter()
        for offset, length in spans:
            os.posix_fadvise(file.fileno(), offset, length, os.POSIX_FADV_WILLNEED)
        asked = time.perf_counter() - began
        for offset, length in spans:
            for at in range(offset, offset + length, 1 << 20):
                os.pread(file.fileno(), min(1 << 20, offset + length - at), at)
        return {"asked": asked, "wall": time.perf_counter() - began}


def main() -> None:
    """Measures, and writes samples and summary."""
    options = report.options(__doc__, rounds=7).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        image = prepare("fastapi", options.glowplug, options.python, Path(scratch)).image
        spans = warm_spans(image)
        together = sum(length for _, length in spans)
        ways = {
            "as they lie": spans,
            "in one piece": [(spans[0][0], together)],
            "whole image": [(0, image.stat().st_size)],
        }
        samples = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, taken in samples.items():
                taken.append(read(image, ways[way]))
    found = {
        "MiB": {way: sum(length for _, length in part) / (1 << 20) for way, part in ways.items()},
        "spans": len(spans),
        "medians": {way: report.medians(taken) for way, taken in samples.items()},
        "bars": {},
    }
    report.show("layout", found)
    report.keep(options.json, {"layout": {**found, "samples": samples}})


if __name__ == "__main__":
    main()
