#!/usr/bin/env python3
"""What it costs to tell the files of another layer by their contents: time to a service's first
answer where they have the stamps of the build, where they are copies with other inode numbers, and
where nothing is compared (`--sealed`); interleaved, everything in the page cache.

    benches/services/identity.py GLOWPLUG PYTHON --json FILE [--rounds N]

PYTHON is an interpreter with tests/packages/requirements/services.txt. It takes root, for mounts and
cgroups: each start has the folder of the packages, or its copy, mounted in its place.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import report
from cgroup import Cgroup
from instance import Instance
from projects import Prepared, prepare

SHARES = {"whole processor": None, "10 %": 0.1}


def in_place_of(folder: Path, mounted: Path, words: list[str]) -> list[str]:
    """The command, for which `mounted` lies where `folder` does."""
    mount = shlex.join(["mount", "--bind", str(mounted), str(folder)])
    return ["unshare", "--mount", "sh", "-c", f"{mount} && exec {shlex.join(words)}"]


def packages(python: str) -> Path:
    """Where they really lie."""
    question = "import uvicorn; print(uvicorn.__file__)"
    found = subprocess.run([python, "-c", question], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip()).resolve().parent.parent


def sides(prepared: Prepared, folder: Path, copy: Path) -> Prepared:
    thaw = prepared.sides["thawed"]
    index = thaw.index("--via")
    sealed = [*thaw[:index], "--sealed", *thaw[index:]]
    return replace(
        prepared,
        sides={
            "same stamps": in_place_of(folder, folder, thaw),
            "other inode numbers": in_place_of(folder, copy, thaw),
            "sealed": in_place_of(folder, folder, sealed),
        },
    )


def start(prepared: Prepared, side: str, share: float | None) -> dict[str, float]:
    """The figures of one start."""
    instance = Instance(prepared, side, prepared.folder / "listening", Cgroup(share))
    wall = instance.wait_for_answer(prepared.project.health)
    usage = instance.end()
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def main() -> None:
    """Measures, and writes samples and summaries."""
    options = report.options(__doc__, rounds=7).parse_args()
    cases = {}
    folder = packages(options.python)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        subprocess.run(["cp", "--archive", folder, copy], check=True)
        prepared = prepare("fastapi", options.glowplug, options.python, Path(scratch))
        prepared = sides(prepared, folder, copy)
        for case, share in SHARES.items():
            samples = {side: [] for side in prepared.sides}
            for _ in range(options.rounds):
                for side, taken in samples.items():
                    taken.append(start(prepared, side, share))
            pairs = zip(samples["other inode numbers"], samples["same stamps"], strict=True)
            found = {
                "medians": {side: report.medians(taken) for side, taken in samples.items()},
                "contents cost, s": statistics.median(o["wall"] - s["wall"] for o, s in pairs),
                "bars": {},
            }
            report.show(f"identity, {case}", found)
            cases[f"identity, {case}"] = {**found, "samples": samples}
    report.keep(options.json, cases)


if __name__ == "__main__":
    main()
