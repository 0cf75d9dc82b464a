"""Runs in the interpreter that will be frozen, before it stands still: imports, and notes what the imports read.

Only built-in modules are used here, so that nothing appears in sys.modules that the program would not find there anyway. This code
runs in a namespace of its own that is no module; `native` holds the functions that the extension provides.
"""

import _frozen_importlib_external as _external
import sys

# Attributed to code of the library, not to the module that asked for a variable.
_ENVIRONMENT_CODE = {"os", "_collections_abc", "collections.abc"}


class Recording:
    """Puts listeners in front of what imports use, and takes them away again without a trace."""

    def __init__(self, native):
        self.native = native
        self.lookups = {}
        self.names = set()
        self.copied_by = set()
        self.grew = []
        self.population = native["population"]()
        self.undo = []

    def replace(self, owner, name, make):
        original = owner.__dict__[name]
        setattr(owner, name, make(original))
        self.undo.append((owner, name, original))

    def start(self):
        self.replace(_external.FileFinder, "find_spec", self.find_spec)
        self.replace(_external.FileFinder, "_fill_cache", self.fill_cache)
        self.replace(_external._LoaderBasics, "exec_module", self.exec_module)
        self.replace(_external.ExtensionFileLoader, "create_module", self.exec_module)
        self.replace(_external.ExtensionFileLoader, "exec_module", self.exec_module)
        environ = type(sys.modules["os"].environ)
        self.replace(environ, "__getitem__", self.environ_item)
        for name in ("__iter__", "__len__", "copy", "__repr__"):
            if name in environ.__dict__:
                self.replace(environ, name, self.environ_whole)

    def stop(self):
        for owner, name, original in reversed(self.undo):
            setattr(owner, name, original)
        self.undo.clear()

    def find_spec(self, original):
        def find_spec(finder, fullname, target=None):
            stem = fullname.rpartition(".")[2]
            self.lookups.setdefault(finder.path, set()).add(stem)
            return original(finder, fullname, target)

        return find_spec

    def fill_cache(self, original):
        flags = self.native["recorder_flags"]

        def _fill_cache(finder):
            flags(1, 0)
            try:
                return original(finder)
            finally:
                flags(0, 1)

        return _fill_cache

    def exec_module(self, original):
        def exec_module(loader, module):
            result = original(loader, module)
            self.look_around(getattr(module, "__name__", None) or module.name)
            return result

        return exec_module

    def look_around(self, module):
        """Blames what appeared since the last look on the module that has just been loaded: the innermost one is done first."""
        descriptors, threads = self.native["population"]()
        if descriptors > self.population[0]:
            self.grew.append(("descriptor", module))
        if threads > self.population[1]:
            self.grew.append(("thread", module))
        self.population = descriptors, threads

    def environ_item(self, original):
        def __getitem__(environ, key):
            if isinstance(key, (str, bytes)):
                name = key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")
                self.names.add(name)
            return original(environ, key)

        return __getitem__

    def environ_whole(self, original):
        def whole(environ, *args):
            frame = sys._getframe(1)
            while frame and frame.f_globals.get("__name__") in _ENVIRONMENT_CODE:
                frame = frame.f_back
            self.copied_by.add(frame.f_globals.get("__name__", "?") if frame else "?")
            return original(environ, *args)

        return whole


def _import(name):
    """Imports a dotted name as `import a.b.c` does."""
    __import__(name)


def _flush():
    """The freezer looks at what imports (and site before them) have printed."""
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name, None)
        if stream is not None and not getattr(stream, "closed", True):
            stream.flush()


def preload(job, native):
    """Does the imports of `job`; returns the report, a list of (kind, a, b), all str.

    `job` maps "preload" to dotted names, "optional" to names whose ImportError is the program's own business, "path0" to what the
    program will have as sys.path[0] (empty: nothing is put there), "file" to the program's file.
    """
    if "os" not in sys.modules:
        return [("refused", "the interpreter runs without site", "")]
    main = sys.modules["__main__"].__dict__
    if job.get("path0"):
        sys.path.insert(0, job["path0"][0])
    if job.get("file"):
        main["__file__"] = job["file"][0]
        sys.argv[:] = job["file"]
        # CPython asks whether the script is a folder or zip file, and remembers the answer.
        global reserved_importer
        reserved_importer = job["file"][0]
        sys.path_importer_cache[reserved_importer] = None
    os = sys.modules["os"]
    before = dict(os.environ._data)
    folder = os.getcwd()
    umask = os.umask(0)
    os.umask(umask)
    known = set(sys.modules)
    recording = Recording(native)
    report = []
    recording.start()
    try:
        for name in job.get("preload", ()):
            try:
                _import(name)
            except ImportError:
                if name not in job.get("optional", ()):
                    raise
            recording.look_around(name)
    except BaseException as error:
        recording.stop()
        text = "importing %s failed: %s: %s" % (name, type(error).__name__, error)
        return [("refused", " ".join(text.split()), name)]
    recording.stop()
    _flush()
    main.pop("__file__", None)
    if os.getcwd() != folder:
        report.append(("refused", "an import changes the working directory", ""))
    now = os.umask(umask)
    if now != umask:
        report.append(("refused", "an import changes the umask", ""))
    for folder, stems in recording.lookups.items():
        report.extend(("lookup", folder, stem) for stem in stems)
    report.extend(("name", name, "") for name in sorted(recording.names))
    report.extend(("copied", module, "") for module in sorted(recording.copied_by))
    report.extend(("grew", kind, module) for kind, module in recording.grew)
    report.extend(("module", name, "") for name in list(sys.modules) if name not in known)
    global environment_changes
    after = os.environ._data
    environment_changes = [
        (key, after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    ]
    report.extend(
        ("changed", key.decode("utf-8", "surrogateescape"), "")
        for key, _ in environment_changes
    )
    return report


# Variables that imports set, changed or (None) removed: replayed on the new start's own environment. The former are those of os.environ,
# the latter those of C, which the extension compares.
environment_changes = []
environ_changes = []

# The script's entry in sys.path_importer_cache, put there before the imports.
reserved_importer = None
