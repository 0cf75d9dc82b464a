"""Each program in `programs/` checks itself, and does thawed what it does plainly, on every
interpreter.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.certificate import make_certificate
from harness.running import Conditions

PROGRAMS = Path(__file__).parent / "programs"


# What depends most on how a CPython is made inside.
CORE = {
    "exit_order",
    "gc_and_weakrefs",
    "interpreter_state",
    "json_roundtrip",
    "recursion",
    "streams_kept_by_modules",
    "threading_everything",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[pytest.mark.core] if path.stem in CORE else [])
        for path in sorted(PROGRAMS.glob("*.py"))
    ],
)
def test_program(each_starter, name):
    each_starter.both(
        PROGRAMS / f"{name}.py", "one", "two words", expect=0, prove=name == "json_roundtrip"
    )


@pytest.mark.parametrize("name", ["locale_state", "time_zones"])
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "en_US.UTF-8", "TZ": "Europe/Zurich"},
        {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu"},
        {"TZ": "XYZ-3:30ABC"},
    ],
    ids=lambda env: "-".join(env.values()),
)
def test_program_under_locale_and_zone(starter, name, env):
    starter.both(PROGRAMS / f"{name}.py", conditions=Conditions(env=env), expect=0)


def test_tls_handshake(each_starter, tmp_path_factory):
    pem = make_certificate(tmp_path_factory.mktemp("tls"))
    each_starter.both(PROGRAMS.parent / "situations" / "ssl_handshake.py", pem, expect=0)
