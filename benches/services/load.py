#!/usr/bin/env python3
"""The second request onwards: throughput and latencies of a running service under wrk, plainly and
thawed, interleaved.

    benches/services/load.py GLOWPLUG PYTHON --json FILE [--rounds N] [--seconds N]

PYTHON is an interpreter with tests/packages/requirements/services.txt; `wrk` is on PATH. The
service has the first processor, wrk the others. It takes root, for a cgroup for each service.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import report
from cgroup import Cgroup
from projects import Prepared, at, prepare

CONNECTIONS = 8
PATIENCE = 60.0
# Two plain services differ by about as much.
NOISE = 0.05
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def wait_for_answer(url: str, process: subprocess.Popen) -> None:
    """The first request, which is not measured here."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                answer.read()
            return
        except urllib.error.URLError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"error: {process.args}: {error}") from None
            time.sleep(0.01)


def figure(said: str, pattern: str) -> float:
    """A figure of wrk's report; times in milliseconds."""
    found = re.search(pattern, said)
    if found is None:
        raise SystemExit(f"error: wrk says nothing of {pattern!r}:\n{said}")
    number, unit = re.fullmatch(r"([\d.]+)([a-z]*)", found.group(1)).groups()
    return float(number) * MILLISECONDS.get(unit, 1.0)


def load(prepared: Prepared, side: str, seconds: int) -> dict[str, float]:
    """A service's figures from its second request on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cgroup = Cgroup()
    others = set(os.sched_getaffinity(0)) - {0} or {0}

    def confine():
        cgroup.enter()
        os.sched_setaffinity(0, {0})

    process = subprocess.Popen(
        at(str(port), prepared.sides[side]),
        env=prepared.env,
        cwd=prepared.folder,
        preexec_fn=confine,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}{prepared.project.health}"
        wait_for_answer(url, process)
        wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
        done = subprocess.run(
            wrk,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, others),
        )
    finally:
        process.terminate()
        process.wait()
        cgroup.remove()
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"error: {done.stdout}")
    return {
        "requests per second": figure(done.stdout, r"Requests/sec:\s+(\S+)"),
        "p50 ms": figure(done.stdout, r"50%\s+(\S+)"),
        "p99 ms": figure(done.stdout, r"99%\s+(\S+)"),
    }


def summary(samples: dict) -> dict:
    """Medians, the ratios of the sides round by round, and whether the bars hold."""

    def ratio(kind: str) -> float:
        pairs = zip(samples["thawed"], samples["plain"], strict=True)
        return statistics.median(thawed[kind] / plain[kind] for thawed, plain in pairs)

    throughput, latency = ratio("requests per second"), ratio("p99 ms")
    return {
        "medians": {side: report.medians(taken) for side, taken in samples.items()},
        "thawed to plain": {"requests per second": throughput, "p99": latency},
        "bars": {
            f"throughput no lower (noise {NOISE:.0%})": throughput >= 1 - NOISE,
            f"p99 no greater (noise {NOISE:.0%})": latency <= 1 + NOISE,
        },
    }


def main() -> None:
    """Measures, and writes samples and summary."""
    parser = report.options(__doc__, rounds=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare("fastapi-port", options.glowplug, options.python, Path(scratch))
        samples = {side: [] for side in prepared.sides}
        # In the order plain, thawed, thawed, plain …: neither side is always the first.
        for turn in range(options.rounds):
            for side in sorted(samples, reverse=turn % 2 == 1):
                samples[side].append(load(prepared, side, options.seconds))
    found = summary(samples)
    report.show("fastapi under load", found)
    report.keep(options.json, {"fastapi under load": {**found, "samples": samples}})


if __name__ == "__main__":
    main()
