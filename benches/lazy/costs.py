"""What lazy names and lazy statements cost, beside the older ways to put an import off.

    python benches/lazy/costs.py GLOWPLUG PYTHON --json FILE [--rounds N]
    python benches/lazy/costs.py GLOWPLUG PYTHON --json FILE --instructions

Runs `costs/program.py` eagerly and lazily in turns, and prints the least nanoseconds of CPU time of
each thing for both sides. The file keeps all samples of all interpreters, and further rounds are
added to them; those that were taken with another build of the extension are dropped. An interpreter
with lazy imports of its own runs lazily by `-X`.

With `--instructions` valgrind's callgrind counts what a load of each name takes, which other
processes do not disturb.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from sides import SIDES, build_of, commands, environment, instructions, version_of

IMPORTED = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).with_name('costs'))!r})\nimport program\n"
)
RUN = IMPORTED + "program.main(sys.argv[1])\n"
RUN_ONE = IMPORTED + "program.use(sys.argv[1], int(sys.argv[2]))\n"

COUNTED = (
    "nothing",
    "module global",
    "resolved lazy name",
    "builtin",
    "builtin beside a name that is never used",
)
USES = 5_000


def nanoseconds(command: list[str], seed: int) -> dict[str, float]:
    """The costs that one run has found, ns."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "-c", RUN, folder],
            env=environment(seed),
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout)


def counted(glowplug: str, python: str) -> dict[str, float]:
    """The instructions of one use of each thing lazily, without the loop around it."""
    counts = {
        name: instructions(glowplug, python, "lazy", RUN_ONE, name, str(USES)) for name in COUNTED
    }
    loop = counts.pop("nothing")
    return {name: round((count - loop) / USES / 10, 2) for name, count in counts.items()}


def least(samples: list[dict[str, float]]) -> dict[str, float]:
    """The least of each figure."""
    return {name: min(figures[name] for figures in samples) for name in samples[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    by_side = commands(options.glowplug, options.python)
    version = version_of(options.python)
    every = json.loads(options.json.read_text()) if options.json.exists() else {}
    build = build_of(options.glowplug, options.python)
    result = every.setdefault(version, {})
    if result.get("build") != build:
        result.clear()
        result.update(build=build, samples_ns={side: [] for side in SIDES})
    if options.instructions:
        result["instructions"] = counted(options.glowplug, options.python)
    else:
        for _ in range(options.rounds):
            turn = len(result["samples_ns"]["eager"])
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                result["samples_ns"][side].append(nanoseconds(by_side[side], turn))
        result["least_ns"] = {side: least(result["samples_ns"][side]) for side in SIDES}
    options.json.write_text(json.dumps(every) + "\n")
    shown = {key: value for key, value in result.items() if key != "samples_ns"}
    print(version, json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
