"""Process ids that repeat: in a container the freezer, its interpreter, the program and the
program's children have the same few ids at every start, so that nothing random may rest on them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from harness.clock import write
from harness.environments import environment
from harness.running import run

SITUATION = Path(__file__).parent / "situations" / "drawn_at_import.py"
STARTS = 200

# Children are forked before the parent has drawn anything: they have what was frozen.
PROGRAM = """\
import drawn_at_import
import json
import os
import sys

def report(who):
    drawn = drawn_at_import.draw()
    if who == "parent":
        drawn["authkey"] = drawn_at_import.authkey()
    sys.stdout.write(json.dumps([who, os.getpid(), drawn]) + "\\n")
    sys.stdout.flush()

for number in range(3):
    if os.fork() == 0:
        report("child %d" % number)
        os._exit(0)
    os.wait()
report("parent")
"""

# A process namespace whose ids begin at 1, without a privilege where the kernel allows it.
NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def namespace(built) -> list[str]:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (util-linux)")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a kernel that lets users make process namespaces")
    return NAMESPACE


def program(starter) -> Path:
    project = starter.folder / "project"
    write(project / "drawn_at_import.py", SITUATION.read_text())
    return write(project / "main.py", PROGRAM)


def frozen_inside(starter, namespace: list[str], script: Path, *wrapper: str) -> None:
    starter.fresh_work()
    words = starter.command("freeze", "--python", starter.python, "--", script)
    outcome = run([*namespace, *wrapper, *words], starter.env, starter.work)
    assert outcome.status == 0, outcome
    assert len(starter.images()) == 1


def draw(starter, namespace: list[str], script: Path, *wrapper: str, via: str = "thaw") -> list:
    words = starter.command("run", "--python", starter.python, "--via", via, script)
    outcome = run([*namespace, *wrapper, *words], starter.env, starter.work)
    assert outcome.status == 0, outcome
    return [json.loads(line) for line in outcome.text().splitlines()]


def require_all_different(reports: list) -> None:
    """No value of a source occurs twice, whoever drew it, now or at another start."""
    seen: dict[str, Counter] = {}
    for who, _, drawn in reports:
        for source, value in drawn.items():
            # numpy's global generator is not seeded anew by a fork, plainly neither.
            drawer = f"{source} of {who}" if source == "numpy_global" else source
            seen.setdefault(drawer, Counter())[value] += 1
    most = {source: counts.most_common(1)[0] for source, counts in seen.items()}
    repeating = {source: most for source, most in most.items() if most[1] > 1}
    assert len(seen) > 8 and not repeating, repeating


@pytest.mark.parametrize("packages", [None, pytest.param("random", marks=pytest.mark.packages)])
def test_process_1_again_and_again(starter, namespace, packages):
    """Freezer and program are process 1, the program's first children have the ids of the
    interpreter that was frozen. Two hundred thaws draw nothing twice.
    """
    if packages:
        starter = starter.with_interpreter(environment(starter.interpreter, packages))
    script = program(starter)
    frozen_inside(starter, namespace, script)
    reports = [line for _ in range(STARTS) for line in draw(starter, namespace, script)]
    first, *others = (pid for _, pid, _ in reports[:4])
    # A thread that helps to look at many inputs has an id as well.
    assert first in (2, 3) and others == [first + 1, first + 2, 1]
    require_all_different(reports)


def test_ids_of_the_frozen_processes(starter, namespace):
    """The program itself has an id that the frozen interpreter had, or its parent: it is right,
    whatever way it is started.
    """
    script = program(starter)
    frozen_inside(starter, namespace, script)
    reports = []
    for before in range(6):
        # A shell that forks so often before.
        shell = f'for i in $(seq {before}); do /bin/true; done; "$@"; exit $?'
        for _ in range(3):
            reports += draw(starter, namespace, script, "sh", "-c", shell, "sh", via="auto")
    starter.wait_until_idle()
    assert len({pid for who, pid, _ in reports if who == "parent"}) > 3
    require_all_different(reports)
