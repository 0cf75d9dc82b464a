"""Checkpoints a process that has imported pandas and scikit-learn, for `criu restore` to go on
with: criu_checkpoint.py FOLDER

The process waits until a file appears. It is made after the checkpoint, so that a restored process
ends at once, as the
program that the other tools start does.
"""

import shutil
import subprocess
import sys
from pathlib import Path

WAITING = """
import os, sys, time
import pandas, sklearn.linear_model
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
"""


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    go = folder / "go"
    log = folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING, go],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while b"ready" not in log.read_bytes():
        if process.poll() is not None:
            sys.exit(f"the program ended before its checkpoint:\n{log.read_text()}")
    subprocess.run(
        ["criu", "dump", "--tree", str(process.pid), "--images-dir", folder, "--shell-job", "-v0"],
        check=True,
    )
    process.wait()
    go.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
