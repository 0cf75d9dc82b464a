"""Many starts in a row: nothing leaks, and no start takes longer than the ones before.

GLOWPLUG_TEST_SOAK_RESULTS names a file to which a line of JSON is added that tells how it went.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from harness.clock import write
from harness.serving import report, until

RESULTS = os.environ.get("GLOWPLUG_TEST_SOAK_RESULTS")
# So often a plain start is timed as well: what else the machine does slows down both.
PLAIN_EVERY = 50
STARTS = int(os.environ.get("GLOWPLUG_TEST_STARTS", "150"))


def _open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _at_rest(starter) -> dict:
    """The report of a server without programs, all of whose spares are ready."""
    found = {}

    def is_at_rest() -> bool:
        found.update(report(starter))
        spares = len(found["spares"])
        all_ready = spares >= found["wanted_spares"] and spares == len(_children(found["template"]))
        return not found["workers"] and all_ready

    until(is_at_rest, "programs run still, or spares are missing")
    return found


def _held(told: dict) -> tuple[int, int]:
    """Descriptors of server and template without those of spares, of which there may be more than
    wanted: the server has two for each."""
    server, template = (_open_descriptors(told[name]) for name in ("server", "template"))
    return server - 2 * len(told["spares"]), template


@pytest.mark.both_ways
@pytest.mark.soak
def test_many_starts(starter):
    script = write(starter.folder / "program" / "hello.py", "import json\nprint(json.dumps(1))\n")
    starter.prepare(script)
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, "--via", starter.way, script)

    def start(command=command, said=b"1\n") -> float:
        began = time.perf_counter()
        done = subprocess.run(
            command, env=starter.env, cwd=starter.work, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, said, b"")
        return time.perf_counter() - began

    for _ in range(20):
        start()
    first = _at_rest(starter)
    pids = first["server"], first["template"]
    before = min(_held(_at_rest(starter)) for _ in range(10))
    times, plain = [], []
    for number in range(STARTS):
        times.append(start())
        if number % PLAIN_EVERY == 0:
            plain.append(start([starter.python, "-c", "pass"], b""))
    last = _at_rest(starter)
    assert (last["server"], last["template"]) == pids

    # It may not have closed the connection yet by which it told.
    def nothing_is_left() -> bool:
        server, template = _held(_at_rest(starter))
        return server <= before[0] and template <= before[1]

    until(nothing_is_left, f"more descriptors are open than {before}")
    assert last["template_private"] < first["template_private"] + (4 << 20)
    served = last["started_forked"] + last["started_ready"]
    assert served == STARTS + 20
    found = _drift(times, plain)
    if RESULTS:
        memory = [one["template_private"] for one in (first, last)]
        found = {"way": starter.way, "starts": STARTS, **found, "template, private bytes": memory}
        with Path(RESULTS).open("a") as file:
            file.write(json.dumps(found) + "\n")
    if STARTS >= 3000:
        assert found["late"] < found["early"] * 1.25, found


def _drift(times: list[float], plain: list[float]) -> dict[str, float]:
    """The median start of the first third and of the last one, as parts of a plain start of the
    same time; and the median and the slowest of all, in milliseconds.
    """
    third, plain_third = len(times) // 3, max(len(plain) // 3, 1)
    early = statistics.median(times[:third]) / statistics.median(plain[:plain_third])
    late = statistics.median(times[-third:]) / statistics.median(plain[-plain_third:])
    milliseconds = statistics.median(times) * 1000
    return {"early": early, "late": late, "ms": milliseconds, "slowest ms": max(times) * 1000}
