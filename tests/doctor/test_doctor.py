"""`glowplug doctor` where something is refused: it must find that, say what follows, and agree with
what the commands then do.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import sandbox
from harness.build import ROOT
from harness.running import Conditions, run

# Exit statuses, as docs/doctor.md has them.
WORKS, LIMITED, NO_FREEZE, NO_THAW, NO_PYTHON = 0, 1, 122, 124, 127
SCHEMA = ROOT / "docs" / "schema" / "doctor.schema.json"
PRCTL = 157


class Diagnosis:
    """A report in JSON."""

    def __init__(self, outcome):
        self.status = outcome.status
        self.report = json.loads(outcome.stdout)
        self.checks = {check["name"]: check for check in self.report["checks"]}
        self.parts = {part["part"]: part["state"] for part in self.report["parts"]}
        assert self.report["status"] == outcome.status, outcome.errors()

    def lacking(self) -> set[str]:
        """The names of all that does not just work."""
        return {name for name, check in self.checks.items() if check["state"] != "works"}


def diagnose(starter, *words, prepare: Callable[[], None] | None = None, env=None) -> Diagnosis:
    """Asks for a report in a situation."""
    how = Conditions(prepare=prepare, env=env or {})
    python = () if "--python" in words else ("--python", starter.python)
    return Diagnosis(starter.execute("doctor", "--json", *python, *words, conditions=how))


def left_behind(folder: Path) -> list[Path]:
    """Files that the doctor has made and not removed."""
    return [path for path in folder.rglob(".glowplug-*") if path.exists()]


def test_where_all_works(starter, tmp_path):
    """What the other tests break is whole without them, and nothing is left behind."""
    diagnosis = diagnose(starter)
    assert diagnosis.lacking() <= {"profile limits"}, diagnosis.report
    assert diagnosis.parts["run"] == diagnosis.parts["freeze"] == diagnosis.parts["lazy"] == "works"
    assert diagnosis.status == (LIMITED if diagnosis.lacking() else WORKS)
    assert "thaws in" in diagnosis.checks["trial"]["found"]
    assert not left_behind(tmp_path)
    assert not starter.cache.exists(), "asking makes no cache"


def test_the_trial_can_be_left_out(starter):
    assert "trial" not in diagnose(starter, "--quick").checks


def test_a_screen_of_text(starter):
    """A line for each thing that works, no wider than a terminal, and the same status."""
    diagnosis = diagnose(starter)
    outcome = starter.execute("doctor", "--python", starter.python)
    lines = outcome.text().splitlines()
    assert outcome.status == diagnosis.status
    for name, check in diagnosis.checks.items():
        state = check["state"].replace("-", " ")
        assert any(line.startswith(f"{state:13}  {name}") for line in lines), (name, lines)
    limit = 24 + 4 * len(diagnosis.lacking())
    # Paths of any length stand in these.
    paths = {"interpreter", "cache", "temporary files", "installation", "site hooks"}
    assert len(lines) <= limit + len(paths) * 2, outcome.text()
    narrow = [line for line in lines if "/" not in line]
    assert all(len(line) <= 80 for line in narrow), outcome.text()


def test_the_schema_names_every_field(starter):
    """Objects hold just what the schema says, and states and parts are of its lists."""
    schema = json.loads(SCHEMA.read_text())
    definitions = schema["$defs"]

    def allowed(name):
        return {value["const"] for value in definitions[name]["oneOf"]}

    report = diagnose(starter, "--quick").report
    assert set(report) == set(schema["properties"])
    for check in report["checks"]:
        assert set(check) == set(definitions["Check"]["properties"])
        assert check["state"] in allowed("State")
        assert set(check["affects"]) <= allowed("Part")
    assert {part["part"] for part in report["parts"]} == allowed("Part")


def refuse(number: int, error: int | None) -> Callable[[], None]:
    """What puts on a child a filter that fails a system call, or kills who makes it."""
    return lambda: sandbox.refuse_system_call(number, error)


def test_without_prctl(starter):
    """A filter that refuses prctl: nothing is frozen, and the lines before the trial say why."""
    diagnosis = diagnose(starter, prepare=refuse(PRCTL, 1))
    calls = diagnosis.checks["system calls"]
    assert calls["state"] == "does-not-work"
    assert "prctl(PR_SET_CHILD_SUBREAPER) not permitted" in calls["found"]
    assert "prctl(PR_SET_MM_MAP) not permitted" in calls["found"]
    assert "seccomp" in calls["found"]
    assert diagnosis.checks["trial"]["state"] == "does-not-work"
    assert diagnosis.parts["freeze"] == "does-not-work"
    assert diagnosis.status == NO_FREEZE
    # The command agrees.
    how = Conditions(prepare=refuse(PRCTL, 1))
    command = ("freeze", "--python", starter.python, "--preload", "json", "-o", "x.image")
    assert starter.execute(*command, conditions=how).status != 0


def test_a_filter_that_kills(starter):
    """Who asks in vain is killed: a child of the doctor's, not the doctor."""
    diagnosis = diagnose(starter, "--quick", prepare=refuse(319, None))
    assert "memfd_create killed by signal 31" in diagnosis.checks["system calls"]["found"]
    assert diagnosis.status == NO_THAW


def test_the_filter_of_docker(starter):
    """Under a filter like Docker's default one nothing is missing."""
    diagnosis = diagnose(starter, prepare=sandbox.filter_system_calls)
    assert diagnosis.lacking() <= {"profile limits"}, diagnosis.report
    assert "seccomp filter" in diagnosis.checks["system calls"]["found"]
    assert "no new privileges" in diagnosis.checks["rights"]["found"]


def test_little_address_space(starter):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    diagnosis = diagnose(starter, prepare=limit)
    limits = diagnosis.checks["limits"]
    assert (limits["state"], limits["found"]) == ("limited", "address space 2.0 GiB")
    assert "ulimit -v" in limits["help"]
    assert diagnosis.parts["run"] == "limited"
    assert diagnosis.status == LIMITED


def test_an_exposed_cache(starter):
    starter.cache.mkdir()
    starter.cache.chmod(0o755)
    diagnosis = diagnose(starter, "--quick")
    assert "open to others (mode 755)" in diagnosis.checks["cache"]["found"]
    assert (diagnosis.parts["run"], diagnosis.status) == ("does-not-work", NO_THAW)


def in_own_mounts(starter, *commands: str) -> Diagnosis:
    """A report from a mount namespace in which the commands of a shell have been run."""
    asked = " ".join(
        f"'{word}'" for word in starter.command("doctor", "--json", "--python", starter.python)
    )
    script = " && ".join((*commands, f"exec {asked}"))
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    starter.fresh_work()
    if subprocess.run([*command[:4], "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    return Diagnosis(run(command, starter.env, starter.work))


def test_a_read_only_cache(starter):
    """Without images it is of no use; with one, that one is used."""
    starter.cache.mkdir()
    starter.cache.chmod(0o700)
    read_only = f"mount --bind -o ro {starter.cache} {starter.cache}"
    remount = f"mount -o remount,bind,ro {starter.cache}"
    diagnosis = in_own_mounts(starter, read_only, remount)
    assert "Read-only file system" in diagnosis.checks["cache"]["found"], diagnosis.report
    assert (diagnosis.parts["run"], diagnosis.status) == ("does-not-work", NO_THAW)
    starter.ensure_frozen("-c", "import json")
    diagnosis = in_own_mounts(starter, read_only, remount)
    assert diagnosis.checks["cache"]["state"] == "limited"
    assert "the 1 images there are used" in diagnosis.checks["cache"]["consequence"]
    assert diagnosis.status == LIMITED


def test_a_cache_that_cannot_be_executed(starter):
    """On a file system that is mounted noexec images are made and cannot be mapped."""
    starter.cache.mkdir()
    mount = f"mount -t tmpfs -o noexec,mode=700 none {starter.cache}"
    diagnosis = in_own_mounts(starter, mount)
    assert "noexec" in diagnosis.checks["cache code"]["found"]
    assert diagnosis.checks["trial"]["state"] == "does-not-work"
    assert (diagnosis.parts["run"], diagnosis.status) == ("does-not-work", NO_THAW)


def test_no_interpreter(starter):
    diagnosis = diagnose(starter, "--python", "/nonexistent/python")
    assert diagnosis.checks["interpreter"]["state"] == "does-not-work"
    assert diagnosis.status == NO_PYTHON


def test_another_program_for_an_interpreter(starter):
    """What is no Python cannot say what it is."""
    diagnosis = diagnose(starter, "--python", "/bin/true")
    assert diagnosis.checks["interpreter"]["state"] == "does-not-work"
    assert diagnosis.parts["run"] == diagnosis.parts["lazy"] == "does-not-work"


def test_a_wrapper(starter, tmp_path):
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {starter.python} "$@"\n')
    wrapper.chmod(0o755)
    diagnosis = diagnose(starter, "--python", str(wrapper))
    assert "wrapper script" in diagnosis.checks["interpreter"]["consequence"]
    assert "trial" not in diagnosis.checks
    assert diagnosis.status == NO_THAW


def test_a_missing_part(starter, tmp_path):
    """Without the collector nothing is profiled, and programs are thawed all the same."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    source = Path(os.environ.get("GLOWPLUG_RUNTIME") or starter.glowplug.parent / "../lib/glowplug")
    for part in source.resolve().iterdir():
        if part.name != "collector.so":
            (runtime / part.name).symlink_to(part)
    diagnosis = diagnose(starter, env={"GLOWPLUG_RUNTIME": str(runtime)})
    assert "collector.so" in diagnosis.checks["installation"]["found"]
    assert diagnosis.parts["profile"] == "does-not-work"
    assert diagnosis.parts["run"] == "works"


def test_hooks_of_site_are_named(starter, tmp_path):
    """A `.pth` file that imports runs before every program."""
    venv = tmp_path / "venv"
    subprocess.run([starter.python, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python3*/site-packages")
    (packages / "start.pth").write_text("import this_is_not_there_but_tried\n")
    diagnosis = diagnose(starter, "--quick", "--python", str(venv / "bin" / "python"))
    assert "start.pth" in diagnosis.checks["site hooks"]["found"]
