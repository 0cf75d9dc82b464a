"""Runs in the interpreter that will be frozen, before it stands still: imports, and notes what the
imports read.

Only built-in modules are used here, so that nothing appears in sys.modules that the program would
not find there anyway. This code
runs in a namespace of its own that is no module; `native` holds the functions that the extension
provides.
"""

import _frozen_importlib_external as _external
import sys

# Attributed to code of the library, not to the module that asked for a variable.
_ENVIRONMENT_CODE = {"os", "_collections_abc", "collections.abc"}

# Lists every folder of sys.path, but only for names that end in -info.
_METADATA_CODE = {"importlib.metadata", "importlib_metadata"}

# What `population` counts, in its order.
_POPULATION = ("descriptor", "thread", "child", "shared")


class Recording:
    """Puts listeners in front of what imports use, and takes them away again without a trace."""

    def __init__(self, native, closely):
        self.native = native
        self.closely = closely
        self.lookups = {}
        self.names = set()
        self.copied_by = set()
        self.renewed_by = set()
        self.grew = []
        self.population = native["population"](closely)
        self.undo = []

    def replace(self, owner, name, make):
        original = owner.__dict__[name]
        setattr(owner, name, make(original))
        self.undo.append((owner, name, original))

    def start(self):
        self.replace(_external.FileFinder, "find_spec", self.find_spec)
        self.replace(_external.FileFinder, "_fill_cache", self.fill_cache)
        self.replace(_external._LoaderBasics, "exec_module", self.exec_module)
        # What an import writes down of its own accord would look like an act of the program's.
        self.replace(_external.SourceFileLoader, "_cache_bytecode", self.cache_bytecode)
        self.replace(_external.ExtensionFileLoader, "create_module", self.exec_module)
        self.replace(_external.ExtensionFileLoader, "exec_module", self.exec_module)
        self.replace(sys.modules["os"], "listdir", self.listdir)
        environ = type(sys.modules["os"].environ)
        self.replace(environ, "__getitem__", self.environ_item)
        for name in ("__iter__", "__len__", "copy", "__repr__"):
            if name in environ.__dict__:
                self.replace(environ, name, self.environ_whole)

    def stop(self):
        for owner, name, original in reversed(self.undo):
            setattr(owner, name, original)
        self.undo.clear()

    def asked_for(self):
        """Notes of what the imports looked up."""
        notes = [("name", name, "") for name in sorted(self.names)]
        for folder, stems in self.lookups.items():
            notes.extend(("lookup", folder, stem) for stem in stems)
        return notes

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

    def listdir(self, original):
        flags = self.native["recorder_flags"]

        def listdir(path=None):
            if sys._getframe(1).f_globals.get("__name__") not in _METADATA_CODE:
                return original(path)
            flags(1, 0)
            try:
                return original(path)
            finally:
                flags(0, 1)

        return listdir

    def exec_module(self, original):
        def exec_module(loader, module):
            result = original(loader, module)
            self.look_around(getattr(module, "__name__", None) or module.name)
            return result

        return exec_module

    def cache_bytecode(self, original):
        def _cache_bytecode(loader, source_path, bytecode_path, data):
            pass

        return _cache_bytecode

    def look_around(self, module):
        """Blames what appeared since the last look on the module that has just been loaded: the
        innermost one is done first.
        """
        population = self.native["population"](self.closely)
        for kind, before, now in zip(_POPULATION, self.population, population):
            if now > before:
                self.grew.append((kind, module))
        self.population = population

    def environ_item(self, original):
        def __getitem__(environ, key):
            if isinstance(key, (str, bytes)):
                frame = _reader(sys._getframe(1))
                if frame is None or renewed_reader(frame) is None:
                    name = key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")
                    self.names.add(name)
            return original(environ, key)

        return __getitem__

    def environ_whole(self, original):
        def whole(environ, *args):
            frame = _reader(sys._getframe(1))
            renewed_by = frame and renewed_reader(frame)
            if renewed_by:
                self.renewed_by.add(renewed_by)
            else:
                self.copied_by.add(frame.f_globals.get("__name__", "?") if frame else "?")
            return original(environ, *args)

        return whole


def _reader(frame):
    """The first frame outside the environment's own code, or None."""
    while frame and frame.f_globals.get("__name__") in _ENVIRONMENT_CODE:
        frame = frame.f_back
    return frame


def _import(name):
    """Imports a dotted name as `import a.b.c` does."""
    __import__(name)


def _flush():
    """The freezer looks at what imports (and site before them) have printed."""
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name, None)
        if stream is not None and not getattr(stream, "closed", True):
            stream.flush()


def _output_length():
    """Bytes that the imports have printed: both streams are one file, which the freezer keeps."""
    posix = sys.modules["posix"]
    for fd in (1, 2):
        try:
            return posix.lseek(fd, 0, 1)
        except OSError:
            # An import has closed it.
            continue
    return 0


def preload(job, native):
    """Does the imports of `job`; returns the report, a list of (kind, a, b), all str.

    `job` maps "preload" to dotted names, "optional" to names whose ImportError is the program's own
    business, "path0" to what the program will have as sys.path[0] (empty: nothing is put there),
    "file" to the program's file. Where it has "closely", shared memory is looked for after each
    module, which takes long.
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
    recording = Recording(native, "closely" in job)
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
        # It may have failed for want of a variable, which it then gets.
        return [*recording.asked_for(), ("refused", " ".join(text.split()), name)]
    if has_before_freeze():
        # What hooks print is nothing that a start would print.
        _flush()
        native["flush_c"]()
        report.append(("printed", str(_output_length()), ""))
        failure = run_before_freeze()
        if failure is not None:
            recording.stop()
            _flush()
            return [*recording.asked_for(), ("refused", failure, "")]
    recording.stop()
    _flush()
    main.pop("__file__", None)
    if os.getcwd() != folder:
        report.append(("refused", "an import changes the working directory", ""))
    now = os.umask(umask)
    if now != umask:
        report.append(("refused", "an import changes the umask", ""))
    report.extend(recording.asked_for())
    renewed[:] = sorted(filter(can_renew, recording.renewed_by))
    copied = recording.copied_by | recording.renewed_by.difference(renewed)
    report.extend(("copied", module, "") for module in sorted(copied))
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
        ("changed", key.decode("utf-8", "surrogateescape"), "") for key, _ in environment_changes
    )
    return report


# Variables that imports set, changed or (None) removed: replayed on the new start's own
# environment. The former are those of os.environ,
# the latter those of C, which the extension compares.
environment_changes = []
environ_changes = []

# The script's entry in sys.path_importer_cache, put there before the imports.
reserved_importer = None
