"""Compares predicted exclusive cost with what leaving a module out really saves.

    python benches/exclusive_cost.py GLOWPLUG NAME=PYTHON... --samples FILE [--seconds N]

The first run of a program chooses modules whose predicted saving is at least --least, spread evenly
over the ranking. Then, in each round, the program runs under the profiler as it is, and once for
each module with that module, and all modules within it, replaced by stubs that answer every
attribute; a module without which the program fails gives way to the next in the ranking. Samples
are added to a file; several calls can share one, each goes on with what has the fewest rounds.

A run's CPU time is the sum of those of its modules, of what is outside of any, and of garbage
collections; each is taken as the median over the rounds, so what disturbs single runs falls away.
How fast the machine was under either side is the weighted median of the quotients of the modules
that both sides loaded; it is evened out. What leaving the module out saves is the difference: what
is no longer loaded, and what became cheaper or dearer elsewhere. Its error is the standard error
by the jackknife over the rounds.

A measurement whose error is more than half of the 15% that it is to decide about resolves nothing:
it is listed, and counts neither for nor against. A module without which the program fails cannot
be compared; it is reported and not counted. `--seconds 0` only reports. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from profiled_programs import arguments, chosen, profile

WITHIN = 0.15
# Fewer say nothing of the error.
LEAST_ROUNDS = 5
# The name of the side that leaves nothing out.
WHOLE = ""
# What stands among the modules for the program itself and for garbage collections.
OUTSIDE, COLLECTIONS = "__main__", "garbage collections"

# The stand-in for a class or function can be called, derived from, subscripted and decorated with.
STUB = """
import sys
class _Any(type):
    def __getattr__(cls, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _made(name)
    def __getitem__(cls, key): return cls
    def __or__(cls, other): return cls
    def __ror__(cls, other): return cls
    def __call__(cls, *args, **kwargs):
        if len(args) == 1 and callable(args[0]) and not kwargs: return args[0]
        return cls
    def __iter__(cls): return iter(())
def _made(name):
    return _Any(name, (), {"__init_subclass__": classmethod(lambda cls, **k: None)})
class _Stub(type(sys)):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _made(name)
class _Finder:
    def find_spec(name, path=None, target=None):
        if name == LEFT_OUT or name.startswith(LEFT_OUT + "."):
            return type(sys.__spec__)(name, _Finder, is_package=True)
    def create_module(spec): return _Stub(spec.name)
    def exec_module(module): pass
sys.meta_path.insert(0, _Finder)
"""


def left_out(module: str, statement: str) -> str:
    """The program without a module; with an empty name nothing is left out, at the same price."""
    return f"LEFT_OUT = {module!r}\n{STUB}\n{statement}"


class Sample:
    """One profiled run: CPU time by module, milliseconds, and what it predicts."""

    def __init__(self, found: dict) -> None:
        process = found["processes"][0]
        self.own: dict[str, float] = defaultdict(float)
        self.exclusive: dict[str, float] = {}
        for module in process["modules"]:
            own = module["own"]
            collecting = min(own["gc_ns"], own["cpu_ns"])
            self.own[module["name"]] += (own["cpu_ns"] - collecting) / 1e6
            self.own[COLLECTIONS] += collecting / 1e6
            if module["outcome"] == "loaded" and module["name"] != OUTSIDE:
                self.exclusive[module["name"]] = module["exclusive"]["cpu_ns"] / 1e6


def chosen_modules(
    predicted: dict[str, float], failed: set[str], options: argparse.Namespace
) -> list[str]:
    """At most so many of the modules that are worth it, evenly over their ranking."""
    worth = (name for name, ms in predicted.items() if ms >= options.least)
    ranked = sorted(worth, key=lambda name: -predicted[name])
    places = min(options.most_modules, len(ranked))
    bounds = [place * len(ranked) // places for place in range(places + 1)] if places else [0]
    parts = [ranked[begin:end] for begin, end in pairwise(bounds)]
    alive = (next((name for name in part if name not in failed), None) for part in parts)
    return [name for name in alive if name]


class Samples:
    """A file of profiles: a line each, with program, module left out, and what the profile has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # By program and module that is left out.
        self.runs: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        self.failed: dict[str, set[str]] = defaultdict(set)
        for line in path.read_text().splitlines() if path.exists() else ():
            self._take(json.loads(line))

    def _take(self, entry: dict) -> None:
        if entry["profile"] is None:
            self.failed[entry["program"]].add(entry["without"])
        else:
            self.runs[entry["program"]][entry["without"]].append(Sample(entry["profile"]))

    def add(self, program: str, without: str, found: dict | None) -> None:
        """Adds a run; None for a program that fails without the module."""
        kept = found and {"processes": [{"modules": slim(found["processes"][0]["modules"])}]}
        entry = {"program": program, "without": without, "profile": kept}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._take(entry)


def slim(modules: list[dict]) -> list[dict]:
    """What of a profile's modules is kept."""
    kept = ("name", "own", "exclusive", "outcome")
    return [{key: module[key] for key in kept} for module in modules]


def run(glowplug: str, python: str, code: str) -> dict | None:
    """A profile without usage marks; None where the program fails."""
    try:
        return profile(glowplug, python, code, "--no-usage")
    except subprocess.CalledProcessError:
        return None


def collect(samples: Samples, options: argparse.Namespace) -> None:
    """Adds rounds until the time is up."""
    end = time.monotonic() + options.seconds
    programs = chosen(options.programs)
    while time.monotonic() < end:
        name, python, code = min(programs, key=lambda p: len(samples.runs[p[0]][WHOLE]))
        runs = samples.runs[name]
        if not runs[WHOLE]:
            samples.add(name, WHOLE, run(options.glowplug, python, left_out(WHOLE, code)))
        first = runs[WHOLE][0].exclusive
        for module in [*chosen_modules(first, samples.failed[name], options), WHOLE]:
            samples.add(name, module, run(options.glowplug, python, left_out(module, code)))


def medians(runs: list[Sample]) -> dict[str, float]:
    """By module, over the runs."""
    names = {name for sample in runs for name in sample.own}
    return {n: statistics.median(sample.own.get(n, 0.0) for sample in runs) for n in names}


def weighted_median(pairs: list[tuple[float, float]]) -> float:
    """Of values with their weights."""
    pairs = sorted(pairs)
    half = sum(weight for _, weight in pairs) / 2
    for value, weight in pairs:
        half -= weight
        if half <= 0:
            return value
    return 1.0


def saving(whole: list[Sample], without: list[Sample]) -> float:
    """What leaving the module out saves, milliseconds at the speed of the whole side."""
    before, after = medians(whole), medians(without)
    both = before.keys() & after.keys() - {OUTSIDE, COLLECTIONS}
    common = [n for n in both if before[n] > 0 and after[n] > 0]
    speed = weighted_median([(after[n] / before[n], before[n]) for n in common])
    return sum(before.values()) - sum(after.values()) / speed


def jackknife(whole: list[Sample], without: list[Sample]) -> float:
    """The standard error of the saving."""
    rounds = min(len(whole), len(without))
    groups = min(rounds, 10)
    pick = [[i for i in range(rounds) if i % groups != group] for group in range(groups)]
    partial = [saving([whole[i] for i in some], [without[i] for i in some]) for some in pick]
    spread = sum((p - statistics.mean(partial)) ** 2 for p in partial)
    return math.sqrt((groups - 1) / groups * spread)


def row(module: str, whole: list[Sample], without: list[Sample]) -> dict:
    """One module's comparison."""
    expected = statistics.median(sample.exclusive.get(module, 0.0) for sample in whole)
    saved, error = saving(whole, without), jackknife(whole, without)
    return {
        "module": module,
        "predicted_ms": round(expected, 2),
        "measured_ms": round(saved, 2),
        "measured_error_ms": round(error, 2),
        "resolved": len(without) >= LEAST_ROUNDS and 2 * error <= WITHIN * saved,
        "within_15_percent": abs(expected - saved) <= WITHIN * abs(saved),
    }


def compared(runs: dict[str, list[Sample]], failed: set[str]) -> dict:
    """One program's comparison."""
    whole = runs[WHOLE]
    rows = [row(module, whole, without) for module, without in runs.items() if module != WHOLE]
    rows.sort(key=lambda one: -one["predicted_ms"])
    resolved = [one for one in rows if one["resolved"]]
    return {
        "program_ms": round(sum(medians(whole).values()), 1),
        "rounds": len(whole),
        "compared": len(rows),
        "within_15_percent": sum(one["within_15_percent"] for one in rows),
        "resolved": len(resolved),
        "resolved_within_15_percent": sum(one["within_15_percent"] for one in resolved),
        "failed_without": sorted(failed),
        "modules": rows,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--least", type=float, default=5.0, help="milliseconds")
    parser.add_argument("--most-modules", type=int, default=12, help="of a program")
    parser.add_argument("--seconds", type=float, default=200, help="no round begins after these")
    options = parser.parse_args()
    samples = Samples(options.samples)
    collect(samples, options)
    figures = {
        name: compared(runs, samples.failed[name]) for name, runs in sorted(samples.runs.items())
    }
    words = [word.split("=")[0] for word in options.programs]
    json.dump(
        {"command": ["benches/exclusive_cost.py", *words], "programs": figures},
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
