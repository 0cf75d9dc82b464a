#!/usr/bin/env python3
"""Time from the start of a service's process to its first answer, plainly and thawed, interleaved:
on a whole processor, on parts of one, and with nothing of it in the page cache.

    benches/services/first_answer.py GLOWPLUG PYTHON --json FILE [--rounds N] [--case NAME]

PYTHON is an interpreter with tests/packages/requirements/services.txt, and another one than this
script's: pages of files that a running process has mapped cannot be forgotten. It takes root, for a
cgroup (version 1 or 2) for each start, and to empty the page cache.

Of each start it also tells the processor seconds and the greatest resident size of the first
process, and the most memory that the cgroup had when other requests had been answered as well.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import report
from cgroup import Cgroup
from instance import Instance, ask
from projects import Prepared, prepare

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True)
class Case:
    """What is measured, and what must hold."""

    project: str
    share: float | None = None
    megabytes: int | None = None
    is_cold: bool = False
    least_ratio: float | None = None
    """The least number of times that the plain start takes as long as the thawed one."""
    most_seconds: float | None = None
    """The most that the thawed start takes."""
    least_plain_seconds: float | None = None
    """What the plain start takes at least, so that the case shows anything."""


CASES = {
    "fastapi, whole processor": Case("fastapi", least_ratio=15),
    "fastapi, 20 %": Case("fastapi", 0.2, least_ratio=25, most_seconds=0.4),
    "fastapi, 10 %": Case("fastapi", 0.1, least_ratio=20),
    "fastapi, 10 %, 128 MB": Case("fastapi", 0.1, 128, least_ratio=20),
    "fastapi, cold page cache": Case("fastapi", is_cold=True, least_ratio=8),
    "aiohttp, 10 %, 128 MB": Case("aiohttp", 0.1, 128, most_seconds=0.3, least_plain_seconds=3),
    "sanic, 10 %, 128 MB": Case("sanic", 0.1, 128, most_seconds=0.3, least_plain_seconds=3),
    "sanic without its touch-up, 10 %, 128 MB": Case(
        "sanic-as-written", 0.1, 128, most_seconds=0.3, least_plain_seconds=3
    ),
}


def first_answer(prepared: Prepared, side: str, case: Case) -> dict[str, float]:
    """The figures of one start."""
    cgroup = Cgroup(case.share, case.megabytes)
    instance = Instance(prepared, side, prepared.folder / "listening", cgroup)
    wall = instance.wait_for_answer(prepared.project.health)
    for what in prepared.project.others:
        ask(instance.path, what)
    peak = cgroup.peak()
    usage = instance.end()
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "waits for the disk": usage.ru_majflt,
        "resident MiB": usage.ru_maxrss / 1024,
        "cgroup MiB": peak / (1 << 20),
    }


def forget() -> None:
    """Empties the kernel's caches of files and folders: a fresh container's are."""
    os.sync()
    DROP_CACHES.write_text("3")


def samples_of(case: Case, prepared: Prepared, rounds: int) -> dict:
    """The figures of each side, in the order in which they were taken in turn."""
    samples = {side: [] for side in prepared.sides}
    for _ in range(rounds):
        for side, taken in samples.items():
            if case.is_cold:
                forget()
            taken.append(first_answer(prepared, side, case))
    return samples


def summary(case: Case, samples: dict) -> dict:
    """Medians, the ratio of the sides, and whether the bars hold."""
    medians = {side: report.medians(taken) for side, taken in samples.items()}
    plain, thawed = medians["plain"], medians["thawed"]
    pairs = zip(samples["plain"], samples["thawed"], strict=True)
    ratio = statistics.median(p["wall"] / t["wall"] for p, t in pairs)
    slowest = max(sample["wall"] for sample in samples["thawed"])
    bars = {
        "no more memory": thawed["cgroup MiB"] <= plain["cgroup MiB"],
        "no greater resident size": thawed["resident MiB"] <= plain["resident MiB"],
    }
    if case.least_ratio:
        bars[f"at least {case.least_ratio} times faster"] = ratio >= case.least_ratio
    if case.most_seconds:
        bars[f"at most {case.most_seconds} s"] = thawed["wall"] <= case.most_seconds
    if case.least_plain_seconds:
        bars[f"plain more than {case.least_plain_seconds} s"] = (
            plain["wall"] > case.least_plain_seconds
        )
    return {"medians": medians, "times faster": ratio, "slowest thawed": slowest, "bars": bars}


def main() -> None:
    """Measures the cases and writes samples and summaries."""
    parser = report.options(__doc__, rounds=7)
    parser.add_argument("--case", action="append", choices=CASES)
    options = parser.parse_args()
    made: dict[str, Prepared] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.case or CASES:
            case = CASES[name]
            if case.project not in made:
                made[case.project] = prepare(
                    case.project, options.glowplug, options.python, Path(scratch)
                )
            prepared = made[case.project]
            samples = samples_of(case, prepared, options.rounds)
            found = summary(case, samples)
            report.show(name, found)
            print(f"{name}: {found['times faster']:.1f} times faster", flush=True)
            report.keep(options.json, {name: {**found, "samples": samples}})


if __name__ == "__main__":
    main()
