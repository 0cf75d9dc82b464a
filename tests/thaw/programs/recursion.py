"""The same depth of recursion, in Python and in C, and a stack that grows as far as its limit
allows.
"""

import ctypes
import json
import pickle
import re
import resource
import sys


def depth(n=1):
    try:
        return depth(n + 1)
    except RecursionError:
        return n


print("limit", sys.getrecursionlimit(), "reached", depth(), depth())
for limit in (200, 3000):
    sys.setrecursionlimit(limit)
    print("limit", limit, "reached", depth())
sys.setrecursionlimit(1000)

nested = []
for _ in range(200_000):
    nested = [nested]
for name, call in (
    ("repr", lambda: repr(nested)),
    ("json", lambda: json.dumps(nested)),
    ("loads", lambda: json.loads("[" * 200_000)),
    ("pickle", lambda: pickle.dumps(nested)),
):
    try:
        call()
    except RecursionError as error:
        # From 3.14 on it says how much of the stack is used, which differs a little at every start.
        print(name, re.sub(r"used \d+ kB", "used it up", str(error)))
while nested:
    nested = nested[0]


class Endless:
    def __getattr__(self, name):
        return getattr(self, name)


try:
    print(Endless().missing)
except RecursionError as error:
    print(error)

# The stack grows below what was frozen: glibc's qsort calls back into Python, which calls qsort.
soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
assert soft == resource.RLIM_INFINITY or soft >= 1 << 20
libc = ctypes.CDLL(None)
comparison = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
addresses = []


@comparison
def go_down(one, other):
    if len(addresses) < 250:
        marker = ctypes.c_int()
        addresses.append(ctypes.addressof(marker))
        libc.qsort((ctypes.c_int * 2)(2, 1), 2, 4, go_down)
    return 0


libc.qsort((ctypes.c_int * 2)(2, 1), 2, 4, go_down)
print("through C", len(addresses))


def touch_stack(size):
    libc.memset.restype = ctypes.c_void_p
    with open("/proc/self/maps") as maps:
        return [line for line in maps if "[stack]" in line]


assert len(touch_stack(0)) <= 1
