"""Projects that are held to budgets, and runs of `glowplug gate` in them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness.build import glowplug
from harness.interpreters import clean_environment, default_interpreter

PASSED, VIOLATED, BAD_CONFIGURATION, NOT_MEASURED = 0, 1, 2, 3


def environment(folder: Path) -> dict[str, str]:
    """An environment in which nothing of the machine's own settings counts."""
    env = clean_environment()
    env.pop("VIRTUAL_ENV", None)
    return env | {
        "GLOWPLUG_CACHE_DIR": str(folder / "cache"),
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@dataclass
class Gated:
    """A run of the gate and its report; `None` where there is none."""

    done: subprocess.CompletedProcess[str]
    report: dict | None

    @property
    def status(self) -> int:
        return self.done.returncode

    @property
    def entry(self) -> dict:
        assert self.report, self.done.stderr
        return self.report["entries"][0]

    @property
    def problems(self) -> list[dict]:
        """What is wrong with the first entry point, without notes."""
        return [one for one in self.entry["problems"] if one["severity"] != "note"]

    @property
    def kinds(self) -> list[str]:
        return sorted({one["kind"] for one in self.problems})

    def figure(self, name: str) -> int:
        return next(one["value"] for one in self.entry["figures"] if one["figure"] == name)

    def explain(self) -> str:
        return f"status {self.status}\n{self.done.stdout}\n{self.done.stderr}"


@dataclass
class Project:
    """A folder with sources and a pyproject.toml that has budgets."""

    folder: Path
    python: Path = field(default_factory=lambda: default_interpreter().path)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.env = environment(self.folder.parent)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def configure(self, entry: str, settings: str = "") -> None:
        """One entry point, `app`, with these lines."""
        text = f'[tool.glowplug.gate]\npython = "{self.python}"\n{settings}\n'
        self.write({"pyproject.toml": f"{text}\n[tool.glowplug.gate.entry.app]\n{entry}\n"})

    def run(self, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        binary = glowplug()
        assert binary, "no Glowplug was built: run `cargo xtask build`, or name one in $GLOWPLUG"
        return subprocess.run(
            [binary, "gate", *map(str, arguments)],
            cwd=self.folder,
            env=self.env | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def gate(self, *arguments: str | Path, **env: str) -> Gated:
        out = self.folder.parent / "report.json"
        out.unlink(missing_ok=True)
        done = self.run("--json", out, *arguments, **env)
        report = json.loads(out.read_text()) if out.exists() else None
        return Gated(done, report)

    def start_git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
            cwd=self.folder,
            env=self.env | {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z"},
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        """What a git prints that has to succeed."""
        done = self.start_git(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


def line_of(path: Path, text: str) -> int:
    """The number of the line that holds a text."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def is_root() -> bool:
    return os.geteuid() == 0
