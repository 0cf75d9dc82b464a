"""What `glowplug profile` adds to the CPU time of programs, with usage marks and without.

    python benches/profile_overhead.py GLOWPLUG NAME=PYTHON... --samples FILE [--seconds N]

In each round a program runs plainly, under the profiler without usage marks, and with them, each
time on the same processor; which comes first changes from round to round. The CPU time is that of
the program alone, user and system. What the command itself computes before and behind the program
is no part of it, and stands in a column of its own. Samples are added to a file, so several calls
can share one; `--seconds 0` only reports.

Figures are medians, over the rounds, of the ratio to the plain run of the same round, and of the
difference to it; their standard errors; and what the profiles themselves state. Where what is
stated is off by more than --off, and twice the error of the measurement, that is said, and the
exit status is 1. The program `bare`
does nothing: what is added to it is the fixed part, which is the same for each program; the rest,
as a part of the program's own time, is the proportional part. Prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from profiled_programs import arguments, chosen, cpu_ms, error, on_one_processor, profile

PLAIN = "plain"
SIDES = {"without_marks": ["--no-usage"], "with_marks": []}
# By side: CPU time in ms; for profiles also what they state of it, and the command's own CPU time.
Round = dict[str, dict[str, float]]


def profiled(glowplug: str, python: str, code: str, options: list[str]) -> dict[str, float]:
    """A run under the profiler."""
    found, command_ms = profile(glowplug, python, code, *options)
    run = found["run"]
    spent = run["cpu_ns"] / 1e6
    stated = run["overhead"]["cpu_ns"] / 1e6
    return {"ms": spent, "stated_ms": stated, "command_ms": command_ms}


def one_round(glowplug: str, python: str, code: str, number: int) -> Round:
    """Each side once, beginning with another one each time."""

    def plainly() -> dict[str, float]:
        spent = cpu_ms([python, "-c", code])
        assert spent, f"{code!r} fails"
        return {"ms": spent}

    def under(options: list[str]) -> Callable[[], dict[str, float]]:
        return lambda: profiled(glowplug, python, code, options)

    sides = [(PLAIN, plainly)] + [(side, under(options)) for side, options in SIDES.items()]
    first = number % len(sides)
    return {side: run() for side, run in sides[first:] + sides[:first]}


def is_off(side: dict, bound: float) -> bool:
    """Whether what profiles state is not what was measured."""
    added, said = side["added"], side["stated"]
    return abs(added["median"] - said["median"]) > bound + 2 * (added["error"] + said["error"])


def stated(run: dict[str, float]) -> float:
    """The part that a profile says was added."""
    return run["stated_ms"] / (run["ms"] - run["stated_ms"])


def middle(values: list[float], digits: int) -> dict[str, float]:
    """Their median and its standard error."""
    return {
        "median": round(statistics.median(values), digits),
        "error": round(error(values), digits),
    }


def figures_of(rounds: list[Round], fixed: dict[str, float]) -> dict:
    """One program's figures; `fixed` has the milliseconds that `bare` gets added, by side."""
    plain = [one[PLAIN]["ms"] for one in rounds]
    figures: dict = {"plain_ms": round(statistics.median(plain), 1), "rounds": len(rounds)}
    for side in SIDES:
        runs = [one[side] for one in rounds]
        pairs = list(zip(runs, plain, strict=True))
        rest = [(run["ms"] - alone - fixed.get(side, 0.0)) / alone for run, alone in pairs]
        figures[side] = {
            "added": middle([run["ms"] / alone - 1 for run, alone in pairs], 4),
            "added_ms": middle([run["ms"] - alone for run, alone in pairs], 3),
            "stated": middle([stated(run) for run in runs], 4),
            "command_ms": round(statistics.median(run["command_ms"] for run in runs), 1),
        }
        if side in fixed:
            figures[side]["proportional"] = middle(rest, 4)
    return figures


def load(path: Path) -> dict[str, list[Round]]:
    """The rounds of a file, by program."""
    rounds = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        rounds[entry["program"]].append(entry["round"])
    return rounds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60, help="of each program")
    parser.add_argument("--off", type=float, default=0.02, help="of the program's CPU time")
    options = parser.parse_args()
    on_one_processor()
    rounds = load(options.samples)
    for name, python, code in chosen(options.programs) if options.seconds > 0 else ():
        end = time.monotonic() + options.seconds
        one_round(options.glowplug, python, code, 0)
        while time.monotonic() < end:
            fresh = one_round(options.glowplug, python, code, len(rounds[name]))
            rounds[name].append(fresh)
            with options.samples.open("a") as file:
                file.write(json.dumps({"program": name, "round": fresh}) + "\n")
    bare = rounds.get("bare", [])
    fixed = {
        side: statistics.median(one[side]["ms"] - one[PLAIN]["ms"] for one in bare)
        for side in SIDES
        if bare
    }
    figures = {name: figures_of(some, fixed) for name, some in sorted(rounds.items())}
    words = [word.split("=")[0] for word in options.programs]
    command = ["benches/profile_overhead.py", *words]
    off = [
        f"{name}, {side.replace('_', ' ')}"
        for name, found in figures.items()
        for side in SIDES
        if is_off(found[side], options.off)
    ]
    json.dump({"command": command, "programs": figures, "off": off}, sys.stdout, indent=1)
    print()
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
