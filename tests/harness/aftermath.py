"""What must hold after any fault, whatever it was."""

from __future__ import annotations

import fcntl
from pathlib import Path

from . import processes
from .starting import Starter

# What a killed process may leave, as nobody is there to remove it; the next freezer does.
_UNFINISHED = ".new-"


def require_recovery(starter: Starter, script: Path, result: bytes) -> None:
    """No process is left, nothing half-written is taken for an image, the program runs, the next
    start is thawed, and then no temporary file is left either.
    """
    starter.wait_until_idle()
    require_whole_images(starter)
    outcome = starter.start(script)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, result, b""), outcome
    starter.wait_until_idle()
    way, outcome = starter.explained(script)
    assert way.startswith("thawed") and outcome.stdout == result, (way, outcome)
    require_whole_images(starter)
    require_no_remains(starter)


def require_whole_images(starter: Starter) -> None:
    """What has the name of an image is one, if only for inputs that have changed meanwhile."""
    if starter.images():
        verified = starter.execute("images", "verify")
        verdicts = [line.partition(": ")[2] for line in verified.text().splitlines()]
        wrong = [v for v in verdicts if v != "sound" and not v.startswith("inputs changed")]
        assert verdicts and not wrong, verified


def require_no_remains(starter: Starter) -> None:
    """No temporary file in the cache or in the folder for such files, no lock that is held, no
    process. A lock's empty file may be left by who was killed; whoever wants it next takes it.
    """
    left = [path for path in starter.cache.rglob("*") if path.name.startswith(_UNFINISHED)]
    left += (path for path in starter.cache.rglob("*.lock") if _is_held(path))
    left += temporary_folder(starter).iterdir()
    assert not left, f"left behind: {left}"
    strays = processes.bearing(starter.mark)
    assert not strays, f"processes left behind:\n{processes.describe(strays)}"


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def temporary_folder(starter: Starter) -> Path:
    """What is `TMPDIR` to processes that are to leave nothing there."""
    folder = starter.folder / "tmp"
    folder.mkdir(exist_ok=True)
    return folder
