"""Programs that start Pythons: those start through Glowplug, and all goes on as before."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness.clock import settle, write
from harness.environments import in_environment
from harness.running import Conditions, Outcome, run
from harness.starting import Starter, require_same

pytestmark = pytest.mark.packages
HOOKS = Path(__file__).parent / "hooks"
PATIENCE = 280.0

# What docs/integrations.md says to preload.
JUPYTER = "ipykernel.ipkernel,ipykernel.zmqshell,ipykernel.parentpoller,IPython"
XDIST = "pytest,_pytest.assertion.rewrite,xdist.remote"
CELERY = "kombu.transport.filesystem,billiard.pool,click"
DASK = "distributed.nanny,distributed,pandas"
SPARK = "pandas,pyarrow,pyspark.worker,pyspark.daemon"


@dataclass
class Host:
    """A program that starts interpreters, with the environment that it has."""

    inside: Starter

    @property
    def plain(self) -> str:
        """The interpreter itself."""
        return self.inside.python

    def bundle(self, modules: str) -> str:
        """An interpreter with modules preloaded."""
        path = self.inside.folder / "python-bundle"
        outcome = self.inside.execute("bundle", modules, "-o", path, "--python", self.plain)
        assert outcome.status == 0, outcome.errors()
        settle()
        return str(path)

    def run(self, *words, env=(), folder: Path | None = None) -> Outcome:
        """Runs a command of the environment."""
        scripts = f"{Path(self.plain).parent}:{self.inside.env['PATH']}"
        whole = {**self.inside.env, "PATH": scripts, "GLOWPLUG_EXPLAIN": "1", **dict(env)}
        work = folder or self.inside.fresh_work()
        (self.inside.folder / "home").mkdir(exist_ok=True)
        outcome = run([*words], whole, work, Conditions(timeout=PATIENCE))
        return replace(outcome, files={})

    def both(self, modules: str, start) -> Outcome:
        """Starts by the interpreter itself, and three times by a bundle: the last time thawed."""
        expected = start(self.plain)
        assert expected.status == 0, expected.errors()
        bundle = self.bundle(modules)
        for _ in range(2):
            same(expected, start(bundle))
            self.inside.wait_until_idle()
        last = start(bundle)
        same(expected, last)
        assert "glowplug: thawed in" in last.errors(), last.errors()
        assert "glowplug: plain: " not in last.errors(), last.errors()
        return last


def same(one: Outcome, other: Outcome) -> None:
    """Requires the same output and status; what is said on the side has times and addresses."""
    require_same(replace(one, stderr=b""), replace(other, stderr=b""))


@pytest.fixture
def host(starter, built):
    return Host(in_environment(starter, "hooks"))


def fresh(folder: Path) -> Path:
    """A new folder in place of an old one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def test_jupyter_kernel(host):
    """A notebook's kernel: executes, is interrupted, restarted and shut down."""
    folder = host.inside.folder / "jupyter"

    def start(python):
        return host.run(host.plain, HOOKS / "jupyter.py", fresh(folder), python)

    host.both(JUPYTER, start)


TESTS = """\
import subprocess
import sys
import pytest

@pytest.mark.parametrize("number", range(6))
def test_number(number, worker_id):
    assert number < 6 and worker_id.startswith("gw")

def test_fails():
    assert [1, 2] == [1, 3]

def test_captured(capsys):
    print("out")
    assert capsys.readouterr().out == "out\\n"

def test_child():
    code = "import sys; print(sys.prefix)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == sys.prefix

def test_skipped():
    pytest.skip("not here")
"""


def test_xdist_workers(host):
    """The workers of pytest-xdist, through execnet."""
    project = host.inside.folder / "project"
    write(project / "test_project.py", TESTS)

    def start(python):
        words = [host.plain, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--dist=load"]
        outcome = host.run(*words, f"--tx=2*popen//python={python}", folder=project)
        assert outcome.status == 1
        lines = [line for line in outcome.text().splitlines() if " passed" not in line]
        text = "\n".join(sorted(line for line in lines if line.startswith(("FAILED", "PASSED"))))
        return replace(outcome, status=0, stdout=text.encode())

    last = host.both(XDIST, start)
    assert last.text().count("PASSED") == 8 and last.text().count("FAILED") == 1


def test_celery_worker(host):
    """A worker with two processes, as a service manager starts and stops it."""
    folder = host.inside.folder / "celery"

    def start(python):
        shutil.rmtree(folder, ignore_errors=True)
        return host.run(host.plain, HOOKS / "celery_work.py", folder, python, "-m", "celery")

    host.both(CELERY, start)


def test_dask_workers(host):
    """Workers under nannies, one of which is killed."""
    host.both(DASK, lambda python: host.run(host.plain, HOOKS / "dask_cluster.py", python))


def test_spark_workers(starter, built):
    """Workers of functions on rows and on frames."""
    if not shutil.which("java"):
        pytest.skip("needs Java, of which there is none here")
    host = Host(in_environment(starter, "spark"))
    host.both(SPARK, lambda python: host.run(host.plain, HOOKS / "spark_job.py", python))


HOOK = """\
import sys
import json

for path in sys.argv[1:]:
    with open(path) as file:
        json.load(file)
print(sys.prefix == sys.base_prefix, len(sys.argv))
"""
CONFIGURATION = """\
repos:
-   repo: local
    hooks:
    -   id: check
        name: check
        entry: {python} check.py
        language: system
        files: json$
        verbose: true
    -   id: own-environment
        name: own-environment
        entry: python check.py
        language: python
        language_version: {python}
        files: json$
        verbose: true
"""


def test_pre_commit(host):
    """Hooks by an interpreter, and in an environment that pre-commit makes of it."""
    folder = host.inside.folder / "repository"
    home = host.inside.folder / "pre-commit"
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "PRE_COMMIT_HOME": str(home),
    }

    def start(python):
        fresh(folder)
        write(folder / "check.py", HOOK)
        write(folder / "good.json", "{}")
        write(folder / ".pre-commit-config.yaml", CONFIGURATION.format(python=python))
        for words in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *words], cwd=folder, check=True)
        shutil.rmtree(home, ignore_errors=True)
        outcome = host.run(
            host.plain, "-m", "pre_commit", "run", "--all-files", env=identity, folder=folder
        )
        lines = [
            line
            for line in outcome.text().splitlines()
            if not line.startswith(("- duration", "[INFO]", "glowplug: "))
        ]
        said = [line for line in outcome.text().splitlines() if line.startswith("glowplug: ")]
        stderr = outcome.stderr + "\n".join(said).encode()
        return replace(outcome, stdout="\n".join(lines).encode(), stderr=stderr)

    last = host.both("json,argparse", start)
    assert "Passed" in last.text() and os.access(host.plain, os.X_OK)
