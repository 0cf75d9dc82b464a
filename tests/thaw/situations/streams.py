"""Says on descriptor 3's file what the standard streams are, and uses each of them."""

import os
import sys


def attempt(name, action):
    try:
        return f"{name}: {action()!r}"
    except Exception as error:
        return f"{name}: {type(error).__name__} {error}"


lines = [f"open {[n for n in range(3) if os.path.exists(f'/proc/self/fd/{n}')]}"]
for name in ("stdin", "stdout", "stderr"):
    stream = getattr(sys, name)
    same = stream is getattr(sys, f"__{name}__")
    lines.append(f"{name} {stream} {same}")
lines.append(attempt("read", lambda: sys.stdin.read()))
lines.append(attempt("write", lambda: sys.stdout.write("to stdout\n")))
lines.append(attempt("print", lambda: print("printed")))
lines.append(attempt("flush", lambda: sys.stdout.flush()))
lines.append(attempt("error", lambda: sys.stderr.write("to stderr\n")))
lines.append(f"first free descriptor {os.dup(os.open('/', os.O_RDONLY))}")
with open("report", "w") as report:
    report.write("\n".join(lines))
