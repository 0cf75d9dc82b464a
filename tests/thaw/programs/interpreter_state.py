"""All that a program can ask the interpreter about itself."""

import gc
import inspect
import os
import sys
import traceback
import types
import warnings

for name in (
    "argv",
    "orig_argv",
    "path",
    "executable",
    "_base_executable",
    "prefix",
    "base_prefix",
    "exec_prefix",
    "flags",
    "warnoptions",
    "_xoptions",
    "pycache_prefix",
    "dont_write_bytecode",
    "byteorder",
    "platlibdir",
    "version",
    "hash_info",
    "float_repr_style",
    "maxunicode",
    "path_importer_cache",
):
    value = getattr(sys, name, "absent before 3.10")
    print(name, sorted(value) if name == "path_importer_cache" else value)
for call in (
    "getrecursionlimit",
    "getswitchinterval",
    "getfilesystemencoding",
    "getfilesystemencodeerrors",
    "getdefaultencoding",
    "gettrace",
    "getprofile",
    "get_asyncgen_hooks",
    "get_coroutine_origin_tracking_depth",
    "getdlopenflags",
    "is_finalizing",
):
    print(call, getattr(sys, call)())
for name in ("stdin", "stdout", "stderr"):
    stream = getattr(sys, name)
    assert stream is getattr(sys, f"__{name}__")
    print(
        name,
        stream.name,
        stream.mode,
        stream.encoding,
        stream.errors,
        stream.newlines,
        stream.closed,
    )
    print(
        stream.line_buffering,
        stream.write_through,
        stream.fileno(),
        stream.isatty(),
        stream.seekable(),
        stream.readable(),
        stream.writable(),
    )
    print(stream, stream.buffer, stream.buffer.raw, stream.buffer.raw.closefd)
print([getattr(finder, "__name__", type(finder)) for finder in sys.meta_path])
print(sys.path_hooks[0], len(sys.path_hooks))
print(
    sys.displayhook is sys.__displayhook__,
    sys.excepthook is sys.__excepthook__,
    sys.unraisablehook is sys.__unraisablehook__,
)
print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.garbage, gc.callbacks)
print(warnings.filters)

main = sys.modules["__main__"]
print(sorted(vars(main)))
print(
    main.__name__,
    main.__file__,
    main.__doc__,
    main.__package__,
    main.__spec__,
    getattr(main, "__cached__", "none"),
    main.__annotations__ if "__annotations__" in vars(main) else "none",
)
print(type(main), type(main.__loader__), main.__loader__.name, main.__loader__.path)
print(type(main.__builtins__), main.__builtins__ is sys.modules["builtins"])
print(
    type(sys.modules["builtins"].__dict__["__import__"]),
    sorted(set(dir(main.__builtins__)) - set(dir(types))) != [],
)

frame = sys._getframe()
print(
    frame.f_back,
    frame.f_code.co_name,
    frame.f_code.co_filename,
    frame.f_lineno,
    frame.f_globals is vars(main),
    frame.f_locals is frame.f_globals,
)
print(len(inspect.stack()), [(f.function, f.filename, f.lineno) for f in inspect.stack()])
traceback.print_stack(file=sys.stdout)
print(sys._current_frames().keys() == {__import__("threading").get_ident()})
print(os.getcwd() == os.path.realpath("."), os.path.abspath(__file__) == __file__)
print(sys.exc_info(), "last_type" in vars(sys))
