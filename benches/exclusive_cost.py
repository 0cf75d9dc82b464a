"""Compares predicted exclusive cost with what leaving a module out really saves.

    python benches/exclusive_cost.py GLOWPLUG NAME=PYTHON... [--rounds N] [--least MS]

Profiles each program once to choose modules whose predicted saving is at least --least, spread
evenly over the ranking. Then, in each round, it profiles the program, runs it as it is, and runs
it once for each module with that module, and all modules within it, replaced by stubs that answer
every attribute. So all sides see the same machine. Figures are medians over the rounds of CPU
time; an error is the standard error of the median of differences, by the median deviation.

A measurement whose error is more than half of the 15% that it is to decide about resolves nothing:
it is listed, and counts neither for nor against. A module without which the program fails cannot
be compared; it is reported and not counted. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

from profiled_programs import arguments, chosen, cpu_ms, error, profile

WITHIN = 0.15
# Fewer say nothing of the error.
LEAST_ROUNDS = 5

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


def predictions(found: dict) -> dict[str, float]:
    """Exclusive cost by module, milliseconds of CPU time."""
    modules = found["processes"][0]["modules"][1:]
    return {m["name"]: m["exclusive"]["cpu_ns"] / 1e6 for m in modules if m["outcome"] == "loaded"}


def chosen_modules(predicted: dict[str, float], least: float, most: int) -> list[str]:
    """At most so many of the modules that are worth it, evenly over their ranking."""
    ranked = sorted((n for n, ms in predicted.items() if ms >= least), key=lambda n: -predicted[n])
    if len(ranked) <= most:
        return ranked
    return [ranked[i * len(ranked) // most] for i in range(most)]


def row(name: str, predicted: list[float], savings: list[float]) -> dict:
    """One module's comparison."""
    expected, saved = statistics.median(predicted), statistics.median(savings)
    uncertain = error(savings)
    return {
        "module": name,
        "predicted_ms": round(expected, 2),
        "measured_ms": round(saved, 2),
        "measured_error_ms": round(uncertain, 2),
        "resolved": len(savings) >= LEAST_ROUNDS and 2 * uncertain <= WITHIN * saved,
        "within_15_percent": abs(expected - saved) <= WITHIN * abs(saved),
    }


def compared(glowplug: str, python: str, code: str, options: argparse.Namespace) -> dict:
    """One program's comparison."""
    end = time.monotonic() + options.seconds
    plain = left_out("", code)
    first = profile(glowplug, python, plain, "--no-usage")
    candidates = chosen_modules(predictions(first), options.least, options.most_modules)
    programs = {name: left_out(name, code) for name in candidates}
    failed = {name for name, without in programs.items() if cpu_ms([python, "-c", without]) is None}
    rounds = []
    for number in range(options.rounds):
        if number > 0 and time.monotonic() > end:
            break
        found = predictions(profile(glowplug, python, plain, "--no-usage"))
        alone = cpu_ms([python, "-c", plain])
        savings = {
            name: alone - cpu_ms([python, "-c", without])
            for name, without in programs.items()
            if name not in failed
        }
        rounds.append((found, alone, savings))
    rows = [
        row(name, [found[name] for found, _, _ in rounds], [saved[name] for _, _, saved in rounds])
        for name in candidates
        if name not in failed
    ]
    resolved = [one for one in rows if one["resolved"]]
    return {
        "plain_ms": round(statistics.median(alone for _, alone, _ in rounds), 1),
        "rounds": len(rounds),
        "compared": len(rows),
        "resolved": len(resolved),
        "resolved_within_15_percent": sum(one["within_15_percent"] for one in resolved),
        "failed_without": sorted(failed),
        "modules": rows,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--least", type=float, default=5.0, help="milliseconds")
    parser.add_argument("--most-modules", type=int, default=12, help="of a program")
    parser.add_argument("--seconds", type=float, default=300, help="no round begins after these")
    options = parser.parse_args()
    figures = {
        name: compared(options.glowplug, python, code, options)
        for name, python, code in chosen(options.programs)
    }
    words = [word.split("=")[0] for word in sys.argv[2:]]
    json.dump(
        {"command": ["benches/exclusive_cost.py", *words], "programs": figures},
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
