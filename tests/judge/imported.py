"""Prints which modules a test file imports at its top: those are what its tests are about.

    imported.py MODULE

What belongs to the tests themselves (`test.…`, modules that only test CPython) is left out: much of
it notes its process and its time when it is imported, and is imported at each start.
"""

import ast
import importlib
import importlib.util
import os
import sys

# doctest imports the debugger, and that readline, which uses the time from 3.13 on.
OF_TESTS = ("test", "doctest", "__future__")


def sources(module):
    """The file, or those of a package."""
    origin = importlib.util.find_spec(module).origin
    folder, name = os.path.split(origin)
    if name != "__init__.py":
        return [origin]
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name[-3:] == ".py"]


def names(statement):
    """What an import statement imports, from outside the file's own package."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom) and not statement.level:
        inner = [f"{statement.module}.{alias.name}" for alias in statement.names]
        return [statement.module, *inner]
    return []


def is_about(name):
    """Whether it is a module, can be had here, and programs use it."""
    outermost = name.partition(".")[0]
    if outermost in ("test", "doctest", "__future__") or outermost.startswith(
        ("_test", "_xx", "xx")
    ):
        return False
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def main():
    found = []
    for source in sources(sys.argv[1]):
        with open(source, "rb") as file:
            for statement in ast.parse(file.read()).body:
                found += names(statement)
    print("\n".join(dict.fromkeys(filter(is_about, found))))


if __name__ == "__main__":
    main()
