"""Starts a worker with two processes, gives it work, and stops it as a service manager does.

celery_work.py FOLDER COMMAND...
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def main(folder: Path, command: list[str]) -> None:
    for name in ("queue", "control", "results"):
        (folder / name).mkdir(parents=True)
    os.environ["CELERY_TEST_FOLDER"] = str(folder)
    from celery_app import about, add, fail

    options = ["--concurrency=2", "--loglevel=CRITICAL", "--without-mingle", "--without-gossip"]
    worker = subprocess.Popen(
        [*command, "--quiet", "-A", "celery_app", "worker", *options],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
    )
    sums = [add.delay(number, number) for number in range(10)]
    seen = {"sums": sum(one.get(timeout=60) for one in sums)}
    seen["process"] = about.delay().get(timeout=60)
    try:
        fail.delay().get(timeout=60)
    except ValueError as error:
        seen["error"] = str(error)
    worker.send_signal(signal.SIGTERM)
    seen["status"] = worker.wait(60)
    print(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
