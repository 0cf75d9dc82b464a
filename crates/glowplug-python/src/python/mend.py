"""Runs in a thawed process, before the program: makes the interpreter's idea of the outside world
true again.

The namespace is that of preload.py and renew.py: `environment_changes`, `environ_changes`,
`umask_change`, `reserved_importer` and `renew` come from there.
"""

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def mend(start, native):
    """`start` has argv and environ (lists of bytes), path0 (str or None) and ignored (signal
    numbers inherited as ignored).
    """
    os = sys.modules["os"]
    _environment(os, start["environ"])
    if umask_change is not None:
        os.umask(umask_change)
    renew(native)
    _home(os)
    _arguments(os, start)
    _importer(start.get("script"))
    _signals(start["ignored"])
    _streams(os)
    _identity(os)
    _randomness(native)


def _environment(os, entries):
    posix = sys.modules["posix"]
    data = os.environ._data
    data.clear()
    for entry in entries:
        name, equals, value = entry.partition(b"=")
        if equals:
            data.setdefault(name, value)
    if posix.environ is not data:
        posix.environ.clear()
        posix.environ.update(data)
    for name, value in environment_changes:
        if value is None:
            data.pop(name, None)
        else:
            data[name] = value
    for name, value in environ_changes:
        if value is None:
            os.unsetenv(name)
        else:
            os.putenv(name, value)


def _home(os):
    """Where site finds the user's own packages. Starts that have any there are not thawed from an
    image of somebody who lives elsewhere.
    """
    site = sys.modules.get("site")
    if site is not None and environment.get(b"HOME") != os.environ._data.get(b"HOME"):
        site.USER_BASE = site.USER_SITE = None
        site.getusersitepackages()


def _arguments(os, start):
    argv = [os.fsdecode(argument) for argument in start["argv"]]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = argv
    kind, index = start["kind"], start["index"]
    first = {1: "-m", 2: "-c"}.get(kind, argv[index] if index < len(argv) else "")
    sys.argv[:] = [first] + argv[index + 1 :]
    path0 = start["path0"]
    if path0 is not None:
        if start["frozen_path0"]:
            sys.path[0] = path0
        else:
            sys.path.insert(0, path0)


def _importer(script):
    """CPython leaves the script's path in this cache, with no finder."""
    cache = sys.path_importer_cache
    if script == reserved_importer:
        return
    if reserved_importer is not None and cache.pop(reserved_importer, sys) is sys:
        # An import has emptied the cache of such entries.
        return
    if script is not None:
        cache[script] = None


def _signals(ignored):
    """The parent's ignored signals stay ignored, unless an import asked for a handler of its
    own.
    """
    import _signal

    for number in ignored:
        handler = _signal.getsignal(number)
        if handler is _signal.SIG_DFL or handler is _signal.default_int_handler:
            _signal.signal(number, _signal.SIG_IGN)


def _streams(os):
    """Initialises the same stream objects anew, since modules keep references to them and to
    their buffers.
    """
    import _io

    for fd, (name, mode) in enumerate(_STREAMS):
        text = getattr(sys, "__%s__" % name)
        if text is None:
            continue
        unbuffered = text.write_through
        try:
            raw = _io.FileIO(fd, mode, closefd=False)
        except OSError:
            setattr(sys, name, None)
            setattr(sys, "__%s__" % name, None)
            continue
        raw.name = "<%s>" % name
        interactive = raw.isatty()
        encoding, errors = text.encoding, text.errors
        if unbuffered and mode == "w":
            buffer = raw
        else:
            buffer = text.buffer
            size = raw._blksize
            buffer.__init__(raw, size if size > 1 else _io.DEFAULT_BUFFER_SIZE)
        text.__init__(
            buffer,
            encoding=encoding,
            errors=errors,
            newline="\n",
            line_buffering=not unbuffered and (interactive or fd == 2),
            write_through=unbuffered,
        )
        text.mode = mode


def _identity(os):
    """What modules remember of the process and the time they were imported in."""
    modules = sys.modules
    threading = modules.get("threading")
    if threading is not None:
        main = threading._main_thread
        if hasattr(main, "_set_native_id"):
            main._set_native_id()
    process = modules.get("multiprocessing.process")
    if process is not None:
        config = process._current_process._config
        if "authkey" in config:
            config["authkey"] = process.AuthenticationString(os.urandom(32))
    logging = modules.get("logging")
    if logging is not None and hasattr(logging, "_startTime"):
        import time

        integral = isinstance(logging._startTime, int)
        logging._startTime = time.time_ns() if integral else time.time()
    platform = modules.get("platform")
    if platform is not None and hasattr(platform, "_uname_cache"):
        platform._uname_cache = None


def _randomness(native):
    """Generators that were seeded at import.

    `random` has been seeded by its own fork handler. OpenSSL seeds itself where the process id is
    not the one it saw last, and the recorder tells it an id that no process has. Adding entropy to
    it here would cost 2.5 ms.
    """
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None
    object_id = getattr(sys.modules.get("bson.objectid"), "ObjectId", None)
    if object_id is not None and hasattr(object_id, "_ObjectId__random"):
        # It compares process ids by itself, but in Python, which is told the frozen one's.
        import os

        object_id._ObjectId__random = os.urandom(5)
        object_id._inc = int.from_bytes(os.urandom(3), "big")
    mtrand = sys.modules.get("numpy.random.mtrand")
    if mtrand is not None:
        native["refill_mt19937"](mtrand._rand._bit_generator.capsule)
