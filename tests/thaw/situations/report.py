"""What a target sees of its command line and flags."""

import json
import os
import sys

print("argv", sys.argv)
print("orig_argv", sys.orig_argv)
print("path", sys.path)
print("flags", sys.flags)
print("options", sys.warnoptions, sys._xoptions, sys.executable, sys.dont_write_bytecode)
print("safe", getattr(sys.flags, "safe_path", None), "debug", __debug__, "doc", __doc__)
print(
    "encoding",
    sys.getfilesystemencoding(),
    sys.stdout.encoding,
    sys.stdout.write_through,
    sys.stdout.line_buffering,
)
main = sys.modules["__main__"]
for name in ("__name__", "__file__", "__package__", "__spec__", "__cached__", "__builtins__"):
    value = vars(main).get(name, "missing")
    print(name, type(value) if name in ("__builtins__", "__spec__") else value)
if main.__spec__:
    spec = main.__spec__
    print(spec.name, spec.origin, spec.parent, spec.cached, type(spec.loader))
print(type(vars(main).get("__loader__")), getattr(vars(main).get("__loader__"), "path", None))
print(sys._getframe().f_back and sys._getframe().f_back.f_code.co_filename)
with open("/proc/self/cmdline", "rb") as cmdline, open("/proc/self/comm") as comm:
    print(cmdline.read(), comm.read())
print(json.dumps({"cwd": os.getcwd()}))
bytes_and_text = b"1" == "1"
assert __debug__ or True
