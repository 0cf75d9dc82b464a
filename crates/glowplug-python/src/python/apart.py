"""Whose import does what, and imports that are kept apart.

An import that acts on the world, or that keeps something of the moment, must be done at each start.
Here its acts are told from those of others by the stack of modules that are being imported; the
freezer then starts another interpreter in which the module is kept apart: importing it raises
`KeptApart`, which ends the import of whatever needs it. The namespace is that of preload.py.
"""

# What `population` counts, in its order: kinds of acts. More of the first five is an act; any other
# value of the last is one.
_POPULATION = ("descriptor", "thread", "child", "shared", "prints", "process")


# The recorder's name for what happens before the imports.
STARTING = "<start>"


class KeptApart(BaseException):
    """Ends an import that needs a module which is kept apart. No `except Exception` catches it."""


class GlowplugImporting:
    """The modules that are being imported, innermost last."""

    def __init__(self, native, job):
        self.native = native
        self.closely = "closely" in job
        self.apart = frozenset(job.get("apart", ()))
        self.blocking = "blocking" in job
        self.settings_apart = "settings" in job
        # The last module whose body failed, and its error.
        self.failure = None
        # Until site is done nothing can be kept apart: what happens is the start's own doing.
        self.starting = True
        self.stack = []
        # Modules whose import acted, and how; in order, each pair once.
        self.acts = {}
        # Modules that need one that is kept apart.
        self.importers = {}
        self.recording = None
        # Modules with which the import of something that is not kept apart begins.
        self.roots = {}
        self.watch = GlowplugWatch(native, self) if self.apart and not self.blocking else None
        self.population = self._count()
        self.folder = _folder()
        self.generators = {}
        self.lines = GlowplugLines(self) if "lines" in job else None

    def begin(self):
        """Site is done: what comes is the doing of the modules that are preloaded."""
        self.look_around()
        self.starting = False
        self.aside(None)
        if self.lines:
            self.lines.start()

    def is_apart(self, name):
        """Whether the module or a package that it lies in is kept apart."""
        while name:
            if name in self.apart:
                return True
            name = name.rpartition(".")[0]
        return False

    def enter(self, name, module=None):
        """The body of a module begins."""
        self.look_around()
        if self.starting:
            return
        outside = not self.stack or self.is_apart(self.stack[-1])
        apart = self.is_apart(name)
        if self.watch:
            self.watch.change(apart)
        self.own(name, module)
        if outside and not apart:
            if self.watch:
                self.watch.next_root()
            self.roots.setdefault(name)
        self.stack.append(name)
        self.aside(None)

    def own(self, name, module):
        """The module is there, its body has not begun: what is kept apart may change itself."""
        if self.watch and module is not None and self.is_apart(name):
            self.native["watch_own"](module, getattr(module, "__spec__", None))

    def leave(self):
        """The innermost body ends, or has failed."""
        self.look_around()
        if self.starting:
            return
        if self.watch:
            self.watch.change(len(self.stack) > 1 and self.is_apart(self.stack[-2]))
        self.stack.pop()
        self.aside(None)

    def innermost(self):
        """The module whose body runs; empty where none does."""
        if self.starting:
            return STARTING
        return self.stack[-1] if self.stack else ""

    def who(self):
        """Who does what happens: the innermost module, or of the application's own the line."""
        innermost = self.innermost()
        line = self.lines and self.lines.line
        return line if line and self.is_application(innermost) else innermost

    def aside(self, name):
        """What comes is the doing of the module `name`; with None, of the innermost again."""
        self.native["recorder_module"](self.who() if name is None else name)

    def found(self):
        """What the pass that watches tells: in their order, the modules to preload."""
        if self.watch is None:
            return
        self.watch.next_root()
        roots = list(self.roots)
        if self.watch.changed is not None and self.watch.changed < len(roots):
            module, what = self.watch.how
            yield "entangled", module, what
            roots = roots[: self.watch.changed]
        for name in roots:
            yield "root", name, ""

    def act(self, kind, detail=""):
        """Notes an act of the innermost module."""
        self.acts.setdefault((self.who(), kind), detail)

    def fails(self, name, error):
        """Notes whose body raised an error first."""
        if self.failure is None or self.failure[1] is not error:
            self.failure = name, error

    def failed_by(self, error):
        """The module whose body raised an error; None where none did."""
        return self.failure[0] if self.failure and self.failure[1] is error else None

    def reads(self, name, frame):
        """Notes that the innermost module has read a variable, where settings are kept apart. One
        that an installed package names itself is the package's, whoever has called it.
        """
        if self.lines:
            self.lines.act("variable " + name)
        if not self.settings_apart or not self.is_application(self.innermost()):
            return
        module = frame.f_globals.get("__name__", "") if frame else ""
        if not module or self.is_application(module) or name not in frame.f_code.co_consts:
            self.act("variable " + name)

    def is_application(self, name):
        """Whether a module is neither installed nor the interpreter's own."""
        spec = getattr(sys.modules.get(name), "__spec__", None)
        return is_application(getattr(spec, "origin", None) or "")

    def find_spec(self, original):
        """Stands for the function by which CPython looks for a module that is not loaded."""

        def _find_spec(name, path, target=None):
            if self.blocking and self.is_apart(name):
                for importer in self.stack:
                    self.importers.setdefault(importer, name)
                raise KeptApart(name)
            return original(name, path, target)

        return _find_spec

    def look_around(self):
        """Blames what has changed since the last look on the innermost module."""
        now = self._count()
        for index, kind in enumerate(_POPULATION):
            before, after = self.population[index], now[index]
            if after > before or (kind == "process" and after != before):
                self.act(kind)
        self.population = now
        folder = _folder()
        if folder != self.folder:
            self.folder = folder
            self.act("folder")
        for name, state in _generators(self.native):
            before = self.generators.get(name)
            if before is not None and before != state:
                self.act("random")
            self.generators[name] = state
        if self.recording is not None:
            self.recording.arguments.look_around(self)
        platform = sys.modules.get("platform")
        if platform is not None and hasattr(platform, "_uname_cache"):
            # So that the next who asks is seen to ask.
            platform._uname_cache = None

    def _count(self):
        flush()
        return self.native["population"](self.closely)


class GlowplugWatch:
    """Finds out whether what is kept apart changes what is not: then what is imported after it
    cannot be preloaded.

    `changed` is the number of roots that come before the first change, or None.
    """

    def __init__(self, native, importing):
        self.native = native
        self.importing = importing
        self.inside = False
        self.changed = None
        self.how = ("", "")
        # What an import that is kept apart may have looked at, when the last of them was done.
        self.seen = None

    def change(self, inside):
        """From here on a body runs that is kept apart, or one that is not."""
        if inside == self.inside or self.changed is not None:
            return
        if inside:
            self.next_root()
        self.inside = inside
        if inside:
            self.before = _process_state()
            self.native["watch_begin"]()
            return
        what = self.native["watch_end"]()
        after = _process_state()
        self.seen = self.surroundings()
        if what is None:
            what = next((name for name in after if after[name] != self.before[name]), None)
        if what is not None:
            importing = self.importing
            self.changed = len(importing.roots)
            self.how = (importing.innermost(), what)

    def next_root(self):
        """The last root is done. What it changed would be changed before what is kept apart and
        came before it.
        """
        if self.seen is None or self.changed is not None or self.inside:
            return
        now = self.surroundings()
        what = next((name for name in now if now[name] != self.seen[name]), None)
        if what is not None:
            roots = list(self.importing.roots)
            self.changed = len(roots) - 1
            self.how = (roots[-1], what)

    def surroundings(self):
        """What belongs to the process as a whole, and what any import may look at without importing
        anything.
        """
        state = _process_state()
        names = ("the signal handlers", "the sockets' time limit", "the locale")
        seen = {name: state[name] for name in names}
        seen["the environment"] = dict(sys.modules["os"].environ._data)
        seen["the file mode mask"] = list(self.importing.recording.umasks)
        return seen


def _process_state():
    """What the interpreter keeps outside its objects, as far as modules set it."""
    signal = sys.modules["_signal"]
    atexit = sys.modules.get("atexit")
    abc = sys.modules.get("_abc")
    gc, locale = built_in("gc"), built_in("_locale")
    state = {
        "the recursion limit": sys.getrecursionlimit(),
        "the switch interval": sys.getswitchinterval(),
        "the trace function": (sys.gettrace(), sys.getprofile()),
        "the garbage collector": (gc.isenabled(), gc.get_threshold()),
        "the signal handlers": [signal.getsignal(n) for n in range(1, signal.NSIG)],
        "the atexit handlers": atexit._ncallbacks() if atexit else 0,
        "the virtual subclasses": abc.get_cache_token() if abc else 0,
        "the standard streams": (sys.stdin, sys.stdout, sys.stderr),
    }
    socket = sys.modules.get("_socket")
    state["the sockets' time limit"] = socket.getdefaulttimeout() if socket else None
    state["the locale"] = locale.setlocale(locale.LC_ALL, None) if locale else None
    return state


def built_in(name):
    """A built-in module, which is loaded no more than it was before; None where it is none."""
    if name in sys.modules:
        return sys.modules[name]
    if name not in sys.builtin_module_names:
        return None
    module = __import__(name)
    del sys.modules[name]
    return module


def is_application(path):
    """Whether a file is neither installed nor the interpreter's own."""
    if not path.startswith("/"):
        return False
    folders = path.split("/")
    if "site-packages" in folders or "dist-packages" in folders:
        return False
    return not path.startswith(sys.modules["os"].__file__.rpartition("/")[0] + "/")


def _folder():
    try:
        return sys.modules["posix"].getcwd()
    except OSError:
        return None


def _generators(native):
    """Generators of random numbers that everybody shares, and their states."""
    random = sys.modules.get("random")
    instance = getattr(random, "_inst", None)
    if instance is not None:
        yield "random", instance.getstate()
    mtrand = sys.modules.get("numpy.random.mtrand")
    shared = getattr(mtrand, "_rand", None)
    if shared is not None:
        yield "numpy", native["mt19937_state"](shared._bit_generator.capsule)


def flush():
    """What was printed is to be seen."""
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name, None)
        if stream is not None and not getattr(stream, "closed", True):
            stream.flush()
