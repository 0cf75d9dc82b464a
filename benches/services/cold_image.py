#!/usr/bin/env python3
"""An image that is not in the page cache: as it is, where a start reads what it will touch, against
one that is kept compressed and unpacked first. Time to the service's first answer, interleaved.

    benches/services/cold_image.py GLOWPLUG PYTHON --json FILE [--rounds N]

PYTHON is an interpreter with tests/packages/requirements/services.txt; `lz4` and `zstd` are on
PATH. It takes root, for cgroups. Everything but the image is in the page cache.

A program cannot be stopped where it touches a page that is still compressed (containers refuse
`userfaultfd`), so all of a compressed part has to be unpacked before the jump.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import report
from cgroup import Cgroup
from instance import Instance
from projects import ROOT, Prepared, prepare

SHARES = {"whole processor": None, "10 %": 0.1}
PACKERS = {"lz4": ["lz4", "-c"], "zstd": ["zstd", "-c", "-3"]}


def packed(prepared: Prepared) -> Prepared:
    """The service from its image as it is, and from compressed copies, each unpacked beside it."""
    thaw = prepared.sides["thawed"]
    sides = {"raw": thaw}
    for name, words in PACKERS.items():
        file = prepared.image.with_suffix(f".{name}")
        unpacked = prepared.image.with_suffix(f".from-{name}")
        with prepared.image.open("rb") as image, file.open("wb") as output:
            subprocess.run(words, stdin=image, stdout=output, check=True)
        start = shlex.join(str(unpacked) if word == str(prepared.image) else word for word in thaw)
        unpack = f"umask 077; {name} -dc {shlex.quote(str(file))} > {shlex.quote(str(unpacked))}"
        sides[name] = ["sh", "-c", f"{unpack} && exec {start}"]
    return replace(prepared, sides=sides)


def start(prepared: Prepared, side: str, share: float | None) -> dict[str, float]:
    """The figures of one start."""
    folder = prepared.folder
    for unpacked in folder.glob("*.from-*"):
        unpacked.unlink()
    forget = [sys.executable, ROOT / "benches" / "drop_cache.py", prepared.image]
    subprocess.run([*forget, *folder.glob("service.lz4"), *folder.glob("service.zstd")], check=True)
    instance = Instance(prepared, side, folder / "listening", Cgroup(share))
    wall = instance.wait_for_answer(prepared.project.health)
    usage = instance.end()
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": wall, "cpu": cpu, "waits for the disk": usage.ru_majflt}


def main() -> None:
    """Measures, and writes samples and summaries."""
    options = report.options(__doc__, rounds=5).parse_args()
    cases = {}
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare("fastapi", options.glowplug, options.python, Path(scratch))
        prepared = packed(prepared)
        sizes = {
            file.suffix: file.stat().st_size >> 20 for file in prepared.folder.glob("service.*")
        }
        for case, share in SHARES.items():
            samples = {side: [] for side in prepared.sides}
            for _ in range(options.rounds):
                for side, taken in samples.items():
                    taken.append(start(prepared, side, share))
            medians = {side: report.medians(taken) for side, taken in samples.items()}
            best = min(medians, key=lambda side: medians[side]["wall"])
            found = {"MiB": sizes, "medians": medians, "bars": {"raw is fastest": best == "raw"}}
            report.show(f"cold image, {case}", found)
            cases[f"cold image, {case}"] = {**found, "samples": samples}
    report.keep(options.json, cases)


if __name__ == "__main__":
    main()
