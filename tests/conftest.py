"""Fixtures of all tests: a `starter` with its own cache, and the check that it leaves nothing
behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import processes
from harness.build import glowplug
from harness.interpreters import default_interpreter, interpreters, thorough
from harness.starting import Starter

WAYS = ["thaw", "fork", "pool"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plain-only",
        action="store_true",
        help="run the programs by plain Python alone: checks the programs, not Glowplug",
    )

    parser.addoption(
        "--way",
        choices=WAYS,
        default="thaw",
        help="how programs are started that are compared with plain ones",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Shells let what they run in the background ignore signals, as does nohup; it is inherited.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)
    config.addinivalue_line("markers", "soak: many starts in a row")
    config.addinivalue_line("markers", "both_ways: runs by a pool, and by forks as well")
    config.addinivalue_line("markers", "every_way: compares programs however they are started")
    config.addinivalue_line("markers", "judge: takes an hour; `make judge` runs it")
    config.addinivalue_line("markers", "core: runs on every interpreter, not on three of them")
    config.addinivalue_line("markers", "packages: needs packages from an index")


def pytest_report_header(config: pytest.Config) -> list[str]:
    whole = ", ".join(i.name for i in thorough())
    core = ", ".join(i.name for i in interpreters() if i not in thorough())
    return [
        f"glowplug: {glowplug() or 'not built'}",
        f"all comparisons on: {whole or 'none'}",
        f"the core set on: {core or 'none'}",
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "every_interpreter" in metafunc.fixturenames:
        # `core` may stand on single parameters of a test: see pytest_collection_modifyitems.
        metafunc.parametrize("every_interpreter", interpreters(), ids=lambda i: i.name)
    asked = metafunc.config.getoption("--way")
    if asked == "thaw" and metafunc.definition.get_closest_marker("every_way"):
        metafunc.parametrize("way", WAYS, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is not of the core set where only that runs."""
    kept, left_out = [], []
    for item in items:
        interpreter = getattr(item, "callspec", None) and item.callspec.params.get(
            "every_interpreter"
        )
        core = item.get_closest_marker("core") is not None
        kept_here = interpreter is None or core or interpreter in thorough()
        (kept if kept_here else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture
def plain_only(request: pytest.FixtureRequest) -> bool:
    """Whether only the plain side is run."""
    return bool(request.config.getoption("--plain-only"))


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """How programs are started that are compared with plain ones."""
    return getattr(request, "param", None) or request.config.getoption("--way")


def _make(folder: Path, interpreter, plain_only: bool, way: str) -> Starter:
    starter = Starter(interpreter, None if plain_only else glowplug(), folder, way)
    if starter.glowplug is None and not plain_only:
        pytest.fail(
            "no Glowplug was built: run `cargo xtask build`, name one in $GLOWPLUG, "
            "or pass --plain-only"
        )
    return starter


def _kill_strays(starter: Starter) -> None:
    for pid in processes.bearing(starter.mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _check_left_nothing(starter: Starter) -> None:
    starter.stop()
    try:
        starter.wait_until_idle()
    except TimeoutError:
        _kill_strays(starter)
        raise
    left = [
        str(path.relative_to(starter.cache))
        for path in starter.cache.rglob("*")
        if path.is_file()
        and path.suffix not in {".image", ".selector", ".lock", ".json", ".thaws", ".renewal"}
        and path.parent.name != "settings"
        and path.name != "CACHEDIR.TAG"
    ]
    assert not left, f"left behind in the cache: {left}"
    strays = processes.bearing(starter.mark)
    assert not strays, f"processes left behind:\n{processes.describe(strays)}"


@pytest.fixture
def starter(tmp_path: Path, plain_only: bool, way: str) -> Iterator[Starter]:
    """A starter with the default interpreter."""
    made = _make(tmp_path, default_interpreter(), plain_only, way)
    yield made
    _check_left_nothing(made)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def each_starter(
    every_interpreter, tmp_path: Path, plain_only: bool, way: str
) -> Iterator[Starter]:
    """A starter for every interpreter of the machine."""
    made = _make(tmp_path, every_interpreter, plain_only, way)
    yield made
    _check_left_nothing(made)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def built(plain_only: bool) -> Path:
    """The Glowplug that is tested; what needs it is deselected under --plain-only."""
    if plain_only:
        pytest.skip("needs Glowplug")
    found = glowplug()
    assert found, "no Glowplug was built: run `cargo xtask build`"
    return found
