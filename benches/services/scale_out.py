#!/usr/bin/env python3
"""Scale-out: a burst of requests for a service that starts its instances on demand, plainly and
thawed; and what it would be with a hundred instances.

    benches/services/scale_out.py GLOWPLUG PYTHON --json FILE [--rounds N] [--instances N]

A process with a share of a processor stands for a container. The front starts one where a request
finds none idle, up to the limit, and gives each one request at a time. Every round begins without
any. The burst of a hundred instances is simulated: their starts and answers last as long as those
that were measured, drawn at random, and nothing else is assumed.

PYTHON is an interpreter with tests/packages/requirements/services.txt. It takes root, for cgroups.
"""

from __future__ import annotations

import heapq
import random
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import report
from cgroup import Cgroup
from instance import Instance, ask
from projects import Prepared, prepare

SHARE = 0.2
REQUESTS_PER_INSTANCE = 10
BURST_SECONDS = 1.0
SIMULATED_INSTANCES = 100
SIMULATIONS = 50
# What users were promised; and what thawed instances must do where plain ones break it.
PROMISE = ((0.70, 5.0), (0.99, 10.0))
BAR = (0.99, 1.0)


@dataclass
class Front:
    """Has requests answered by instances, which it starts on demand."""

    prepared: Prepared
    side: str
    limit: int
    folder: Path
    instances: list[Instance] = field(default_factory=list)
    idle: list[Instance] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    """Seconds from the start of each instance to its readiness."""
    answers: list[float] = field(default_factory=list)
    """Seconds that each request was with an instance."""
    waits: list[float] = field(default_factory=list)
    """Seconds from each request's arrival to its answer."""
    change: threading.Condition = field(default_factory=threading.Condition)

    def request(self) -> None:
        """One request, from its arrival to its answer."""
        arrived = time.perf_counter()
        instance = self._take()
        taken = time.perf_counter()
        ask(instance.path, self.prepared.project.health)
        answered = time.perf_counter()
        with self.change:
            self.idle.append(instance)
            self.answers.append(answered - taken)
            self.waits.append(answered - arrived)
            self.change.notify()

    def _take(self) -> Instance:
        with self.change:
            if not self.idle and len(self.instances) < self.limit:
                self._start()
            self.change.wait_for(lambda: self.idle)
            return self.idle.pop()

    def _start(self) -> None:
        path = self.folder / f"instance-{len(self.instances)}"
        instance = Instance(self.prepared, self.side, path, Cgroup(SHARE))
        self.instances.append(instance)
        threading.Thread(target=self._wait_until_ready, args=[instance]).start()

    def _wait_until_ready(self, instance: Instance) -> None:
        ready = instance.wait_for_answer(self.prepared.project.health)
        with self.change:
            self.starts.append(ready)
            self.idle.append(instance)
            self.change.notify()

    def end(self) -> None:
        """Ends all instances."""
        for instance in self.instances:
            instance.end()


def burst(prepared: Prepared, side: str, instances: int) -> Front:
    """As many requests as the instances answer in some rounds, all within a second."""
    front = Front(prepared, side, instances, prepared.folder)
    number = instances * REQUESTS_PER_INSTANCE
    requests = [threading.Thread(target=front.request) for _ in range(number)]
    for request in requests:
        request.start()
        time.sleep(BURST_SECONDS / number)
    for request in requests:
        request.join()
    # Those whose requests others have answered may still start.
    with front.change:
        front.change.wait_for(lambda: len(front.starts) == len(front.instances))
    front.end()
    return front


def simulated(starts: list[float], answers: list[float], draw: random.Random) -> list[float]:
    """The waits of one burst for a hundred instances: requests are answered in the order of their
    arrival by whichever instance is free first.
    """
    number = SIMULATED_INSTANCES * REQUESTS_PER_INSTANCE
    free: list[float] = []
    started = 0
    waits = []
    for index in range(number):
        arrival = BURST_SECONDS * index / number
        if started < SIMULATED_INSTANCES and not (free and free[0] <= arrival):
            heapq.heappush(free, arrival + draw.choice(starts))
            started += 1
        done = max(arrival, heapq.heappop(free)) + draw.choice(answers)
        heapq.heappush(free, done)
        waits.append(done - arrival)
    return waits


def distribution(waits: list[float]) -> dict[str, float]:
    """What users have had of it."""
    shares = {f"within {limit} s": limit for limit in (1, 5, 10)}
    found = {
        name: sum(wait <= limit for wait in waits) / len(waits) for name, limit in shares.items()
    }
    return found | {"p50": report.quantile(waits, 0.5), "p99": report.quantile(waits, 0.99)}


def keeps(waits: list[float], share: float, seconds: float) -> bool:
    """Whether at least this share of the answers came in time."""
    return sum(wait <= seconds for wait in waits) >= share * len(waits)


def bars(waits: dict[str, list[float]], what: str) -> dict[str, bool]:
    """Whether the plain side breaks the promise, and the thawed one meets the bar."""
    broken = not all(keeps(waits["plain"], *part) for part in PROMISE)
    share, seconds = BAR
    return {
        f"{what}: plain misses 70 % within 5 s or 99 % within 10 s": broken,
        f"{what}: thawed {share:.0%} within {seconds} s": keeps(waits["thawed"], *BAR),
    }


def main() -> None:
    """Measures, simulates, and writes samples and summary."""
    parser = report.options(__doc__, rounds=3)
    parser.add_argument("--instances", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare("fastapi", options.glowplug, options.python, Path(scratch))
        samples = {side: {"starts": [], "answers": [], "waits": []} for side in prepared.sides}
        for _ in range(options.rounds):
            for side, taken in samples.items():
                front = burst(prepared, side, options.instances)
                taken["starts"] += front.starts
                taken["answers"] += front.answers
                taken["waits"] += front.waits
    draw = random.Random(1)
    measured = {side: taken["waits"] for side, taken in samples.items()}
    many = {
        side: [
            wait
            for _ in range(SIMULATIONS)
            for wait in simulated(taken["starts"], taken["answers"], draw)
        ]
        for side, taken in samples.items()
    }
    found = {
        "medians": {side: distribution(waits) for side, waits in measured.items()},
        "simulated": {side: distribution(waits) for side, waits in many.items()},
        "bars": bars(measured, "measured") | bars(many, "simulated"),
    }
    report.show("scale-out", found)
    for side, figures in found["simulated"].items():
        print(f"scale-out, {SIMULATED_INSTANCES} instances simulated: {side}: {figures}")
    report.keep(options.json, {"scale-out": {**found, "samples": samples}})


if __name__ == "__main__":
    main()
