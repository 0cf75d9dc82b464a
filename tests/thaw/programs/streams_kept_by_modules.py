"""Modules that took `sys.stdout` at import time still write to the program's own."""

import logging
import sys

sys.path[0:0] = []
out, buffer = sys.stdout, sys.stdout.buffer
print("text", file=out)
out.flush()
buffer.write(b"bytes\n")
buffer.flush()
logging.lastResort.setLevel(logging.DEBUG)
logging.getLogger("x").warning("last resort")
print(
    logging.lastResort.stream is sys.stderr,
    out.seekable(),
    buffer.raw.tell() if out.seekable() else None,
)
sys.stderr.write("stderr\n")
