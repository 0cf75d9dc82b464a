"""What `site` runs before any program: `.pth` files and `sitecustomize` read and change things as
imports do.
"""

from __future__ import annotations

import pytest
from harness.clock import settle, write
from harness.running import Conditions
from harness.starting import require_same

PROGRAM = """\
import json
import os
import sys

print(os.environ.get("SET_BY_SITE"), json.dumps(sys.path), sys.flags.no_site)
print(getattr(sys, "mode_of_site", None), "site" in sys.modules, list(sys.modules)[:30])
"""


def conditions(starter, customisation, **env):
    write(starter.folder / "customised" / "sitecustomize.py", customisation)
    settle()
    return Conditions(env={"PYTHONPATH": str(starter.folder / "customised"), **env})


@pytest.mark.parametrize(
    "read",
    ["os.environ.get('SITE_MODE')", "os.getenv('SITE_MODE')", "dict(os.environ).get('SITE_MODE')"],
)
def test_variable_that_site_reads(starter, read):
    """Another value is another program, at once."""
    script = write(starter.folder / "program.py", PROGRAM)
    code = f"import os, sys\nsys.mode_of_site = {read}\n"
    for mode in ("one", "two", None, "one"):
        env = {"SITE_MODE": mode} if mode else {}
        how = conditions(starter, code, **env) if mode == "one" else None
        how = how or Conditions(
            env={"PYTHONPATH": str(starter.folder / "customised"), **env}, unset=()
        )
        plain = starter.plain(script, conditions=how)
        assert plain.text().splitlines()[1].startswith(str(mode)), plain
        for _ in range(2 if starter.glowplug else 0):
            require_same(plain, starter.start(script, conditions=how))
            starter.wait_until_idle()


def test_variable_that_site_sets(each_starter):
    script = write(each_starter.folder / "program.py", PROGRAM)
    code = "import os\nos.environ['SET_BY_SITE'] = 'set'\n"
    how = conditions(each_starter, code)
    plain = each_starter.both(script, conditions=how, expect=0)
    assert plain.text().startswith("set "), plain


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys\nsys.settrace(lambda *about: None)", "a trace function"),
        ("import sys\nsys.setprofile(lambda *about: None)", "a profile function"),
        ("import threading\nthreading.settrace(lambda *about: None)", "a trace function"),
        ("raise OSError('no site')", None),
        ("import os\nos.umask(0o77)", None),
        ("open('made-by-site', 'w').close()", None),
        ("print('said by site')", None),
    ],
)
def test_site_that_does_more(starter, code, reason):
    """Whatever site does, both starts do."""
    script = write(starter.folder / "program.py", PROGRAM)
    how = conditions(starter, code)
    plain = starter.plain(script, conditions=how)
    for _ in range(2 if starter.glowplug else 0):
        require_same(plain, starter.start(script, conditions=how))
        starter.wait_until_idle()
    if starter.glowplug and reason:
        way, outcome = starter.explained(script, conditions=how)
        assert reason in way
        require_same(plain, outcome)


INTERPRETERS = """\
import json
import subprocess
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
code = "import sys; print('site' in sys.modules, sys.flags.no_site, sys.path, flush=True)"
(interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string)(other, code)
interpreters.destroy(other)
print(subprocess._args_from_interpreter_flags(), json.dumps(sys.flags.no_site))
"""


def test_interpreters_that_the_program_makes(each_starter):
    """They have a site where the program has one."""
    script = write(each_starter.folder / "program.py", INTERPRETERS)
    plain = each_starter.both(script, expect=0)
    assert plain.text().startswith("True 0 "), plain
