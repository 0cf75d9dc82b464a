"""How alike two starved profiles of a program are: the rank correlation of its modules' self times.

    python benches/profile_ranks.py GLOWPLUG NAME=PYTHON... [--cpus 0.1] [--runs N ...] [--pairs N]

Profiles each program twice, of as many runs each as asked for, and correlates the ranks (Spearman)
of the self CPU times, and of the self wall times, of the modules that both loaded. Figures are
medians over the pairs. Prints JSON. Needs Python 3.12 or newer to run.
"""

from __future__ import annotations

import json
import statistics
import sys

from profiled_programs import arguments, chosen, profile

CLOCKS = ("cpu_ns", "wall_ns")


def self_times(found: dict, clock: str) -> dict[str, int]:
    """By name; of a module that was loaded twice, the second load."""
    return {m["name"]: m["own"][clock] for m in found["processes"][0]["modules"][1:]}


def correlation(one: dict[str, int], other: dict[str, int]) -> float:
    """Spearman's, over what both have."""
    names = sorted(one.keys() & other.keys())
    return statistics.correlation(
        [one[name] for name in names], [other[name] for name in names], method="ranked"
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cpus", default="0.1")
    parser.add_argument("--runs", nargs="+", default=["1", "3"])
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    figures: dict = {}
    for name, python, code in chosen(options.programs):
        for runs in options.runs:
            limits = ["--cpus", options.cpus, "--runs", runs]
            pairs = [
                [profile(options.glowplug, python, code, *limits)[0] for _ in range(2)]
                for _ in range(options.pairs)
            ]
            figures[f"{name}, --runs {runs}"] = {
                clock: round(
                    statistics.median(
                        correlation(*(self_times(side, clock) for side in pair)) for pair in pairs
                    ),
                    3,
                )
                for clock in CLOCKS
            } | {"method": pairs[0][0]["run"]["constraint"]["method"]}
    words = [word.split("=")[0] for word in sys.argv[2:]]
    json.dump(
        {"command": ["benches/profile_ranks.py", *words], "programs": figures},
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
