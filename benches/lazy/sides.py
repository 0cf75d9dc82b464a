"""The two sides of the benches of lazy imports, and the instructions that a run of either takes."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import subprocess
import tempfile
from pathlib import Path

SIDES = ("eager", "lazy")

# Debian's `valgrind` is a shell script, which would be followed as well.
LAUNCHERS = ("/usr/bin/valgrind.bin", "/usr/bin/valgrind")
PACKAGE = str(Path(__file__).parents[2] / "python")
INSTALL = "import glowplug.lazy\nassert glowplug.lazy.install(policy=False)\n"


def version_of(python: str) -> str:
    """As the interpreter says it: `Python 3.11.7`."""
    done = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def build_of(glowplug: str, python: str) -> str:
    """Names the build of the extension whose costs are measured; with lazy imports of the
    interpreter's own that is the interpreter.
    """
    minor = int(version_of(python).split(".")[1])
    runtime = Path(glowplug).resolve().parents[1] / "lib" / "glowplug"
    file = Path(python) if minor >= 15 else runtime / f"python-3.{minor}.so"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def commands(glowplug: str, python: str) -> dict[str, list[str]]:
    """How each side starts. Where lazy imports are the interpreter's own, `-X` turns them on."""
    by_glowplug = [glowplug, "lazy", "run", "--no-policy", "--python", python]
    minor = int(version_of(python).split(".")[1])
    lazy = [python, "-X", "lazy_imports=all"] if minor >= 15 else by_glowplug
    return dict(zip(SIDES, ([python], lazy)))


def environment(seed: int) -> dict[str, str]:
    """That of both sides, with one seed of hashes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    return {**kept, "PYTHONHASHSEED": str(seed)}


def instructions(glowplug: str, python: str, side: str, code: str, *arguments: str) -> int:
    """The instructions of a run, counted by valgrind's callgrind. It does not run the command, so
    that the lazy side turns lazy imports on from within.
    """
    launcher = next(path for path in LAUNCHERS if Path(path).exists())
    started = [python, "-c", (INSTALL if side == "lazy" else "") + code, *arguments]
    runtime = Path(glowplug).resolve().parents[1] / "lib" / "glowplug"
    # No run shall compile for the next one.
    variables = {"PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        tool = ["--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run(
            [launcher, *tool, *started],
            env={**environment(0), **variables, "GLOWPLUG_RUNTIME": str(runtime)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            # Valgrind keeps descriptors for itself at the end of a range that it takes for finite.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
        )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])
