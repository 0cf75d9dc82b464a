"""A conversation on a terminal."""

import getpass
import json
import os
import shutil
import signal
import sys

print(
    "terminal", [os.isatty(n) for n in range(3)], sys.stdin.isatty(), os.ttyname(0) == os.ttyname(1)
)
print(
    sys.stdout.line_buffering,
    sys.stdout.encoding,
    shutil.get_terminal_size(),
    os.getpgid(0) == os.tcgetpgrp(0),
)
name = input("name? ")
print("hello", json.dumps(name))
if hasattr(signal, "SIGWINCH"):
    print(signal.getsignal(signal.SIGWINCH))
print("secret of", len(getpass.getpass("secret? ")))
try:
    input("interrupt me ")
except KeyboardInterrupt:
    print("interrupted")
try:
    input("end ")
except EOFError:
    print("end of file")
print("last line")
