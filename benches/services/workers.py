#!/usr/bin/env python3
"""Memory of gunicorn with eight uvicorn workers in all, plainly and thawed: the sum of the
proportional set sizes of its processes when each has answered.

    benches/services/workers.py GLOWPLUG PYTHON --json FILE [--rounds N]

PYTHON is an interpreter with tests/packages/requirements/services.txt. It takes root, for a cgroup
for each service.
"""

from __future__ import annotations

import re
import statistics
import tempfile
from pathlib import Path

import report
from cgroup import Cgroup
from instance import Instance, ask
from projects import Prepared, prepare

WORKERS = 8
MOST = 0.6
# A worker takes whichever connection it meets first; after so many, in turn, each has had some.
REQUESTS = 40 * WORKERS


def proportional_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE).group(1))


def memory(prepared: Prepared, side: str) -> dict[str, float]:
    """The figures of one service."""
    instance = Instance(prepared, side, prepared.folder / "listening", Cgroup())
    instance.wait_for_answer(prepared.project.health)
    while len(instance.cgroup.pids()) < WORKERS + 1:
        ask(instance.path, prepared.project.health)
    for _ in range(REQUESTS):
        ask(instance.path, prepared.project.health)
    for what in prepared.project.others:
        for _ in range(REQUESTS):
            ask(instance.path, what)
    pids = instance.cgroup.pids()
    each = [proportional_kib(pid) / 1024 for pid in pids]
    instance.end()
    return {"processes": len(pids), "MiB in all": sum(each), "greatest MiB": max(each)}


def main() -> None:
    """Measures, and writes samples and summary."""
    options = report.options(__doc__, rounds=3).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare("fastapi-gunicorn", options.glowplug, options.python, Path(scratch))
        samples = {side: [] for side in prepared.sides}
        for _ in range(options.rounds):
            for side, taken in samples.items():
                taken.append(memory(prepared, side))
    pairs = zip(samples["thawed"], samples["plain"], strict=True)
    ratio = statistics.median(t["MiB in all"] / p["MiB in all"] for t, p in pairs)
    found = {
        "medians": {side: report.medians(taken) for side, taken in samples.items()},
        "thawed to plain": ratio,
        "bars": {f"at most {MOST} of plain": ratio <= MOST},
    }
    report.show("8 gunicorn workers", found)
    report.keep(options.json, {"8 gunicorn workers": {**found, "samples": samples}})


if __name__ == "__main__":
    main()
