"""Virtual environments for tests of shims: made, looked at, and started from."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from harness.clock import settle
from harness.running import Conditions, Outcome, run
from harness.starting import Starter

# A package whose wheel needs no index and no build.
WHEEL = "greeter-1.0-py3-none-any.whl"
WHEEL_FILES = {
    "greeter.py": "import argparse\nimport sys\nimport email.message\n\ndef main():\n"
    "    print('hello from', sys.argv, sys.executable, sys.prefix)\n    return 3\n",
    "greeter-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
    "greeter-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
    "Root-Is-Purelib: true\nTag: py3-none-any\n",
    "greeter-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greeter:main\n",
    "greeter-1.0.dist-info/RECORD": "",
}


def snapshot(folder: Path) -> dict[str, tuple]:
    """All that can be seen of each file, folder and link, but what reading changes."""
    seen = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        if "__pycache__" in path.parts:
            continue
        info = path.lstat()
        content = ""
        if stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        times = info.st_mtime_ns
        seen[str(path.relative_to(folder))] = (
            info.st_mode,
            info.st_uid,
            info.st_ino,
            info.st_nlink if stat.S_ISLNK(info.st_mode) else 0,
            times,
            content,
        )
    return seen


@dataclass
class Venv:
    """A virtual environment, whose programs are started with the environment of a test."""

    starter: Starter
    root: Path

    @classmethod
    def make(cls, starter: Starter, name: str = "venv", *options: str) -> Venv:
        root = starter.folder / name
        command = [starter.python, "-m", "venv", *(options or ["--without-pip"]), root]
        subprocess.run(command, check=True, env=starter.env, timeout=120)
        return cls(starter, root)

    @property
    def bin(self) -> Path:
        """Where its commands lie."""
        return self.root / "bin"

    def shim(self, action: str) -> Outcome:
        """`glowplug shim install` or `remove`."""
        outcome = self.starter.execute("shim", action, self.root)
        settle()
        return outcome

    def installed(self) -> None:
        """Puts a shim into it."""
        outcome = self.shim("install")
        assert outcome.status == 0, outcome.errors()

    def removed(self) -> None:
        """Takes it out."""
        outcome = self.shim("remove")
        assert outcome.status == 0, outcome.errors()

    def start(self, *words, conditions: Conditions | None = None, explain: bool = False) -> Outcome:
        """Starts a command of the environment, which is on PATH."""
        env = {**self.starter.env, "PATH": f"{self.bin}:{self.starter.env['PATH']}"}
        if explain:
            env["GLOWPLUG_EXPLAIN"] = "1"
        # A bare name is looked up on that PATH, as a shell does it.
        first = str(words[0])
        found = first if "/" in first else shutil.which(first, path=env["PATH"])
        how = conditions or Conditions()
        command = ["/usr/bin/env", first] if "/" not in first else [found]
        return run([*command, *words[1:]], env, self.starter.fresh_work(), how)

    def explained(self, *words, conditions: Conditions | None = None) -> tuple[str, Outcome]:
        """How a command was started, and what it did. What it starts explains itself too."""
        outcome = self.start(*words, conditions=conditions, explain=True)
        lines = outcome.errors().splitlines(keepends=True)
        own = [line for line in lines if line.startswith("glowplug: ")]
        rest = "".join(line for line in lines if line not in own)
        assert own, f"not explained: {outcome}"
        said = own[0].removeprefix("glowplug: ").strip()
        return said, replace(outcome, stderr=rest.encode())


def wheel(folder: Path) -> Path:
    """A wheel with a command `greet`."""
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in WHEEL_FILES.items():
            archive.writestr(name, text)
    return path
