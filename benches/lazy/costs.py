"""What lazy names and lazy statements cost, beside the older ways to put an import off.


    python benches/lazy/costs.py GLOWPLUG PYTHON… [--rounds N] [--json FILE]

Runs `costs/program.py` eagerly and lazily in turns, and prints the least nanoseconds of CPU time of
each thing for both sides. An interpreter with lazy imports of its own runs lazily by `-X`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

RUN = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).with_name('costs'))!r})\n"
    "import program\nprogram.main(sys.argv[1])\n"
)


def measure(command: list[str]) -> dict[str, float]:
    """The costs that one run has found, ns."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "-c", RUN, folder], env=env, capture_output=True, text=True, check=True
        )
    return json.loads(done.stdout)


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The least of each figure."""
    return {name: min(figures[name] for figures in rounds) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("python", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = []
    for python in options.python:
        version = subprocess.run([python, "-V"], capture_output=True, text=True).stdout.strip()
        is_native = version >= "Python 3.15"
        by_glowplug = [options.glowplug, "lazy", "run", "--no-policy", "--python", python]
        lazy = [python, "-X", "lazy_imports=all"] if is_native else by_glowplug
        sides: tuple[list, list] = ([], [])
        for _ in range(options.rounds):
            sides[0].append(measure([python]))
            sides[1].append(measure(lazy))
        both = {"eager": least(sides[0]), "lazy": least(sides[1])}
        result.append({"python": version, "rounds": options.rounds, "ns": both})
        print(version)
        for name, ns in both["lazy"].items():
            eager = both["eager"].get(name)
            print(f"  {name:42} eager {'' if eager is None else eager:>9}  lazy {ns:>9}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
