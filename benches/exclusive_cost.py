"""Compares predicted exclusive cost with what leaving a module out really saves.

    python benches/exclusive_cost.py GLOWPLUG NAME=PYTHON... --samples FILE [--seconds N]

A program is profiled once, and run once for each of a sample of modules, spread evenly over the
ranking of those whose predicted saving is at least --least, with that module, and all within it,
replaced by stubs that answer every attribute. The truth is what it then executes less than with
nothing left out, without any profiler. Both are counted in instructions (see instruction_clock.py),
as on a machine that does anything else no difference of some milliseconds can be seen in CPU time;
milliseconds are instructions at the pace of the whole program.

A module without which the program fails cannot be compared: it is listed, and the next in the
ranking takes its place. What is found is added to a file, so several calls can share one;
`--seconds 0` only reports. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from instruction_clock import Clock
from profiled_programs import ProgramFailedError, arguments, chosen

WITHIN = 0.15
# The name of the side that leaves nothing out.
WHOLE = ""

# The stand-in for a class or function can be called, derived from, subscripted and decorated with.
# They are made before the program begins, also where nothing is left out: making a class costs more
# than many a module does by itself.
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
def _fresh():
    return _Any("Any", (), {"__init_subclass__": classmethod(lambda cls, **k: None)})
_stock = [_fresh() for _ in range(300)]
def _made(name):
    return _stock.pop() if _stock else _fresh()
class _Stub(type(sys)):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = self.__dict__[name] = _made(name)
        return made
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


class Found:
    """What is known of one program."""

    def __init__(self) -> None:
        # CPU time of the whole program, milliseconds.
        self.ms = 0.0
        # By module, instructions.
        self.predicted: dict[str, int] = {}
        # By module that is left out, instructions executed; None where the program fails.
        self.executed: dict[str, int | None] = {}

    def per_ms(self) -> float:
        """Instructions in a millisecond."""
        return (self.executed[WHOLE] or 0) / self.ms

    def next(self, least_ms: float, most: int) -> str | None:
        """What is left out next: the first that is neither tried nor known to be needed, of parts
        of equal size of the ranking of all that are worth it."""
        worth = [name for name, cost in self.predicted.items() if cost >= least_ms * self.per_ms()]
        ranked = sorted(worth, key=lambda name: -self.predicted[name])
        parts = min(most, len(ranked))
        bounds = [part * len(ranked) // parts for part in range(parts + 1)] if parts else [0]
        for begin, end in pairwise(bounds):
            part = ranked[begin:end]
            if any(self.executed.get(name) is not None for name in part):
                continue
            for name in part:
                if name not in self.executed:
                    return name
        return None


class Samples:
    """A file with a line for each finding."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.programs: dict[str, Found] = defaultdict(Found)
        for line in path.read_text().splitlines() if path.exists() else ():
            self._take(json.loads(line))

    def _take(self, entry: dict) -> None:
        found = self.programs[entry["program"]]
        if "without" in entry:
            found.executed[entry["without"]] = entry["executed"]
        else:
            found.ms, found.predicted = entry["ms"], entry["predicted"]

    def add(self, program: str, **entry: object) -> None:
        """Adds a finding."""
        with self.path.open("a") as file:
            file.write(json.dumps({"program": program} | entry) + "\n")
        self._take({"program": program} | entry)


def executed(clock: Clock, python: str, module: str, code: str) -> int | None:
    """Instructions of a program without a module; None where it fails."""
    try:
        return clock.instructions([python, "-c", left_out(module, code)])
    except ProgramFailedError:
        return None


def predictions(clock: Clock, glowplug: str, python: str, code: str) -> dict[str, int]:
    """Exclusive cost by module, in instructions."""
    found = clock.profile(glowplug, [python, "-c", left_out(WHOLE, code)], "--no-usage")
    modules = found["processes"][0]["modules"][1:]
    return {m["name"]: m["exclusive"]["cpu_ns"] for m in modules if m["outcome"] == "loaded"}


def collect(samples: Samples, options: argparse.Namespace) -> None:
    """Finds out what is not known yet, until the time is up."""
    end = time.monotonic() + options.seconds
    least, most = options.least, options.most_modules
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder))
        for name, python, code in chosen(options.programs):
            found = samples.programs[name]
            if not found.predicted and time.monotonic() < end:
                ms = min(clock.warm([python, "-c", left_out(WHOLE, code)]) for _ in range(3))
                predicted = predictions(clock, options.glowplug, python, code)
                samples.add(name, ms=ms, predicted=predicted)
                samples.add(name, without=WHOLE, executed=executed(clock, python, WHOLE, code))
            while time.monotonic() < end and (module := found.next(least, most)):
                samples.add(name, without=module, executed=executed(clock, python, module, code))


def compared(found: Found, least: float) -> dict:
    """One program's comparison."""
    whole, per_ms = found.executed[WHOLE] or 0, found.per_ms()
    rows = []
    for module, count in found.executed.items():
        if module == WHOLE or count is None or found.predicted[module] < least * per_ms:
            continue
        predicted, saved = found.predicted[module], whole - count
        rows.append(
            {
                "module": module,
                "predicted_ms": round(predicted / per_ms, 2),
                "measured_ms": round(saved / per_ms, 2),
                "within_15_percent": abs(predicted - saved) <= WITHIN * abs(saved),
            }
        )
    return {
        "program_ms": round(found.ms, 1),
        "instructions": whole,
        "compared": len(rows),
        "within_15_percent": sum(row["within_15_percent"] for row in rows),
        "failed_without": sorted(n for n, count in found.executed.items() if count is None),
        "modules": sorted(rows, key=lambda row: -row["predicted_ms"]),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--least", type=float, default=5.0, help="milliseconds")
    parser.add_argument("--most-modules", type=int, default=12, help="of a program")
    parser.add_argument("--seconds", type=float, default=200, help="nothing begins after these")
    options = parser.parse_args()
    samples = Samples(options.samples)
    if options.seconds > 0:
        collect(samples, options)
    figures = {
        name: compared(found, options.least)
        for name, found in sorted(samples.programs.items())
        if WHOLE in found.executed
    }
    words = [word.split("=")[0] for word in options.programs]
    command = ["benches/exclusive_cost.py", *words]
    json.dump({"command": command, "programs": figures}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
