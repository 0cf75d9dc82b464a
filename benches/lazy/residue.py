"""What lazy imports cost a program that uses everything that it imports.

    python benches/lazy/residue.py GLOWPLUG PYTHON --json FILE [--pairs N] [--minutes M]
    python benches/lazy/residue.py GLOWPLUG PYTHON --json FILE --instructions [--only A,B]

CPU time of lazy runs against eager ones, in pairs: each round runs each program of `programs/` on
both sides, one right after the other, in an order that changes from round to round and with one
seed of hashes for both; each time in a new process, which runs it once to warm up and then
`REPEATS` times with its own CPU clock, of which the least counts. The ratio of a program is the
median of the ratios of its pairs: what slows the machine for a while meets both halves of a pair,
and a pair of which it meets one alone does not move the median. The result is the geometric mean
of the programs' ratios, with the interval in which it lies for 95 of 100 draws of as many pairs
from those that were taken (percentile bootstrap).

The file keeps all samples. Rounds are added until each program has `--pairs`, or the minutes are
over; samples that were taken with another build of the extension are dropped.

With `--instructions` the instructions of one more run of each program are counted by valgrind's
callgrind, which other processes do not disturb.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sides import SIDES, build_of, commands, environment, instructions, version_of

PROGRAMS = Path(__file__).with_name("programs")

REPEATS = 5
DRAWS = 2000

RUN = (
    "import sys, time\n"
    "sys.path.insert(0, {folder!r})\n"
    "import {name} as program\n"
    "main = program.main\n"
    "main()\n"
    "def once():\n"
    "    began = time.process_time_ns()\n"
    "    main()\n"
    "    return time.process_time_ns() - began\n"
    "print(min([once() for _ in range({repeats})], default=0))\n"
)


def code(name: str, repeats: int) -> str:
    """The program that times one of the programs."""
    return RUN.format(folder=str(PROGRAMS), name=name, repeats=repeats)


def cpu_time(command: list[str], name: str, seed: int) -> int:
    """CPU time of one run, ns."""
    command = [*command, "-c", code(name, REPEATS)]
    done = subprocess.run(
        command, env=environment(seed), capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def one_more(glowplug: str, python: str, side: str, name: str) -> int:
    """How many instructions one more run has."""
    none, one = (instructions(glowplug, python, side, code(name, more)) for more in (0, 1))
    return one - none


def add_round(samples: dict, names: list[str], measure: Callable[[str, str, int], int]) -> None:
    """One more sample of each side of each program. `measure` gets side, program and turn."""
    for name in names:
        of_program = samples.setdefault(name, {side: [] for side in SIDES})
        turn = len(of_program["eager"])
        for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
            of_program[side].append(measure(side, name, turn))


def ratios_of_pairs(samples: dict) -> dict[str, list[float]]:
    """Lazy to eager in each pair, for each program."""
    return {
        name: [lazy / eager for lazy, eager in zip(of_program["lazy"], of_program["eager"])]
        for name, of_program in samples.items()
    }


def mean_of_medians(ratios: Iterable[list[float]]) -> float:
    """The result: the geometric mean of the programs' medians."""
    return statistics.geometric_mean(map(statistics.median, ratios))


def interval(ratios: dict[str, list[float]]) -> list[float]:
    """The middle 95 of 100 results of as many pairs, drawn with replacement; the same each time."""
    chance = random.Random(0)
    draws = sorted(
        mean_of_medians(
            chance.choices(of_program, k=len(of_program)) for of_program in ratios.values()
        )
        for _ in range(DRAWS)
    )
    return [round(draws[int(DRAWS * share)], 4) for share in (0.025, 0.975)]


def summary(samples: dict) -> dict:
    """What the samples say."""
    ratios = ratios_of_pairs(samples)
    return {
        "programs": len(ratios),
        "pairs": min(map(len, ratios.values())),
        "geometric_mean": round(mean_of_medians(ratios.values()), 4),
        "interval_95": interval(ratios),
        "ratios": {name: round(statistics.median(pairs), 4) for name, pairs in ratios.items()},
    }


def fewest(samples: dict, names: list[str]) -> int:
    """How many pairs the program has that has fewest."""
    return min(len(samples.get(name, {"lazy": ()})["lazy"]) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    by_side = commands(options.glowplug, options.python)
    every = sorted(path.stem for path in PROGRAMS.glob("*.py"))
    names = options.only.split(",") if options.only else every
    kind = "instructions" if options.instructions else "cpu_ns"
    result = json.loads(options.json.read_text()) if options.json.exists() else {}
    result.setdefault("python", version_of(options.python))
    build = build_of(options.glowplug, options.python)
    of_kind = result.setdefault(kind, {})
    if of_kind.get("build") != build:
        of_kind.update(build=build, samples={})

    def measure(side: str, name: str, turn: int) -> int:
        if options.instructions:
            return one_more(options.glowplug, options.python, side, name)
        return cpu_time(by_side[side], name, turn)

    wanted = 1 if options.instructions else options.pairs
    end = time.monotonic() + options.minutes * 60
    while fewest(of_kind["samples"], names) < wanted and time.monotonic() < end:
        add_round(of_kind["samples"], names, measure)
        of_kind["summary"] = summary(of_kind["samples"])
        options.json.write_text(json.dumps(result) + "\n")
    print(json.dumps(of_kind.get("summary"), indent=1))


if __name__ == "__main__":
    main()
