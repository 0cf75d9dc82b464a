"""`glowplug profile --from-importtime` on what real CPythons print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.build import glowplug
from harness.interpreters import clean_environment, interpreters

# The program writes to the same stream: a part of a line, so that the next entry stands behind it.
PROGRAM = """
import os
os.write(2, b"loading: ")
import json.decoder, csv
os.write(2, b"done\\n")
import json.encoder, base64
"""
THREADS = """
import threading
names = ["email.message", "http.client", "unittest", "xml.dom.minidom", "decimal", "argparse"]
start = threading.Barrier(len(names))
def load(name):
    start.wait()
    __import__(name)
threads = [threading.Thread(target=load, args=[name]) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
NEWER = ("python3.14", "python3.15")


def pythons() -> dict[str, Path]:
    """Every supported interpreter, and those of the newer ones that the machine has."""
    found = {interpreter.name: interpreter.path for interpreter in interpreters()}
    named = [Path(entry) for entry in os.environ.get("GLOWPLUG_TEST_PYTHONS", "").split(":")]
    for name in NEWER:
        path = next((str(path) for path in named if path.name == name), shutil.which(name))
        if path:
            found[name] = Path(path)
    return found


def log_of(python: Path, program: str, folder: Path, option: str = "importtime") -> Path:
    done = subprocess.run(
        [python, "-X", option, "-c", program],
        env=clean_environment(),
        capture_output=True,
        check=True,
    )
    path = folder / "importtime.log"
    path.write_bytes(done.stderr)
    return path


def profile_of(log: Path) -> dict:
    out = log.with_suffix(".json")
    words = [glowplug(), "profile", "--from-importtime", log, "--json", out]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def check_sums(profile: dict) -> None:
    (process,) = profile["processes"]
    own = [module["own"]["wall_ns"] for module in process["modules"]]
    assert min(own) >= 0 and sum(own) == process["wall_ns"] == profile["run"]["wall_ns"]


@pytest.mark.parametrize("name", pythons())
def test_every_cpython(name, tmp_path):
    check_log(log_of(pythons()[name], PROGRAM, tmp_path))


@pytest.mark.parametrize("minor", ["3.7", "3.8", "3.9"])
def test_logs_of_older_cpythons(minor, tmp_path):
    """What these printed for the same program."""
    log = Path(__file__).parent / "logs" / f"importtime-{minor}.log"
    check_log(Path(shutil.copy(log, tmp_path)))


def check_log(log: Path) -> None:
    profile = profile_of(log)
    check_sums(profile)
    (process,) = profile["processes"]
    loaded = {module["name"] for module in process["modules"]}
    assert {"__main__", "json", "json.decoder", "json.scanner", "csv", "base64"} <= loaded
    by_name = {module["name"]: module for module in process["modules"]}
    scanner = by_name["json.scanner"]
    assert process["modules"][scanner["parent"]]["name"] == "json.decoder"
    glued = [note for note in profile["run"]["notes"] if "stood behind text" in note]
    assert len(glued) == 1 and glued[0].startswith("1 entry")
    entries = [line for line in log.read_text().splitlines() if "import time:" in line]
    assert len(process["modules"]) == len(entries)  # one is the header, and one the program


@pytest.mark.parametrize("name", pythons())
def test_threads_are_told_and_nothing_is_negative(name, tmp_path):
    check_sums(profile_of(log_of(pythons()[name], THREADS, tmp_path)))


@pytest.mark.parametrize("name", NEWER)
def test_cached_entries(name, tmp_path):
    """`=2`: further importers, of which those that cannot be told are counted."""
    python = pythons().get(name)
    if python is None:
        pytest.skip(f"needs {name}")
    log = log_of(python, PROGRAM, tmp_path, "importtime=2")
    profile = profile_of(log)
    check_sums(profile)
    (process,) = profile["processes"]
    names = [module["name"] for module in process["modules"]]
    further = {
        (names[edge["importer"]], names[edge["module"]])
        for edge in process["edges"]
        if not edge["first"]
    }
    assert {("json.scanner", "re"), ("json.decoder", "json")} <= further
    assert profile["run"]["notes"][0].startswith("From a log of -X importtime=2")


def test_no_log_is_refused(tmp_path):
    (tmp_path / "empty.log").write_text("hello\n")
    words = [glowplug(), "profile", "--from-importtime", tmp_path / "empty.log"]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 123
    assert "empty.log: there is no entry of `-X importtime` in 1 lines" in done.stderr
    words[-1] = tmp_path / "absent.log"
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 123 and "absent.log: No such file" in done.stderr
