"""Source distributions of packages: they have the tests that wheels leave out."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from harness.environments import pinned
from harness.interpreters import Interpreter, clean_environment


def sources(inside: Interpreter, requirements: str, package: str) -> Path:
    """The unpacked source distribution of `package` in the version that is installed `inside` the
    environment of a list of requirements; kept beside it.
    """
    folder = inside.path.parent.parent / "sources"
    folder.mkdir(exist_ok=True)
    wanted = pinned(requirements, package)
    made = folder / wanted.replace("==", "-")
    with (folder / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            archive = _download(inside, wanted, folder)
            unpacked = folder / f"{made.name}.part"
            shutil.rmtree(unpacked, ignore_errors=True)
            shutil.unpack_archive(archive, unpacked)
            (only,) = unpacked.iterdir()
            only.rename(made)
            unpacked.rmdir()
    return made


def _download(inside: Interpreter, wanted: str, folder: Path) -> Path:
    into = folder / f"{wanted}.download"
    shutil.rmtree(into, ignore_errors=True)
    command = [inside.path, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", into, wanted],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"cannot download {wanted}:\n{done.stdout}{done.stderr}")
    (archive,) = into.iterdir()
    return archive
