"""Keeps what the judge found, for docs/judge.md: a line of JSON for each suite, appended to the
file that $GLOWPLUG_TEST_REPORT names.

    reports.py FILE...      prints the lines of such files as a table
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparison import Difference, Run
    from judging import Judge


def report(version: str, suite: str, plain: Run, found: list[Difference], judge: Judge) -> None:
    """Appends a line, if somebody wants it."""
    path = os.environ.get("GLOWPLUG_TEST_REPORT")
    if not path:
        return
    ends = [end for results in plain.results.values() for end in results]
    line = {
        "python": version,
        "suite": suite,
        "tests": len(plain.results),
        "skipped": sum(end.startswith("skipped") for end in ends),
        "failed_plainly": sum(end.startswith(("failed", "error")) for end in ends),
        "differences": [difference.test for difference in found],
        "thawed_starts": judge.thawed_starts,
        "modules_in_image": len(judge.modules()),
        "kept_apart": judge.apart(),
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _table(lines: list[dict]) -> str:
    """One row for each suite and Python; of several lines for the same, the last."""
    latest = {(line["python"], line["suite"]): line for line in lines}
    columns = ("tests", "skipped", "failed_plainly", "differences", "modules_in_image")
    rows = ["| suite | Python | tests | skipped | failed plainly | differences | preloaded |"]
    rows.append("|---|---|--:|--:|--:|--:|--:|")
    total = dict.fromkeys(columns, 0)
    for (version, suite), line in sorted(latest.items(), key=lambda item: item[0][::-1]):
        cells = {name: line[name] for name in columns} | {"differences": len(line["differences"])}
        for name in columns:
            total[name] += cells[name]
        rows.append(f"| {suite} | {version} | {' | '.join(map(str, cells.values()))} |")
    figures = " | ".join(str(total[name]) for name in columns[:-1])
    rows.append(f"| {len(latest)} runs | | {figures} | |")
    return "\n".join(rows)


if __name__ == "__main__":
    texts = [Path(name).read_text() for name in sys.argv[1:]]
    print(_table([json.loads(line) for text in texts for line in text.splitlines()]))
