"""What lazy imports cost a program that uses everything that it imports.


    python benches/lazy/residue.py GLOWPLUG PYTHON [--rounds N] [--json FILE]

CPU time of lazy runs against eager ones. Both sides run each program of `programs/` in turns, each
time in a new process, which runs it once to warm up and then `REPEATS` times with its own CPU
clock. The ratio of a program is that of the least times of its two sides, and the result is their
geometric mean.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

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
    "print(min(once() for _ in range({repeats})))\n"
)


def measure(command: list[str], name: str, environment: dict[str, str]) -> int:
    """CPU time of one run, ns."""
    code = RUN.format(folder=str(PROGRAMS), name=name, repeats=REPEATS)
    done = subprocess.run(
        [*command, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    lazy = [options.glowplug, "lazy", "run", "--no-policy", "--python", options.python]
    ratios, rows = [], {}
    for path in sorted(PROGRAMS.glob("*.py")):
        times: tuple[list[int], list[int]] = ([], [])
        for _ in range(options.rounds):
            times[0].append(measure([options.python], path.stem, environment))
            times[1].append(measure(lazy, path.stem, environment))
        eager_ns, lazy_ns = min(times[0]), min(times[1])
        ratios.append(lazy_ns / eager_ns)
        rows[path.stem] = {"eager_ns": eager_ns, "lazy_ns": lazy_ns, "ratio": round(ratios[-1], 4)}
        times_ms = f"{eager_ns / 1e6:8.1f} ms {lazy_ns / 1e6:8.1f} ms"
        print(f"{path.stem:10} {times_ms} {ratios[-1]:.4f}", flush=True)
    mean = statistics.geometric_mean(ratios)
    print(f"geometric mean of {len(ratios)}: {mean:.4f}")
    if options.json:
        version = subprocess.run(
            [options.python, "-V"], capture_output=True, text=True, check=True
        ).stdout.strip()
        result = {
            "python": version,
            "rounds": options.rounds,
            "repeats": REPEATS,
            "geometric_mean": round(mean, 4),
        }
        options.json.write_text(json.dumps({**result, "programs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
