"""What the recorder costs: CPU time of a program without it, in a light and in a full record.

    python recorder_cost.py RECORDER.so ROUNDS PROGRAM [ARGUMENT ...]

The three kinds of start take turns, in a new order each round, so that a busy machine hurts
all of them alike.
"""

import os
import random
import statistics
import sys

KINDS = ("plain", "light", "full")
RECORD_SIZE = 16 << 20


def start(kind: str, recorder: str, command: list[str]) -> float:
    """Runs the command and returns its CPU time in milliseconds."""
    environment = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    record = os.memfd_create("record", 0)
    try:
        os.ftruncate(record, RECORD_SIZE)
        if kind != "plain":
            environment |= {"LD_PRELOAD": recorder, "GLOWPLUG_RECORD": f"{record},{kind}"}
        process = os.posix_spawnp(command[0], command, environment)
        _, status, usage = os.wait4(process, 0)
    finally:
        os.close(record)
    if status != 0:
        raise SystemExit(f"{command[0]} failed with status {status:#x}")
    return 1000 * (usage.ru_utime + usage.ru_stime)


def main(recorder: str, rounds: str, *command: str) -> None:
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(int(rounds)):
        for kind in random.sample(KINDS, len(KINDS)):
            times[kind].append(start(kind, os.path.abspath(recorder), list(command)))
    for kind, series in times.items():
        ratio = statistics.median(a / b for a, b in zip(series, times["plain"], strict=True))
        print(f"{kind:5} median {statistics.median(series):8.2f} ms  of plain {ratio:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
