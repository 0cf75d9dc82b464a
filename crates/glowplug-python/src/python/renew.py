"""What modules derive from the whole environment when they are imported, and how a thawed process
makes it again.

A module that takes the whole environment is no reason to refuse if it stands in this table, and if
what it holds when it is frozen is exactly what `fresh` makes: then the same function makes the
right thing from the environment of each thaw.
The namespace is that of preload.py and mend.py.
"""


class _WsgiEnvironment:
    """`BaseHandler.os_environ` is a copy of the environment, with which each request begins."""

    reader = "read_environ"

    @staticmethod
    def current(module):
        return module.BaseHandler.os_environ

    @staticmethod
    def fresh(module):
        return module.read_environ()

    @staticmethod
    def replace(module, value):
        # In place: others may refer to the same dict.
        state = module.BaseHandler.os_environ
        state.clear()
        state.update(value)


class _PreCommitArguments:
    """How long a command line may be, less the environment, is an argument's default."""

    reader = "_environ_size"

    @staticmethod
    def current(module):
        return module.xargs.__kwdefaults__["_max_length"]

    @staticmethod
    def fresh(module):
        return module._get_platform_max_length()

    @staticmethod
    def replace(module, value):
        module.xargs.__kwdefaults__["_max_length"] = value


RENEWALS = {
    "wsgiref.handlers": _WsgiEnvironment,
    "pre_commit.xargs": _PreCommitArguments,
}

# Functions that go through the whole environment for variables whose names begin so, and look at
# nothing else, by module; docs/imports.md says in which versions they were read.
SCANS = {
    "dask.config": ("collect_env", "DASK_"),
    "networkx.utils.backends": ("_set_configs_from_environment", "NETWORKX_"),
    "numba.core.config": ("update", "NUMBA_"),
}


def scanned_prefix(frame):
    """How the names begin that the first frame outside the environment's own code looks for, or
    None.
    """
    function, prefix = SCANS.get(frame.f_globals.get("__name__"), (None, None))
    name = frame.f_code.co_name
    if name.startswith("<") and frame.f_back is not None:
        # A comprehension, which has a frame of its own before 3.12.
        name = frame.f_back.f_code.co_name
    return prefix if name == function else None


# Names of the modules that took the environment before the process stood still.
renewed = []


def renewed_reader(frame):
    """The module of the table on whose behalf `frame` reads, or None. It is the first frame outside
    the environment's own code.

    Only what the module's own body calls counts: a copy that somebody else makes by the same
    function is not renewed.
    """
    name = frame.f_globals.get("__name__")
    renewal = RENEWALS.get(name)
    if renewal is None or frame.f_code.co_name != renewal.reader:
        return None
    while frame.f_back is not None and frame.f_back.f_globals is frame.f_globals:
        frame = frame.f_back
    return name if frame.f_code.co_name == "<module>" else None


def can_renew(name):
    """Whether the module still holds what its renewal would make."""
    renewal, module = RENEWALS[name], sys.modules.get(name)
    try:
        return renewal.current(module) == renewal.fresh(module)
    except Exception:
        # Another version of the module, which keeps it elsewhere.
        return False


def renew():
    """Makes again what depends on the environment, which has been mended before."""
    for name in renewed:
        module = sys.modules[name]
        RENEWALS[name].replace(module, RENEWALS[name].fresh(module))
    _moments()
    _libraries()


def _moments():
    """What modules of the reviewed table keep of the moment in which they were imported."""
    modules = sys.modules
    parser = getattr(modules.get("dateutil.parser._parser"), "DEFAULTPARSER", None)
    if parser is not None:
        year = modules["time"].localtime().tm_year
        parser.info._year, parser.info._century = year, year // 100 * 100
    rules = modules.get("numpy.f2py.rules")
    if rules is not None and "SOURCE_DATE_EPOCH" not in modules["os"].environ:
        rules.generationtime = int(modules["time"].time())
    writer = modules.get("aiohttp._websocket.writer")
    for value in list(vars(writer).values()) if writer is not None else ():
        generator = getattr(getattr(value, "func", value), "__self__", None)
        if generator is not None and type(generator) is modules["random"].Random:
            generator.seed()


def _libraries():
    """threadpoolctl finds libraries by the paths in /proc/self/maps, which has the image's instead:
    it falls back on asking the dynamic linker, as it did before it knew of that file. scikit-learn
    limits pools through it.
    """
    threadpoolctl = sys.modules.get("threadpoolctl")
    if getattr(threadpoolctl, "_HAS_PROCFS", False):
        threadpoolctl._HAS_PROCFS = False
