"""What modules derive from the whole environment, or keep of the moment, when they are imported,
and how a thawed process makes it again.

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

# What modules of the reviewed table keep of the moment in which they were imported. `holds` tells
# whether a module keeps it where `renew` makes it again; another version may not.


class _DateutilYear:
    """Years of two digits are taken for those around this one."""

    @staticmethod
    def holds(module):
        return {"_year", "_century"} <= vars(module.DEFAULTPARSER.info).keys()

    @staticmethod
    def renew(module, native):
        year = sys.modules["time"].localtime().tm_year
        info = module.DEFAULTPARSER.info
        info._year, info._century = year, year // 100 * 100


class _F2pyDate:
    """The date in the code that f2py generates."""

    @staticmethod
    def date(module):
        time = sys.modules["time"]
        return time.asctime(time.gmtime(module.generationtime))

    @classmethod
    def holds(cls, module):
        return cls.date(module) in module.module_rules["modulebody"]

    @classmethod
    def renew(cls, module, native):
        if "SOURCE_DATE_EPOCH" in sys.modules["os"].environ:
            return
        before = cls.date(module)
        module.generationtime = int(sys.modules["time"].time())
        rules = module.module_rules
        rules["modulebody"] = rules["modulebody"].replace(before, cls.date(module))


class _AiohttpMasks:
    """The generator of masks is an argument's default."""

    @staticmethod
    def generators(module):
        defaults = module.WebSocketWriter.__init__.__kwdefaults__ or {}
        kind = sys.modules["random"].Random
        return [value for value in defaults.values() if type(value) is kind]

    @classmethod
    def holds(cls, module):
        return bool(cls.generators(module))

    @classmethod
    def renew(cls, module, native):
        for generator in cls.generators(module):
            generator.seed()


class _RichLinks:
    """Links are numbered from a random number on, so that terminals tell those of two programs
    apart.
    """

    @staticmethod
    def holds(module):
        return type(module._id_generator) is sys.modules["itertools"].count

    @staticmethod
    def renew(module, native):
        module._id_generator = type(module._id_generator)(module.getrandbits(24))


class _SklearnTrees:
    """The generator of a tree that is grown without one is an argument's default."""

    @staticmethod
    def generators(module):
        defaults = module.TreeGrower.__init__.__defaults__ or ()
        kind = sys.modules["numpy.random._generator"].Generator
        return [value for value in defaults if type(value) is kind]

    @classmethod
    def holds(cls, module):
        bits = [generator.bit_generator for generator in cls.generators(module)]
        return bool(bits) and all(type(b).__name__ == "PCG64" for b in bits)

    @classmethod
    def renew(cls, module, native):
        for generator in cls.generators(module):
            entropy = sys.modules["os"].urandom(32)
            number = int.from_bytes(entropy[:16], "little")
            # The increment of this generator is odd.
            step = int.from_bytes(entropy[16:], "little") | 1
            bits = generator.bit_generator
            state = {"state": number, "inc": step}
            bits.state = {"bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0}


class _SklearnSplits:
    """As `_SklearnTrees`, but the argument is one of compiled code, whose defaults nobody else
    refers to.
    """

    generator = None

    @classmethod
    def holds(cls, module):
        mtrand = sys.modules["numpy.random.mtrand"]
        gc = built_in("gc")
        alone = [
            value
            for value in gc.get_objects()
            if type(value) is mtrand.RandomState and value is not mtrand._rand
        ]
        # Besides that list.
        alone = [value for value in alone if len(gc.get_referrers(value)) == 1]
        if len(alone) == 1 and hasattr(alone[0]._bit_generator, "_legacy_seeding"):
            cls.generator = alone[0]
        return cls.generator is not None

    @classmethod
    def renew(cls, module, native):
        native["refill_mt19937"](cls.generator._bit_generator.capsule)


class _PsutilTimes:
    """`cpu_percent` tells what was used since it was called last, or else since the import."""

    names = ("_last_cpu_times", "_last_cpu_times_2")
    names_of_each = ("_last_per_cpu_times", "_last_per_cpu_times_2")

    @classmethod
    def holds(cls, module):
        return all(type(vars(module)[name]) is dict for name in cls.names + cls.names_of_each)

    @classmethod
    def renew(cls, module, native):
        for names, is_each in ((cls.names, False), (cls.names_of_each, True)):
            try:
                times = module.cpu_times(percpu=is_each)
            except Exception:
                # As when it is imported: then the first call counts from itself.
                times = None
            for name in names:
                known = vars(module)[name]
                known.update(dict.fromkeys(known, times))


class _DistributedMemory:
    """The memory that workers may have is what the resource limits leave."""

    tcp = "distributed.comm.tcp"

    @classmethod
    def holds(cls, module):
        limit, tcp = module.memory_limit(), sys.modules.get(cls.tcp)
        return limit == module.MEMORY_LIMIT and (tcp is None or tcp.MAX_BUFFER_SIZE == limit / 2)

    @classmethod
    def renew(cls, module, native):
        limit, tcp = module.memory_limit(), sys.modules.get(cls.tcp)
        module.MEMORY_LIMIT = limit
        if tcp is not None:
            tcp.MEMORY_LIMIT, tcp.MAX_BUFFER_SIZE = limit, limit / 2


class _DistributedFutures:
    """Futures are named after the process that makes them."""

    @staticmethod
    def holds(module):
        return len(module.Future._uid) == 32

    @staticmethod
    def renew(module, native):
        module.Future._uid = module.uuid.uuid4().hex


class _IPythonTips:
    """How many years ago something was."""

    year = None

    @staticmethod
    def ago(year):
        return " %d years ago" % (year - 2001)

    @classmethod
    def holds(cls, module):
        cls.year = sys.modules["time"].localtime().tm_year
        tips = module._tips["every_year"].values()
        return sum(cls.ago(cls.year) in tip for tip in tips) == 2

    @classmethod
    def renew(cls, module, native):
        before, now = cls.ago(cls.year), cls.ago(sys.modules["time"].localtime().tm_year)
        tips = module._tips["every_year"]
        tips.update({day: tip.replace(before, now) for day, tip in tips.items()})


class _JupyterKey:
    """The key of a session that is asked to be a safe one."""

    @staticmethod
    def holds(module):
        return type(module.session_flags["secure"][0]["Session"]["key"]) is bytes

    @staticmethod
    def renew(module, native):
        # In place: the flags of kernels and consoles refer to the same dict.
        module.session_flags["secure"][0]["Session"]["key"] = module.new_id_bytes()


class _JediClock:
    """Debugging output counts from the import on."""

    @staticmethod
    def holds(module):
        return type(module._start_time) is float

    @staticmethod
    def renew(module, native):
        module._start_time = sys.modules["time"].time()


class _ExecnetProcess:
    """Traces name the process."""

    @staticmethod
    def holds(module):
        return module.pid == module.os.getpid()

    @staticmethod
    def renew(module, native):
        module.pid = module.os.getpid()


MOMENTS = {
    "dateutil.parser._parser": _DateutilYear,
    "numpy.f2py.rules": _F2pyDate,
    "aiohttp._websocket.writer": _AiohttpMasks,
    "rich.style": _RichLinks,
    "sklearn.ensemble._hist_gradient_boosting.grower": _SklearnTrees,
    "sklearn.ensemble._hist_gradient_boosting.splitting": _SklearnSplits,
    "psutil": _PsutilTimes,
    "distributed.system": _DistributedMemory,
    "distributed.client": _DistributedFutures,
    "IPython.core.tips": _IPythonTips,
    "jupyter_client.session": _JupyterKey,
    "jedi.debug": _JediClock,
    "execnet.gateway_base": _ExecnetProcess,
}


def unknown_moments():
    """Modules that keep something of their moment elsewhere than they are known to."""
    for name, moment in MOMENTS.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            known = moment.holds(module)
        except Exception:
            known = False
        if not known:
            yield name


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


def renew(native):
    """Makes again what depends on the environment, which has been mended before."""
    for name in renewed:
        module = sys.modules[name]
        RENEWALS[name].replace(module, RENEWALS[name].fresh(module))
    for name, moment in MOMENTS.items():
        module = sys.modules.get(name)
        if module is not None:
            moment.renew(module, native)
    _libraries()


def _libraries():
    """threadpoolctl finds libraries by the paths in /proc/self/maps, which has the image's instead:
    it falls back on asking the dynamic linker, as it did before it knew of that file. scikit-learn
    limits pools through it.
    """
    threadpoolctl = sys.modules.get("threadpoolctl")
    if getattr(threadpoolctl, "_HAS_PROCFS", False):
        threadpoolctl._HAS_PROCFS = False
