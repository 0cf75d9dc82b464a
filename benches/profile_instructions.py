"""What the collector of `glowplug profile` adds to the instructions of programs, by callgrind.

    python benches/profile_instructions.py COLLECTOR.SO NAME=PYTHON...

Runs each program under valgrind's callgrind as it is, under the collector without usage marks, and
with them. The counts are the same at each run, whatever else the machine does. They hold what is
done in user mode alone: not the clocks that are read by system calls, nor page faults. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from profiled_programs import SIDES, chosen, collecting, environment

# Debian's `valgrind` is a shell script, which would be followed as well.
LAUNCHERS = ("/usr/bin/valgrind.bin", "/usr/bin/valgrind")


def instructions(collector: str, letters: str | None, command: list[str]) -> int:
    """How many a run executes."""
    launcher = next(path for path in LAUNCHERS if Path(path).exists())
    with tempfile.TemporaryDirectory() as folder:
        variables = environment()
        if letters is not None:
            # It is handed on (f) from valgrind's launcher to the program.
            variables |= collecting(collector, f"f{letters}", Path(folder) / "trace")
        options = ["--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run(
            [launcher, *options, *command],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            # Valgrind keeps descriptors for itself at the end of a range that it takes for finite.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
        )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collector")
    parser.add_argument("programs", nargs="+", metavar="NAME=PYTHON")
    options = parser.parse_args()
    figures = {}
    for name, python, code in chosen(options.programs):
        counts = {
            side: instructions(options.collector, letters, [python, "-c", code])
            for side, letters in SIDES.items()
        }
        added = {side: round(count / counts["plain"] - 1, 4) for side, count in counts.items()}
        figures[name] = {"plain": counts["plain"]} | {
            side: added[side] for side in SIDES if side != "plain"
        }
    words = [word.split("=")[0] for word in options.programs]
    command = ["benches/profile_instructions.py", *words]
    json.dump({"command": command, "programs": figures}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
