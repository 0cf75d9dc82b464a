"""A repository with ten commits: six that a gate has to let pass, and four on top of them that it
has to catch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gating import Project, line_of

RUN = "import sys\n\nfrom tool import cli\n\nsys.exit(cli.main(sys.argv[1:]))\n"

CLI = '''"""The command."""

import argparse

from tool import report


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    print(report.as_json() if options.json else report.as_text())
    return 0
'''

REPORT = '''"""The report."""

import string

FIGURES = {"one": 1, "two": 2}


def as_text():
    return string.Template("$one and $two").substitute(FIGURES)


def as_json():
    import json

    return json.dumps(FIGURES)
'''

BUDGET = """run = "run.py"
modules = %d
lazy = ["json"]
forbid = ["pandas", "numpy"]
"""


@dataclass(frozen=True)
class Bad:
    """A commit that has to be caught: what the gate calls it, and the line at fault."""

    commit: str
    kind: str
    file: str
    line: int


@dataclass
class TenCommits:
    project: Project
    clean: list[str]
    bad: dict[str, Bad]

    def check_out(self, commit: str) -> None:
        self.project.git("checkout", "--quiet", "--detach", commit)


def make(folder: Path) -> TenCommits:
    project = Project(folder)
    project.write({"run.py": RUN, "tool/__init__.py": "", "tool/cli.py": CLI})
    project.write({"tool/report.py": REPORT, ".gitignore": "__pycache__/\n"})
    project.configure("run = 'run.py'")
    modules = project.gate().figure("modules")
    project.configure(BUDGET % (modules + 3))
    project.git("init", "--quiet")
    report = project.folder / "tool/report.py"
    clean = [project.commit("A tool")]
    steps = [
        lambda: project.write({"README.md": "A tool.\n"}),
        lambda: report.write_text(report.read_text().replace('"two": 2', '"two": 2, "three": 3')),
        lambda: project.write({"tool/extra.py": "import csv\n"}),
        lambda: report.write_text(report.read_text() + "\n\ndef more():\n    return 'more'\n"),
        lambda: report.write_text(report.read_text().replace("The report", "What is told")),
    ]
    for step in steps:
        step()
        clean.append(project.commit("A clean change"))
    return TenCommits(project, clean, _bad(project, clean[-1]))


def _bad(project: Project, tip: str) -> dict[str, Bad]:
    report = project.folder / "tool/report.py"
    cli = project.folder / "tool/cli.py"

    def heavy() -> tuple[str, Path, str]:
        report.write_text(
            report.read_text().replace("import string", "import asyncio\nimport string")
        )
        return "limit", report, "import asyncio"

    def eager() -> tuple[str, Path, str]:
        text = report.read_text().replace("    import json\n\n", "")
        report.write_text(text.replace("import string", "import json\nimport string"))
        return "not-lazy", report, "import json"

    def slow() -> tuple[str, Path, str]:
        # The clock that is read is the CPU's, so that it is 10 ms on every machine.
        work = "until = time.process_time() + 0.010\nwhile time.process_time() < until:\n    pass\n"
        text = f"import argparse\nimport time\n\n{work}"
        cli.write_text(cli.read_text().replace("import argparse\n", text))
        return "slower", cli, "import time"

    def path() -> tuple[str, Path, str]:
        (project.folder / "plugins").mkdir()
        project.write({"plugins/README": "No plugins yet.\n"})
        text = "import sys\n\nsys.path.insert(0, 'plugins')\n"
        cli.write_text(cli.read_text().replace("import argparse\n", f"{text}import argparse\n"))
        return "sys-path", cli, "sys.path.insert"

    made = {}
    for name, step in {"heavy": heavy, "eager": eager, "slow": slow, "path": path}.items():
        project.git("checkout", "--quiet", "--detach", tip)
        kind, file, text = step()
        line = line_of(file, text)
        commit = project.commit(f"A bad change: {name}")
        made[name] = Bad(commit, kind, str(file.relative_to(project.folder)), line)
    project.git("checkout", "--quiet", "--detach", tip)
    return made
