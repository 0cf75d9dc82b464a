"""Runs a service until it is about to serve, and tells which modules it has imported by then.

`begin` is called before the program, in an interpreter that is used for nothing else and ends
there. The namespace has `sys` alone.
"""

import sys


class GlowplugTrial:
    """What ends the trial, and to whom it is told."""

    def __init__(self, descriptor, until):
        os = sys.modules["os"]
        # What the program does to `os` is its own business.
        self.write, self.exit = os.write, os._exit
        self.descriptor = descriptor
        self.known = set(sys.modules)
        module, _, self.path = until.partition(":")
        self.module = module if until else None

    def reached(self, what):
        """The program is about to serve, unless an import does this, whose own doing it is."""
        if not _is_importing():
            self.end(what, "socket")

    def end(self, what, kind=""):
        """Tells what ended it and which modules there are, in their order; ends the process."""
        notes = [("reached", what, kind)]
        for name, module in list(sys.modules.items()):
            if name not in self.known and _can_be_imported(name, module):
                notes.append(("module", name, ""))
        text = "".join("%s\0%s\0%s\0" % note for note in notes)
        frame = text.encode("utf-8", "surrogateescape")
        frame = len(frame).to_bytes(4, "little") + frame
        while frame:
            frame = frame[self.write(self.descriptor, frame) :]
        self.exit(0)

    def find_spec(self, name, path=None, target=None):
        """A finder in front of all others, for the module that `--until` names."""
        if name != self.module:
            return None
        for finder in sys.meta_path:
            found = finder is not self and finder.find_spec(name, path, target)
            if found:
                found.loader = GlowplugEnding(found.loader, self)
                return found
        return None

    def loaded(self, module):
        """That module is there: its function ends the trial, or its import does."""
        if not self.path:
            self.end(self.module)
        owner = module
        *owners, last = self.path.split(".")
        for name in owners:
            owner = getattr(owner, name)

        def ends(*args, **kwargs):
            self.end("%s:%s" % (self.module, self.path))

        if isinstance(getattr(owner, last), type):
            # Others may derive from it, and have done so when it is taken for something else.
            owner, last = getattr(owner, last), "__init__"
        setattr(owner, last, ends)


class GlowplugEnding:
    """Stands for the loader of the module that `--until` names."""

    def __init__(self, loader, trial):
        self.loader, self.trial = loader, trial

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        self.trial.loaded(module)


def _is_importing():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _can_be_imported(name, module):
    """Not `__main__`, and nothing that a module has put there under another's name."""
    spec = getattr(module, "__spec__", None)
    return spec is not None and spec.name == name and not name.endswith("__main__")


def begin(descriptor, until):
    """Puts what ends the trial in place; returns what the recorder calls at sockets."""
    trial = GlowplugTrial(descriptor, until)
    if trial.module:
        sys.meta_path.insert(0, trial)
    sys._glowplug_freeze_point = lambda: trial.end("glowplug.freeze_point()")
    return trial.reached
