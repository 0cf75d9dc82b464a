"""Compares predicted exclusive cost with what leaving a module out really saves.

    python benches/exclusive_cost.py GLOWPLUG PYTHON STATEMENT [--samples N] [--least MS]

Profiles the statement, then, for each module whose predicted saving is at least --least, runs the
program with the module replaced by a stub, interleaved with the program as it is. A stub answers
every attribute with another stub. Modules whose absence makes the program fail are reported as
such and not compared. Also measures the collector's overhead the same way. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = """
import sys, types
class Stub(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
sys.modules[%r] = Stub(%r)
"""


def environment() -> dict[str, str]:
    """Without anything that steers Python."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def cpu_ms(command: list[str]) -> float | None:
    """CPU time of a command, user and system; None where it failed."""
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1000 if process.returncode == 0 else None


def interleaved(sides: dict[str, list[str]], samples: int) -> dict[str, list[float]]:
    """Samples of each side, taken in turn; a side that fails has none."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(samples):
        for name, command in sides.items():
            cost = cpu_ms(command)
            if cost is not None:
                found[name].append(cost)
    return found


def profile(glowplug: str, python: str, statement: str, runs: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "profile.json"
        command = [glowplug, "profile", "--runs", str(runs), "--json", str(out)]
        subprocess.run(
            [*command, "--python", python, "-c", statement], check=True, env=environment()
        )
        return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("statement")
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--least", type=float, default=5.0)
    parser.add_argument("--most-modules", type=int, default=25)
    options = parser.parse_args()
    found = profile(options.glowplug, options.python, options.statement, options.samples)
    process = found["processes"][0]
    plain = [options.python, "-c", options.statement]
    profiled = [options.glowplug, "profile", "--json", os.devnull, "--python", *plain]
    overhead = interleaved({"plain": plain, "profiled": profiled}, options.samples)
    rows = []
    modules = sorted(process["modules"][1:], key=lambda m: -m["exclusive"]["cpu_ns"])
    for module in modules[: options.most_modules]:
        predicted = module["exclusive"]["cpu_ns"] / 1e6
        if predicted < options.least:
            continue
        name = module["name"]
        stubbed = [options.python, "-c", STUB % (name, name) + options.statement]
        sides = interleaved({"plain": plain, "stubbed": stubbed}, options.samples)
        row = {"module": name, "predicted_ms": round(predicted, 2)}
        if len(sides["stubbed"]) == options.samples:
            saved = statistics.median(sides["plain"]) - statistics.median(sides["stubbed"])
            row |= {"measured_ms": round(saved, 2), "samples_ms": sides}
        else:
            row["failed"] = True
        rows.append(row)
        print(json.dumps({k: v for k, v in row.items() if k != "samples_ms"}), file=sys.stderr)
    compared = [row for row in rows if "measured_ms" in row]
    within = [
        r for r in compared if abs(r["predicted_ms"] / max(r["measured_ms"], 0.01) - 1) <= 0.15
    ]
    json.dump(
        {
            "command": sys.argv,
            "compared": len(compared),
            "within_15_percent": len(within),
            "overhead_stated": found["run"]["overhead"],
            "overhead_samples_ms": overhead,
            "modules": rows,
        },
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
