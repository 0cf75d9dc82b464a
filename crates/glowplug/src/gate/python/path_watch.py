"""Runs a program and writes down what its `sys.path` is, and who added what.

Called as `python -c CODE FILE KIND WORD...`; KIND is script, module or import, or bare for the
interpreter's own entries. FILE gets lines of an entry, a file and a line, separated by NUL: as
often as the path changes, so that a program that is killed has written its last state.
"""

import sys


class WatchedPath(list):
    """A list that remembers from where entries were added."""

    added = {}

    def _note(self, entries):
        frame = sys._getframe(2)
        while frame and (frame.f_globals is globals() or frame.f_globals.get("__name__") == "site"):
            frame = frame.f_back
        if frame:
            for entry in entries:
                self.added.setdefault(entry, (frame.f_code.co_filename, frame.f_lineno))

    def append(self, entry):
        self._note([entry])
        super().append(entry)

    def insert(self, index, entry):
        self._note([entry])
        super().insert(index, entry)

    def extend(self, entries):
        entries = list(entries)
        self._note(entries)
        super().extend(entries)

    def __iadd__(self, entries):
        entries = list(entries)
        self._note(entries)
        return super().__iadd__(entries)

    def __setitem__(self, index, value):
        self._note(value if isinstance(index, slice) else [value])
        super().__setitem__(index, value)


def _watch():
    import atexit
    import os

    _, out, kind, *words = sys.argv
    last = []

    def write(*_):
        now = [str(entry) for entry in sys.path]
        if now == last:
            return
        last[:] = now
        added = WatchedPath.added
        lines = ["%s\0%s\0%d" % (entry, *added.get(entry, ("", 0))) for entry in now]
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, "\n".join(lines).encode("utf-8", "surrogateescape"))
        os.close(descriptor)

    def hook(event, _):
        if event == "import":
            write()

    if kind == "bare":
        write()
        return
    atexit.register(write)
    sys.argv = words
    if kind == "script":
        sys.path[0] = os.path.dirname(os.path.realpath(words[0]))
    elif kind == "module":
        sys.path[0] = os.getcwd()
    sys.path = WatchedPath(sys.path)
    sys.addaudithook(hook)
    if kind == "import":
        for name in words:
            __import__(name)
        return
    import runpy

    if kind == "module":
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")


_watch()
