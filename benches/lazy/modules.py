"""How many modules real jobs load lazily, by Glowplug on an older Python and by Python 3.15 itself.

    python benches/lazy/modules.py GLOWPLUG OLDER NATIVE --json FILE

`OLDER` and `NATIVE` are interpreters of virtual environments with the same packages. The jobs are
those of the tests of packages, under the shipped policy on both. A job whose packages one of the
two has not, or that fails there, is left out, with the reason. Counted are the modules that are
loaded when a job ends and were not when the interpreter had started, without those of packages
that one of the two has alone: some packages import others where they are installed. The standard
library of the two differs, and the newer one imports less by itself; so the ratio is also given for
those modules alone that both load eagerly.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from sides import environment, version_of

TESTS = Path(__file__).parents[2] / "tests"
JOBS = sorted(
    path
    for folder in (TESTS / "packages" / "programs", TESTS / "lazy" / "packages" / "programs")
    for path in folder.glob("*_job.py")
)

# The job runs as the main module, whose imports are lazy like those of any other.
RUN = """\
import sys
started = frozenset(sys.modules)
import atexit
def report(path=sys.argv[2], keep=open):
    with keep(path, 'w') as file:
        print(*(n for n in sys.modules if n not in started), sep='\\n', file=file)
atexit.register(report)
path = sys.argv[1]
del sys.argv[1:]
exec(compile(open(path).read(), path, 'exec'))
"""


def loaded(command: list[str], job: Path) -> set[str] | None:
    """The modules that a run of the job loads; `None` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        names = os.path.join(folder, "names")
        work = Path(folder, "work")
        work.mkdir()
        done = subprocess.run(
            [*command, "-W", "ignore", "-c", RUN, job, names],
            cwd=work,
            env=environment(0),
            capture_output=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            return None
        found = Path(names).read_text().split()
    return {name for name in found if name.partition(".")[0] not in ("glowplug", "__mp_main__")}


def packages(python: str) -> set[str]:
    """The names under which what is installed can be imported."""
    code = "from importlib.metadata import packages_distributions as found; print(*found())"
    done = subprocess.run(
        [python, "-c", code], env=environment(0), capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def row(glowplug: str, interpreters: dict[str, str], job: Path, one_sided: set[str]) -> dict | str:
    """What a job loads eagerly and lazily by each, or why that cannot be said."""
    eager = {side: loaded([python], job) for side, python in interpreters.items()}
    for side, found in eager.items():
        if found is None:
            return f"fails eagerly by {side}"
    result: dict = {}
    names = {}
    shared = eager["older"] & eager["native"]
    for side, python in interpreters.items():
        lazy = loaded([glowplug, "lazy", "run", "--python", python], job)
        if lazy is None:
            return f"fails lazily by {side}"
        kept = [
            {name for name in found if name.partition(".")[0] not in one_sided}
            for found in (eager[side], lazy)
        ]
        names[side] = kept[1]
        result[side] = dict(zip(("eager", "lazy"), map(len, kept)))
    older, native = names["older"], names["native"]
    result["by_older_alone"] = sorted(older - native)
    result["by_native_alone"] = sorted(native - older)
    result["ratio"] = round(len(older) / len(native), 3)
    result["ratio_of_shared"] = round(len(older & shared) / len(native & shared), 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glowplug")
    parser.add_argument("older")
    parser.add_argument("native")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    interpreters = {"older": options.older, "native": options.native}
    one_sided = packages(options.older) ^ packages(options.native)
    rows, left_out = {}, {}
    for job in JOBS:
        found = row(options.glowplug, interpreters, job, one_sided)
        if isinstance(found, str):
            left_out[job.stem] = found
            continue
        rows[job.stem] = found
        older, native = found["older"], found["native"]
        print(
            f"{job.stem:18} older {older['eager']:5} -> {older['lazy']:5}"
            f"   native {native['eager']:5} -> {native['lazy']:5}"
            f"   {found['ratio']:.3f} {found['ratio_of_shared']:.3f}",
            flush=True,
        )
    for name, reason in left_out.items():
        print(f"{name:18} {reason}")
    versions = {side: version_of(python) for side, python in interpreters.items()}
    options.json.write_text(
        json.dumps({"pythons": versions, "jobs": rows, "left_out": left_out}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
