"""What listens to imports is not in the program's way, and what modules take from it is what plain
Python would give them.
"""

from __future__ import annotations

from harness.clock import write

KEEPER = """\
import importlib.metadata, os, posix, sys, time
from os import listdir

KEPT = {
    "listdir": listdir is posix.listdir,
    "takes descriptors": os.listdir in os.supports_fd,
    "types": {type(f).__name__ for f in (listdir, os.stat, os.getpid, os.uname, time.monotonic)},
}
importlib.metadata.distributions()
"""


def test_functions_that_modules_keep(each_starter):
    folder = each_starter.folder / "program"
    write(folder / "keeper.py", KEEPER)
    write(
        folder / "main.py",
        "import importlib.metadata, keeper\n"
        "print(sorted(keeper.KEPT.items()))\n"
        "print(importlib.metadata.FastPath.children.__qualname__)\n",
    )
    each_starter.both(folder / "main.py", expect=0, prove=True)
