"""Many starts in a row: nothing leaks, and no start takes longer than the ones before."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from harness.clock import write
from harness.serving import report, until

STARTS = int(os.environ.get("GLOWPLUG_TEST_STARTS", "150"))


def _open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.both_ways
@pytest.mark.soak
def test_many_starts(starter):
    script = write(starter.folder / "program" / "hello.py", "import json\nprint(json.dumps(1))\n")
    starter.prepare(script)
    starter.fresh_work()
    command = starter.command("run", "--python", starter.python, "--via", starter.way, script)

    def start() -> float:
        began = time.perf_counter()
        done = subprocess.run(
            command, env=starter.env, cwd=starter.work, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")
        return time.perf_counter() - began

    for _ in range(20):
        start()
    first = report(starter)
    pids = first["server"], first["template"]
    until(lambda: not report(starter)["workers"], "programs run still")
    before = [_open_descriptors(pid) for pid in pids]
    times = [start() for _ in range(STARTS)]
    until(lambda: not report(starter)["workers"], "programs run still")
    last = report(starter)
    assert (last["server"], last["template"]) == pids
    assert [_open_descriptors(pid) for pid in pids] == before
    assert last["template_private"] < first["template_private"] + (4 << 20)
    children = Path(f"/proc/{pids[1]}/task/{pids[1]}/children").read_text().split()
    assert len(children) <= len(last["spares"]) + 1, "processes that nobody has reaped"
    served = last["started_forked"] + last["started_ready"]
    assert served == STARTS + 20
    third = STARTS // 3
    if third >= 1000:
        early, late = statistics.median(times[:third]), statistics.median(times[-third:])
        assert late < early * 1.5, f"{early * 1000:.2f} ms at first, {late * 1000:.2f} ms at last"
