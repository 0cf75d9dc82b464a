"""What `glowplug profile` adds to the CPU time of programs, with usage marks and without.

    python benches/profile_overhead.py GLOWPLUG NAME=PYTHON... [--rounds N]

In each round the program runs plainly, under the profiler without usage marks, and with them; the
CPU time is that of the program alone, as the profile says it. Figures are medians over the rounds
of the ratio to the plain run of the same round, their standard errors, the ratio of the least of
all rounds to the least plain one (the runs that other programs disturbed least), and what the
profiles themselves state. Prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys

from profiled_programs import arguments, chosen, cpu_ms, error, profile

SIDES = {"without_marks": ["--no-usage"], "with_marks": []}


def compared(glowplug: str, python: str, code: str, rounds: int) -> dict:
    """One program's figures."""
    plain: list[float] = []
    spent: dict[str, list[float]] = {side: [] for side in SIDES}
    added: dict[str, list[float]] = {side: [] for side in SIDES}
    stated: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds + 1):
        alone = cpu_ms([python, "-c", code])
        assert alone, f"{code!r} fails"
        for side, options in SIDES.items():
            run = profile(glowplug, python, code, *options)["run"]
            if number > 0:
                spent[side].append(run["cpu_ns"] / 1e6)
                added[side].append(spent[side][-1] / alone - 1)
                stated[side].append(run["overhead"]["fraction"])
        if number > 0:
            plain.append(alone)
    figures: dict = {"plain_ms": round(statistics.median(plain), 1), "rounds": rounds}
    for side in SIDES:
        figures[side] = {
            "measured": round(statistics.median(added[side]), 4),
            "measured_error": round(error(added[side]), 4),
            "least": round(min(spent[side]) / min(plain) - 1, 4),
            "stated": round(statistics.median(stated[side]), 4),
        }
    return figures


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    figures = {
        name: compared(options.glowplug, python, code, options.rounds)
        for name, python, code in chosen(options.programs)
    }
    words = [word.split("=")[0] for word in options.programs]
    command = ["benches/profile_overhead.py", *words, "--rounds", str(options.rounds)]
    json.dump({"command": command, "programs": figures}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
