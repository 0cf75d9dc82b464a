"""Compares predicted exclusive cost with what leaving a module out really saves.

    python benches/exclusive_cost.py GLOWPLUG PYTHON STATEMENT [--rounds N] [--least MS]

Profiles the statement once to choose modules whose predicted saving is at least --least, spread
evenly over the ranking. Then, in each round, it profiles the program, runs it as it is, and runs
it once for each module with that module, and all modules within it, replaced by stubs that answer
every attribute. So all sides see the same machine. Figures are medians over the rounds of CPU
time; an error is the standard error of the median of differences, by the median deviation.

A measurement whose error is more than half of the 15% that it is to decide about resolves nothing:
it is listed, and counts neither for nor against. A module without which the program fails cannot
be compared; it is reported and not counted.
Also measured so is what the collector adds to the program. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def environment() -> dict[str, str]:
    """Without anything that steers Python; hashes the same each time."""
    found = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return found | {"PYTHONHASHSEED": "0"}


def cpu_ms(command: list[str]) -> float | None:
    """CPU time of a command, user and system; None where it failed."""
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1000 if process.returncode == 0 else None


def left_out(module: str, statement: str) -> str:
    """The program without a module; with an empty name nothing is left out, at the same price."""
    return f"LEFT_OUT = {module!r}\n{STUB}\n{statement}"


def profile(glowplug: str, python: str, program: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "profile.json"
        command = [glowplug, "profile", "--json", str(out), "--python", python, "-c", program]
        subprocess.run(command, check=True, env=environment())
        return json.loads(out.read_text())


def predictions(found: dict) -> dict[str, float]:
    """Exclusive cost by module, milliseconds of CPU time."""
    modules = found["processes"][0]["modules"][1:]
    return {m["name"]: m["exclusive"]["cpu_ns"] / 1e6 for m in modules if m["outcome"] == "loaded"}


def chosen(predicted: dict[str, float], least: float, most: int) -> list[str]:
    """At most so many of the modules that are worth it, evenly over their ranking."""
    ranked = sorted((n for n, ms in predicted.items() if ms >= least), key=lambda n: -predicted[n])
    if len(ranked) <= most:
        return ranked
    return [ranked[i * len(ranked) // most] for i in range(most)]


def error(values: list[float]) -> float:
    """The standard error of the median of normal values, from their median deviation."""
    middle = statistics.median(values)
    deviation = 1.4826 * statistics.median(abs(value - middle) for value in values)
    return 1.2533 * deviation / math.sqrt(len(values))


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("statement")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--least", type=float, default=5.0)
    parser.add_argument("--most-modules", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=600, help="no round begins after these")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds

    plain = left_out("", options.statement)
    first = profile(options.glowplug, options.python, plain)
    candidates = chosen(predictions(first), options.least, options.most_modules)
    programs = {name: left_out(name, options.statement) for name in candidates}
    failed = {n for n, p in programs.items() if cpu_ms([options.python, "-c", p]) is None}
    profiled = [options.glowplug, "profile", "--json", os.devnull, "--python"]
    rounds, stated = [], []
    for number in range(options.rounds):
        if number > 0 and time.monotonic() > end:
            break
        found = profile(options.glowplug, options.python, plain)
        stated.append(found["run"]["overhead"]["fraction"])
        sides = {"plain": cpu_ms([options.python, "-c", plain])}
        sides["profiled"] = cpu_ms([*profiled, options.python, "-c", plain])
        for name, program in programs.items():
            if name not in failed:
                sides[name] = cpu_ms([options.python, "-c", program])
        rounds.append((predictions(found), sides))
    rows = [
        row(
            name,
            [predicted[name] for predicted, _ in rounds],
            [sides["plain"] - sides[name] for _, sides in rounds],
        )
        for name in candidates
        if name not in failed
    ]
    json.dump(
        {
            "command": ["benches/exclusive_cost.py", *sys.argv[3:]],
            "plain_ms": round(statistics.median(s["plain"] for _, s in rounds), 1),
            "rounds": len(rounds),
            "compared": len(rows),
            "resolved": sum(r["resolved"] for r in rows),
            "resolved_within_15_percent": sum(
                r["resolved"] and r["within_15_percent"] for r in rows
            ),
            "failed_without": sorted(failed),
            "overhead_stated": round(statistics.median(stated), 4),
            "overhead_and_command_measured_ms": round(
                statistics.median(s["profiled"] - s["plain"] for _, s in rounds), 2
            ),
            "modules": rows,
        },
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
