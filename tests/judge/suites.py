"""The test files of CPython that the judge runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A test file, and what of it is run."""

    name: str
    """Of the module, below `test`."""
    patterns: tuple[str, ...] = ()
    """As `driver.py` takes them; empty for all tests."""
    also: tuple[str, ...] = ()
    """What is preloaded besides the modules that the file imports at its top."""
    minors: tuple[tuple[int, int], ...] = ((3, 11), (3, 13))
    """Where CPython has it."""

    @property
    def module(self) -> str:
        """The full name."""
        return f"test.{self.name}"


# In `make test`: quick, and each of another part of the interpreter.
SAMPLE = tuple(
    map(
        Suite,
        (
            "test_dataclasses",
            "test_random",
            "test_select",
            "test_thread",
            "test_typing",
            "test_uuid",
        ),
    )
)

_WHOLE = """
    test__locale test_abc test_ast test_asyncgen test_atexit test_audit test_bdb test_builtin
    test_capi test_cmd_line test_cmd_line_script test_code test_codecs test_collections test_compile
    test_context test_contextlib test_copy test_copyreg test_coroutines test_cprofile test_ctypes
    test_datetime test_decimal test_descr test_dict test_doctest test_embed test_enum test_epoll
    test_exceptions test_faulthandler test_fcntl test_file test_fileinput test_fileio
    test_finalization test_fork1 test_frame test_functools test_gc test_generators test_getpass
    test_gettext test_glob test_hash test_hashlib test_import test_importlib test_inspect test_io
    test_ipaddress test_itertools test_json test_linecache test_locale test_logging test_marshal
    test_memoryview test_mmap test_os test_pathlib test_pdb test_pickle test_pkgutil
    test_platform test_poll
    test_posix test_print test_profile test_pty test_pwd test_queue test_re test_readline
    test_resource test_runpy test_script_helper test_secrets test_selectors test_shelve test_shutil
    test_site test_sqlite3 test_ssl test_strptime test_struct test_subprocess test_support test_sys
    test_sys_setprofile test_sys_settrace test_sysconfig test_syslog test_tempfile test_threading
    test_threading_local test_threadsignals test_time test_timeit test_trace test_traceback
    test_tracemalloc test_tty test_types test_unittest test_urllib test_utf8_mode test_wait3
    test_wait4 test_warnings test_weakref test_weakset test_xml_etree test_zipfile test_zipimport
    test_zoneinfo
"""

# Suites that this CPython alone has.
_LATER = {
    "test_concurrent_futures.test_process_pool": ((3, 13),),
    "test_concurrent_futures.test_thread_pool": ((3, 13),),
    "test_monitoring": ((3, 13),),
    "test_type_params": ((3, 13),),
}

_PRIMITIVES = (
    "*WithProcessesTestConnection*",
    "*WithProcessesTestEvent*",
    "*WithProcessesTestLock*",
    "*WithProcessesTestSemaphore*",
)

_PROCESSES = (
    "multiprocessing.connection",
    "multiprocessing.pool",
    "multiprocessing.queues",
    "multiprocessing.shared_memory",
    "multiprocessing.synchronize",
)

# What takes much time, or needs what a machine may lack.
_PARTS = (
    Suite("test_socket", ("!*VSOCK*",)),
    Suite("test_signal", ("!*ItimerTest*", "!*PendingSignalsTests*")),
    Suite("test_asyncio", ("!*test_sendfile*", "!*test_ssl*", "!*test_events*", "!*test_tasks*")),
    *(
        Suite(f"test_multiprocessing_{way}.test_processes", _PRIMITIVES, _PROCESSES, ((3, 13),))
        for way in ("fork", "forkserver", "spawn")
    ),
)

SUITES = (
    *SAMPLE,
    *(Suite(name, minors=_LATER.get(name, Suite.minors)) for name in [*_WHOLE.split(), *_LATER]),
    *_PARTS,
)
