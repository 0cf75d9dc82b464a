"""Each entry of the reviewed table is true: its modules are preloaded, and what they keep of the
moment of their import is of each start.

What two plain starts keep differently, of all that can be reached from a module, is what it keeps
of its moment. A thawed start must not share that with another one.
"""

from __future__ import annotations

import ctypes
import json
import re
import resource
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import tomllib
from harness import images, reach
from harness.build import ROOT
from harness.clock import write
from harness.environments import environment, in_environment
from harness.interpreters import by_minor
from harness.running import Conditions

pytestmark = pytest.mark.packages

TABLE = ROOT / "crates" / "glowplug" / "data" / "reviewed.toml"
NOTE = re.compile(r"module `(.+)` uses (.+): (.+)")
ADDR_NO_RANDOMIZE = 0x0040000

# Imports that make all entries of an environment count; `None` for the interpreter alone.
PROGRAMS = {
    None: "logging, multiprocessing.process, random, _strptime, ssl, hashlib, asks_where",
    "data": "numpy.f2py, pandas, scipy.stats, sklearn.ensemble, joblib, dateutil.parser",
    "frames": "polars, pyarrow",
    "web": "fastapi, pydantic, lxml.etree, cryptography.fernet, opentelemetry.baggage",
    "more": "aiohttp, rich.style",
    "tools": "httpie.ssl_",
    "hooks": "distributed, execnet, IPython, jedi, jupyter_client.session, psutil",
    "tensorflow": "tensorflow",
}
# Entries by the environment that has them; all others are of the standard library.
PACKAGES = {
    "data": ("dateutil", "joblib", "numpy", "pandas", "scipy", "sklearn"),
    "frames": ("polars", "_polars_runtime_32", "pyarrow"),
    "web": ("cryptography", "fastapi", "lxml", "opentelemetry", "pydantic", "pydantic_core"),
    "more": ("aiohttp", "rich"),
    "tools": ("httpie",),
    "hooks": ("IPython", "dask", "distributed", "execnet", "jedi", "jupyter_client", "psutil"),
    "tensorflow": ("tensorflow",),
    "services": ("sanic",),
}


def entries(requirements: str | None) -> list[dict]:
    """Those of an environment."""
    home = {package: name for name, packages in PACKAGES.items() for package in packages}
    table = tomllib.loads(TABLE.read_text())["entry"]
    return [e for e in table if home.get(e["module"].split(".")[0]) == requirements]


def covers(entry: dict, module: str) -> bool:
    name = entry["module"]
    if name.endswith(".*"):
        return f"{module}.".startswith(name[:-1])
    return module == name


def differing(module: str, one: dict, other: dict) -> list[str]:
    """Where two starts have different values."""
    values, others = one[module], other[module]
    return [place for place in values if others.get(place, values[place]) != values[place]]


def next_second() -> None:
    """Some modules keep whole seconds."""
    now = int(time.time())
    while int(time.time()) == now:
        pass


def keep_layout() -> None:
    """Addresses are the same in each start, so that they do not count."""
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


@pytest.mark.parametrize("requirements", PROGRAMS, ids=str)
def test_entries_are_true(starter, built, requirements):
    if requirements is None:
        # Not the interpreter itself: its `site` may load modules before anybody looks.
        bare = starter.folder / "bare"
        subprocess.run([starter.python, "-m", "venv", "--without-pip", bare], check=True)
        python = bare / "bin" / "python3"
        inside = starter.with_interpreter(replace(starter.interpreter, path=python))
    else:
        found = by_minor((3, 11))
        if not found:
            pytest.skip("no CPython 3.11 on this machine")
        inside = starter.with_interpreter(environment(found[0], requirements))
    project = starter.folder / "project"
    write(project / "asks_where.py", "import tempfile\ntempfile.gettempdir()\n")
    write(project / "reach.py", Path(reach.__file__).read_text())
    script = write(
        project / "main.py",
        f"import json\nimport sys\nimport {PROGRAMS[requirements]}\nimport reach\n"
        "print(json.dumps(reach.values(sys.argv[1:])))\n",
    )
    # tensorflow is not to print.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    env = {"PYTHONHASHSEED": "0", **quiet}
    inside.ensure_frozen(script, conditions=Conditions(env=env))
    (path,) = inside.images()
    meta = images.read(path).meta
    uses = [match.groups() for match in map(NOTE.fullmatch, meta["notes"]) if match]
    named = sorted({module for module, _, _ in uses})
    plain, thawed = [], []
    for _ in range(2):
        still = Conditions(env=env, prepare=keep_layout)
        plain.append(inside.plain(script, *named, conditions=still))
        next_second()
        thawed.append(inside.start(script, *named, via="thaw", conditions=Conditions(env=env)))
        next_second()
    assert [run.status for run in plain + thawed] == [0] * 4, plain + thawed
    one, other = (json.loads(run.text()) for run in plain)
    first, second = (json.loads(run.text()) for run in thawed)
    unused, wrong = [], []
    for entry in entries(requirements):
        modules = [module for module in named if covers(entry, module)]
        if not modules:
            unused.append(entry["module"])
        kept = [(module, place) for module in modules for place in differing(module, one, other)]
        if entry["answer"] == "renewed":
            again = {module: set(differing(module, first, second)) for module in modules}
            kept = [(module, place) for module, place in kept if place not in again[module]]
        elif entry["answer"] == "immaterial":
            assert kept, f"{entry['module']} keeps nothing"
            kept = []
        wrong += kept
    assert (unused, sorted(wrong)) == ([], [])
    assert not {kept["module"] for kept in meta["apart"]}, meta["apart"]


def test_year_of_two_digits(starter, built):
    """dateutil's parser gets the year of each start, whatever it was when it was frozen."""
    found = by_minor((3, 11))
    if not found:
        pytest.skip("no CPython 3.11 on this machine")
    inside = starter.with_interpreter(environment(found[0], "data"))
    project = starter.folder / "project"
    write(
        project / "long_ago.py",
        "import dateutil.parser._parser as p\n"
        "p.DEFAULTPARSER.info._year = 1930\np.DEFAULTPARSER.info._century = 1900\n",
    )
    script = write(
        project / "main.py",
        "import dateutil.parser\nimport long_ago\nprint(dateutil.parser.parse('1/2/31').year)\n",
    )
    assert inside.plain(script).text() == "1931\n"
    inside.ensure_frozen(script)
    assert inside.start(script, via="thaw").text() == "2031\n"


def test_memory_of_workers(starter, built):
    """distributed goes by the limits of each start."""
    inside = in_environment(starter, "hooks")
    script = write(
        starter.folder / "project" / "main.py",
        "from distributed import system\nfrom distributed.comm import tcp\n"
        "print(system.MEMORY_LIMIT, tcp.MEMORY_LIMIT, tcp.MAX_BUFFER_SIZE)\n",
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_RSS, (1 << 28, 1 << 28))

    plain = inside.both(script, conditions=Conditions(prepare=limit), expect=0)
    assert plain.text() == f"{1 << 28} {1 << 28} {(1 << 28) / 2}\n"


LATER = """\
import sys
import types
from pathlib import Path
from IPython.core import tips

names = {"sys": sys}
exec(Path(sys.argv[1]).read_text(), names)
moment = names["MOMENTS"]["IPython.core.tips"]
assert moment.holds(tips)
sys.modules["time"] = types.SimpleNamespace(localtime=lambda: types.SimpleNamespace(tm_year=2101))
moment.renew(tips, None)
print([day for day, tip in tips._tips["every_year"].items() if " 100 years ago" in tip])
"""


def test_years_of_tips(starter):
    """IPython's tips tell of the year of each start."""
    inside = in_environment(starter, "hooks")
    renew = ROOT / "crates" / "glowplug-python" / "src" / "python" / "renew.py"
    outcome = inside.plain(write(starter.folder / "later.py", LATER), str(renew))
    assert outcome.text() == "[(10, 11), (12, 9)]\n", outcome
