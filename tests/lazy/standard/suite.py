"""Python 3.15's own tests of lazy imports, written for versions without the keyword.

Nothing of the suite is kept in this repository: it is read from where Python 3.15 has it, and each
`lazy import m` becomes an entry in `__lazy_modules__` and `import m`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from lazily import NATIVE, one_of

_STATEMENT = re.compile(
    # At the start of a line, or the whole of a string that is executed.
    r"(?P<before>^[ \t]*|(?<=exec\(\")|(?<=exec\(f\")|(?<=exec\('))lazy "
    r"(?P<statement>(?:import (?P<modules>[\w., {}]+?)(?: as [\w{}]+)?(?:[ ]*#.*)?"
    r"|from (?P<source>[\w.{}]+) import [^\"'\n]*))(?=$|[\"'])",
    re.MULTILINE,
)


def installed() -> Path | None:
    """The suite of a Python 3.15 on this machine, or a copy of its folder that
    $GLOWPLUG_TEST_LAZY_SUITE names.
    """
    named = os.environ.get("GLOWPLUG_TEST_LAZY_SUITE")
    if named:
        return Path(named)
    for python in one_of(NATIVE):
        found = python.run_eagerly("-c", "import test; print(*test.__path__)", cwd=Path("/"))
        suite = Path(found.stdout.decode().strip() or "/", "test_lazy_import")
        if suite.is_dir():
            return suite
    return None


def without_keyword(text: str) -> str:
    """The text with every lazy statement marked and written as an ordinary import."""
    return _STATEMENT.sub(_marked, text)


def _marked(found: re.Match[str]) -> str:
    source, modules = found["source"], found["modules"]
    if source is None:
        names = ", ".join(repr(name.split(" as ")[0].strip()) for name in modules.split(","))
    elif source.startswith("."):
        names = f"__import__('importlib.util').util.resolve_name({source!r}, __package__)"
    else:
        names = repr(source)
    mark = f"globals().setdefault('__lazy_modules__', []).extend([{names}])"
    if found.string[: found.start()].endswith("exec('"):
        mark = mark.replace("'", '"')
    return f"{found['before']}{mark}; {found['statement']}"


def write(folder: Path, suite: Path) -> None:
    """Writes the suite into a folder that `test.__path__` gets."""
    target = folder / "test_lazy_import"
    shutil.copytree(suite, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.rglob("*.py"):
        if "badsyntax" not in path.parts:
            path.write_text(without_keyword(path.read_text()))
    main = target / "__init__.py"
    main.write_text("import older\n" + main.read_text())
