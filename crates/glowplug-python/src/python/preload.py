"""Runs in the interpreter that will be frozen, before it stands still: imports, and notes what the
imports read.

Only built-in modules are used here, so that nothing appears in sys.modules that the program would
not find there anyway. This code
runs in a namespace of its own that is no module; `native` holds the functions that the extension
provides.
"""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import sys

# Attributed to code of the library, not to the module that asked for a variable.
_ENVIRONMENT_CODE = {"os", "_collections_abc", "collections.abc"}

# They list every folder of sys.path, but only for names that end in -info.
_METADATA_MODULES = {"importlib.metadata", "importlib_metadata"}

# Clocks that the recorder does not see. The module is built in, and loaded by the import system.
_CLOCKS = (
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
    "clock_gettime",
    "clock_gettime_ns",
    "clock",
)


class GlowplugRecording:
    """Puts listeners in front of what imports use, and takes them away again without a trace."""

    def __init__(self, native, importing):
        self.native = native
        self.importing = importing
        self.lookups = {}
        self.names = set()
        self.prefixes = set()
        self.renewed_by = set()
        # Masks that were set, in order.
        self.umasks = []
        # Modules that are loaded by somebody else's loader, innermost last.
        self.loading = []
        self.undo = []
        self.listened_to = []

    def replace(self, owner, name, make):
        original = owner.__dict__[name]
        setattr(owner, name, make(original))
        self.undo.append((owner, name, original))

    def listen(self, owner, name, make):
        """Listens to a built-in function. It stays the object that it is, so that imports may keep
        it: what `make` makes is called in its place, and calls its twin.
        """
        function = owner.__dict__[name]
        twin = self.native["twin"](function)
        if twin is None:
            self.replace(owner, name, make)
        else:
            self.native["listen"](function, make(twin))
            self.listened_to.append(function)

    def start(self):
        self.native["recorder_flags"](0, 1)
        # What was looked for until now has been found, if not here.
        for path, finder in sys.path_importer_cache.items():
            if isinstance(finder, _external.FileFinder):
                self.lookups[path] = {name.rpartition(".")[2] for name in sys.modules}
        self.replace(_external.FileFinder, "find_spec", self.find_spec)
        self.replace(_external.FileFinder, "_fill_cache", self.fill_cache)
        self.replace(_external._LoaderBasics, "exec_module", self.exec_module)
        # What an import writes down of its own accord would look like an act of the program's.
        self.replace(_external.SourceFileLoader, "_cache_bytecode", self.cache_bytecode)
        self.replace(_external.ExtensionFileLoader, "create_module", self.exec_module)
        self.replace(_external.ExtensionFileLoader, "exec_module", self.exec_module)
        self.replace(_bootstrap, "_find_spec", self.importing.find_spec)
        self.replace(_bootstrap, "_load_unlocked", self.load)
        self.listen(sys.modules["os"], "uname", self.uname)
        self.listen(sys.modules["os"], "umask", self.umask)
        self.listen(sys.modules["_thread"], "get_native_id", self.native_id)
        clocks = sys.modules.get("time")
        for name in _CLOCKS:
            if name in vars(clocks or sys):
                self.listen(clocks, name, self.clock)
        if "tempfile" in sys.modules:
            self.listen_to_names(sys.modules["tempfile"])
        for name in _METADATA_MODULES:
            self.listen_to_metadata(sys.modules.get(name))
        self.arguments = ListeningToArguments(self.importing)
        environ = type(sys.modules["os"].environ)
        self.replace(environ, "__getitem__", self.environ_item)
        for name in ("__iter__", "__len__", "copy", "__repr__"):
            if name in environ.__dict__:
                self.replace(environ, name, self.environ_whole)

    def stop(self):
        originals = []
        for owner, name, original in reversed(self.undo):
            originals.append((owner.__dict__[name], original))
            setattr(owner, name, original)
        self.undo.clear()
        for function in self.listened_to:
            self.native["listen"](function, None)
        self.listened_to.clear()
        arguments = self.arguments.stop()
        _put_back(originals + arguments)
        # Of a module that looks at them as well, another pass finds out more.
        acts = {kind for _, kind in self.importing.acts}
        is_alone = "arguments" not in acts and self.importing.watch is None
        self.keeps_arguments = is_alone and self.arguments.is_kept(arguments)

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

    def listen_to_metadata(self, module):
        """Its own method is replaced, not `os.listdir`: programs ask whether that is a member of
        `os.supports_fd`, and import it by name.
        """
        path = getattr(module, "FastPath", None)
        if path is not None and "children" in path.__dict__:
            self.replace(path, "children", self.metadata_children)

    def metadata_children(self, original):
        flags = self.native["recorder_flags"]

        def children(path):
            flags(1, 0)
            try:
                return original(path)
            finally:
                flags(0, 1)

        return children

    def exec_module(self, original):
        def exec_module(loader, module):
            importing = self.importing
            name = getattr(module, "__name__", None) or module.name
            if name in self.loading:
                importing.own(name, module)
                return original(loader, module)
            importing.enter(name, module)
            try:
                result = original(loader, module)
            except BaseException as error:
                importing.fails(name, error)
                raise
            finally:
                importing.leave()
            if name == "tempfile" and original.__name__ == "exec_module":
                self.listen_to_names(module)
            if name in _METADATA_MODULES:
                self.listen_to_metadata(module)
            return result

        return exec_module

    def load(self, original):
        """Loaders that are none of those above: of zip files in older versions, and anybody's."""

        def _load_unlocked(spec):
            loader = spec.loader
            executes = getattr(type(loader), "exec_module", None)
            # Functions of this namespace belong to no module.
            is_listener = executes is not None and getattr(executes, "__module__", None) is None
            if loader is None or isinstance(loader, type) or is_listener:
                # A package without code, a built-in or frozen module, or one of those above.
                return original(spec)
            self.loading.append(spec.name)
            self.importing.enter(spec.name)
            try:
                return original(spec)
            finally:
                self.importing.leave()
                self.loading.pop()

        return _load_unlocked

    def listen_to_names(self, tempfile):
        self.replace(tempfile._RandomNameSequence, "__next__", self.next_name)

    def next_name(self, original):
        """Names of files that `tempfile` makes itself are its own doing: the files tell whose they
        are. A name that is handed out alone is its caller's.
        """

        def __next__(names):
            caller = sys._getframe(1)
            makes = caller.f_globals.get("__name__") == "tempfile"
            if not makes or caller.f_code.co_name == "mktemp":
                return original(names)
            self.importing.aside("tempfile")
            try:
                return original(names)
            finally:
                self.importing.aside(None)

        return __next__

    def cache_bytecode(self, original):
        def _cache_bytecode(loader, source_path, bytecode_path, data):
            pass

        return _cache_bytecode

    def umask(self, original):
        """A mask is set again at each thaw, unless somebody looks at what it was before."""

        def umask(mask):
            caller = sys._getframe(1)
            if caller.f_globals is globals() or not _discards_result(caller):
                # The recorder takes it for an act, unless we ask ourselves.
                return original(mask)
            self.umasks.append((self.importing.innermost(), mask))
            self.importing.aside(_OWN)
            try:
                return original(mask)
            finally:
                self.importing.aside(None)

        return umask

    def native_id(self, original):
        def get_native_id():
            # `threading` notes that of its threads, and gets the main thread's again at each thaw.
            if sys._getframe(1).f_globals.get("__name__") != "threading":
                self.importing.act("pid")
            return original()

        return get_native_id

    def clock(self, original):
        def clock(*arguments):
            self.importing.act("time")
            return original(*arguments)

        return clock

    def uname(self, original):
        def uname():
            # The other facts are those of the kernel and the machine.
            caller = sys._getframe(1)
            if caller.f_globals.get("__name__") != "platform" or _asks_for_node(caller):
                self.importing.act("host")
            return original()

        return uname

    def environ_item(self, original):
        def __getitem__(environ, key):
            if isinstance(key, (str, bytes)):
                frame = _reader(sys._getframe(1))
                name = key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")
                if self.importing.starting and name == "HOME":
                    # What site makes of it is made again where it is another one.
                    pass
                elif frame is None or not self.is_accounted_for(frame, name):
                    self.names.add(name)
                    self.importing.reads(name, frame)
            return original(environ, key)

        return __getitem__

    @staticmethod
    def is_accounted_for(frame, name):
        """Whether a variable is read as part of the environment, not for its own sake."""
        if renewed_reader(frame) is not None:
            return True
        prefix = scanned_prefix(frame)
        return prefix is not None and not name.startswith(prefix)

    def environ_whole(self, original):
        def whole(environ, *args):
            frame = _reader(sys._getframe(1))
            renewed_by = frame and renewed_reader(frame)
            prefix = frame and scanned_prefix(frame)
            if renewed_by:
                self.renewed_by.add(renewed_by)
            elif prefix:
                self.prefixes.add(prefix)
            else:
                by = frame.f_globals.get("__name__", "?") if frame else "?"
                self.importing.act("environment", by)
            return original(environ, *args)

        return whole


def _reader(frame):
    """The first frame outside the environment's own code, or None."""
    while frame and frame.f_globals.get("__name__") in _ENVIRONMENT_CODE:
        frame = frame.f_back
    return frame


def _tracing():
    """What looks at every line or call, as coverage started by site does: it would not see imports
    that an image has done, and notes what it sees in ways that no image can hold.
    """
    threading = sys.modules.get("threading")
    monitoring = getattr(sys, "monitoring", None)
    if sys.gettrace() is not None or getattr(threading, "_trace_hook", None) is not None:
        return "a trace function"
    if sys.getprofile() is not None or getattr(threading, "_profile_hook", None) is not None:
        return "a profile function"
    for tool in range(6) if monitoring else ():
        name = monitoring.get_tool(tool)
        if name is not None:
            return "the monitoring tool `%s`" % name
    return None


# The opcode that throws a value away. The first instruction of code may be RESUME (3.11).
_POP_TOP = compile("x", "", "exec").co_code[4 if sys.version_info >= (3, 11) else 2]


def _discards_result(frame):
    """Whether the call that a frame is at is a statement by itself."""
    code = frame.f_code.co_code
    after = frame.f_lasti + 2
    while after < len(code) and code[after] == 0:
        # An inline cache.
        after += 2
    return after < len(code) and code[after] == _POP_TOP


def _asks_for_node(frame):
    """Whether `platform` asks on behalf of its function that tells the host's name."""
    while frame is not None and frame.f_globals.get("__name__") == "platform":
        if frame.f_code.co_name == "node":
            return True
        frame = frame.f_back
    return False


def _put_back(originals):
    """Whoever keeps a listener gets the function that it stood for: modules that imported it by
    name, and functions that have it as a default.
    """
    get_referrers = built_in("gc").get_referrers
    for listener, original in originals:
        for holder in get_referrers(listener):
            # Not those of classes, which may only be changed through the class.
            if isinstance(holder, dict) and "__spec__" in holder:
                _replace_values(holder, listener, original)
            elif isinstance(holder, tuple):
                for function in get_referrers(holder):
                    if getattr(function, "__defaults__", None) is holder:
                        values = (original if v is listener else v for v in holder)
                        function.__defaults__ = tuple(values)


def _replace_values(namespace, listener, original):
    for name, value in list(namespace.items()):
        if value is listener:
            namespace[name] = original


def _import(name):
    """Imports a dotted name as `import a.b.c` does."""
    __import__(name)


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


def _umask():
    # That of `os` is listened to.
    posix = sys.modules["posix"]
    umask = posix.umask(0o077)
    posix.umask(umask)
    return umask


def _let_go(native, report):
    """Calls the hooks before the freeze; returns why there can be no image, or None."""
    os = sys.modules["os"]
    # What hooks print is nothing that a start would print.
    flush()
    native["flush_c"]()
    report.append(("printed", str(_output_length()), ""))
    folder, umask = os.getcwd(), _umask()
    failure = run_before_freeze()
    if failure is not None:
        return failure
    if os.getcwd() != folder:
        return "a before_freeze hook changes the working directory"
    if _umask() != umask:
        return "a before_freeze hook changes the umask"
    return None


def grow(variables, native):
    """Makes a fork of a template ready to preload more: gives it its own environment, and has
    finders list their folders again, as the template's record has told of that already.
    `variables` are those of a fresh interpreter, in bytes.
    """
    os = sys.modules["os"]
    data, before = os.environ._data, environment
    for key in before.keys() | variables.keys():
        value = variables.get(key)
        # What an import has set or changed stays.
        if data.get(key) == before.get(key) != value:
            if value is None:
                del os.environ[os.fsdecode(key)]
            else:
                os.environ[os.fsdecode(key)] = os.fsdecode(value)
    for finder in sys.path_importer_cache.values():
        if isinstance(finder, _external.FileFinder):
            finder.invalidate_caches()


def preload(job, native):
    """Does the imports of `job`; returns the report, a list of (kind, a, b), all str.

    `job` maps "preload" to dotted names, "optional" to names whose ImportError is the program's own
    business, "path0" to what the program will have as sys.path[0] (empty: nothing is put there),
    "file" to the program's file. "apart" are modules that are kept apart; with "blocking" they are
    not imported. Where it has "closely", shared memory is looked for after each module, and where
    it has "lines", acts are told by the application's lines; both take long.
    """
    # The first thing that site imports itself: what site looks at is listened to.
    __import__("os")
    main = sys.modules["__main__"].__dict__
    os = sys.modules["os"]
    before = environment
    importing = GlowplugImporting(native, job)
    recording = importing.recording = GlowplugRecording(native, importing)
    report = [("folder", importing.folder or "", "")]
    recording.start()
    try:
        __import__("site")
    except BaseException as error:
        recording.stop()
        text = "importing site failed: %s: %s" % (type(error).__name__, error)
        return [*recording.asked_for(), ("refused", " ".join(text.split()), "site")]
    importing.begin()
    known = set(sys.modules)
    if job.get("path0"):
        sys.path.insert(0, job["path0"][0])
    if job.get("file"):
        main["__file__"] = job["file"][0]
        recording.arguments.set(job["file"])
        # CPython asks whether the script is a folder or zip file, and remembers the answer.
        global reserved_importer
        reserved_importer = job["file"][0]
        sys.path_importer_cache[reserved_importer] = None
    try:
        for name in job.get("preload", ()):
            try:
                _import(name)
            except ImportError:
                if name in job.get("optional", ()):
                    continue
                if not importing.blocking:
                    raise
                importing.importers.setdefault(name, "what it imports")
            except KeptApart:
                continue
            except Exception as error:
                if importing.settings_apart and name in job.get("optional", ()):
                    # The service does something before that; it will be able to import it.
                    importing.acts.setdefault((importing.failed_by(error) or name, "fails"), "")
                elif not importing.blocking or importing.is_apart(name):
                    raise
                else:
                    # It misses what a module that is kept apart would have changed.
                    importing.importers.setdefault(name, "what it changes")
            finally:
                importing.look_around()
    except BaseException as error:
        recording.stop()
        text = "importing %s failed: %s: %s" % (name, type(error).__name__, error)
        # It may have failed for want of a variable, which it then gets.
        return [*recording.asked_for(), ("refused", " ".join(text.split()), name)]
    native["recorder_module"](_OWN)
    if has_before_freeze():
        refusal = _let_go(native, report)
        if refusal is not None:
            recording.stop()
            flush()
            return [*recording.asked_for(), ("refused", refusal, "")]
    recording.stop()
    flush()
    main.pop("__file__", None)
    if recording.keeps_arguments:
        report.append(("refused", "an import keeps `sys.argv` in an object of its own", ""))
    tracing = _tracing()
    if tracing is not None:
        report.append(("refused", "imports are watched by " + tracing, ""))
    report.extend(recording.asked_for())
    report.extend(("prefix", prefix, "") for prefix in sorted(recording.prefixes))
    renewed[:] = sorted({*renewed, *filter(can_renew, recording.renewed_by)})
    for name in recording.renewed_by.difference(renewed):
        report.append(("act", name, "environment"))
    report.extend(("act", module, kind) for module, kind in importing.acts)
    report.extend(("needs", importer, name) for importer, name in importing.importers.items())
    report.extend(importing.found())
    report.extend(("hooked", module, "") for module in hooked())
    report.extend(("module", name, "") for name in list(sys.modules) if name not in known)
    report.extend(("act", name, "kept") for name in unknown_moments())
    global environment_changes, umask_change
    umask_change = recording.umasks[-1][1] if recording.umasks else umask_change
    report.extend(("umask", module, "") for module, _ in recording.umasks)
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

# The variables that the interpreter was started with; set by the extension.
environment = {}

# The file mode mask that imports set, or None.
umask_change = None

# What happens meanwhile is no module's doing, and counts for nothing.
_OWN = "<glowplug>"

# The script's entry in sys.path_importer_cache, put there before the imports.
reserved_importer = None
