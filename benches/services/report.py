"""What the benches of services have in common: options, statistics, the file of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path


def options(doc: str, rounds: int) -> argparse.ArgumentParser:
    """GLOWPLUG PYTHON --json FILE --rounds N."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("glowplug", type=lambda path: str(Path(path).absolute()))
    parser.add_argument("python", type=lambda path: str(Path(path).absolute()))
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def medians(samples: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {kind: statistics.median(sample[kind] for sample in samples) for kind in samples[0]}


def quantile(values: list[float], share: float) -> float:
    """The least value that at least this share of all is no greater than."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def keep(file: Path, cases: dict) -> None:
    """Writes results, beside those of other cases that the file has."""
    script = Path(sys.argv[0]).name
    # Folders of one machine say nothing to another.
    command = " ".join([f"benches/services/{script}", "GLOWPLUG", "PYTHON", *sys.argv[3:]])
    machine = f"{os.cpu_count()} processors, {platform.platform()}"
    told = {"command": command.replace(str(file), f"benches/results/services/{file.name}")}
    told["machine"] = machine
    kept = json.loads(file.read_text())["cases"] if file.exists() else {}
    kept |= {name: {**told, **found} for name, found in cases.items()}
    file.write_text(json.dumps({"cases": kept}, indent=1) + "\n")


def show(case: str, found: dict) -> None:
    """One line for each case: its medians, and whether its bars hold."""
    for side, figures in found["medians"].items():
        figures = ", ".join(f"{kind} {value:.4g}" for kind, value in figures.items())
        print(f"{case}: {side}: {figures}")
    for bar, held in found["bars"].items():
        print(f"{case}: {bar}: {'held' if held else 'MISSED'}", flush=True)
