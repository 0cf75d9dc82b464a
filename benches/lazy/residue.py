"""What lazy imports cost a program that uses everything that it imports.

    python benches/lazy/residue.py GLOWPLUG PYTHON --json FILE [--rounds N] [--only A,B]
    python benches/lazy/residue.py GLOWPLUG PYTHON --json FILE --instructions [--only A,B]

CPU time of lazy runs against eager ones. Each round runs each program of `programs/` on both sides,
one right after the other, in an order that changes from round to round and with one seed of hashes
for both; each time in a new process, which runs it once to warm up and then `REPEATS` times with
its own CPU clock. The file keeps all samples, and further rounds are added to them. The ratio of a
program is that of the least times of its two sides, or of the medians; the results are the
geometric means of these.

With `--instructions` the instructions of one more run of each program are counted by valgrind's
callgrind, which other processes do not disturb.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from sides import SIDES, commands, environment, instructions, version_of

PROGRAMS = Path(__file__).with_name("programs")

REPEATS = 5

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


def ratios(samples: dict, middle: Callable[[list[int]], float]) -> dict[str, float]:
    """Lazy to eager, for each program."""
    return {name: middle(it["lazy"]) / middle(it["eager"]) for name, it in samples.items()}


def summary(samples: dict) -> dict:
    """What the samples say."""
    by_least, by_median = ratios(samples, min), ratios(samples, statistics.median)
    return {
        "programs": len(samples),
        "geometric_mean_of_least": round(statistics.geometric_mean(by_least.values()), 4),
        "geometric_mean_of_medians": round(statistics.geometric_mean(by_median.values()), 4),
        "ratios_of_least": {name: round(ratio, 4) for name, ratio in by_least.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=5)
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
    of_kind = result.setdefault(kind, {"samples": {}})

    def measure(side: str, name: str, turn: int) -> int:
        if options.instructions:
            return one_more(options.glowplug, options.python, side, name)
        return cpu_time(by_side[side], name, turn)

    for _ in range(1 if options.instructions else options.rounds):
        add_round(of_kind["samples"], names, measure)
        of_kind["summary"] = summary(of_kind["samples"])
        options.json.write_text(json.dumps(result) + "\n")
    print(json.dumps(of_kind["summary"], indent=1))


if __name__ == "__main__":
    main()
